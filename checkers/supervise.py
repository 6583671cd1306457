"""Runs the command in a process of its own, so that no success is reported without a verdict.

A command reads files of the user's, which are programs: one may end the process with status 0 when
it is read, or later. So the status of a command is what it writes into a pipe as the last thing it
does. If nothing comes through, it is none of the user's, whatever the process ended with.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import sys
from types import FrameType
from typing import NoReturn

from checkers.parent import die_with_parent

WRONG_INPUT = 2
INCONCLUSIVE = 3
FORWARDED = (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


def main() -> NoReturn:
    """The command ``viommu-spec``."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _command(writing)
    os.close(writing)
    sys.exit(_ending(child, reading))


def _command(pipe: int) -> NoReturn:
    """The command itself, in the child."""
    die_with_parent()
    ended, own = [INCONCLUSIVE], os.getpid()
    # What is registered first runs last, after all that a user's file may have registered.
    atexit.register(lambda: os.getpid() == own and os.write(pipe, bytes(ended)))
    from checkers.cli import main as command

    try:
        command()
    except SystemExit as end:
        ended[0] = end.code if isinstance(end.code, int) else INCONCLUSIVE
    sys.exit(ended[0])


def _ending(child: int, pipe: int) -> int:
    """Wait for the command; its status, if it is one that the command has given itself."""

    def forward(number: int, frame: FrameType | None) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, number)

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for number in FORWARDED:
        signal.signal(number, forward)
    _, state = os.waitpid(child, 0)
    os.set_blocking(pipe, False)
    if os.WIFSIGNALED(state):
        return _killed(os.WTERMSIG(state))
    try:
        given = os.read(pipe, 1)
    except BlockingIOError:
        given = b""
    if given and given[0] == os.WEXITSTATUS(state):
        return given[0]
    if given:
        print("viommu-spec: the output could not be written in full", file=sys.stderr)
        return INCONCLUSIVE
    print(
        "viommu-spec: no verdict: a file that was read ended the process (os._exit?)",
        file=sys.stderr,
    )
    return WRONG_INPUT


def _killed(number: int) -> int:
    """End by the signal that ended the command, if somebody sent it; else it went wrong."""
    if number in FORWARDED:
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    print(f"viommu-spec: no verdict: ended by signal {number}", file=sys.stderr)
    return INCONCLUSIVE

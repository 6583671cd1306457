"""A program under supervision: its calls of some files are answered by a function of ours."""

from __future__ import annotations

import contextlib
import os
import platform
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from checkers.real.qemu import confined
from checkers.real.qemu.notify import Listener, Notice
from checkers.real.qemu.remote import Memory
from checkers.userfiles import InputError

PATIENCE: Final = 60.0
"""A program that neither calls nor answers for so many seconds hangs."""

SCRIPT: Final = Path(confined.__file__).resolve()

LET: Final = None
"""The answer to a call that is made as if nobody had heard it."""


class EndedError(Exception):
    """The program has ended; `status` is negative for a signal, `said` what it has written."""

    def __init__(self, status: int, said: str = "") -> None:
        super().__init__(": ".join(filter(None, (_how(status), said.strip()))))
        self.status, self.said = status, said


class HangsError(Exception):
    """The program has neither called nor answered for too long."""


@dataclass(frozen=True)
class SystemCall:
    """A call that was heard, of a file by its number, and the memory of who made it."""

    name: str
    file: int
    arguments: tuple[int, ...]
    memory: Memory
    give: Callable[[int, int], None]


class Kernel(Protocol):
    """Who answers: what the call gives, an errno if negative, LET for its own way."""

    def system_call(self, call: SystemCall) -> int | None:
        """Answer a call."""


class Supervised:
    """A running program. Nothing is answered but within `until`: there is no other thread."""

    def __init__(
        self, command: Sequence[str | Path], kernel: Kernel, files: Mapping[int, int],
        environment: Mapping[str, str], output: int, folder: Path | None = None,
    ) -> None:
        self.kernel = kernel
        calls = confined.SYSTEM_CALLS.get(platform.machine(), {})
        self.names = {number: name for name, number in calls.items()}
        self.memory: Memory | None = None
        ours, theirs = socket.socketpair()
        pairs = ",".join(f"{source}={target}" for source, target in files.items())
        with ours, theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(SCRIPT), str(theirs.fileno()), pairs,
                 *map(str, command)],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                pass_fds=[theirs.fileno(), *files], env={**_kept(), **environment}, cwd=folder,
            )  # fmt: skip
            theirs.close()
            said, passed, _, _ = socket.recv_fds(ours, 256, 1)
        if not passed:
            self.process.wait()
            raise InputError(said.decode(errors="replace") or "the program does not start")
        self.listener = Listener(passed[0])

    def until(self, *others: socket.socket) -> list[socket.socket]:
        """Answer calls until one of these can be read; EndedError if the program ends first."""
        ready = select.poll()
        ready.register(self.listener.file, select.POLLIN)
        for other in others:
            ready.register(other.fileno(), select.POLLIN)
        while True:
            events = dict(ready.poll(PATIENCE * 1000))
            if not events:
                raise HangsError(f"nothing for {PATIENCE:g} s")
            heard = events.pop(self.listener.file, 0)
            if heard & select.POLLIN:
                self._hear()
                continue
            found = [other for other in others if events.get(other.fileno(), 0) & select.POLLIN]
            if found:
                return found
            if heard & select.POLLHUP or events:
                raise EndedError(self.ended())

    def ended(self) -> int:
        """How the program ended, answering what it still calls."""
        while self.process.poll() is None:
            ready = select.poll()
            ready.register(self.listener.file, select.POLLIN)
            events = dict(ready.poll(PATIENCE * 1000))
            if not events:
                raise HangsError(f"it does not end within {PATIENCE:g} s")
            if events[self.listener.file] & select.POLLIN:
                self._hear()
            else:
                self.process.wait()
        return self.process.returncode

    def kill(self) -> None:
        """End the program, if it runs, and hear no more."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        if self.memory is not None:
            self.memory.close()
        with contextlib.suppress(OSError):
            self.listener.close()

    def _hear(self) -> None:
        notice = self.listener.receive()
        if notice is None:
            return
        result = self.kernel.system_call(self._call(notice))
        if result is LET:
            self.listener.let(notice)
        else:
            self.listener.answer(notice, result)

    def _call(self, notice: Notice) -> SystemCall:
        if self.memory is None:
            self.memory = Memory(self.process.pid)
        file = notice.arguments[0] & 0xFFFFFFFF

        def give(source: int, number: int) -> None:
            self.listener.give(notice, source, number)

        return SystemCall(self.names[notice.number], file, notice.arguments, self.memory, give)


def _kept() -> dict[str, str]:
    """An environment that is the same for all, for its texts move what comes after them."""
    libraries = {name: text for name, text in os.environ.items() if name == "LD_LIBRARY_PATH"}
    return {"HOME": "/", "LC_ALL": "C", **libraries}


def _how(status: int) -> str:
    if status >= 0:
        return f"it ended with status {status}"
    return f"it ended by {signal.Signals(-status).name}"

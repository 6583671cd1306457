"""Talking to a child of our own that answers as qtest and QMP do."""

from __future__ import annotations

import errno
import os
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from checkers.real.qemu import supervisor
from checkers.real.qemu.supervisor import EndedError, HangsError, Supervised
from checkers.real.qemu.talk import Monitor, Processor
from checkers.userfiles import InputError
from tests.checkers.real.qemu.heard import Listening

SPEAKS = """
import fcntl, json, os, socket
qtest = socket.socket(fileno=150).makefile("rw")
def say(*lines):
    qtest.write("".join(line + chr(10) for line in lines)); qtest.flush()
"""
QTEST = """
for line in qtest:
    words = line.split()
    if words[0] == "readl":
        say("IRQ raise 3", "OK 0x2a")
    elif words[0] == "writeq":
        try: fcntl.ioctl(200, 0x3b80, bytearray(8))
        except OSError as error: say("OK " + str(error.errno))
    elif words[0] == "write":
        say("OK " + words[3])
    else:
        say("FAIL unknown")
"""
QMP = """
say('{"QMP": {}}')
for line in qtest:
    asked = json.loads(line)
    if asked["execute"] == "fails":
        say('{"error": {"desc": "no such thing"}}')
    elif asked["execute"] == "quit":
        break
    else:
        say('{"event": "OTHER"}', '{"return": {"n": 1}}', '{"event": "RESET"}')
os._exit(3)
"""


@contextmanager
def talking(program: str) -> Iterator[tuple[socket.socket, Supervised, Listening]]:
    """The other end of a child's socket."""
    kernel = Listening(lambda call: -errno.EBUSY)
    empty = os.memfd_create("host")
    ours, theirs = socket.socketpair()
    command = [sys.executable, "-I", "-S", "-c", SPEAKS + program]
    with tempfile.TemporaryFile() as output, ours, theirs:
        try:
            running = Supervised(
                command, kernel, {empty: 200, theirs.fileno(): 150}, {}, output.fileno()
            )
        except InputError as error:
            pytest.skip(str(error))
        finally:
            os.close(empty)
        theirs.close()
        try:
            yield ours, running, kernel
        finally:
            running.kill()


def test_the_processor_reads_and_writes_while_calls_are_answered() -> None:
    with talking(QTEST) as (end, running, kernel):
        processor = Processor(end)
        processor.program = running
        assert processor.read(0x1000, 4) == 42
        assert processor.ask("writeq 0 0") == str(errno.EBUSY)
        assert kernel.heard == [("ioctl", 200)]
        assert processor.ask("write 0x0 0x8 0x0100") == "0x0100"
        with pytest.raises(RuntimeError, match="qtest: clock: FAIL unknown"):
            processor.ask("clock")


def test_the_monitor_tells_answers_from_events() -> None:
    with talking(QMP) as (end, running, _):
        monitor = Monitor(end)
        monitor.program = running
        monitor.greet()
        assert monitor.ask("query", what=1) == {"n": 1}
        assert monitor.wait("RESET")["event"] == "RESET"
        with pytest.raises(RuntimeError, match="no such thing"):
            monitor.ask("fails")
        with pytest.raises(EndedError, match="it ended with status 3"):
            monitor.ask("quit")


def test_one_that_says_nothing_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    with talking("for line in qtest: pass") as (end, running, _):
        monkeypatch.setattr(supervisor, "PATIENCE", 0.05)
        processor = Processor(end)
        processor.program = running
        with pytest.raises(HangsError, match=r"nothing for 0\.05 s"):
            processor.ask("readl 0x0")

"""A child of our own that makes calls as QEMU does, under the same supervision."""

from __future__ import annotations

import os
import socket
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from checkers.real.qemu.supervisor import EndedError, Supervised, SystemCall
from checkers.userfiles import InputError

Answer = Callable[[SystemCall], int | None]


@dataclass
class Listening:
    """A kernel that remembers calls and answers as a function does."""

    answer: Answer
    heard: list[tuple[str, int]] = field(default_factory=list)

    def system_call(self, call: SystemCall) -> int | None:
        self.heard.append((call.name, call.file))
        return self.answer(call)


@dataclass
class Child:
    """How a child ended, what it said, and which of its calls were heard."""

    status: int
    said: str
    heard: list[tuple[str, int]]


def child(program: str, answer: Answer) -> Child:
    """Run a program of Python, whose file 200 is an empty file of the memory, to its end."""
    kernel = Listening(answer)
    empty = os.memfd_create("host")
    ours, theirs = socket.socketpair()
    with tempfile.TemporaryFile() as output, ours, theirs:
        command = [sys.executable, "-I", "-S", "-c", program]
        try:
            running = Supervised(
                command, kernel, {empty: 200, theirs.fileno(): 150}, {}, output.fileno()
            )
        except InputError as error:
            pytest.skip(str(error))
        theirs.close()
        try:
            running.until(ours)
            status = running.ended()
        except EndedError as ended:
            status = ended.status
        finally:
            running.kill()
            os.close(empty)
        output.seek(0)
        return Child(status, output.read().decode(), kernel.heard)

"""The listener of a filter of system calls: what a call was, and its answer."""

from __future__ import annotations

import fcntl
import os
import struct
from dataclasses import dataclass
from typing import Final

NOTICE: Final = struct.Struct("=QIIiIQ6Q")
ANSWER: Final = struct.Struct("=QqiI")
FILE: Final = struct.Struct("=QIIII")


def _request(number: int, size: int, direction: int) -> int:
    return direction << 30 | size << 16 | ord("!") << 8 | number


RECEIVE: Final = _request(0, NOTICE.size, 3)
SEND: Final = _request(1, ANSWER.size, 3)
ADD_FILE: Final = _request(3, FILE.size, 1)
CONTINUE: Final = 1
AT_NUMBER: Final = 1


@dataclass(frozen=True)
class Notice:
    """A system call that waits for its answer."""

    id: int
    thread: int
    number: int
    arguments: tuple[int, ...]


class Listener:
    """The file by which a program's calls are heard."""

    def __init__(self, file: int) -> None:
        self.file = file

    def receive(self) -> Notice | None:
        """The next call; None if whoever made it is gone."""
        buffer = bytearray(NOTICE.size)
        try:
            fcntl.ioctl(self.file, RECEIVE, buffer)
        except FileNotFoundError:
            return None
        id_, thread, _, number, _, _, *arguments = NOTICE.unpack(buffer)
        return Notice(id_, thread, number, tuple(arguments))

    def answer(self, notice: Notice, result: int) -> None:
        """The call gives this, an errno if it is negative."""
        self._send(ANSWER.pack(notice.id, max(result, 0), min(result, 0), 0))

    def let(self, notice: Notice) -> None:
        """The call is made as if nobody had heard it."""
        self._send(ANSWER.pack(notice.id, 0, 0, CONTINUE))

    def give(self, notice: Notice, file: int, number: int) -> None:
        """The program gets a copy of a file by this number, before its call is answered."""
        fcntl.ioctl(self.file, ADD_FILE, FILE.pack(notice.id, AT_NUMBER, file, number, 0))

    def close(self) -> None:
        """Hear no more; calls that wait fail."""
        os.close(self.file)

    def _send(self, answer: bytes) -> None:
        try:
            fcntl.ioctl(self.file, SEND, answer)
        except FileNotFoundError:
            return  # it was killed while it waited

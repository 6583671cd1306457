"""A forked process that looks at what this one finds, while this one goes on.

What it is to look at goes through a file that has no name, so neither waits for the other.
"""

from __future__ import annotations

import contextlib
import gc
import os
import pickle
import signal
import struct
import tempfile
import traceback
import warnings
from array import array
from collections.abc import Callable
from multiprocessing.connection import Connection, Pipe
from typing import Final, Generic, TypeVar

T = TypeVar("T")

TICKET: Final = struct.Struct("=QQ")
"""Where a batch begins in the file, and its length."""


class Aside(Generic[T]):
    """Does `work` on batches of numbers of 64 bits, elsewhere, in the order given."""

    def __init__(self, work: Callable[[array[int]], T]) -> None:
        self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - open until `close`
        self._end = self._waiting = 0
        tickets, self._tickets = os.pipe()
        self._answers, sender = Pipe(duplex=False)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            self._process = os.fork()
        if not self._process:
            try:
                os.close(self._tickets)
                signal.signal(signal.SIGINT, signal.SIG_IGN)
                gc.disable()
                _serve(tickets, self._file.fileno(), sender, work)
            finally:
                os._exit(0)
        os.close(tickets)
        sender.close()

    def give(self, batch: array[int]) -> None:
        """One batch more."""
        data = memoryview(batch).cast("B")
        while written := self._file.write(data):
            data = data[written:]
        os.write(self._tickets, TICKET.pack(self._end, len(batch) * batch.itemsize))
        self._end += len(batch) * batch.itemsize
        self._waiting += 1

    def answers(self, every: bool = False) -> list[T]:
        """The answers that are there and were not asked for yet, or all."""
        found: list[T] = []
        while self._waiting and (every or self._answers.poll()):
            try:
                answer, failure = pickle.loads(self._answers.recv_bytes())
            except EOFError:
                raise RuntimeError("a worker process ended before its work was done") from None
            if failure:
                raise RuntimeError(f"a worker process failed:\n{failure}")
            found.append(answer)
            self._waiting -= 1
        return found

    def close(self) -> None:
        """The process ends."""
        os.close(self._tickets)
        self._answers.close()
        self._file.close()
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._process, signal.SIGKILL)
        os.waitpid(self._process, 0)


def _serve(
    tickets: int, file: int, sender: Connection, work: Callable[[array[int]], object]
) -> None:
    """In the other process: take batches until there are none."""
    while ticket := os.read(tickets, TICKET.size):
        start, size = TICKET.unpack(ticket)
        batch = array("Q")
        batch.frombytes(os.pread(file, size, start))
        try:
            answer: tuple[object, str] = work(batch), ""
        except Exception:
            answer = None, traceback.format_exc()
        sender.send_bytes(pickle.dumps(answer, pickle.HIGHEST_PROTOCOL))

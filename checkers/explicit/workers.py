"""Pieces of work divided among forked processes, with the results in the order of the pieces.

A fork sees all that this process knows at no cost, so only results are sent. It is worth while for
a level of some thousand states, not for a small machine.
"""

from __future__ import annotations

import contextlib
import gc
import os
import pickle
import signal
import struct
import traceback
import warnings
from collections.abc import Callable, Generator
from multiprocessing.connection import Connection, Pipe, wait
from typing import Final, TypeVar

T = TypeVar("T")

TICKET: Final = struct.Struct("=I")
"""What a worker takes for each piece; all of them fit in a pipe."""

MOST: Final = 10_000
"""Pieces of one division at most."""


def able() -> bool:
    """Whether processes can be forked here."""
    return hasattr(os, "fork")


def divided(pieces: int, jobs: int, work: Callable[[int], T]) -> Generator[T, None, None]:
    """`work(0)`, `work(1)`, ... up to `pieces`, each done by one of so many processes.

    When the iteration is left early, the processes end with it.
    """
    assert pieces <= MOST
    tickets, writer = os.pipe()
    os.write(writer, b"".join(map(TICKET.pack, range(pieces))))
    os.close(writer)
    workers: dict[Connection, int] = {}
    try:
        for _ in range(min(jobs, pieces)):
            reader, sender = Pipe(duplex=False)
            workers[reader] = _forked(tickets, sender, work)
            sender.close()
        yield from _ordered(pieces, list(workers))
    finally:
        os.close(tickets)
        for reader, pid in workers.items():
            reader.close()
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def _ordered(pieces: int, readers: list[Connection]) -> Generator[T, None, None]:
    early: dict[int, T] = {}
    due = 0
    while due < pieces:
        if not readers:
            raise RuntimeError("a worker process ended before its work was done")
        for reader in wait(readers):
            assert isinstance(reader, Connection)
            try:
                piece, result, failure = pickle.loads(reader.recv_bytes())
            except EOFError:
                readers.remove(reader)
                continue
            if failure:
                raise RuntimeError(f"a worker process failed:\n{failure}")
            early[piece] = result
        while due in early:
            yield early.pop(due)
            due += 1


def _forked(tickets: int, sender: Connection, work: Callable[[int], object]) -> int:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid:
        return pid
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        gc.disable()
        _serve(tickets, sender, work)
    finally:
        os._exit(0)


def _serve(tickets: int, sender: Connection, work: Callable[[int], object]) -> None:
    """In a worker: take tickets until there are none."""
    while ticket := os.read(tickets, TICKET.size):
        (piece,) = TICKET.unpack(ticket)
        answer: tuple[int, object, str]
        try:
            answer = piece, work(piece), ""
        except Exception:
            answer = piece, None, traceback.format_exc()
        sender.send_bytes(pickle.dumps(answer, pickle.HIGHEST_PROTOCOL))

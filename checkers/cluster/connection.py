"""A cluster: its workers, what is asked of them, and whether they are still there."""

from __future__ import annotations

import functools
import hashlib
import logging
import socket
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from checkers.userfiles import InputError

ANSWER: Final = 10.0
"""Seconds in which a cluster has to answer, and to have a worker."""

BEAT: Final = 0.5
"""Seconds between two looks at whether the workers are still there."""

PACKAGES: Final = ("spec", "invariants", "checkers")


class LostError(Exception):
    """What was asked for will never come; `str()` says why."""


class Cluster:
    """The workers of a scheduler."""

    def __init__(self, client: Any) -> None:
        self.client = client

    def workers(self) -> dict[str, int]:
        """The addresses of the workers that are there now, each with its number of threads."""
        try:
            return dict(self.client.nthreads())
        except Exception as error:
            raise LostError("the cluster does not answer any more") from error

    def submit(self, work: Callable[..., object], *given: object, worker: str = "") -> Any:
        """Have a task done, by that worker alone if one is named; what its result will be."""
        where = {"workers": [worker], "allow_other_workers": False} if worker else {}
        return self.client.submit(work, *given, pure=False, **where)

    def result(self, future: Any, needed: Collection[str] = ()) -> Any:
        """The result of a task, while the `needed` workers (without: any at all) are there.

        `LostError` if it will never come; the task's own error if it failed.
        """
        from distributed import KilledWorker

        alone = 0.0
        while True:
            try:
                return future.result(timeout=BEAT)
            except TimeoutError:
                there = self.workers()
            except KilledWorker as error:
                raise LostError("the workers that tried it were lost, each of them") from error
            except Exception:
                if future.status in ("cancelled", "lost"):
                    raise LostError("the cluster does not answer any more") from None
                raise
            for worker in needed:
                if worker not in there:
                    raise LostError(f"worker {worker} was lost")
            alone = 0.0 if there else alone or time.monotonic()
            if alone and time.monotonic() - alone > ANSWER:
                raise LostError("the cluster has no worker any more")


@contextmanager
def connected(address: str) -> Iterator[Cluster]:
    """The cluster of the scheduler at this address; `InputError` if it cannot be used."""
    try:
        import distributed
        from distributed.comm import get_address_host_port
    except ImportError as error:
        raise InputError(
            "--cluster needs distributed: pip install 'viommu-spec[cluster]'"
        ) from error
    for name in ("distributed", "distributed.client"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        socket.create_connection(get_address_host_port(address), timeout=ANSWER).close()
        client = distributed.Client(address, timeout=ANSWER, set_as_default=False)
    except (OSError, ValueError, TypeError, RuntimeError) as error:
        raise InputError(
            f"--cluster {address}: no scheduler answers there within {ANSWER:g} s"
        ) from error
    try:
        _must_fit(client, address)
        yield Cluster(client)
    finally:
        with suppress(Exception):
            client.close(timeout=BEAT)


def _must_fit(client: Any, address: str) -> None:
    """`InputError` unless there are workers, which have the same text of this program."""
    until = time.monotonic() + ANSWER
    while not client.nthreads():
        if time.monotonic() > until:
            raise InputError(f"--cluster {address}: no worker has come within {ANSWER:g} s")
        time.sleep(BEAT / 5)
    try:
        found = client.run(digest)
    except Exception as error:
        raise InputError(
            f"--cluster {address}: a worker cannot run viommu-spec: {type(error).__name__}: {error}"
        ) from error
    for worker, text in found.items():
        if text != digest():
            raise InputError(
                f"--cluster {address}: worker {worker} has another text of viommu-spec; "
                "install the same everywhere"
            )


@functools.cache
def digest() -> str:
    """A digest of all text of this program: what two machines must have in common."""
    found = hashlib.sha256()
    root = Path(__file__).parents[2]
    for package in PACKAGES:
        for file in sorted((root / package).rglob("*")):
            if file.suffix in (".py", ".c", ".h") and file.is_file():
                found.update(f"{file.relative_to(root)}\0".encode() + file.read_bytes() + b"\0")
    return found.hexdigest()

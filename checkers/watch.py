"""Ends what looks after no limit itself: reading a user's file, preparing a search."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

from checkers.gauge import memory_mib

BEAT: Final = 0.1
"""Seconds between two looks at the limits."""


class LimitMetError(BaseException):
    """A limit was met. Not an `Exception`, so that what is watched does not take it for its own."""


@contextmanager
def watching(met: Callable[[], str]) -> Iterator[Callable[[], None]]:
    """While the block runs, ask now and then which limit is `met`; raise there if one is.

    Yields what ends the watch before the block ends. Only the main thread can be interrupted; in
    another nothing is watched. One watch may be within another.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return

    def look(number: int, frame: FrameType | None) -> None:
        why = met()
        if why:
            raise LimitMetError(why)

    before = signal.signal(signal.SIGALRM, look)
    timer = signal.setitimer(signal.ITIMER_REAL, BEAT, BEAT)
    try:
        yield lambda: _stop()
    finally:
        _stop()  # first: an alarm that came after the handler has gone would end the process
        signal.signal(signal.SIGALRM, before)
        signal.setitimer(signal.ITIMER_REAL, *timer)


def _stop() -> None:
    signal.setitimer(signal.ITIMER_REAL, 0)


def limits_met(seconds: float, memory: int, since: float) -> Callable[[], str]:
    """What says whether the limits are met while nothing has been explored yet; 0 is no limit."""

    def met() -> str:
        if seconds and time.monotonic() - since > seconds:
            return f"time limit of {seconds:g} s met before the search began"
        if memory and memory_mib() > memory:
            return f"memory limit of {memory} MiB met before the search began"
        return ""

    return met


def patience(seconds: float, what: str) -> Callable[[], str]:
    """What says that something takes too long; ends the process if it will not be ended."""
    until = time.monotonic() + seconds
    said = list[str]()

    def met() -> str:
        if time.monotonic() < until:
            return ""
        if len(said) > 5:
            print(f"viommu-spec: {what}", file=sys.__stderr__, flush=True)
            os._exit(2)
        said.append(what)
        return what

    return met

"""What an exploration uses: the time and the memory it has taken, its limits, who is told."""

from __future__ import annotations

import os
import resource
from typing import Final

from checkers.result import Limits, Progress

BEAT: Final = 0.25
"""Seconds between two reports of progress."""


class Gauge:
    """Looks after one exploration, from `since` on (a time of the clock of its limits) or from now.

    The time limit counts from where its `Limits` do.
    """

    def __init__(self, limits: Limits, since: float | None = None) -> None:
        self.limits = limits
        self.started = limits.clock() if since is None else since
        self._told = self.started

    @property
    def seconds(self) -> float:
        """How long it has taken."""
        return self.limits.clock() - self.started

    def met(self, depth: int, processes: int = 1) -> str:
        """Which limit is met, and where; empty if none is. Memory with a scratch has no limit."""
        limits = self.limits
        limits.prepared()
        memory = limits.memory_mib if limits.scratch is None else 0
        if limits.seconds and limits.clock() - limits.since > limits.seconds:
            return f"time limit of {limits.seconds:g} s met at depth {depth}"
        if memory and memory_mib() * processes > memory:
            return f"memory limit of {memory} MiB met at depth {depth}"
        return ""

    def tell(self, states: int, frontier: int, depth: int) -> None:
        """Tell how far it is, now and then."""
        now = self.limits.clock()
        if now - self._told >= BEAT:
            self._told = now
            rate = states / max(now - self.started, 1e-9)
            self.limits.progress(Progress(states, frontier, rate, f"depth {depth}"))


def memory_mib() -> float:
    """The memory of this process that is in use now (where that is not known, the most ever)."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / (1 << 20)
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

"""The measurements, each of one engine, one machine and one size."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from checkers import machines
from checkers.engines import engine
from checkers.result import Limits, Progress
from spec.language import Program

Figures = dict[str, float | int | str]

LIMIT = 300.0
"""Seconds that an exploration or a proof may take; then its figures are those so far."""

RANDOM_SECONDS = 20.0
"""Seconds of random runs."""


@dataclass(frozen=True)
class Case:
    """What to measure. A `long` one is measured on demand only."""

    engine: str
    machine: str
    bounds: str
    long: bool = False

    @property
    def name(self) -> str:
        """Engine, machine and bounds."""
        return f"{self.engine} {self.machine} {self.bounds}"


CASES = (
    Case("explicit", "hwpt-sharing", "small"),
    Case("explicit", "hwpt-sharing", "standard"),
    Case("explicit", "object-lifetime", "S"),
    Case("stateful", "hwpt-sharing", "large"),
    Case("symbolic", "hwpt-sharing", "small"),
    Case("symbolic", "hwpt-sharing", "standard", long=True),
)


def measure(case: Case) -> Figures:
    """Run one case and say what was found, and how long it took."""
    program = machines.program(machines.machine(case.machine), case.bounds)
    return MEASURES[case.engine](program)


def _explicit(program: Program) -> Figures:
    from checkers.explicit.search import explore

    found = explore(program, limits=Limits(seconds=LIMIT))
    seconds = max(found.seconds, 1e-9)
    return {
        "states": found.states,
        "transitions": found.transitions,
        "depth": found.depth,
        "seconds": found.seconds,
        "states/s": found.states / seconds,
        "transitions/s": found.transitions / seconds,
        "bytes/state": found.bytes_per_state,
        "stopped": found.stopped,
    }


def _stateful(program: Program) -> Figures:
    """Examples are counted as the engine reports them, one report a run."""
    examples = 0

    def count(_: Progress) -> None:
        nonlocal examples
        examples += 1

    started = time.monotonic()
    engine("stateful")(program, frozenset(), Limits(seconds=RANDOM_SECONDS, progress=count))
    seconds = time.monotonic() - started
    return {"seconds": seconds, "examples": examples, "examples/s": examples / seconds}


def _symbolic(program: Program) -> Figures:
    started = time.monotonic()
    found = engine("symbolic")(program, frozenset(), Limits(seconds=LIMIT, jobs=2))
    verdicts = [item.verdict.value for item in found]
    told = ", ".join(f"{verdicts.count(word)} {word}" for word in dict.fromkeys(verdicts))
    return {"seconds": time.monotonic() - started, "verdicts": told}


MEASURES: dict[str, Callable[[Program], Figures]] = {
    "explicit": _explicit,
    "stateful": _stateful,
    "symbolic": _symbolic,
}

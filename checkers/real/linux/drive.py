"""Holds `iommufd-objects` against a kernel: plans, boots, compares."""

from __future__ import annotations

import subprocess
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from checkers.real.linux.boot import boot
from checkers.real.linux.compare import Compared, Difference, compared
from checkers.real.linux.image import Image
from checkers.real.linux.plan import Plan, every_state, for_want_of_memory, some_states
from checkers.userfiles import InputError
from spec.language.program import Program

SECONDS: Final = 7200.0
"""A guest that has not come to its end by then hangs."""

LENGTH: Final = 40
"""Steps of a random run."""

MOST_EXHAUSTED: Final = 100_000
"""With how many states, by the bounds' manifest, bounds are not sampled."""

FAILING_RUNS: Final = 10
"""Random runs in whose states each allocation is made to fail."""


@dataclass
class Driven:
    """What came of some bounds. `held` are calls that were answered as they should be."""

    bounds: str
    exhaustive: bool
    states: int = 0
    held: int = 0
    looks: int = 0
    failed: int = 0
    unreached: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    differences: dict[str, list[Difference]] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    odd: Counter[str] = field(default_factory=Counter)

    def add(self, plan: Plan, found: Compared) -> None:
        """What the guest said of a plan."""
        self.states = max(self.states, len(plan.visits))
        self.held += found.counts["calls"] - sum(map(len, found.differences.values()))
        self.looks += found.counts["looks"]
        self.failed += found.counts["failed"]
        self.unreached += found.counts["unreached"]
        self.left_out += plan.left_out
        self.warnings += found.warnings
        self.odd += found.odd
        for what, others in found.differences.items():
            self.differences.setdefault(what, []).extend(others)


def drive(
    program: Program, image: Image, runs: int, seed: int, tell: Callable[[str], None]
) -> Driven:
    """Every call in every state, or if these are too many in some; then allocations that fail."""
    states = program.bounds.states
    exhaustive = not runs and states is not None and states <= MOST_EXHAUSTED
    done = Driven(program.bounds_name, exhaustive)
    tell(f"{program.bounds_name}: what the specification says")
    plan = every_state(program) if exhaustive else some_states(program, runs or 20, LENGTH, seed)
    tell(f"{program.bounds_name}: what Linux says to {len(plan.batch.records) // 8} records")
    done.add(plan, compared(plan, said(image, plan)))
    plan = some_states(program, FAILING_RUNS, LENGTH, seed, for_want_of_memory)
    tell(f"{program.bounds_name}: what it says for want of memory")
    done.add(plan, compared(plan, said(image, plan)))
    return done


def said(image: Image, plan: Plan) -> list[str]:
    """What the guest says of a plan."""
    try:
        return boot(image.vmlinux, {**image.files, "batch": plan.batch.packed()}, SECONDS)
    except subprocess.TimeoutExpired as error:
        raise InputError(f"the guest hangs: no end after {SECONDS:g} s") from error

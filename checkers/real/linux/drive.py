"""Holds `iommufd-objects` against a kernel: plans, boots, compares."""

from __future__ import annotations

import subprocess
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from checkers.explore.symmetry import orbit_least, symmetry
from checkers.real.linux.batch import Batch, Way
from checkers.real.linux.boot import boot
from checkers.real.linux.calls import Kernel
from checkers.real.linux.cdev import Cdev, where_iommufd_wants_memory
from checkers.real.linux.compare import Compared, Difference, compared
from checkers.real.linux.hardware import Hardware, names, vt_d
from checkers.real.linux.image import Image
from checkers.real.linux.long_runs import long_runs
from checkers.real.linux.mocked import Mocked
from checkers.real.linux.plan import Plan, every_state, for_want_of_memory, some_states
from checkers.real.linux.shorter import shortest
from checkers.result import Renaming
from checkers.userfiles import InputError
from spec.language import Variant
from spec.language.program import Program

SECONDS: Final = 7200.0
"""A guest that has not come to its end by then hangs."""

LENGTH: Final = 40
"""Steps of a random run."""

MOST_NAMES: Final = 240
"""How many ways to name the objects are tried to see whether two states differ in ids alone."""

MOST_STATES: Final = {Way.MODULE: 4_000, Way.VFIO: 500, Way.SELFTEST: 4_000}
"""How many states that differ in more than ids there may be, by the manifest, not to be sampled."""

RUNS: Final = {Way.MODULE: 20, Way.VFIO: 2, Way.SELFTEST: 20}
"""Random runs where there are too many states. To see where a real device writes takes longer."""

SHORTENED: Final = 12
"""For how many classes of differences shorter ways are looked for."""

FAILING_RUNS: Final = {Way.MODULE: 5, Way.VFIO: 2, Way.SELFTEST: 5}
"""Random runs in whose states each allocation is made to fail."""


@dataclass
class Driven:
    """What came of some bounds. `held` are calls that were answered as they should be.

    `known`: the variant that Linux does instead, everywhere; as it `held_as_known` calls hold.
    """

    bounds: str
    where: str
    states: int = 0
    held: int = 0
    looks: int = 0
    failed: int = 0
    unreached: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    differences: dict[str, list[Difference]] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    odd: Counter[str] = field(default_factory=Counter)
    known: Variant | None = None
    held_as_known: int = 0

    @property
    def different(self) -> int:
        """How many calls Linux answers otherwise."""
        return sum(map(len, self.differences.values()))

    @property
    def holds(self) -> bool:
        """Linux does what the specification says, and does not warn."""
        return not self.differences and not self.warnings

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
            self.differences[what].sort(key=lambda each: len(each.steps))


@dataclass(frozen=True)
class Choice:
    """The states in which calls are made: those of random runs, or all, or all up to ids.

    `length`: not every call in each state, but so many after each other in each of the runs.

    `blocks_first`: the mock driver blocks a device, as Intel's does, before it looks at an HWPT.
    `by`: how the guest reaches devices, `scalable`: in which mode Intel's IOMMU is if it is there.
    """

    runs: int = 0
    length: int = 0
    every_id: bool = False
    seed: int = 0
    blocks_first: bool = False
    by: Way = Way.MODULE
    scalable: bool = False

    def kernel(self, program: Program) -> Kernel:
        """A program as calls made in this way."""
        ways = {Way.MODULE: Kernel, Way.VFIO: Cdev, Way.SELFTEST: Mocked}
        return ways[self.by](program)


def planned(program: Program, choice: Choice) -> tuple[str, Plan]:
    """Every call in every state, or in some; and in words in which."""
    kernel = choice.kernel(program)
    if choice.length:
        runs = choice.runs or 1
        plan = long_runs(kernel, runs, choice.length, choice.seed)
        return f"{runs} random runs of {choice.length:,} calls", plan
    if choice.every_id:
        return "every call in every state", every_state(kernel)
    names, orbits = symmetry(program, Renaming.IDS), program.bounds.orbits
    few = names.size <= MOST_NAMES and (orbits is None or orbits[0] <= MOST_STATES[choice.by])
    if few and not choice.runs:
        least = orbit_least(program.layout, names)
        where = "every call in every state up to ids"
        return where, every_state(kernel, lambda s: least(kernel.specified(s)))
    runs = choice.runs or RUNS[choice.by]
    return f"every call in {runs} random runs", some_states(kernel, runs, LENGTH, choice.seed)


def drive(
    program: Program, image: Image, choice: Choice, tell: Callable[[str], None]
) -> Driven:
    """Every call in the states of some bounds; then in a few with allocations that fail."""
    tell(f"{program.bounds_name}: what the specification says")
    where, plan = planned(program, choice)
    done = Driven(program.bounds_name, where)
    tell(f"{program.bounds_name}: what Linux says to {len(plan.batch.records) // 8} records")
    done.add(plan, _compared(plan, image, choice))
    wish = where_iommufd_wants_memory if choice.by is Way.VFIO else for_want_of_memory
    plan = some_states(choice.kernel(program), FAILING_RUNS[choice.by], LENGTH, choice.seed, wish)
    tell(f"{program.bounds_name}: what it says for want of memory")
    done.add(plan, _compared(plan, image, choice))
    return done


def _compared(plan: Plan, image: Image, choice: Choice) -> Compared:
    """What the guest says of a plan, with the shortest ways to the first classes of differences."""

    def say(batch: Batch) -> list[str]:
        batch.blocks_first(choice.blocks_first)
        return said(image, batch, choice.scalable)

    found = compared(plan, say(plan.batch))
    for others in list(found.differences.values())[:SHORTENED]:
        others[0] = shortest(plan.kernel, others[0], plan.wish, say)
    return found


def said(image: Image, batch: Batch, scalable: bool = False) -> list[str]:
    """What the guest says of a batch."""
    files, beside = {**image.files, "batch": batch.packed()}, Hardware()
    if batch.machine.way is Way.VFIO:
        files["devices"] = names(batch.machine)
        beside = vt_d(batch.machine, scalable)
    try:
        return boot(image.vmlinux, files, SECONDS, beside=beside)
    except subprocess.TimeoutExpired as error:
        raise InputError(f"the guest hangs: no end after {SECONDS:g} s") from error

"""The measurements, each of one tool, one machine and one size; `TOOLS` has the tools by name."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from benchmarks.figures import Figures, rates
from benchmarks.peers import PEERS
from benchmarks.peers.process import AbsentError
from benchmarks.sharing_core import SHARING_CORE
from checkers import machines
from checkers.engines import engine
from checkers.explore.verdicts import EXPLORERS
from checkers.result import Explorer, Limits, Progress, Renaming
from spec.language import Program, build
from spec.language.rules import CRASH

LIMIT = 600.0
"""Seconds that an exploration or a proof may take; then its figures are those so far."""

JOBS = 2
"""Processes of our explorers and of a proof, as on a machine with two processors."""

RANDOM_SECONDS = 20.0
"""Seconds of random runs."""

LIFETIME = "object-lifetime"
"""The machine that the peers have too."""

COMPARED = frozenset({"counts-equal-referrers", CRASH})
"""What is checked of it, by the peers and by us: so much and no more."""


@dataclass(frozen=True)
class Case:
    """What to measure. A `long` one is measured on demand only."""

    tool: str
    machine: str
    bounds: str
    long: bool = False

    @property
    def subject(self) -> str:
        """The machine and its bounds."""
        return f"{self.machine} {self.bounds}"

    @property
    def name(self) -> str:
        """The subject and the tool."""
        return f"{self.subject} {self.tool}"


SLOW = {(bounds, "reference") for bounds in ("S", "A", "B", "L2")} | {("L2", "rumur")}
"""What takes minutes."""

OTHERS = (
    ("vfio-attach", "one-slot"), ("pci-hotplug", "standard"), ("migration-blocker", "standard"),
    ("iommufd-objects", "small"), ("pasid-capability", "small"),
)  # fmt: skip
"""Machines that are measured at one size."""

CASES = (
    *(
        Case(tool, LIFETIME, bounds, (bounds, tool) in SLOW)
        for bounds in ("S", "A", "B", "L2")
        for tool in (*(item.value for item in Explorer), *PEERS)
    ),
    *(
        Case(tool, SHARING_CORE.name, "large")
        for tool in (Explorer.NATIVE.value, "spin-bfs", "spin-dfs")
    ),
    *(
        Case(item.value, "hwpt-sharing", bounds, item is Explorer.REFERENCE)
        for bounds in ("small", "errata", "standard")
        for item in Explorer
    ),
    *(
        Case(Explorer.NATIVE.value, machine, bounds)
        for machine, bounds in OTHERS
    ),
    Case(Explorer.NATIVE.value, "iommufd-objects", "standard"),
    Case("stateful", "hwpt-sharing", "large"),
    Case("symbolic", "hwpt-sharing", "small"),
    Case("symbolic", "hwpt-sharing", "standard", long=True),
)


def _program(case: Case) -> Program:
    """A machine of the specification, or the one that is kept here for its peer."""
    if case.machine == SHARING_CORE.name:
        return build(SHARING_CORE, case.bounds)
    return machines.program(machines.machine(case.machine), case.bounds)


def measure(case: Case) -> Figures:
    """Run one case and say what was found, and how long it took."""
    program = _program(case)
    try:
        return TOOLS[case.tool](program)
    except AbsentError as error:
        return {"absent": str(error)}


def _explored(program: Program, explorer: Explorer) -> Figures:
    """An exploration in this process; the rate is that of the search, when all is prepared."""
    names = COMPARED if program.machine.name == LIFETIME else frozenset[str]()
    before = _cpu()
    plain = program.machine.name == LIFETIME
    renaming = Renaming.NONE if plain else Renaming.SORTS
    limits = Limits(seconds=LIMIT, explorer=explorer, jobs=JOBS, renaming=renaming)
    found = EXPLORERS[explorer](program, names, limits)
    return rates({
        "states": found.states,
        "transitions": found.transitions,
        "depth": found.depth,
        "seconds": found.seconds - found.prepared,
        "prepare s": found.prepared,
        "cpu s": _cpu() - before,
        "bytes/state": found.bytes_per_state,
        "stopped": found.stopped,
    })  # fmt: skip


def _cpu() -> float:
    """Processor seconds of this process so far, and of those it has waited for."""
    usages = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


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
    found = engine("symbolic")(program, frozenset(), Limits(seconds=LIMIT, jobs=JOBS))
    verdicts = [item.verdict.value for item in found]
    told = ", ".join(f"{verdicts.count(word)} {word}" for word in dict.fromkeys(verdicts))
    return {"seconds": time.monotonic() - started, "verdicts": told}


def _peer(program: Program, run: Callable[[Mapping[str, int]], Figures]) -> Figures:
    return run(program.bounds.values)


TOOLS: dict[str, Callable[[Program], Figures]] = {
    **{item.value: partial(_explored, explorer=item) for item in Explorer},
    **{name: partial(_peer, run=run) for name, run in PEERS.items()},
    "stateful": _stateful,
    "symbolic": _symbolic,
}

"""Breadth-first exploration of states that are ints, by memory of what their parts allow.

An action with given parameters looks at a few variables of a state, and what it adds to the state,
as a number, depends on nothing else. So for each group of them a table from slices of a state to
what they add is filled as it is needed, and a step is a look-up and an addition. Tallies of the
same slices are added up, which say whether the rules hold, and what steps there are: so of steps
that commute not all need be looked up. No parents are kept. With several jobs another process takes
part in adding up.

This answers only where nothing is wrong. When a rule is broken, a check fails, a bound cuts, or
the rank does not show that all can be taken down, the answer is None, and the ordinary search is to
be asked. It is None at once for machines whose calls of the host can fail, which look at nearly all
of a state; where rules are about failures; and for a state of many bits. It knows nothing
of what is interchangeable, and is not to be asked where something is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from checkers.columns.found import Explored
from checkers.explicit.search import wanted
from checkers.explicit.workers import able
from checkers.gauge import Gauge, memory_mib
from checkers.packed.classes import classes, one_class
from checkers.packed.frontier import Frontier
from checkers.packed.grouping import apart, merged, with_atoms
from checkers.packed.judge import Judge
from checkers.packed.judging import Judging
from checkers.packed.packing import Packing
from checkers.packed.parts import Move, Ranges, moves
from checkers.packed.tally import lanes
from checkers.packed.texts import Unusual
from checkers.result import Limits
from spec.language.program import Program
from spec.language.rules import TEARDOWN

WIDE: Final = 128
"""Bits of a state at most, and ..."""

WORD: Final = 64
"""... bits that are sent to another process; also cells of a state at most."""

MANY: Final = 2000
"""Moves, and ..."""

LARGE: Final = 40_000
"""... nodes of what they do, with which it is not tried."""

SAMPLE: Final = 4000
"""With so many states known the moves are grouped by the slices that these have."""

JUDGED: Final = 100_000
"""With so many states known they begin to be judged, or when there are no more."""

CHUNK: Final = 2000
"""States expanded between two looks at the limits."""

BACKLOG: Final = 30
"""Chunks of states that may be waiting to be judged."""


def explore(
    program: Program, names: frozenset[str] = frozenset(), limits: Limits | None = None
) -> Explored | None:
    """Explore all reachable states; None if this is not the search to ask."""
    rules = wanted(program, names)
    if not fits(program, rules):
        return None
    search = _Search(program, rules, limits or Limits())
    return search.run() if search.moves else None


def fits(program: Program, rules: Sequence[str]) -> bool:
    """Whether a program is of the kind that this is for, as far as that is seen at once."""
    known = program.invariants
    return not (
        any(rule.fault for rule in program.actions)
        or any(known[name].states == 2 for name in rules if name in known)
        or (TEARDOWN in rules and program.rank is None)
        or (program.variant is not None and program.variant.expects)
        or program.layout.size > WORD
    )


class _Search:
    def __init__(self, program: Program, rules: Sequence[str], limits: Limits) -> None:
        self.gauge = Gauge(limits)
        self.program, self.rules, self.limits = program, rules, limits
        self.found = Explored(program)
        self.packing = Packing(Ranges(program))
        self.moves = self._moves() if self.packing.bits <= WIDE else []
        self.counts: list[int] = []
        self.unjudged: list[list[int]] = []
        self.judging: Judging | None = None
        self.memory = memory_mib()

    def _moves(self) -> list[Move]:
        """All moves, or none if they are too many or too large."""
        program, merger = self.program, self.packing.merger
        assert isinstance(merger, Ranges)
        found: list[Move] = []
        for number, rule in enumerate(program.actions):
            rank = program.rank if rule.name in program.teardown_actions else None
            for move in moves(merger, number, rule, rank):
                found.append(move)
                if len(found) > MANY or len(merger.graph.nodes) > LARGE:
                    return []
        return found

    def run(self) -> Explored | None:
        """Level by level until nothing is new or a limit is met."""
        found = self.found
        usual = True
        try:
            try:
                self._levels()
            except KeyboardInterrupt:
                self.limits.interrupted = True
                found.stopped = f"interrupted at depth {found.depth}"
            self._judged()
        except Unusual:
            usual = False
        finally:
            if self.judging is not None:
                self.judging.close()
        if not usual:
            return None
        self._count()
        found.seconds = self.gauge.seconds
        grown = (memory_mib() - self.memory) * 1024 * 1024
        found.bytes_per_state = grown / max(1, found.states)
        return found

    def _levels(self) -> None:
        """All levels."""
        found = self.found
        start = {self.packing.pack(state) for state in self.program.initial()}
        self.frontier = frontier = Frontier(self.packing, one_class(self.moves), start)
        grouped = False
        while not found.stopped:
            frontier.close()
            states = frontier.states
            if not states:
                return
            self.counts.append(len(states))
            found.depth = len(self.counts) - 1
            self.unjudged.append(states)
            if not grouped and len(frontier.known) >= SAMPLE:
                grouped = True
                frontier.expand_by(classes(self.packing.merger, self.moves), _some(states))
            if len(frontier.known) >= JUDGED:
                self._judge()
            frontier.expand(self._over, CHUNK)

    def _over(self, remaining: int) -> bool:
        """Whether a limit is met; also have judged what must be, and tell how far it is."""
        found, processes = self.found, 1
        if self.judging is not None:
            self.judging.pause(BACKLOG)
            processes = self.judging.processes
        self.gauge.tell(sum(self.counts), remaining, found.depth)
        found.stopped = self.gauge.met(found.depth, processes)
        return bool(found.stopped)

    def _judge(self) -> None:
        """Have what is found judged, as is best for such states."""
        if self.judging is None:
            sample = _some([state for level in self.unjudged for state in level])
            found = lanes(self.program, self.packing, self.moves, self.rules)
            groups = merged(apart(self.moves, asked=True), self.packing, sample)
            groups = with_atoms(groups, found.atoms, self.packing, sample)
            judge = Judge(self.packing, found, groups)
            known = len(self.frontier.known)
            several = self.limits.jobs > 1 and self.packing.bits <= WORD
            helped = several and known >= JUDGED and able()
            self.judging = Judging(judge, helped)
        for level in self.unjudged:
            self.judging.add(level)
        self.unjudged.clear()
        self.judging.pause(BACKLOG if self.judging.processes > 1 else 0)

    def _judged(self) -> None:
        """Have everything judged."""
        self._judge()
        assert self.judging is not None
        self.judging.finish()

    def _count(self) -> None:
        """The figures; the steps of a level that was not expanded to its end are not counted."""
        assert self.judging is not None
        found, judged = self.found, self.judging.levels
        found.states = sum(self.counts)
        expanded = judged[: found.depth] if found.stopped else judged
        found.fired = {
            rule.name: sum(level.fired[number] for level in expanded)
            for number, rule in enumerate(self.program.actions)
        }
        found.witnessed = {name for level in judged for name in level.witnessed}


def _some(states: Sequence[int]) -> Sequence[int]:
    """A sample of states."""
    return states[:: 1 + len(states) // SAMPLE]

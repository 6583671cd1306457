"""Breadth-first exploration of states that are ints, by memory of what their parts allow.

An action with given parameters looks at a few variables of a state, and what it adds to the state,
as a number, depends on nothing else. So for each group of them a table from slices of a state to
what they add is filled as it is needed, and a step is a look-up and an addition. Tallies of the
same slices are added up, which say whether the rules hold, and what steps there are: so of steps
that commute not all need be looked up. No parents are kept. With several jobs two processes own the
states of one side each, and exchange at each level the states that the other one owns.

This answers only where nothing is wrong. When a rule is broken, a check fails, a bound cuts, or
the rank does not show that all can be taken down, the answer is None, and the ordinary search is to
be asked. It is None at once for machines whose calls of the host can fail, which look at nearly all
of a state; where rules are about failures; and for a state of more than a word. It knows nothing
of what is interchangeable, and is not to be asked where something is.
"""

from __future__ import annotations

import functools
import time
from array import array
from collections.abc import Sequence
from typing import Final

from checkers.columns.found import Explored
from checkers.explicit.search import BEAT, memory_mib, wanted
from checkers.explicit.workers import able
from checkers.packed.aside import Aside
from checkers.packed.classes import Classes, classes, sides
from checkers.packed.grouping import apart, merged, with_atoms
from checkers.packed.judge import Judge, Judged
from checkers.packed.packing import Packing
from checkers.packed.part import NOTHING, Done, Expansion, Part
from checkers.packed.parts import Move, Ranges, moves
from checkers.packed.tally import lanes
from checkers.packed.texts import Unusual
from checkers.result import TEARDOWN, Limits, Progress
from spec.language.program import Program

WORD: Final = 64
"""Bits of a state at most."""

MANY: Final = 2000
"""Moves, and ..."""

LARGE: Final = 40_000
"""... nodes of what they do, with which it is not tried."""

SAMPLE: Final = 4000
"""With so many states known the moves are grouped by the slices that these have."""

WIDE: Final = 4000
"""From the first level with so many states on, two processes have a part of them each."""


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
        self.started = self.beat = time.monotonic()
        self.program, self.rules, self.limits = program, rules, limits
        self.found = Explored(program)
        self.packing = Packing(Ranges(program))
        self.moves = self._moves() if self.packing.bits <= WORD else []
        self.classes = Classes()
        self.counts: list[int] = []
        self.unjudged: list[list[int]] = []
        self.judged: list[list[Judged]] = []
        self.aside: Aside[Done | None] | None = None
        self.processes = 1
        self.leaving = self.arrived = NOTHING
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
            self._levels()
        except Unusual:
            usual = False
        except KeyboardInterrupt:
            self.limits.interrupted = True
            found.stopped = f"interrupted at depth {found.depth}"
        finally:
            if self.aside is not None:
                self.aside.close()
        if not usual:
            return None
        self._count()
        found.seconds = time.monotonic() - self.started
        grown = (memory_mib() - self.memory) * 1024 * 1024
        found.bytes_per_state = grown / max(1, found.states)
        return found

    def _levels(self) -> None:
        """All levels."""
        start = {self.packing.pack(state) for state in self.program.initial()}
        expansion = Expansion(self.packing, [(), (), apart(self.moves)])
        self.part = Part(set(), [(), start], expansion, self._limit)
        while self._level():
            if self.part.judge is None:
                self._prepare()
            elif self.aside is None and self.limits.jobs > 1 and able():
                self._divide()
        if self.part.judge is None:
            self._begin([state for level in self.unjudged for state in level])

    def _level(self) -> bool:
        """One level, here and in the other process; False if it was the last one."""
        part, found = self.part, self.found
        if self.aside is not None:
            self.aside.give(self.leaving)
        done = [part.advance(self.arrived)]
        if self.aside is not None:
            done += [_usual(answer) for answer in self.aside.answers(True)]
            self.leaving, self.arrived = done[0].away, done[1].away
        states = sum(each.states for each in done)
        if not states:
            return False
        self.counts.append(states)
        found.depth = len(self.counts) - 1
        self.judged.append([each.judged for each in done if each.judged is not None])
        if part.judge is None:
            self.unjudged.append([*part.level[0], *part.level[1]])
        for limit in (each.limit for each in done if each.limit):
            found.stopped = f"{limit} met at depth {found.depth}"
        return not found.stopped

    def _prepare(self) -> None:
        """Once there are enough states, group the moves as is best for such."""
        if sum(self.counts) >= SAMPLE:
            level = self.unjudged[-1]
            sample = level[:: 1 + len(level) // SAMPLE]
            self.classes = classes(self.moves)
            self.part.expansion = Expansion.of(self.packing, self.classes, sample)
            self._begin(sample)

    def _begin(self, sample: list[int]) -> None:
        """Begin to judge."""
        found = lanes(self.program, self.packing, self.moves, self.rules)
        groups = merged(self.part.expansion.groups, self.packing, sample)
        groups = with_atoms(groups, found.atoms, self.packing, sample)
        self.part.judge = judge = Judge(self.packing, found, groups)
        self.judged = [[judge.look(level)] for level in self.unjudged]
        self.unjudged.clear()
        if not all(each.usual for level in self.judged for each in level):
            raise Unusual

    def _divide(self) -> None:
        """Have another process own one side of the states, if the next level is large."""
        part = self.part
        level = [state for states in part.new for state in states]
        if len(level) < WIDE:
            return
        mask = sides(self.packing, self.classes, level[:: 1 + len(level) // WIDE])
        if mask:
            part.expansion.divided(mask)
            self.part, other = part.half(mask, 0), part.half(mask, 1)
            other.limit = lambda _: self._met()
            self.processes = 2
            self.aside = Aside(functools.partial(_answer, other))

    def _count(self) -> None:
        """The figures; the steps of a level that was not expanded to its end are not counted."""
        found = self.found
        found.states = sum(self.counts)
        expanded = self.judged[: found.depth] if found.stopped else self.judged
        found.fired = dict.fromkeys((rule.name for rule in self.program.actions), 0)
        for number, name in enumerate(found.fired):
            found.fired[name] = sum(each.fired[number] for level in expanded for each in level)
        found.witnessed = {
            name for level in self.judged for each in level for name in each.witnessed
        }

    def _limit(self, frontier: int) -> str:
        """The limit that is met, if any; and tell how far it is."""
        self._tell(frontier)
        return self._met()

    def _met(self) -> str:
        limits = self.limits
        if limits.seconds and time.monotonic() - self.started > limits.seconds:
            return f"time limit of {limits.seconds:g} s"
        if limits.memory_mib and memory_mib() * self.processes > limits.memory_mib:
            return f"memory limit of {limits.memory_mib} MiB"
        return ""

    def _tell(self, frontier: int) -> None:
        now = time.monotonic()
        if now - self.beat >= BEAT:
            self.beat = now
            states = sum(self.counts)
            rate = states / max(now - self.started, 1e-9)
            self.limits.progress(Progress(states, frontier, rate, f"depth {self.found.depth}"))


def _answer(part: Part, arrived: array[int]) -> Done | None:
    """In the other process: what became of a level, or None if something is unusual."""
    try:
        return part.advance(arrived)
    except Unusual:
        return None


def _usual(answer: Done | None) -> Done:
    if answer is None:
        raise Unusual
    return answer

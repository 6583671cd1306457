"""Breadth-first exploration of states that are ints, by memory of what their parts allow.

An action with given parameters looks at a few variables of a state, and what it adds to the state,
as a number, depends on nothing else. So for each group of them a table from slices of a state to
what they add is filled as it is needed, and a step is a look-up and an addition. Another process
adds up tallies of the same slices, which say whether the rules hold. No parents are kept.

This answers only where nothing is wrong. When a rule is broken, a check fails, a bound cuts, or
the rank does not show that all can be taken down, the answer is None, and the ordinary search is to
be asked. It is None at once for machines whose calls of the host can fail, which look at nearly all
of a state; where rules are about failures; and for a state of more than a word. It knows nothing
of what is interchangeable, and is not to be asked where something is.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from checkers.columns.found import Explored
from checkers.explicit.search import BEAT, memory_mib, wanted
from checkers.packed.grouping import apart, merged, with_atoms
from checkers.packed.judge import Judge, Memo
from checkers.packed.packing import Packing
from checkers.packed.parts import Move, Ranges, moves
from checkers.packed.source import Group, steps
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

CHUNK: Final = 2000
"""States expanded between two looks at the limits."""

Expand = Callable[[Iterable[int], Callable[[Iterable[int]], None]], None]


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
        self.known: set[int] = set()
        self.judge: Judge | None = None
        self.levels: list[set[int]] = []
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
        try:
            usual = self._levels()
        except Unusual:
            usual = False
        except KeyboardInterrupt:
            self.limits.interrupted = usual = True
            found.stopped = f"interrupted at depth {found.depth}"
        finally:
            if self.judge is not None:
                self.judge.close()
        if not usual:
            return None
        self._count()
        found.seconds = time.monotonic() - self.started
        grown = (memory_mib() - self.memory) * 1024 * 1024
        found.bytes_per_state = grown / max(1, found.states)
        return found

    def _levels(self) -> bool:
        """Whether all was as usual."""
        found = self.found
        level = {self.packing.pack(state) for state in self.program.initial()}
        self.known |= level
        self._group(apart(self.moves))
        self.levels.append(level)
        while level and not found.stopped:
            fresh = self._expanded(level)
            if found.stopped:
                break
            self.known |= fresh
            found.depth += bool(fresh)
            level = fresh
            self.levels.append(level)
            if self.judge is None and len(self.known) >= SAMPLE:
                self._regroup(list(itertools.islice(level, SAMPLE)))
            if self.judge is not None and not self._judged(self.judge):
                return False
        if self.judge is None:
            self._begin(list(self.known))
        assert self.judge is not None
        return self._judged(self.judge, True)

    def _expanded(self, level: set[int]) -> set[int]:
        """The states that are new, one step from a level; none is kept if a limit is met."""
        new: set[int] = set()
        states = list(level)
        for start in range(0, len(states), CHUNK):
            self.expand(states[start : start + CHUNK], new.update)
            self._tell(len(states) - start)
            if self._limited():
                break
        return new - self.known

    def _group(self, groups: list[Group]) -> None:
        """Look these moves up together from now on."""
        self.groups = groups
        memos = [Memo(steps(self.packing, group)) for group in groups]
        masks = [self.packing.mask(group.needs) for group in groups]
        parts = [f"g{place}[s & {mask}]" for place, mask in enumerate(masks)]
        names = ", ".join(f"g{place}" for place in range(len(memos)))
        text = (
            f"lambda {names}: lambda level, update: "
            f"update([s + d for s in level for d in {' + '.join(parts)}])"
        )
        self.expand: Expand = eval(text)(*memos)

    def _regroup(self, sample: list[int]) -> None:
        self._group(merged(self.groups, self.packing, sample))
        self._begin(sample)

    def _begin(self, sample: list[int]) -> None:
        """Begin to judge."""
        found = lanes(self.program, self.packing, self.moves, self.rules)
        groups = with_atoms(self.groups, found.atoms, self.packing, sample)
        self.judge = Judge(self.packing, found, groups, self.limits.jobs)

    def _judged(self, judge: Judge, every: bool = False) -> bool:
        """Have the levels judged that are found, and say whether all is as usual until now."""
        for level in self.levels:
            judge.add(level)
        self.levels.clear()
        return judge.usual(every)

    def _count(self) -> None:
        """The figures; the steps of a level that was not expanded to its end are not counted."""
        found, judge = self.found, self.judge
        found.states = len(self.known)
        found.fired = dict.fromkeys((rule.name for rule in self.program.actions), 0)
        if judge is None:
            return
        expanded = judge.levels[: found.depth] if found.stopped else judge.levels
        for number, name in enumerate(found.fired):
            found.fired[name] = sum(level.fired[number] for level in expanded)
        found.witnessed = {name for level in judge.levels for name in level.witnessed}

    def _limited(self) -> bool:
        limits, found = self.limits, self.found
        if limits.seconds and time.monotonic() - self.started > limits.seconds:
            found.stopped = f"time limit of {limits.seconds:g} s met at depth {found.depth}"
        elif limits.memory_mib and memory_mib() > limits.memory_mib:
            found.stopped = f"memory limit of {limits.memory_mib} MiB met at depth {found.depth}"
        return bool(found.stopped)

    def _tell(self, frontier: int) -> None:
        now = time.monotonic()
        if now - self.beat >= BEAT:
            self.beat = now
            states = len(self.known)
            rate = states / max(now - self.started, 1e-9)
            self.limits.progress(Progress(states, frontier, rate, f"depth {self.found.depth}"))

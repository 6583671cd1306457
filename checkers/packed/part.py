"""The states that one process owns: what is known of them, their next level, its steps.

A level has two lists: states that a first move reached, and the rest. Steps to states of another
process are not looked up here but sent there, once for each state.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from checkers.packed.classes import Classes, side
from checkers.packed.grouping import apart, merged
from checkers.packed.judge import Judge, Judged, Memo
from checkers.packed.packing import Packing
from checkers.packed.source import Group, steps
from checkers.packed.texts import Unusual

CHUNK: Final = 2000
"""States expanded between two looks at the limits."""

NOTHING: Final = array("Q", [0])
"""What is sent when there are no states to send."""

Table = tuple[int, Memo[tuple[int, ...]]]
"""The bits of a slice, and what can be added to a state that has it."""

Look = Callable[[Sequence[int]], list[int]]
"""Gives the states that are one step from some states."""

Way = tuple[int, Look, int]
"""From which list of a level, how, to which set of new states."""


@dataclass
class Done:
    """What became of a level: how many states, how they were judged, what is sent away.

    `limit` names the limit that was met, in which case not all states were expanded.
    """

    states: int
    judged: Judged | None = None
    away: array[int] = field(default_factory=lambda: NOTHING)
    limit: str = ""


class Expansion:
    """How states are expanded; with `mask` those of this side only are kept here."""

    def __init__(self, packing: Packing, groups: Sequence[Sequence[Group]]) -> None:
        self.packing = packing
        self.groups = [group for part in groups for group in part]
        self.tables = [[self._table(group) for group in part] for part in groups]
        self.ways = self._ways(self.tables, 0)

    @staticmethod
    def of(packing: Packing, found: Classes, sample: Sequence[int]) -> Expansion:
        """An expansion for these classes, grouped as the sample suggests."""
        parts = [found.first, found.later, found.other]
        return Expansion(packing, [merged(apart(part), packing, sample) for part in parts])

    def divided(self, mask: int) -> None:
        """From now on tell the steps to the other side from the rest."""
        writers = [[t for t in part if t[0] & mask] for part in self.tables]
        others = [[(t[0], _filtered(t, mask, 1)) for t in part] for part in writers]
        stay = [
            [(t[0], _filtered(t, mask, 0)) if t[0] & mask else t for t in part]
            for part in self.tables
        ]
        self.ways = self._ways(stay, 0) + self._ways(others, 2)

    def _table(self, group: Group) -> Table:
        return self.packing.mask(group.needs), Memo(steps(self.packing, group))

    def _ways(self, tables: list[list[Table]], to: int) -> list[Way]:
        """The ways to the sets `to` (by a first move) and `to + 1` (by another)."""
        first, later, other = tables
        found = [(0, first, to), (1, first, to), (0, other, to + 1), (1, other + later, to + 1)]
        return [(start, _looked(tables), end) for start, tables, end in found if tables]


class Part:
    """The states of one process; `limit` says which limit is met, given how many remain."""

    def __init__(
        self, known: set[int], fresh: Sequence[Collection[int]], expansion: Expansion,
        limit: Callable[[int], str],
    ) -> None:
        self.known, self.expansion, self.limit = known, expansion, limit
        self.new: list[set[int]] = [*map(set, fresh), set(), set()]
        self.level: list[list[int]] = [[], []]
        self.judge: Judge | None = None

    def half(self, mask: int, number: int) -> Part:
        """What is on one side of these, with the same expansion."""

        def own(states: Iterable[int]) -> set[int]:
            return {state for state in states if side(state, mask) == number}

        part = Part(own(self.known), [*map(own, self.new[:2])], self.expansion, self.limit)
        part.judge = self.judge
        return part

    def advance(self, arrived: array[int] = NOTHING) -> Done:
        """Close the next level with what arrived for it; judge it and expand it."""
        self._close(arrived)
        done = Done(sum(map(len, self.level)))
        if self.judge is not None:
            done.judged = self.judge.look([*self.level[0], *self.level[1]])
            if not done.judged.usual:
                raise Unusual
        done.limit = self._expand()
        try:
            done.away = array("Q", [len(self.new[2]), *self.new[2], *self.new[3]])
        except OverflowError:
            # An int was taken out of its range, which is not a state.
            raise Unusual from None
        return done

    def _close(self, arrived: array[int]) -> None:
        """What is new and not known is the level."""
        first, rest, *_ = self.new
        first.update(arrived[1 : 1 + arrived[0]])
        rest.update(arrived[1 + arrived[0] :])
        self.new = [set(), set(), set(), set()]
        self.level = []
        for states in (first, rest):
            fresh = states - self.known
            states.clear()
            self.known |= fresh
            self.level.append(list(fresh))

    def _expand(self) -> str:
        """Find what is new; the limit that was met meanwhile, if any."""
        for start, look, end in self.expansion.ways:
            states, update = self.level[start], self.new[end].update
            for place in range(0, len(states), CHUNK):
                update(look(states[place : place + CHUNK]))
                limit = self.limit(len(states) - place)
                if limit:
                    return limit
        return ""


def _filtered(table: Table, mask: int, number: int) -> Memo[tuple[int, ...]]:
    """The steps of a table that stay on a side (0), or lead to the other one (1)."""
    steps = table[1]

    def kept(x: int) -> tuple[int, ...]:
        return tuple(d for d in steps[x] if side(x + d, mask) ^ side(x, mask) == number)

    return Memo(kept)


def _looked(tables: Sequence[Table]) -> Look:
    """The function that looks up states in all of these tables."""
    names = ", ".join(f"g{place}" for place in range(len(tables)))
    parts = " + ".join(f"g{place}[s & {mask}]" for place, (mask, _) in enumerate(tables))
    text = f"lambda {names}: lambda level: [s + d for s in level for d in {parts}]"
    made: Look = eval(text)(*(memo for _, memo in tables))
    return made

"""The states that are known, the last level of them, and what is a step from it.

A level has a list for each class of moves: the states found by such a move.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from checkers.packed.classes import Classes
from checkers.packed.grouping import apart, merged
from checkers.packed.judge import Memo
from checkers.packed.packing import Packing
from checkers.packed.source import Group, steps

Look = Callable[[Sequence[int]], list[int]]
"""Gives the states that are one step from some states."""

Way = tuple[int, Look, int]
"""From the list of which class, how, to the set of which class."""


class Frontier:
    """All states so far, and how they are expanded: at first by moves of one class."""

    def __init__(self, packing: Packing, classes: Classes, initial: Iterable[int]) -> None:
        self.packing = packing
        self.known: set[int] = set()
        self.new = [set(initial)]
        self.level: list[list[int]] = []
        self.expand_by(classes)

    def expand_by(self, classes: Classes, sample: Sequence[int] = ()) -> None:
        """From now on expand so, with the moves of a class grouped as is best for a sample."""
        groups = [apart(part) for part in classes.moves]
        if sample:
            groups = [merged(part, self.packing, sample) for part in groups]
        looks = [self._look(part) if part else None for part in groups]
        self.ways: list[Way] = [
            (start, look, end)
            for start, tried in enumerate(classes.tried)
            for end in tried if (look := looks[end]) is not None
        ]
        self._best = classes.best
        # What is here was found by who knows what.
        self.new = [set[int]().union(*self.new), *(set[int]() for _ in classes.best[1:])]
        self.level = [self.states, *([] for _ in classes.best[1:])]

    @property
    def states(self) -> list[int]:
        """The states of the level."""
        return [state for part in self.level for state in part]

    def close(self) -> None:
        """What is new and not known is the level."""
        self.level = [[] for _ in self.new]
        for number in self._best:
            known, new = self.known, self.new[number]
            self.level[number] = fresh = [state for state in new if state not in known]
            new.clear()
            known.update(fresh)

    def expand(self, pause: Callable[[int], bool], chunk: int) -> None:
        """Find what is new; after each chunk of states, of which so many remain, it may be over."""
        for start, look, end in self.ways:
            states, update = self.level[start], self.new[end].update
            for place in range(0, len(states), chunk):
                update(look(states[place : place + chunk]))
                if pause(len(states) - place):
                    return

    def _look(self, groups: Sequence[Group]) -> Look:
        """The function that looks up states in the tables of all of these groups."""
        names = ", ".join(f"g{place}" for place in range(len(groups)))
        masks = [self.packing.mask(group.needs) for group in groups]
        parts = " + ".join(f"g{place}[s & {mask}]" for place, mask in enumerate(masks))
        text = f"lambda {names}: lambda level: [s + d for s in level for d in {parts}]"
        made: Look = eval(text)(*(Memo(steps(self.packing, group)) for group in groups))
        return made

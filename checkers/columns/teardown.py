"""Which states the teardown actions alone cannot bring to the empty host.

If from every state that is not empty a step of the teardown leads to one of lower rank, all of them
can be taken down; that is seen while the states are expanded. Only if it is not so, the states are
gone through again: a state is marked if a step leads to a marked one, until nothing changes.
"""

from __future__ import annotations

from collections.abc import Container, Sequence

import numpy as np

from checkers.columns.expander import Expander
from checkers.columns.judging import Judge
from checkers.columns.kernel import WIDTH, Column, Registers
from checkers.columns.levels import Levels
from checkers.columns.packing import Bytes, Numbers, Packing, Rows, true_at, turned
from checkers.columns.taken import Taken
from checkers.columns.writing import Writer
from spec.language.program import Program


class Descent:
    """Whether every state expanded is empty or has a step of the teardown to a lower rank."""

    def __init__(self, program: Program, packing: Packing, actions: Container[int]) -> None:
        self.actions, self.holds = actions, program.rank is not None
        if program.rank is not None:
            root = packing.merger.predicate(program.rank, packing.merger.state())
            self._rank = Writer([packing]).kernel(Registers(), [root])

    def begin(self, judged: Sequence[Column]) -> None:
        """A block of states, of which it is known which are empty, and all ranks."""
        if self.holds:
            self._good, self._ranks = judged[0].copy(), judged[1]

    def see(self, taken: Taken) -> None:
        """Steps from this block."""
        if not self.holds or taken.struck or taken.action not in self.actions:
            return
        asked = true_at(~self._good.take(taken.sources))
        for at in range(0, len(asked), WIDTH):
            part = asked[at : at + WIDTH]
            sources = taken.sources.take(part)
            (ranks,) = self._rank.run(turned(taken.rows.take(part, axis=0)))
            self._good[sources.take(true_at(ranks < self._ranks.take(sources)))] = True

    def end(self) -> None:
        """All steps from this block were seen."""
        if self.holds:
            self.holds = bool(self._good.all())


class Teardown:
    """Marks the states that can be taken down. All states are known already."""

    def __init__(self, levels: Levels, expander: Expander, judge: Judge) -> None:
        self.levels, self.expander, self.judge = levels, expander, judge
        self.marked = np.zeros(levels.places, dtype=np.bool_)

    def stuck(self) -> tuple[int, Rows] | None:
        """The first states that are stuck, with their level; None if there is none."""
        left: list[Numbers] = []
        for level in range(len(self.levels.starts) - 1):
            for first, rows, columns in self.levels.blocks(level):
                left.append(first + self._mark(rows, columns, self.judge.empty(columns)))
        pending = np.concatenate(left)
        while len(pending):
            again = [self._again(pending[at : at + WIDTH]) for at in range(0, len(pending), WIDTH)]
            still = np.concatenate(again)
            if len(still) == len(pending):
                return self._first(still)
            pending = still
        return None

    def _again(self, numbers: Numbers) -> Numbers:
        rows = self.levels.chosen(numbers)
        still = self._mark(rows, turned(rows), np.zeros(len(rows), dtype=np.bool_))
        return numbers.take(still)

    def _mark(self, rows: Rows, columns: Bytes, empties: Column) -> Numbers:
        """Mark what can be taken down; the places of the others."""
        good = empties
        for taken in self.expander.expand(rows, columns, faults=False):
            if isinstance(taken, Taken):
                asked = true_at(~good.take(taken.sources))
                places = self.levels.find(taken.rows.take(asked, axis=0))
                reaches = asked.take(true_at(self.marked.take(places)))
                good[taken.sources.take(reaches)] = True
        self.marked[self.levels.find(rows.take(true_at(good), axis=0))] = True
        return true_at(~good)

    def _first(self, numbers: Numbers) -> tuple[int, Rows]:
        level = int(np.searchsorted(self.levels.starts, numbers[0], side="right")) - 1
        return level, self.levels.chosen(numbers[numbers < self.levels.starts[level + 1]])

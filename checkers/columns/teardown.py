"""Which states the teardown actions alone cannot bring to the empty host.

Most steps of a teardown lead back to where the state came from. So the levels are gone through from
the first on, a state being marked if some step leads to a marked one; what is left is looked at
again until nothing changes.
"""

from __future__ import annotations

import numpy as np

from checkers.columns.expander import Expander
from checkers.columns.kernel import WIDTH, Column
from checkers.columns.levels import Levels
from checkers.columns.packing import Bytes, Numbers, Rows, true_at, turned
from checkers.columns.taken import Taken


class Teardown:
    """Marks the states that can be taken down. All states are known already."""

    def __init__(self, levels: Levels, expander: Expander, empties: Column) -> None:
        self.levels, self.expander = levels, expander
        self.known = levels.known
        self.marked = np.zeros(self.known.places, dtype=np.bool_)
        self.empties = empties

    def stuck(self) -> tuple[int, Rows] | None:
        """The first states that are stuck, with their level; None if there is none."""
        left: list[Numbers] = []
        for level in range(len(self.levels.starts) - 1):
            for first, rows, columns in self.levels.blocks(level):
                still = self._mark(rows, columns, self.empties[first : first + len(rows)])
                left.append(still + first)
        pending = np.concatenate(left)
        while len(pending):
            again = [self._again(pending[at : at + WIDTH]) for at in range(0, len(pending), WIDTH)]
            still = np.concatenate(again)
            if len(still) == len(pending):
                return self._first(still)
            pending = still
        return None

    def _again(self, numbers: Numbers) -> Numbers:
        rows = self._rows(numbers)
        still = self._mark(rows, turned(rows), np.zeros(len(rows), dtype=np.bool_))
        return numbers.take(still)

    def _mark(self, rows: Rows, columns: Bytes, empties: Column) -> Numbers:
        """Mark what can be taken down; the places of the others."""
        good = empties.copy()
        for taken in self.expander.expand(rows, columns, faults=False):
            if isinstance(taken, Taken):
                asked = true_at(~good.take(taken.sources))
                places = self.known.find(taken.rows.take(asked, axis=0))
                reaches = asked.take(true_at(self.marked.take(places)))
                good[taken.sources.take(reaches)] = True
        self.marked[self.known.find(rows.take(true_at(good), axis=0))] = True
        return true_at(~good)

    def _first(self, numbers: Numbers) -> tuple[int, Rows]:
        level = int(np.searchsorted(self.levels.starts, numbers[0], side="right")) - 1
        return level, self._rows(numbers[numbers < self.levels.starts[level + 1]])

    def _rows(self, numbers: Numbers) -> Rows:
        return self.known.numbered(0, self.known.size).take(numbers, axis=0)

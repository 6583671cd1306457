"""The states that are known, level by level, in blocks for the kernels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from checkers.columns.kernel import WIDTH
from checkers.columns.packing import Bytes, Numbers, Packing, Rows, true_at, turned
from checkers.columns.visited import Visited, visited

BUFFER = 1 << 17
"""New rows are added when there are so many of them, or the level is at its end."""


class Levels:
    """Levels of states; `starts` are the numbers of their first ones, and of the next one's."""

    def __init__(self, packing: Packing) -> None:
        self.packing = packing
        self.known: Visited = visited(packing.words, packing.spare)
        self.starts = [0]
        self._waiting: list[Rows] = []
        self._count = 0

    spills = 0
    """How often what is in memory was put on disk."""

    @property
    def size(self) -> int:
        """The states that are known."""
        return self.known.size

    @property
    def places(self) -> int:
        """One more than the highest place that `find` gives."""
        return self.known.places

    def numbered(self, first: int, behind: int) -> Rows:
        """The states with these numbers."""
        return self.known.numbered(first, behind)

    def level(self, number: int) -> Rows:
        """The states of a complete level."""
        return self.numbered(self.starts[number], self.starts[number + 1])

    def chosen(self, numbers: Numbers) -> Rows:
        """The states with some numbers, which rise."""
        return self.known.numbered(0, self.known.size).take(numbers, axis=0)

    def find(self, rows: Rows) -> Numbers:
        """A place for each of these states, all known, while none is added."""
        return self.known.find(rows)

    def add(self, rows: Rows) -> None:
        """States reached, known or not."""
        self._waiting.append(rows)
        self._count += len(rows)
        if self._count >= BUFFER:
            self.flush()

    def flush(self) -> None:
        """Nothing is waiting to be added."""
        if self._waiting:
            rows = np.concatenate(self._waiting)
            self._waiting.clear()
            self._count = 0
            self.known.add(rows)

    def close(self) -> int:
        """The level that was begun is complete; how many states it has."""
        self.flush()
        self.starts.append(self.known.size)
        return self.starts[-1] - self.starts[-2]

    def release(self) -> None:
        """Give back what is not memory."""

    def count(self, level: int) -> int:
        """How many blocks a level has."""
        return -(-(self.starts[level + 1] - self.starts[level]) // WIDTH)

    def block(self, level: int, place: int) -> tuple[Rows, Bytes]:
        """The states of a block, packed and as columns."""
        first = self.starts[level] + place * WIDTH
        rows = self.numbered(first, min(first + WIDTH, self.starts[level + 1]))
        return rows, turned(rows)

    def blocks(self, level: int) -> Iterator[tuple[int, Rows, Bytes]]:
        """The states of a level: the number of the first in a block, packed, as columns."""
        for place in range(self.count(level)):
            yield self.starts[level] + place * WIDTH, *self.block(level, place)

    def unknown(self, parts: Sequence[Rows]) -> Rows:
        """Those of these states that are not known, each once; nothing is added."""
        found = visited(self.packing.words, self.packing.spare)
        for rows in parts:
            fresh = rows.take(true_at(self.known.find(rows) < 0), axis=0)
            found.add(fresh)
        return found.numbered(0, found.size).copy()

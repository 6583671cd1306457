"""The states that are known, level by level, in blocks for the kernels."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from checkers.columns.kernel import WIDTH
from checkers.columns.packing import Bytes, Packing, Rows, turned
from checkers.columns.visited import Visited, visited

BUFFER = 1 << 17
"""New rows are added when there are so many of them, or the level is at its end."""


class Levels:
    """Levels of states; `starts` are the numbers of their first ones, and of the next one's."""

    def __init__(self, packing: Packing) -> None:
        self.known: Visited = visited(packing.words, packing.spare)
        self.starts = [0]
        self._waiting: list[Rows] = []
        self._count = 0

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

    def blocks(self, level: int) -> Iterator[tuple[int, Rows, Bytes]]:
        """The states of a level: the number of the first in a block, packed, as columns."""
        end = self.starts[level + 1]
        for first in range(self.starts[level], end, WIDTH):
            rows = self.known.numbered(first, min(first + WIDTH, end))
            yield first, rows, turned(rows)

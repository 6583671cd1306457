"""Levels of a space that is larger than memory.

Every level is a sorted run on disk. The set in memory has what was reached since it was last
emptied, and keeps most of what is reached again from being written. When it has to be emptied, what
may be new goes to disk as a sorted part; at the end of the level the parts are merged, and what is
in earlier levels is left out.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Final

import numpy as np

from checkers.columns.disk import RowFile
from checkers.columns.levels import BUFFER, Block, Levels, spans
from checkers.columns.merging import Run, keys, rows_of, unknown
from checkers.columns.packing import Numbers, Packing, Rows
from checkers.columns.visited import visited
from checkers.gauge import memory_mib

LEAST: Final = 8 << 20
"""Bytes that the set in memory may always have, whatever the limit."""


PARTS: Final = 32
"""Sorted parts of one level that are merged when it is complete; more are merged before."""


class SpillingLevels(Levels):
    """Levels in files; `spills` says how often the set in memory was emptied."""

    def __init__(self, packing: Packing, directory: Path, limit_mib: int) -> None:
        super().__init__(packing)
        self.spills = 0
        self._directory, self._limit = directory, limit_mib
        self._levels, self._parts = self._file(), self._file()
        self._ends = [0]
        # Where in the set what may be new begins; how many levels are not all in it.
        self._mark = self._apart = 0

    @property
    def size(self) -> int:
        """The states of complete levels; of the last one it is not known yet which are new."""
        return self.starts[-1]

    @property
    def places(self) -> int:
        """One more than the highest number."""
        return self.starts[-1]

    def numbered(self, first: int, behind: int) -> Rows:
        """The states with these numbers."""
        return self._levels.read(first, behind)

    def level(self, number: int) -> Rows:
        """The states of a complete level, in memory only as far as they are looked at."""
        return self._levels.mapped()[self.starts[number] : self.starts[number + 1]]

    def chosen(self, numbers: Numbers) -> Rows:
        """The states with some numbers."""
        return self._levels.mapped().take(numbers, axis=0)

    def find(self, rows: Rows) -> Numbers:
        """The numbers of these states."""
        wanted, every = keys(np.ascontiguousarray(rows)), keys(self._levels.mapped())
        found = np.full(len(rows), -1, dtype=np.int64)
        for start, behind in itertools.pairwise(self.starts):
            level = every[start:behind]
            if len(level):
                places = np.searchsorted(level, wanted)
                here = level.take(places, mode="clip") == wanted
                found[here] = places[here] + start
        return found

    def add(self, rows: Rows, kind: int = 0) -> None:
        """States reached, known or not; they lose their class."""
        for start in range(0, len(rows), BUFFER):
            super().add(rows[start : start + BUFFER])

    def flush(self) -> None:
        """Nothing is waiting to be added."""
        if self._waiting and self._crowded():
            self._spill()
        super().flush()

    def close(self) -> int:
        """The level that was begun is complete; how many states it has."""
        self.flush()
        rows = self._candidates()
        parts = [*self._runs(), Run(lambda first, behind: rows[first:behind], 0, len(rows))]
        levels = [*itertools.pairwise(self.starts)][: self._apart]
        known = [Run(self._levels.read, *level) for level in levels]
        for found in unknown(parts, known):
            self._levels.append(rows_of(found, self.packing.words))
        self._parts.clear()
        self._ends = [0]
        self._mark = self.known.size
        self.starts.append(self._levels.size)
        self._spans.clear()
        self.frontier = [Block(0, [span]) for span in spans(*self.starts[-2:])]
        return self.starts[-1] - self.starts[-2]

    def release(self) -> None:
        """Give the disk back."""
        self._levels.close()
        self._parts.close()

    def _crowded(self) -> bool:
        """Whether the set has to be emptied before more is added."""
        more = self.known.growth(self._count)
        if self.known.nbytes + more <= LEAST:
            return False
        return memory_mib() + more / (1 << 20) > self._limit

    def _spill(self) -> None:
        """Empty the set; what may be new is a part, and this level is not all in memory either."""
        self._parts.append(self._candidates())
        self._ends.append(self._parts.size)
        if len(self._ends) > PARTS:
            self._compact()
        self.known = visited(self.packing.words, self.packing.spare)
        self._mark, self._apart = 0, len(self.starts)
        self.spills += 1

    def _compact(self) -> None:
        """All parts become one."""
        merged = self._file()
        for found in unknown(self._runs(), ()):
            merged.append(rows_of(found, self.packing.words))
        self._parts.close()
        self._parts, self._ends = merged, [0, merged.size]

    def _runs(self) -> list[Run]:
        """The parts of this level."""
        return [Run(self._parts.read, *ends) for ends in itertools.pairwise(self._ends)]

    def _file(self) -> RowFile:
        return RowFile(self._directory, self.packing.words)

    def _candidates(self) -> Rows:
        """What is in the set and may be new, sorted."""
        rows = self.known.numbered(self._mark, self.known.size)
        return rows_of(np.sort(keys(rows)), self.packing.words)

"""Merging sorted runs of states, a buffer of each at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from checkers.columns.packing import WORD, Rows, true_at

Keys = npt.NDArray[Any]
"""Rows as values that numpy can sort: a word, or the bytes of several. Any order will do."""

ROOM: Final = 1 << 18
"""Rows that are in memory while runs are merged, of all of them together."""

FEWEST: Final = 1 << 9
"""Rows of one run that are read at a time, however many runs there are."""


def keys(rows: Rows) -> Keys:
    """Rows as sortable values, in the same memory."""
    if rows.shape[1] == 1:
        return rows.reshape(-1)
    return rows.view(f"S{WORD * rows.shape[1]}").reshape(-1)


def rows_of(found: Keys, words: int) -> Rows:
    """The rows of which these are the values."""
    return found.view(np.uint64).reshape(-1, words)


class Run:
    """Rows in order, none of them twice, given by what reads them."""

    def __init__(self, read: Callable[[int, int], Rows], first: int, behind: int) -> None:
        self._read, self._at, self._behind = read, first, behind
        self.buffer: Keys = np.empty(0, dtype=np.uint64)

    def fill(self, count: int) -> None:
        """Have something in the buffer, unless this is the end."""
        if not len(self.buffer) and self._at < self._behind:
            end = min(self._at + count, self._behind)
            self.buffer = keys(self._read(self._at, end))
            self._at = end

    def until(self, last: Any) -> Keys:
        """Take what is in the buffer up to some value."""
        end = int(np.searchsorted(self.buffer, last, side="right"))
        found, self.buffer = self.buffer[:end], self.buffer[end:]
        return found


def unknown(candidates: Sequence[Run], known: Sequence[Run]) -> Iterator[Keys]:
    """What is in some run of candidates and in no known one, each once and in order."""
    runs = [*candidates, *known]
    count = max(FEWEST, ROOM // max(1, len(runs)))
    while True:
        for run in runs:
            run.fill(count)
        if not any(len(run.buffer) for run in candidates):
            return
        # Up to this nothing is still to be read, for no run has a row twice; one buffer is emptied.
        last = min(run.buffer[-1] for run in runs if len(run.buffer))
        found = np.unique(np.concatenate([x.until(last) for x in candidates if len(x.buffer)]))
        for run in known:
            found = _without(found, run.until(last))
        if len(found):
            yield found


def _without(found: Keys, others: Keys) -> Keys:
    """Those that are not among others; both are sorted."""
    if not len(others) or not len(found):
        return found
    places = np.searchsorted(others, found)
    return found.take(true_at(others.take(places, mode="clip") != found))

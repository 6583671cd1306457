"""Sets of packed states, exact: open addressing in numpy, whole batches at a time.

A batch is probed together: what is found is dropped, what meets a free place claims it; of several
claims of one place the last one written wins and the others look on. Nothing is ever decided by a
hash alone.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from checkers.columns.packing import Numbers, Rows, true_at

Words = npt.NDArray[np.uint64]

FEWEST: Final = 1 << 12
"""Places at first."""

BATCH: Final = 1 << 17
"""Rows added at a time, for which there must be room although most may be known."""

FULL: Final = 0.6
"""How full a table may be."""

FREE: Final = np.uint64((1 << 64) - 1)
CLAIM: Final = np.uint64(1 << 63)
HALF: Final = np.uint64(32)
LOW: Final = np.uint64((1 << 32) - 1)
ODD: Final = np.uint64(0x9E3779B97F4A7C15)


class Visited:
    """States that are known, in the order in which they were added.

    Each has also a place, below `places`, until one more is added.
    """

    def __init__(self, words: int) -> None:
        self.size = 0
        self._table = np.full(FEWEST, FREE, dtype=np.uint64)
        self._rows: Rows = np.empty((FEWEST, words), dtype=np.uint64)

    @property
    def places(self) -> int:
        """One more than the highest place."""
        return len(self._table)

    @property
    def nbytes(self) -> int:
        """The memory it takes."""
        return self._table.nbytes + self._rows.nbytes

    def numbered(self, first: int, behind: int) -> Rows:
        """The rows that were added as number `first` and later, before `behind`."""
        return self._rows[first : min(behind, self.size)]

    def add(self, rows: Rows) -> None:
        """These rows are known now."""
        for start in range(0, len(rows), BATCH):
            self._add(rows[start : start + BATCH])

    def find(self, rows: Rows) -> Numbers:
        """The places of these rows; -1 for one that is not known."""
        raise NotImplementedError

    def _add(self, rows: Rows) -> None:
        raise NotImplementedError

    def growth(self, more: int) -> int:
        """The memory that it may ask for while so many more are added, old and new side by side."""
        rows = 0
        if self.size + more > len(self._rows):
            rows = self._roomier(more) * self._rows[:1].nbytes
        places = self._wider(more)
        return rows + (places * self._table.itemsize if places > self.places else 0)

    def _roomier(self, more: int) -> int:
        return max(self.size + more, len(self._rows) * 5 // 4)

    def _wider(self, more: int) -> int:
        """Places enough for so many more."""
        places = self.places
        while self.size + more > FULL * places:
            places *= 2
        return places

    def _room(self, more: int) -> None:
        """Have room for so many more rows."""
        if self.size + more > len(self._rows):
            count = self._roomier(more)
            rows: Rows = np.empty((count, self._rows.shape[1]), dtype=np.uint64)
            rows[: self.size] = self._rows[: self.size]
            self._rows = rows

    def _grown(self, more: int) -> bool:
        """Whether the table had to be made larger, and is empty now, for so many more."""
        places = self._wider(more)
        if places == self.places:
            return False
        self._table = np.full(places, FREE, dtype=np.uint64)
        return True

    def _home(self, hashes: Words) -> Numbers:
        """The first place to look at."""
        shift = np.uint64(65 - self.places.bit_length())
        found: Numbers = (hashes >> shift).view(np.int64)
        return found

    def _next(self, places: Numbers, step: int) -> Numbers:
        return (places + step) & (self.places - 1)


class WordSet(Visited):
    """Rows of one word, of which the highest bit is not used. The table has the words."""

    def find(self, rows: Rows) -> Numbers:
        """The places of these rows; -1 for one that is not known."""
        words = rows.reshape(-1)
        found = self._home(_mixed(words))
        held = self._table.take(found)
        left, step = true_at(held != words), 0
        while len(left):
            free = held.take(left) == FREE if not step else held == FREE
            found[left[free]] = -1
            left = left[~free]
            step += 1
            places = self._next(found.take(left), step)
            found[left] = places
            held = self._table.take(places)
            on = true_at(held != words.take(left))
            left, held = left.take(on), held.take(on)
        return found

    def _add(self, rows: Rows) -> None:
        words = rows.reshape(-1)
        places = self._home(_mixed(words))
        # Most of a batch is known, and in its first place.
        keep = true_at(self._table.take(places) != words)
        words, places = words.take(keep), places.take(keep)
        before = self._table
        if self._grown(len(words)):
            # In the order of the old table, so that the new one is written from end to end.
            for start in range(0, len(before), BATCH):
                held = before[start : start + BATCH]
                known = held.take(true_at(held != FREE))
                self._insert(known, self._home(_mixed(known)))
            places = self._home(_mixed(words))
        self._room(len(words))
        for new in self._insert(words, places):
            self._rows[self.size : self.size + len(new), 0] = new
            self.size += len(new)

    def _insert(self, words: Words, places: Numbers) -> list[Words]:
        """Enter words in the table; those that were not there, each once."""
        found = []
        table, step = self._table, 0
        while len(words):
            held = table.take(places)
            free = true_at(held == FREE)
            if len(free):
                spots, mine = places.take(free), words.take(free)
                claims = np.arange(len(free), dtype=np.uint64) | CLAIM
                table[spots] = claims
                won = true_at(table.take(spots) == claims)
                new = mine.take(won)
                table[spots.take(won)] = new
                found.append(new)
                held = table.take(places)
            on = true_at(held != words)
            step += 1
            words, places = words.take(on), self._next(places.take(on), step)
        return found


class RowSet(Visited):
    """Rows of several words. The table has their numbers, with half of the hash to tell apart."""

    def find(self, rows: Rows) -> Numbers:
        """The places of these rows; -1 for one that is not known."""
        hashes = _hashed(rows)
        found, left, step = self._home(hashes), np.arange(len(rows)), 0
        while len(left):
            places = found.take(left)
            held = self._table.take(places)
            other = ~self._same(held, hashes.take(left), rows, left)
            free = held == FREE
            found[left[free]] = -1
            on = true_at(other & ~free)
            step += 1
            left = left.take(on)
            found[left] = self._next(places.take(on), step)
        return found

    def _add(self, rows: Rows) -> None:
        if self._grown(len(rows)):
            for start in range(0, self.size, BATCH):
                known = self._rows[start : min(start + BATCH, self.size)]
                self._number(known, start)
        self._room(len(rows))
        self._insert(rows)

    def _number(self, rows: Rows, first: int) -> None:
        """Enter rows that are all different and not in the table."""
        hashes = _hashed(rows)
        entries = _entries(hashes, np.arange(first, first + len(rows)))
        places, step = self._home(hashes), 0
        while len(places):
            free = true_at(self._table.take(places) == FREE)
            self._table[places.take(free)] = entries.take(free)
            on = true_at(self._table.take(places) != entries)
            step += 1
            entries, places = entries.take(on), self._next(places.take(on), step)

    def _insert(self, rows: Rows) -> None:
        step = 0
        hashes = _hashed(rows)
        places, left = self._home(hashes), np.arange(len(rows))
        while len(left):
            held = self._table.take(places)
            free = true_at(held == FREE)
            if len(free):
                self._claim(rows, hashes, left.take(free), places.take(free))
                held = self._table.take(places)
            on = true_at(~self._same(held, hashes.take(left), rows, left))
            step += 1
            left, places = left.take(on), self._next(places.take(on), step)

    def _claim(self, rows: Rows, hashes: Words, mine: Numbers, spots: Numbers) -> None:
        """Give free places to rows; of those that want the same, to one."""
        claims = np.arange(len(spots), dtype=np.uint64)
        self._table[spots] = claims
        won = true_at(self._table.take(spots) == claims)
        new, count = mine.take(won), len(won)
        numbers = np.arange(self.size, self.size + count)
        self._rows[self.size : self.size + count] = rows.take(new, axis=0)
        self._table[spots.take(won)] = _entries(hashes.take(new), numbers)
        self.size += count

    def _same(
        self, held: Words, hashes: Words, rows: Rows, which: Numbers
    ) -> npt.NDArray[np.bool_]:
        """Whether entries are of the same rows: first by the hash, then by the rows themselves."""
        same: npt.NDArray[np.bool_] = (held & LOW) == (hashes & LOW)
        same &= held != FREE
        at = true_at(same)
        known = self._rows.take((held.take(at) >> HALF).view(np.int64), axis=0)
        known ^= rows.take(which.take(at), axis=0)
        different = true_at(np.bitwise_or.reduce(known, axis=1))
        same[at.take(different)] = False
        return same


def _entries(hashes: Words, numbers: Numbers) -> Words:
    """The number of a row in the upper half, its hash in the lower."""
    found: Words = (numbers.astype(np.uint64) << HALF) | (hashes & LOW)
    return found


def _mixed(words: Words) -> Words:
    found: Words = (words ^ (words >> HALF)) * ODD
    return found


def _hashed(rows: Rows) -> Words:
    """A hash of each row, of which the upper and the lower half may be used."""
    found = np.zeros(len(rows), dtype=np.uint64)
    for place in range(rows.shape[1]):
        found ^= rows[:, place]
        found *= ODD
        found ^= found >> HALF
    return _mixed(found) ^ (found >> np.uint64(7))


def visited(words: int, spare: bool) -> Visited:
    """An empty set of rows of so many words; `spare`: the highest bit is never used."""
    return WordSet(1) if words == 1 and spare else RowSet(words)

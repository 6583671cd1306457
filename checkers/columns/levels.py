"""The states that are known, level by level, in blocks for the kernels.

Of the last complete level, the frontier, each block has states that were found by steps of one
class (of those of `checkers.steps.commuting`; class 0 if that was not asked).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from checkers.columns.kernel import WIDTH
from checkers.columns.packing import Bytes, Numbers, Packing, Rows, true_at, turned
from checkers.columns.visited import Visited, visited

BUFFER = 1 << 17
"""New rows are added when there are so many of them, or the level is at its end."""


Span = tuple[int, int]
"""The number of a first state and the one behind the last."""


class Block(NamedTuple):
    """States of the frontier that were found by steps of one class."""

    kind: int
    spans: list[Span]


class Levels:
    """Levels of states; `starts` are the numbers of their first ones, and of the next one's."""

    def __init__(self, packing: Packing) -> None:
        self.packing = packing
        self.known: Visited = visited(packing.words, packing.spare)
        self.starts = [0]
        self.frontier: list[Block] = []
        self._waiting: dict[int, list[Rows]] = {}
        self._count = 0
        self._spans: dict[int, list[Span]] = {}

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

    def add(self, rows: Rows, kind: int = 0) -> None:
        """States reached, known or not, by steps of one class."""
        self._waiting.setdefault(kind, []).append(rows)
        self._count += len(rows)
        if self._count >= BUFFER:
            self.flush()

    def flush(self) -> None:
        """Nothing is waiting to be added."""
        for kind in _by_use(self._waiting):
            first = self.known.size
            self.known.add(np.concatenate(self._waiting[kind]))
            if self.known.size > first:
                self._spans.setdefault(kind, []).append((first, self.known.size))
        self._waiting.clear()
        self._count = 0

    def close(self) -> int:
        """The level that was begun is complete; how many states it has."""
        self.flush()
        self.starts.append(self.known.size)
        self.frontier = [
            Block(kind, part)
            for kind in _by_use(self._spans) for part in _cut(self._spans[kind])
        ]
        self._spans.clear()
        return self.starts[-1] - self.starts[-2]

    def release(self) -> None:
        """Give back what is not memory."""

    def block(self, place: int) -> tuple[int, Rows, Bytes]:
        """The states of a block of the frontier: their class, packed, as columns."""
        block = self.frontier[place]
        parts = [self.numbered(first, behind) for first, behind in block.spans]
        rows = parts[0] if len(parts) == 1 else np.concatenate(parts)
        return block.kind, rows, turned(rows)

    def blocks(self, level: int) -> Iterator[tuple[int, Rows, Bytes]]:
        """The states of a level in order: the first's number of a block, packed, as columns."""
        for first, behind in spans(self.starts[level], self.starts[level + 1]):
            rows = self.numbered(first, behind)
            yield first, rows, turned(rows)

    def unknown(self, parts: Mapping[int, list[Rows]]) -> list[tuple[int, Rows]]:
        """Those of these states that are not known, each once, by class; nothing is added."""
        found = visited(self.packing.words, self.packing.spare)
        pieces = []
        for kind in _by_use(parts):
            first = found.size
            for rows in parts[kind]:
                found.add(rows.take(true_at(self.known.find(rows) < 0), axis=0))
            pieces.append((kind, found.numbered(first, found.size).copy()))
        return pieces


def spans(first: int, behind: int) -> list[Span]:
    """The numbers from one to another in spans of a block."""
    return [(at, min(at + WIDTH, behind)) for at in range(first, behind, WIDTH)]


def _by_use(kinds: Iterable[int]) -> list[int]:
    """Classes, those after which least is tried first; after class 0 everything is."""
    return sorted(kinds, key=lambda kind: (not kind, kind))


def _cut(whole: Sequence[Span]) -> list[list[Span]]:
    """Spans in lists of a block each, which are full but for the last one."""
    found: list[list[Span]] = []
    room = 0
    for first, behind in whole:
        while first < behind:
            if not room:
                found.append([])
                room = WIDTH
            end = min(first + room, behind)
            found[-1].append((first, end))
            room -= end - first
            first = end
    return found

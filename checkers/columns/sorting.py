"""Sorts interchangeable rows in packed states: the representatives of `checkers.explicit.alike`.

The cells of a row are gathered in one number, its key; a network of minima and maxima sorts the
keys of a class, and their bits go back to where the cells are.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from checkers.columns.packing import WORD, Field, Packing, Rows
from checkers.explicit.alike import Alike
from spec.language.errors import refuse

Keys = npt.NDArray[np.uint64]

BITS: Final = 64
"""Bits of a key."""


@dataclass(frozen=True)
class _Cell:
    """Where a cell is in a packed state, and in the key of its row."""

    word: int
    shift: np.uint64
    mask: np.uint64
    place: np.uint64


class RowSorter:
    """Sorts the rows of one table."""

    def __init__(self, packing: Packing, alike: Alike) -> None:
        self._classes = [[_cells(packing, alike, row) for row in rows] for rows in alike.classes]
        keep = [(1 << BITS) - 1] * packing.words
        for cell in (cell for rows in self._classes for cells in rows for cell in cells):
            keep[cell.word] &= ~(int(cell.mask) << int(cell.shift))
        self._keep = np.array(keep, dtype=np.uint64)

    def sorted(self, rows: Rows) -> Rows:
        """The representatives of these states."""
        found: Rows = rows & self._keep
        for of_class in self._classes:
            keys = [_key(rows, cells) for cells in of_class]
            _sort(keys)
            for key, cells in zip(keys, of_class, strict=True):
                for cell in cells:
                    found[:, cell.word] |= ((key >> cell.place) & cell.mask) << cell.shift
        return found


def _cells(packing: Packing, alike: Alike, row: int) -> list[_Cell]:
    """The cells of a row; the first column is the highest in the key, in a set the last element."""
    order = {column.name: place for place, column in enumerate(alike.columns)}
    fields: list[tuple[int, int, Field]] = []
    for node, (column, at, element) in packing.merger.where.items():
        if column.table == alike.table.name and at == row:
            fields.append((order[column.name], -element, packing.fields[node]))
    found: list[_Cell] = []
    place = 0
    for _, _, field in sorted(fields, key=lambda item: item[:2], reverse=True):
        shift = field.byte % WORD * 8 + field.shift
        mask = (1 << field.width) - 1
        numbers = np.array([shift, mask, place], dtype=np.uint64)
        found.append(_Cell(field.byte // WORD, *numbers))
        place += field.width
    if place > BITS:
        why = f"a row of {place} bits is too long to be sorted by columns; take another --explorer"
        raise refuse(alike.table.record, why)
    return found


def _key(rows: Rows, cells: list[_Cell]) -> Keys:
    key: Keys = np.zeros(len(rows), dtype=np.uint64)
    for cell in cells:
        key |= ((rows[:, cell.word] >> cell.shift) & cell.mask) << cell.place
    return key


def _sort(keys: list[Keys]) -> None:
    """Sort, in each state, its keys: the largest of those left goes last."""
    for end in range(len(keys) - 1, 0, -1):
        for at, after in itertools.pairwise(range(end + 1)):
            low = np.minimum(keys[at], keys[after])
            keys[after] = np.maximum(keys[at], keys[after])
            keys[at] = low

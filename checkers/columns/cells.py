"""A block of states with a row of bytes for each variable, for code that looks for rows by id."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from checkers.columns.packing import Bytes, Field, Packing
from spec.language.layout import Column, SetT


class CellMap:
    """Where the cells of some columns are in the table of a block: row by row, set by set."""

    def __init__(self, packing: Packing, columns: Iterable[tuple[str, str]]) -> None:
        self.packing = packing
        self.starts: dict[tuple[str, str], int] = {}
        self.spans: dict[tuple[str, str], int] = {}
        self.fields: list[Field] = []
        self._constants: dict[tuple[str, str], npt.NDArray[Any]] = {}
        wanted = set(columns)
        for node, (column, _, _) in packing.merger.where.items():
            name = column.table, column.name
            if name in wanted:
                self.starts.setdefault(name, len(self.fields))
                self.fields.append(packing.fields[node])
                self.spans[name] = _elements(packing, column)

    def constants(self, column: Column, kind: np.dtype[Any]) -> npt.NDArray[Any]:
        """The values of a constant column by row; at 0 there is nothing."""
        name = column.table, column.name
        if name not in self._constants:
            assert column.constants is not None
            self._constants[name] = np.array([0, *map(int, column.constants)], dtype=kind)
        return self._constants[name]

    def members(self, column: Column) -> npt.NDArray[Any]:
        """What is in the sets of a constant column, by row and id; at 0 there is nothing."""
        name = column.table, column.name
        if name not in self._constants:
            assert column.constants is not None
            table = np.zeros((column.rows + 1, _elements(self.packing, column) + 1), dtype=np.bool_)
            for row, members in enumerate(column.constants, start=1):
                table[row, [int(member) for member in members]] = True
            self._constants[name] = table
        return self._constants[name]

    def unpacked(self, columns: Bytes) -> Bytes:
        """The cells of packed states."""
        cells = np.empty((len(self.fields), columns.shape[1]), dtype=np.uint8)
        for cell, field in zip(cells, self.fields, strict=True):
            np.right_shift(columns[field.byte], field.shift, out=cell)
            np.bitwise_and(cell, (1 << field.width) - 1, out=cell)
        return cells

    def packed(self, cells: Bytes, columns: Bytes, written: Iterable[tuple[str, str]]) -> Bytes:
        """The packed states `columns` with the cells of the columns written."""
        found = columns.copy()
        places = [
            place for name in written
            for place in range(self.starts[name], self.starts[name] + self._count(name))
        ]
        clean: dict[int, int] = {}
        for place in places:
            field = self.fields[place]
            clean[field.byte] = clean.get(field.byte, 255) & ~field.mask
        for byte, mask in clean.items():
            found[byte] &= mask
        for place in places:
            field = self.fields[place]
            found[field.byte] |= cells[place] << field.shift
        return found

    def _count(self, name: tuple[str, str]) -> int:
        layout = self.packing.merger.layout
        rows = layout.tables[name[0]].rows if name[0] else 1
        return rows * self.spans[name]


def _elements(packing: Packing, column: Column) -> int:
    """Cells of one row: one, or one for each possible member of a set."""
    if isinstance(column.type, SetT):
        return packing.merger.layout.table_of(column.type.record).rows
    return 1

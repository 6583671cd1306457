"""The state as two arrays, of numbers and of bits: where each field is.

Not a record of tables: rumur copies the whole type of a variable for each mention of it, and takes
minutes for what takes seconds with two arrays.
"""

from __future__ import annotations

from checkers.murphi.identifiers import Names
from spec.language.layout import BoolT, Column, EnumT, FieldT, IdT, IntT, Layout, SetT

NUMBERS, BITS = "cells", "bits"


class Store:
    """The names of all columns, and the places of their cells.

    The constant of a column is the place before its first cell, so that a row is added to it; of a
    scalar it is the place itself.
    """

    def __init__(self, layout: Layout, names: Names) -> None:
        self.layout = layout
        self.names: dict[tuple[str, str], str] = {}
        self.bases: dict[str, int] = {}
        self.sizes = {NUMBERS: 0, BITS: 0}
        for column in layout.columns():
            if column.constants is None:
                name = f"{column.table}_{column.name}" if column.table else column.name
                self._add(column, names.give(name))

    def _add(self, column: Column, name: str) -> None:
        array, size = self.array(column), self.width(column)
        self.names[column.table, column.name] = name
        self.bases[name] = self.sizes[array] + (0 if column.table else 1)
        self.sizes[array] += column.rows * size

    def array(self, column: Column) -> str:
        """The array that a column is in."""
        return BITS if isinstance(column.type, BoolT | SetT) else NUMBERS

    def width(self, column: Column) -> int:
        """How many places a cell takes: a set one for each id that it may have."""
        if isinstance(column.type, SetT):
            return self.layout.table_of(column.type.record).rows
        return 1

    def place(self, column: Column, row: str, state: str, item: str = "") -> str:
        """A cell of a state; of a set the bit of an id."""
        index, size = self.names[column.table, column.name], self.width(column)
        if isinstance(column.type, SetT):
            first = f" + {size} * ({row} - 1)" if row else " - 1"
            index += f"{first} + {item}"
        elif row:
            index += f" + {row}"
        return f"{state}.{self.array(column)}[{index}]"

    def numbers(self) -> tuple[int, int]:
        """The lowest and the highest number of all cells."""
        spans = [self._span(x.type) for x in self.layout.columns() if x.constants is None]
        lows, highs = [0, *(low for low, _ in spans)], [0, *(high for _, high in spans)]
        return min(lows), max(highs)

    def _span(self, kind: FieldT) -> tuple[int, int]:
        match kind:
            case IntT(lo, hi):
                return lo, hi
            case EnumT(cls):
                return 0, int(max(cls))
            case IdT(record):
                return 0, self.layout.table_of(record).rows
            case BoolT() | SetT():
                return 0, 0
        return 0, self.layout.carrier(kind.cls)

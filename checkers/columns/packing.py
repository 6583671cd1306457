"""Where each variable of a state lives in a packed row: a few bits of one byte of some words.

No variable straddles a byte, so a frontier turned into columns of bytes gives each variable by a
shift and a mask of numbers that are one byte wide.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from checkers.frontend.ir import Node
from checkers.frontend.merge import Merger
from spec.language.layout import BoolT, EnumT, IdT, IntT, Layout, SortT, ValueT

Rows = npt.NDArray[np.uint64]
"""Packed states: one row each, a column a word."""

Bytes = npt.NDArray[np.uint8]
"""The same states the other way round: one row a byte of the packed state, a column a state."""

Numbers = npt.NDArray[np.int64]
"""Places in an array."""

WORD: Final = 8
"""Bytes of a word."""


@dataclass(frozen=True)
class Field:
    """The place of a variable: a byte, the bit it begins at, and how many bits it has."""

    byte: int
    shift: int
    width: int

    @property
    def mask(self) -> int:
        """Its bits, within the byte."""
        return ((1 << self.width) - 1) << self.shift


class Packing:
    """Packs the states of a program; `spare` says that the highest bit of a row is never used."""

    def __init__(self, merger: Merger) -> None:
        self.merger = merger
        widths = {node: _width(node.type, merger.layout) for node in merger.where}
        self.fields, used = _placed(widths)
        self.words = max(1, -(-len(used) // WORD))
        self.bytes = self.words * WORD
        self.spare = len(used) < self.bytes or used[-1] < 8
        self.size = merger.layout.size

    def rows(self, states: Iterable[bytes]) -> Rows:
        """Frozen states as packed rows."""
        packed = bytearray()
        for state in states:
            row = bytearray(self.bytes)
            for node, field in self.fields.items():
                row[field.byte] |= self._read(node, state) << field.shift
            packed += row
        return np.frombuffer(bytes(packed), dtype="<u8").reshape(-1, self.words).copy()

    def states(self, rows: Rows) -> list[bytes]:
        """Packed rows as frozen states."""
        found = []
        for row in np.ascontiguousarray(rows).view(np.uint8).reshape(len(rows), self.bytes):
            cells = bytearray(self.size)
            for node, field in self.fields.items():
                self._write(node, cells, int(row[field.byte]) >> field.shift, field.width)
            found.append(bytes(cells))
        return found

    def _read(self, node: Node, state: bytes) -> int:
        column, row, element = self.merger.where[node]
        cell = column.offset(row)
        if element:
            return state[cell + (element - 1 >> 3)] >> (element - 1 & 7) & 1
        return state[cell]

    def _write(self, node: Node, cells: bytearray, bits: int, width: int) -> None:
        column, row, element = self.merger.where[node]
        cell, value = column.offset(row), bits & ((1 << width) - 1)
        if element:
            cells[cell + (element - 1 >> 3)] |= value << (element - 1 & 7)
        else:
            cells[cell] = value


def true_at(flags: npt.NDArray[np.bool_]) -> Numbers:
    """Where flags are true; without the detours of `np.flatnonzero`, which count in a hot loop."""
    found: Numbers = flags.nonzero()[0]
    return found


def turned(rows: Rows) -> Bytes:
    """Packed rows as columns of bytes."""
    count = len(rows)
    return np.ascontiguousarray(rows.view(np.uint8).reshape(count, -1).T)


def turned_back(columns: npt.NDArray[Any]) -> Rows:
    """Columns of bytes as packed rows."""
    return np.ascontiguousarray(columns.T).view(np.uint64)


def _width(kind: ValueT, layout: Layout) -> int:
    match kind:
        case BoolT():
            return 1
        case EnumT(cls):
            return max(1, int(max(cls)).bit_length())
        case IntT(_, hi):
            return max(1, hi.bit_length())
        case IdT(record):
            return layout.table_of(record).rows.bit_length()
        case SortT(cls):
            return layout.carrier(cls).bit_length()


def _placed(widths: dict[Node, int]) -> tuple[dict[Node, Field], list[int]]:
    """A place for each variable, the widest first; and how full each byte is, the fullest first."""
    used: list[int] = []
    places: list[tuple[Node, int, int]] = []
    for node in sorted(widths, key=lambda node: -widths[node]):
        width = widths[node]
        byte = next((at for at, full in enumerate(used) if full + width <= 8), len(used))
        if byte == len(used):
            used.append(0)
        places.append((node, byte, used[byte]))
        used[byte] += width
    order: Sequence[int] = sorted(range(len(used)), key=lambda byte: -used[byte])
    moved = {byte: place for place, byte in enumerate(order)}
    fields = {node: Field(moved[byte], shift, widths[node]) for node, byte, shift in places}
    return fields, [used[byte] for byte in order]

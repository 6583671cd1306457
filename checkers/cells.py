"""Cells of a state as JSON values and back: ``table[row].field`` names a cell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from checkers.userfiles import InputError
from spec.language.layout import BoolT, Column, EnumT, FieldT, IdT, IntT, Layout, SetT, SortT

Value = int | bool | str | list[int]
"""A bool, an enum member's name, a set's members, else a number (an id, a sort's value, an int)."""


def spelled(kind: FieldT, raw: int) -> Value:
    """A raw number as the JSON value of a type."""
    match kind:
        case BoolT():
            return raw != 0
        case EnumT(cls):
            return cls(raw).name if raw in set(cls) else raw
        case SetT():
            return [row for row in range(1, raw.bit_length() + 1) if raw >> (row - 1) & 1]
    return raw


def parsed(kind: FieldT, value: Value, layout: Layout, place: str) -> int:
    """The raw number of a JSON value of a type; `InputError`, naming `place`, if it is none."""
    match kind:
        case BoolT():
            if isinstance(value, bool):
                return int(value)
            raise InputError(f"{place}: {value!r} is not true or false")
        case EnumT(cls):
            if isinstance(value, str) and value in cls.__members__:
                return int(cls[value])
            raise InputError(f"{place}: {value!r} is not one of {', '.join(cls.__members__)}")
        case SetT(record):
            high = layout.table_of(record).rows
            if isinstance(value, list) and all(1 <= row <= high for row in value):
                return sum(1 << (row - 1) for row in set(value))
            raise InputError(f"{place}: {value!r} is not a list of rows from 1 to {high}")
    low, high = span(kind, layout)
    if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
        return value
    raise InputError(f"{place}: {value!r} is not a number from {low} to {high}")


def span(kind: IntT | IdT | SortT, layout: Layout) -> tuple[int, int]:
    """The lowest and the highest number of a type of numbers."""
    if isinstance(kind, IntT):
        return kind.lo, kind.hi
    if isinstance(kind, IdT):
        return 0, layout.table_of(kind.record).rows
    return 0, layout.carrier(kind.cls)


def cells(layout: Layout) -> Iterator[tuple[str, Column, int]]:
    """Every cell that is part of the state: its name, its column, its row."""
    for column in layout.columns():
        if column.constants is None:
            for row in range(1, column.rows + 1):
                yield cell_name(column, row), column, row


def cell_name(column: Column, row: int) -> str:
    """``table[row].field``, a scalar just ``field``."""
    return f"{column.table}[{row}].{column.name}" if column.table else column.name


def raw_value(column: Column, row: int, state: bytes) -> int:
    """The raw number in a cell; a constant's from the bounds."""
    if column.constants is not None:
        value: Any = column.constants[row - 1]
        if isinstance(column.type, SetT):
            return sum(1 << (int(member) - 1) for member in set(value))
        return int(value)
    start = column.offset(row)
    return int.from_bytes(state[start : start + column.width], "little")


def first_value(column: Column) -> int:
    """What the cell holds in a cleared state."""
    return column.type.lo if isinstance(column.type, IntT) else 0


def fields(layout: Layout, state: bytes) -> dict[str, Value]:
    """Every field of a state, by the name of its cell."""
    return {
        name: spelled(column.type, raw_value(column, row, state))
        for name, column, row in cells(layout)
    }


def condensed(layout: Layout, state: bytes) -> dict[str, Value]:
    """The fields of a state that are not at their first value."""
    return {
        name: spelled(column.type, raw)
        for name, column, row in cells(layout)
        if (raw := raw_value(column, row, state)) != first_value(column)
    }


def changes(layout: Layout, before: bytes, after: bytes) -> dict[str, tuple[Value, Value]]:
    """The fields in which two states differ, each with the old and the new value."""
    found = {}
    for name, column, row in cells(layout):
        old, new = raw_value(column, row, before), raw_value(column, row, after)
        if old != new:
            found[name] = (spelled(column.type, old), spelled(column.type, new))
    return found


def frozen(layout: Layout, values: Mapping[str, Value], place: str) -> bytes:
    """The state whose fields are `values`, the others at their first value."""
    state = bytearray(layout.size)
    known = {}
    for name, column, row in cells(layout):
        known[name] = column, row
        start = column.offset(row)
        state[start : start + column.width] = first_value(column).to_bytes(column.width, "little")
    for name, value in values.items():
        if name not in known:
            raise InputError(f"{place}: the machine has no field {name!r}")
        column, row = known[name]
        start = column.offset(row)
        raw = parsed(column.type, value, layout, f"{place}.{name}")
        state[start : start + column.width] = raw.to_bytes(column.width, "little")
    return bytes(state)

"""The state as an action sees it when it is simply run: views over one flat buffer.

`Store.load` puts a frozen state into the buffer, `Store.freeze` takes it out. Reading a field gives
a plain value, writing one checks its range (a value outside is a failed check, never an exception
of Python).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from spec.language.control import Crash
from spec.language.layout import BoolT, Column, EnumT, IdT, IntT, Layout, SetT, TableLayout
from spec.language.types import Id, IdSet, Record, State, Table


class Store:
    """A mutable state under a layout: `state` is what actions take."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.cells = bytearray(layout.size)
        self.ids = {name: type("Id", (Id,), {"table": name}) for name in layout.tables}
        self.tables = {
            table.name: _Rows(
                table.name, _row_class(self, table), table.rows
            )
            for table in layout.tables.values()
        }
        members: dict[str, Any] = {
            name: _property(self, column) for name, column in layout.scalars.items()
        }
        members.update(self.tables)
        self.state: State = type(layout.state.__name__, (layout.state,), members)()

    def load(self, frozen: bytes) -> None:
        """Put a frozen state into the buffer."""
        self.cells[:] = frozen

    def freeze(self) -> bytes:
        """The present state as hashable bytes."""
        return bytes(self.cells)

    def clear(self) -> None:
        """All fields to their first value (0, false, none, null, the low end of a range)."""
        for column in self.layout.columns():
            if column.constants is None:
                low = column.type.lo if isinstance(column.type, IntT) else 0
                self.cells[column.base : column.base + column.size] = bytes([low]) * column.size


class _Rows(Table[Any]):
    def __init__(self, name: str, cls: type[Record], rows: int) -> None:
        self._name = name
        self._views = [cls.__new__(cls) for _ in range(rows + 1)]
        for index, view in enumerate(self._views):
            view._row = index  # type: ignore[attr-defined]

    def __getitem__(self, index: Id[Any]) -> Any:
        if index == 0:
            raise Crash(f"null dereference: {self._name}")
        return self._views[index]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._views[1:])

    def __len__(self) -> int:
        return len(self._views) - 1


class _Set(IdSet[Any]):
    """A set cell: `base` is the first byte of its mask."""

    def __init__(self, cells: bytearray, base: int, width: int) -> None:
        self._cells, self._base, self._width = cells, base, width

    def __contains__(self, item: Id[Any]) -> bool:
        if item == 0:
            return False
        return bool(self._cells[self._base + (item - 1 >> 3)] >> (item - 1 & 7) & 1)

    def add(self, item: Id[Any]) -> None:
        if item == 0:
            raise Crash("none added to a set")
        self._cells[self._base + (item - 1 >> 3)] |= 1 << (item - 1 & 7)

    def discard(self, item: Id[Any]) -> None:
        if item != 0:
            self._cells[self._base + (item - 1 >> 3)] &= ~(1 << (item - 1 & 7))

    def clear(self) -> None:
        self._cells[self._base : self._base + self._width] = bytes(self._width)


class _ConstSet(IdSet[Any]):
    def __init__(self, members: frozenset[int]) -> None:
        self._members = members

    def __contains__(self, item: Id[Any]) -> bool:
        return int(item) in self._members


def _row_class(store: Store, table: TableLayout) -> type[Record]:
    members: dict[str, Any] = {
        name: _property(store, column) for name, column in table.columns.items()
    }
    ids = [store.ids[table.name](row) for row in range(table.rows + 1)]
    members["id"] = property(lambda self: ids[self._row])
    return type(table.record.__name__, (table.record,), members)


def _property(store: Store, column: Column) -> property:
    """A property that reads and writes one cell of a column; scalars are row 1."""
    row = (lambda view: view._row) if column.table else (lambda view: 1)
    kind, cells, base = column.type, store.cells, column.base
    if column.constants is not None:
        constants = tuple(
            _ConstSet(frozenset(value)) if isinstance(kind, SetT) else value
            for value in column.constants
        )
        return property(lambda view: constants[row(view) - 1])
    if isinstance(kind, SetT):
        width = column.width
        return property(lambda view: _Set(cells, base + (row(view) - 1) * width, width))
    low, high = 0, 255
    if isinstance(kind, IntT):
        low, high = kind.lo, kind.hi
    where = f"{column.table}.{column.name}" if column.table else column.name
    named = store.ids[store.layout.table_of(kind.record).name] if isinstance(kind, IdT) else Id

    def get(view: Any) -> Any:
        raw = cells[base + row(view) - 1]
        if isinstance(kind, EnumT):
            return kind.cls(raw)
        return raw != 0 if isinstance(kind, BoolT) else named(raw) if isinstance(kind, IdT) else raw

    def set_(view: Any, value: int) -> None:
        if not low <= value <= high:
            raise Crash(f"{where} out of range")
        cells[base + row(view) - 1] = value

    return property(get, set_)

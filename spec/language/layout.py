"""Where every declared field lives in the flat state: columns of bytes, one column a field.

Column-major order (all rows of a field side by side) lets a search for a value in a column be one
`bytes.find`. A set of ids is a column of bit masks.
"""

from __future__ import annotations

import typing
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Annotated, Any, get_args, get_origin

from spec.language.errors import LanguageError, refuse
from spec.language.types import Const, Id, IdSet, Nullable, Range, Record, Sort, State, Table


@dataclass(frozen=True)
class BoolT:
    """True or false."""


@dataclass(frozen=True)
class EnumT:
    """A member of an IntEnum."""

    cls: type[IntEnum]


@dataclass(frozen=True)
class IntT:
    """An int from lo to hi."""

    lo: int
    hi: int


@dataclass(frozen=True)
class IdT:
    """The id of a row of the table of `record`, or none."""

    record: type[Record]


@dataclass(frozen=True)
class SortT:
    """A value of a data sort; `nullable` matters for parameters only."""

    cls: type[Sort]
    nullable: bool = False


@dataclass(frozen=True)
class SetT:
    """A set of ids of the table of `record`."""

    record: type[Record]


ValueT = BoolT | EnumT | IntT | IdT | SortT
FieldT = ValueT | SetT


@dataclass(frozen=True)
class Shape:
    """How large the tables and sorts are, and the values of the constant fields.

    `sizes` by table name or sort name; `constants` by table name ("" for scalars), then field name,
    one value a row (a scalar: one).
    """

    sizes: Mapping[str, int]
    constants: Mapping[str, Mapping[str, tuple[Any, ...]]] = field(default_factory=dict)


def bits(mask: int, rows: int) -> tuple[bool, ...]:
    """The constant column that a mask of the bounds stands for (bit 0: the first row)."""
    return tuple(bool(mask >> row & 1) for row in range(rows))


@dataclass(frozen=True)
class Column:
    """One field of all rows of a table: `rows` cells of `width` bytes from offset `base`.

    A constant column has no place (`base` -1) but its values in `constants`.
    """

    table: str
    name: str
    type: FieldT
    rows: int
    base: int
    width: int
    constants: tuple[Any, ...] | None

    @property
    def size(self) -> int:
        """Bytes in the state."""
        return 0 if self.constants is not None else self.rows * self.width

    def offset(self, row: int) -> int:
        """First byte of the cell of a row (from 1)."""
        return self.base + (row - 1) * self.width


@dataclass(frozen=True)
class TableLayout:
    """One table: its record type, the number of its rows, and its columns by field name."""

    name: str
    record: type[Record]
    rows: int
    columns: Mapping[str, Column]


class Layout:
    """The flat layout of a state type under a shape.

    Attributes: `tables` and `scalars` (columns with one row) by name, `size` in bytes.
    Raises `LanguageError` for a declaration outside the language.
    """

    def __init__(self, state: type[State], shape: Shape, values: Mapping[str, int]) -> None:
        self.state = state
        self.shape = shape
        self.values = values
        self.tables: dict[str, TableLayout] = {}
        self.scalars: dict[str, Column] = {}
        self.size = 0
        self._of_record: dict[type[Record], str] = {}
        self._records: dict[str, type[Record]] = {}
        hints = _hints(state)
        for name, hint in hints.items():
            if get_origin(hint) is Table:
                self._records[name] = record = get_args(hint)[0]
                for base in _with_bases(record):
                    if base in self._of_record:
                        what = f"two tables of {base.__name__}"
                        raise refuse(state, f"{what}; a record has one table")
                    self._of_record[base] = name
        for name, hint in hints.items():
            if get_origin(hint) is Table:
                self.tables[name] = self._table(name, get_args(hint)[0])
            else:
                self.scalars[name] = self._column(state, "", name, hint, 1)

    def table_of(self, record: type[Record]) -> TableLayout:
        """The table whose rows are of this record type, or of one derived from it."""
        return self.tables[self._of_record[record]]

    def columns(self) -> Iterator[Column]:
        """Every column, constant ones too, in the order of the state."""
        yield from self.scalars.values()
        for table in self.tables.values():
            yield from table.columns.values()

    def carrier(self, sort: type[Sort]) -> int:
        """How many values besides null a data sort has when explored."""
        size = self.shape.sizes.get(sort.__name__)
        if size is None:
            raise refuse(sort, f"the bounds give no size for the sort {sort.__name__}")
        return size

    def value_type(self, owner: Any, name: str, hint: Any) -> FieldT:
        """The type of the language that an annotation stands for; refuses anything else."""
        base: Any = hint
        marks: tuple[Any, ...] = ()
        if get_origin(hint) is Annotated:
            base, *marks_given = get_args(hint)
            marks = tuple(marks_given)
        ranges = [mark for mark in marks if isinstance(mark, Range)]
        if base is bool:
            return BoolT()
        if base is int and ranges:
            high = ranges[0].hi
            return IntT(ranges[0].lo, self._bound(owner, high) if isinstance(high, str) else high)
        if isinstance(base, type) and issubclass(base, IntEnum):
            return EnumT(base)
        if isinstance(base, type) and issubclass(base, Sort):
            return SortT(base, any(isinstance(mark, Nullable) for mark in marks))
        if get_origin(base) in (Id, IdSet):
            record = get_args(base)[0]
            if record not in self._of_record:
                raise refuse(owner, f"`{name}` refers to {record}, of which the state has no table")
            record = self._records[self._of_record[record]]
            return IdT(record) if get_origin(base) is Id else SetT(record)
        raise refuse(
            owner,
            f"`{name}: {getattr(hint, '__name__', hint)}` is not a type of the language; use bool, "
            "an IntEnum, Annotated[int, Range(lo, hi)], Id[...], IdSet[...] or a Sort",
        )

    def _bound(self, owner: Any, name: str) -> int:
        for source in (self.values, self.shape.sizes):
            if name in source:
                return source[name]
        raise refuse(owner, f"the bounds have no value named {name!r}")

    def _table(self, name: str, record: type[Record]) -> TableLayout:
        rows = self.shape.sizes.get(name)
        if rows is None:
            raise refuse(self.state, f"the bounds give no size for the table {name!r}")
        if rows < 1:
            raise refuse(self.state, f"the table {name!r} has {rows} rows; it needs one at least")
        columns = {
            field_name: self._column(record, name, field_name, hint, rows)
            for field_name, hint in _hints(record).items()
        }
        return TableLayout(name, record, rows, columns)

    def _column(self, owner: type, table: str, name: str, hint: Any, rows: int) -> Column:
        kind = self.value_type(owner, name, hint)
        marks = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
        if any(isinstance(mark, Const) for mark in marks):
            given = self.shape.constants.get(table, {}).get(name)
            if given is None or len(given) != rows:
                raise refuse(owner, f"constant `{name}` needs one value for each of {rows} rows")
            for value in given:
                if not self._has(kind, value):
                    raise refuse(owner, f"constant `{name}` cannot be {value!r} with these bounds")
            return Column(table, name, kind, rows, -1, 0, tuple(given))
        width = 1
        if isinstance(kind, SetT):
            width = (self.shape.sizes[self._of_record[kind.record]] + 7) // 8
        elif self._cardinality(kind) > 256:
            raise refuse(owner, f"`{name}` has more than 256 values; a field is one byte")
        column = Column(table, name, kind, rows, self.size, width, None)
        self.size += rows * width
        return column

    def _has(self, kind: FieldT, value: Any) -> bool:
        """Whether a value is one of a type."""
        match kind:
            case SetT(record):
                ids = range(1, self.shape.sizes[self._of_record[record]] + 1)
                return isinstance(value, Collection) and all(item in ids for item in value)
            case IdT():
                return value == 0 or value in self.domain(kind)
            case SortT(cls):
                return isinstance(value, int) and 0 <= value <= self.carrier(cls)
        return isinstance(value, int) and value in self.domain(kind)

    def _cardinality(self, kind: ValueT) -> int:
        match kind:
            case BoolT():
                return 2
            case EnumT(cls):
                return int(max(cls)) + 1
            case IntT(lo, hi):
                return hi + 1 if lo >= 0 else 1 << 16
            case IdT(record):
                return self.shape.sizes[self._of_record[record]] + 1
            case SortT(cls):
                return self.carrier(cls) + 1

    def domain(self, kind: ValueT) -> range | tuple[int, ...]:
        """All values that a parameter of this type takes when explored."""
        match kind:
            case BoolT():
                return range(2)
            case EnumT(cls):
                return tuple(int(member) for member in cls)
            case IntT(lo, hi):
                return range(lo, hi + 1)
            case IdT(record):
                return range(1, self.shape.sizes[self._of_record[record]] + 1)
            case SortT(cls, nullable):
                return range(0 if nullable else 1, self.carrier(cls) + 1)


def _with_bases(record: type[Record]) -> Iterator[type[Record]]:
    """A record type and those that it is derived from, of which a state has its rows instead."""
    for cls in record.__mro__:
        if cls is Record:
            return
        yield cls


def _hints(owner: type) -> dict[str, Any]:
    try:
        hints = typing.get_type_hints(owner, include_extras=True)
    except (NameError, TypeError) as error:
        raise refuse(owner, f"an annotation of {owner.__name__} cannot be read: {error}") from error
    return {name: hint for name, hint in hints.items() if not name.startswith("_")}


__all__ = [
    "BoolT",
    "Column",
    "EnumT",
    "FieldT",
    "IdT",
    "IntT",
    "LanguageError",
    "Layout",
    "SetT",
    "Shape",
    "SortT",
    "TableLayout",
    "ValueT",
    "bits",
]

"""What a specification declares: records in tables, ids, sets of ids, data sorts, ranges.

A specification is read in four ways (run, lowered to plain Python, turned into z3 terms, printed).
The classes here are what a *type checker* and a *reader* see; `layout` gives them a place in memory
and `store` lets an action run on them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final, Generic, Self, TypeVar

R = TypeVar("R", bound="Record")
Row = TypeVar("Row", bound="Record", covariant=True)
Named = TypeVar("Named", bound="Record", contravariant=True)


class Id(int, Generic[Named]):
    """A reference to a row of the table of a record: 1 is the first row, 0 is none.

    A state that derives a record has its rows in place of the base's: what names the one names the
    other. `table` is the name of the table, where a state gave the reference.
    """

    __slots__ = ()
    table = ""


NONE: Final[Id[Any]] = Id(0)


class Sort(int):
    """Base of the data sorts: values that are only stored, copied and compared with ``==``.

    0 is the null value. An exploration has as many others as the bounds say under the sort's name;
    a proof has unboundedly many.
    """

    __slots__ = ()


NULL: Final[Any] = 0


@dataclass(frozen=True)
class Range:
    """The values lo..hi of an int, both included; `hi` may be the name of a bound.

    Written ``Annotated[int, Range(0, 3)]``.
    """

    lo: int
    hi: int | str


@dataclass(frozen=True)
class Const:
    """Marks a field that is fixed by the bounds and is no part of the state.

    Written ``Annotated[bool, CONST]``; the machine's `shape` gives one value a row.
    """


@dataclass(frozen=True)
class Nullable:
    """Marks a parameter of a data sort whose values include the null value (0)."""


CONST: Final = Const()
NULLABLE: Final = Nullable()


class IdSet(Generic[R]):
    """A set of ids of rows: ``x in s.field``, ``.add(x)``, ``.discard(x)``, ``.clear()``."""

    def __contains__(self, item: Id[R]) -> bool:
        raise NotImplementedError

    def add(self, item: Id[R]) -> None:
        """Put `item` in; nothing happens if it is there."""
        raise NotImplementedError

    def discard(self, item: Id[R]) -> None:
        """Take `item` out; nothing happens if it is not there."""
        raise NotImplementedError

    def clear(self) -> None:
        """Take everything out."""
        raise NotImplementedError


class Record:
    """Base of the rows of a table: a class whose annotations are its fields."""

    __slots__ = ("_cells", "_row")

    @property
    def id(self) -> Id[Self]:
        """The id of this row."""
        raise NotImplementedError

    def label(self) -> str:
        """How people name this row in traces and pictures; not part of the specification."""
        return f"{type(self).__name__.lower()} {int(self.id)}"


class Table(Generic[Row]):
    """All rows of one record type. ``table[id]`` of none is a null dereference: a failed check."""

    def __getitem__(self, index: Id[Row]) -> Row:
        raise NotImplementedError

    def __iter__(self) -> Iterator[Row]:
        raise NotImplementedError

    def __len__(self) -> int:
        raise NotImplementedError


class State:
    """Base of a machine's state: annotations of type `Table[...]` are tables, others scalars."""


def first(ids: Iterable[Id[R]]) -> Id[R]:
    """The first id of a generator over a table, in row order, or NONE."""
    for item in ids:
        return item
    return NONE


def fresh(ids: Iterable[Id[R]]) -> Id[R]:
    """The first id of a generator, as `first` has it, of rows that are all as good as it.

    A proof takes any of them, which covers the first, and may then treat the rows of the table as
    interchangeable; so does a run that is told which (`Choices`). For what an allocator gives.
    """
    return ALLOCATOR.get()(ids)


ALLOCATOR: Final[ContextVar[Callable[[Iterable[Id[Any]]], Id[Any]]]] = ContextVar(
    "ALLOCATOR", default=first
)
"""What `fresh` gives in the run that is under way: the first, unless that says otherwise."""


def count(conditions: Iterable[bool]) -> int:
    """How many conditions of a generator over a table are true."""
    return sum(1 for condition in conditions if condition)

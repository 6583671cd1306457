"""The typed tree of a specification function: what `parse` makes and every translation reads.

Expressions carry their type; statements and expressions that can fail a check carry its message.
What may depend on the order of rows carries its `line`.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import Any, Final, get_args

from spec.language.control import HostCallSpec
from spec.language.layout import BoolT, Column, EnumT, IdT, IntT, SortT, TableLayout


@dataclass(frozen=True)
class RowT:
    """A row of a table of the function's `state`-th state."""

    table: str
    state: int = 0


@dataclass(frozen=True)
class StateT:
    """The state a function works on: 0 the first of its states, 1 the second."""

    index: int


@dataclass(frozen=True)
class FaultT:
    """The fault of the running action."""


@dataclass(frozen=True)
class TupleT:
    """Several values, as a function may return them."""

    items: tuple[Type, ...]


@dataclass(frozen=True)
class NoneT:
    """No value."""


Type = BoolT | EnumT | IdT | IntT | SortT | RowT | StateT | FaultT | TupleT | NoneT

# Expressions


@dataclass(frozen=True)
class Constant:
    """A literal, an enum member, NONE or NULL, as an int."""

    value: int
    type: Type
    line: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Local:
    """A parameter or local variable."""

    name: str
    type: Type


@dataclass(frozen=True)
class Deref:
    """The row of a table with an id; id 0 fails the check `null dereference: TABLE`."""

    state: int
    table: TableLayout
    index: Expr
    type: Type


@dataclass(frozen=True)
class RowId:
    """The id of a row."""

    row: Expr
    type: Type


@dataclass(frozen=True)
class Field:
    """A field of a row, or a scalar of the state (`row` None)."""

    state: int
    column: Column
    row: Expr | None
    type: Type


@dataclass(frozen=True)
class Member:
    """Whether an id is in a set field."""

    item: Expr
    state: int
    column: Column
    row: Expr | None
    type: Type


@dataclass(frozen=True)
class Not:
    """Negation."""

    operand: Expr
    type: Type


@dataclass(frozen=True)
class Logic:
    """`and` or `or`, evaluated left to right and no further than needed."""

    op: str
    left: Expr
    right: Expr
    type: Type


@dataclass(frozen=True)
class Compare:
    """`==`, `!=`, `<`, `<=`, `>` or `>=` of two plain values."""

    op: str
    left: Expr
    right: Expr
    type: Type


@dataclass(frozen=True)
class Arithmetic:
    """`+` or `-` of two ints."""

    op: str
    left: Expr
    right: Expr
    type: Type


@dataclass(frozen=True)
class Choice:
    """A conditional expression."""

    test: Expr
    then: Expr
    other: Expr
    type: Type


@dataclass(frozen=True)
class Quantified:
    """any, all, count or first of `value` for each row (`table`) or int (`span`) with `test`.

    A `relaxed` first is a `fresh`: in a proof any of them.
    """

    op: str
    name: str
    state: int
    table: TableLayout | None
    span: tuple[int, int]
    test: Expr | None
    value: Expr
    type: Type
    relaxed: bool = False
    line: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Call:
    """A call of another specification function."""

    function: Function
    arguments: tuple[Expr, ...]
    type: Type


@dataclass(frozen=True)
class Several:
    """A tuple."""

    items: tuple[Expr, ...]
    type: Type


Expr = (
    Constant | Local | Deref | RowId | Field | Member | Not | Logic | Compare | Arithmetic | Choice
    | Quantified | Call | Several
)

# Statements


@dataclass(frozen=True)
class Assign:
    """Locals take the value of an expression; several take the elements of a tuple."""

    names: tuple[str, ...]
    value: Expr


@dataclass(frozen=True)
class Store:
    """A field takes a value; outside its range fails the check `WHERE out of range`."""

    column: Column
    row: Expr | None
    value: Expr


@dataclass(frozen=True)
class SetChange:
    """`add`, `discard` or `clear` on a set field."""

    op: str
    column: Column
    row: Expr | None
    item: Expr | None


@dataclass(frozen=True)
class If:
    """Two branches."""

    test: Expr
    then: tuple[Stmt, ...]
    other: tuple[Stmt, ...]


@dataclass(frozen=True)
class For:
    """A loop over the rows of a table, or over ints lo..hi-1."""

    name: str
    state: int
    table: TableLayout | None
    span: tuple[int, int]
    body: tuple[Stmt, ...]
    line: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Jump:
    """`break` or `continue`."""

    op: str


@dataclass(frozen=True)
class Return:
    """Leave the function with a value, or none."""

    value: Expr | None


@dataclass(frozen=True)
class Guard:
    """`require`, `check` or `limit`; `name` is the message of a check, the bound of a limit."""

    op: str
    test: Expr
    name: str


@dataclass(frozen=True)
class Do:
    """A call for its effect."""

    call: Call


Stmt = Assign | Store | SetChange | If | For | Jump | Return | Guard | Do


@dataclass(frozen=True)
class Function:
    """A specification function: parameters with types, body, and what it is as a host call."""

    name: str
    parameters: tuple[tuple[str, Type], ...]
    returns: Type
    body: tuple[Stmt, ...]
    host: HostCallSpec | None
    file: str
    line: int
    serial: int

    @functools.cached_property
    def nodes(self) -> tuple[Expr | Stmt, ...]:
        """Every node of the body."""
        return tuple(nodes(self.body))

    @functools.cached_property
    def called(self) -> tuple[Function, ...]:
        """The functions that the body calls, each as often as it does."""
        return tuple(node.function for node in self.nodes if isinstance(node, Call))

    def __hash__(self) -> int:
        return self.serial

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Function) and other.serial == self.serial


def bound(thing: object) -> dict[str, None]:
    """The locals that statements bind, in loops and branches too, in the order of the text."""
    found: dict[str, None] = {}
    for node in nodes(thing):
        match node:
            case Assign(names, _):
                found |= dict.fromkeys(names)
            case For(name=name):
                found[name] = None
    return found


def parts(thing: object) -> list[Expr | Stmt]:
    """The expressions and statements directly inside a thing; no call has its function inside."""
    if isinstance(thing, tuple):
        return [node for item in thing for node in _within(item)]
    names = _HOLDING.get(type(thing), ())
    return [node for name in names for node in _within(getattr(thing, name))]


def operands(thing: object) -> list[Expr]:
    """The expressions directly inside a thing."""
    return [part for part in parts(thing) if isinstance(part, Expr)]


def _within(value: object) -> list[Expr | Stmt]:
    if type(value) in _NODES:
        return [value]  # type: ignore[list-item]
    return parts(value) if isinstance(value, tuple) else []


_NODES: Final = frozenset(get_args(Expr) + get_args(Stmt))


_HELD: Final = re.compile(r"\b(Expr|Stmt|Call)\b")

_HOLDING: Final[dict[Any, tuple[str, ...]]] = {
    kind: tuple(item.name for item in fields(kind) if _HELD.search(str(item.type)))
    for kind in _NODES
}
"""Of each kind of node the fields that hold expressions and statements."""


def nodes(thing: object) -> Iterator[Expr | Stmt]:
    """Every node of a tree below and including a thing; functions that it calls are not entered."""
    left = _within(thing)[::-1]
    while left:
        node = left.pop()
        yield node
        left += reversed(parts(node))

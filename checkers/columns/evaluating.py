"""Expressions of an action's text, evaluated for many runs at once.

The rows of a block that go one way are an array of their numbers. A field of a row that is given by
its id is one look-up, whichever row each state means.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from checkers.columns.cells import CellMap
from checkers.columns.packing import Bytes, Numbers, true_at
from checkers.columns.texts import Plain
from checkers.frontend import tree as t
from spec.language.layout import BoolT, Column, IntT

Array = npt.NDArray[Any]
Value = Any
"""An int, an array with a value for each of the rows at hand, or a tuple of values."""

RUNNING: Final = 0
BOOLS: Final[np.dtype[Any]] = np.dtype(np.bool_)
BYTES: Final[np.dtype[Any]] = np.dtype(np.uint8)
INTS: Final[np.dtype[Any]] = np.dtype(np.int16)


@dataclass
class Frame:
    """One call: its locals, each for all rows of the block; what it returned; loops being left."""

    locals: dict[str, Value]
    result: Value = None
    broken: list[list[Numbers]] = field(default_factory=list)
    continued: list[list[Numbers]] = field(default_factory=list)


class Evaluator:
    """One block of runs.

    `ends` are the ways in which runs ended early, by their number in `status`; `calls` are the
    calls of the host that each run has made.
    """

    def __init__(self, cell_map: CellMap, plain: Plain, cells: Bytes, faults: Array) -> None:
        self.map, self.plain, self.cells = cell_map, plain, cells
        self.flat = cells.reshape(-1)
        self.count = cells.shape[1]
        self.faults = faults
        self.injected = bool(faults.any())
        self.calls = np.zeros(self.count, dtype=np.int16)
        self.status = np.zeros(self.count, dtype=np.uint8)
        self.ends: list[tuple[str, str]] = [("running", "")]
        self.deaths = 0
        self.frame = Frame({})

    def call(self, function: t.Function, arguments: Sequence[Value], rows: Numbers) -> Value:
        """The value of a function; what it does is done to the cells."""
        raise NotImplementedError

    # what ends a run

    def fail(self, rows: Numbers, kind: str, why: str) -> None:
        """These runs, if they still run, end here."""
        rows = rows.take(true_at(self.status.take(rows) == RUNNING))
        if not len(rows):
            return
        if (kind, why) not in self.ends:
            self.ends.append((kind, why))
        self.status[rows] = self.ends.index((kind, why))
        self.deaths += 1

    def live(self, rows: Numbers, *values: Value) -> tuple[Any, ...]:
        """The rows that still run, and values for them."""
        if not self.deaths:
            return (rows, *values)
        at = true_at(self.status.take(rows) == RUNNING)
        if len(at) == len(rows):
            return (rows, *values)
        return (rows.take(at), *(taken(value, at) for value in values))

    def guard(self, op: str, test: Value, name: str, rows: Numbers) -> None:
        """Those of these runs for which a test is false end here."""
        if isinstance(test, np.ndarray):
            if not test.all():
                self.fail(rows.take(true_at(~test)), op, name)
        elif not test:
            self.fail(rows, op, name)

    # locals

    def set(self, name: str, kind: t.Type, value: Value, rows: Numbers) -> None:
        """A local takes values in these rows."""
        if isinstance(value, int) and name not in self.frame.locals:
            self.frame.locals[name] = value
            return
        held = self.frame.locals.get(name)
        self.frame.locals[name] = self.kept(held, kind, value, rows)

    def kept(self, held: Value, kind: t.Type, value: Value, rows: Numbers) -> Value:
        """What is held for all rows of the block, changed in some."""
        if isinstance(kind, t.TupleT):
            before = held or [None] * len(kind.items)
            return tuple(
                self.kept(old, item, new, rows)
                for old, item, new in zip(before, kind.items, value, strict=True)
            )
        if held is None:
            held = np.empty(self.count, dtype=_dtype(kind))
        elif isinstance(held, int):
            held = np.full(self.count, held, dtype=_dtype(kind))
        held[rows] = value
        return held

    # cells

    def span(self, column: Column) -> int:
        """How many cells a row has in a column."""
        return self.map.spans[column.table, column.name]

    def _cell(self, column: Column, row: Value, element: Value) -> Value:
        """The number of a cell, or an array of them."""
        start, span = self.map.starts[column.table, column.name], self.span(column)
        if isinstance(row, np.ndarray):
            row = row.astype(np.int64)
        if isinstance(element, np.ndarray):
            element = element.astype(np.int64)
        if span == 1:
            return row + (start - 1)
        return row * span + element + (start - span - 1)

    def write(
        self, column: Column, row: Value, element: Value, value: Value, rows: Numbers
    ) -> None:
        """A cell, for each row another perhaps, takes a value."""
        cell = self._cell(column, row, element)
        if isinstance(cell, np.ndarray):
            self.flat[cell * self.count + rows] = value
        else:
            self.cells[cell, rows] = value

    def _read(self, column: Column, row: Value, element: Value, rows: Numbers) -> Value:
        cell = self._cell(column, row, element)
        if isinstance(cell, np.ndarray):
            cell *= self.count
            cell += rows
            found = self.flat.take(cell, mode="clip")
        else:
            found = self.cells[cell].take(rows)
        return found.view(np.bool_) if isinstance(column.type, BoolT) else found

    def _field(self, expr: t.Field, rows: Numbers) -> Value:
        row = 1 if expr.row is None else self.value(expr.row, rows)
        column = expr.column
        if column.constants is None:
            return self._read(column, row, 1, rows)
        if isinstance(row, int):
            return int(column.constants[max(1, row) - 1])
        return self.map.constants(column, _dtype(expr.type)).take(row)

    def _member(self, expr: t.Member, rows: Numbers) -> Value:
        item = self.value(expr.item, rows)
        row = 1 if expr.row is None else self.value(expr.row, rows)
        column = expr.column
        if column.constants is None:
            inside = self._read(column, row, item, rows).view(np.bool_)
            return inside & (item != 0)
        found = self.map.members(column)[row, item]
        return found if isinstance(found, np.ndarray) else int(found)

    # expressions

    def value(self, expr: t.Expr, rows: Numbers) -> Value:
        """The value of an expression in these rows, evaluated as far as Python does."""
        return EVALUATORS[type(expr)](self, expr, rows)

    def _constant(self, expr: t.Constant, rows: Numbers) -> Value:
        return expr.value

    def _local(self, expr: t.Local, rows: Numbers) -> Value:
        return taken(self.frame.locals[expr.name], rows)

    def _row_id(self, expr: t.RowId, rows: Numbers) -> Value:
        return self.value(expr.row, rows)

    def _deref(self, expr: t.Deref, rows: Numbers) -> Value:
        found = self.value(expr.index, rows)
        if isinstance(found, np.ndarray):
            if not found.all():
                self.guard("check", found != 0, f"null dereference: {expr.table.name}", rows)
        elif not found:
            self.guard("check", False, f"null dereference: {expr.table.name}", rows)
        return found

    def _negation(self, expr: t.Not, rows: Numbers) -> Value:
        return _not(self.value(expr.operand, rows))

    def _compare(self, expr: t.Compare, rows: Numbers) -> Value:
        return _compared(expr.op, self.value(expr.left, rows), self.value(expr.right, rows))

    def _arithmetic(self, expr: t.Arithmetic, rows: Numbers) -> Value:
        a, b = _wide(self.value(expr.left, rows)), _wide(self.value(expr.right, rows))
        return a + b if expr.op == "+" else a - b

    def _several(self, expr: t.Several, rows: Numbers) -> Value:
        return tuple(self.value(item, rows) for item in expr.items)

    def _call(self, expr: t.Call, rows: Numbers) -> Value:
        given = [
            self.value(item, rows) for item in expr.arguments
            if not isinstance(item.type, t.StateT | t.FaultT)
        ]
        return self._called(expr.function, given, rows)

    def _called(self, function: t.Function, given: list[Value], rows: Numbers) -> Value:
        """A call in those rows that still run, with any value in the others."""
        live, *mine = self.live(rows, *given)
        if len(live) == len(rows):
            return self.call(function, given, rows)
        at = true_at(self.status.take(rows) == RUNNING)
        value = self.call(function, mine, live) if len(live) else None
        if isinstance(function.returns, t.TupleT):
            values = value or [None] * len(function.returns.items)
            return tuple(
                spread(item, at, len(rows), 0, kind)
                for item, kind in zip(values, function.returns.items, strict=True)
            )
        return spread(value, at, len(rows), 0, function.returns)

    def _logic(self, expr: t.Logic, rows: Numbers) -> Value:
        left = self.value(expr.left, rows)
        both = expr.op == "and"
        if not isinstance(left, np.ndarray):
            return self.value(expr.right, rows) if bool(left) == both else int(left)
        if self.plain(expr.right):
            right = self.value(expr.right, rows)
            if not isinstance(right, np.ndarray):
                right = bool(right)
            return left & right if both else left | right
        more = true_at(left if both else ~left)
        if len(more):
            left = left.copy()
            left[more] = self.value(expr.right, rows.take(more))
        return left

    def _choice(self, expr: t.Choice, rows: Numbers) -> Value:
        test = self.value(expr.test, rows)
        if not isinstance(test, np.ndarray):
            return self.value(expr.then if test else expr.other, rows)
        found = np.zeros(len(rows), dtype=_dtype(expr.type))
        for places, side in ((true_at(test), expr.then), (true_at(~test), expr.other)):
            if len(places):
                found[places] = self.value(side, rows.take(places))
        return found

    def _quantified(self, expr: t.Quantified, rows: Numbers) -> Value:
        """Row by row of the table, in those rows of the block for which it is still open."""
        hidden = self.frame.locals.get(expr.name)
        found = np.zeros(len(rows), dtype=_dtype(expr.type))
        if expr.op == "all":
            found[:] = True
        left = np.arange(len(rows))
        shut = np.zeros(len(rows), dtype=np.bool_)
        for item in range(*expr.span):
            self.frame.locals[expr.name] = item
            closed = self._item(expr, found, left, rows)
            if len(closed):
                shut[closed] = True
                left = left.take(true_at(~shut.take(left)))
                if not len(left):
                    break
        self.frame.locals[expr.name] = hidden
        return found

    def _item(self, expr: t.Quantified, found: Array, left: Numbers, rows: Numbers) -> Numbers:
        """One item for those that are open: `found` is changed, the answer is what closes."""
        none = left[:0]
        mine, at = rows if len(left) == len(rows) else rows.take(left), left
        if expr.test is not None:
            test = self.value(expr.test, mine)
            if not isinstance(test, np.ndarray):
                if not test:
                    return none
            elif not test.all():
                chosen = true_at(test)
                if not len(chosen):
                    return none
                mine, at = mine.take(chosen), left.take(chosen)
        value = self.value(expr.value, mine)
        if expr.op == "first":
            found[at] = value
            return at
        if expr.op == "count":
            found[at] += value
            return none
        good = value if expr.op == "any" else _not(value)
        if not isinstance(good, np.ndarray):
            closed = at if good else none
        else:
            closed = at.take(true_at(good))
        found[closed] = expr.op == "any"
        return closed


def taken(value: Value, at: Numbers) -> Value:
    """The values of some of the rows."""
    if isinstance(value, tuple):
        return tuple(taken(item, at) for item in value)
    return value.take(at) if isinstance(value, np.ndarray) else value


def spread(value: Value, at: Numbers, count: int, other: int, kind: t.Type) -> Value:
    """Values of some rows with `other` in between."""
    if isinstance(kind, t.NoneT):
        return None
    found = np.full(count, other, dtype=_dtype(kind))
    if value is not None:
        found[at] = value
    return found


def joined(parts: Sequence[Numbers]) -> Numbers:
    """All rows that are in one of the parts."""
    some = [part for part in parts if len(part)]
    if not some:
        return parts[0]
    return some[0] if len(some) == 1 else np.concatenate(some)


def _dtype(kind: t.Type) -> np.dtype[Any]:
    if isinstance(kind, BoolT):
        return BOOLS
    return INTS if isinstance(kind, IntT) else BYTES


def zero(kind: t.Type) -> Value:
    """What a function answers that returns nothing."""
    return tuple(zero(item) for item in kind.items) if isinstance(kind, t.TupleT) else 0


def _not(value: Value) -> Value:
    return ~value if isinstance(value, np.ndarray) else not value


def _wide(value: Value) -> Value:
    return value.astype(np.int16) if isinstance(value, np.ndarray) else value


def _compared(op: str, a: Value, b: Value) -> Value:
    match op:
        case "==":
            found = a == b
        case "!=":
            found = a != b
        case "<":
            found = a < b
        case _:
            found = a <= b
    return found if isinstance(found, np.ndarray) else int(found)


EVALUATORS: Final[dict[type, Callable[[Evaluator, Any, Numbers], Value]]] = {
    t.Constant: Evaluator._constant,
    t.Local: Evaluator._local,
    t.RowId: Evaluator._row_id,
    t.Deref: Evaluator._deref,
    t.Field: Evaluator._field,
    t.Member: Evaluator._member,
    t.Not: Evaluator._negation,
    t.Logic: Evaluator._logic,
    t.Compare: Evaluator._compare,
    t.Arithmetic: Evaluator._arithmetic,
    t.Choice: Evaluator._choice,
    t.Quantified: Evaluator._quantified,
    t.Call: Evaluator._call,
    t.Several: Evaluator._several,
}
"""What evaluates each kind of expression; looked up, for there are very many small ones."""

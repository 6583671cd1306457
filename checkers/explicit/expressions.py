"""Typed expressions -> Python expressions over the flat state.

A row is its number, a field of it one byte at a known distance.
"""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from checkers.explicit import code as c
from checkers.explicit.code import Code
from checkers.explicit.raising import crash_class
from checkers.explicit.scope import Buffer, Given, Lowered, Scope, is_nonzero
from checkers.frontend import tree as t
from spec.language.layout import Column, IntT


class Expressions(ABC):
    """Translates expressions; constants go to the name space of the generated module."""

    def __init__(self) -> None:
        self.space: dict[str, Any] = {"from_bytes": int.from_bytes}
        self._serials = itertools.count()
        self._constants: dict[tuple[int, ...], str] = {}

    @abstractmethod
    def lowered(self, function: t.Function, given: Given = ()) -> Lowered:
        """The generated version of a function for arguments of which this is known."""

    @abstractmethod
    def quantified(self, node: t.Quantified, scope: Scope) -> Code:
        """The code of any, all, count or first."""

    @abstractmethod
    def call(self, function: t.Function, arguments: Sequence[t.Expr], scope: Scope) -> Code:
        """The code of a call."""

    def fresh(self, stem: str = "t") -> str:
        """A name not used before."""
        return f"{stem}{next(self._serials)}_"

    def expression(self, node: t.Expr, scope: Scope) -> Code:
        """The code of an expression."""
        match node:
            case t.Constant(value):
                return c.literal(value)
            case t.Local(name):
                return scope.names.get(name) or Code(f"v_{name}")
            case t.Deref():
                return self._row(node, scope)
            case t.RowId(row):
                return self.expression(row, scope)
            case t.Field(state, column, row):
                return self._field(scope.buffers[state], column, self._where(row, scope))
            case t.Member():
                return self._member(node, scope)
            case t.Not(operand):
                return c.negation(self.expression(operand, scope))
            case t.Logic(op, left, right):
                first = self.expression(left, scope)
                second = self.expression(right, scope.after(first, op == "and"))
                join = c.conjunction if op == "and" else c.disjunction
                return join((first, second))
            case t.Compare(op, left, right):
                first = self.expression(left, scope)
                second = self.expression(right, scope.after(first))
                return c.comparison(op, first, second, not isinstance(left.type, IntT))
            case t.Arithmetic(op, left, right):
                first = self.expression(left, scope)
                return c.sum_of(op, first, self.expression(right, scope.after(first)))
            case t.Choice(test, then, other):
                first = self.expression(test, scope)
                return c.choice(
                    first,
                    self.expression(then, scope.after(first, True)),
                    self.expression(other, scope.after(first, False)),
                )
            case t.Quantified():
                return self.quantified(node, scope)
            case t.Call(function, arguments):
                return self.call(function, arguments, scope)
            case t.Several(items):
                codes = self.in_order(items, scope)
                return c.combined(f"({', '.join(item.text for item in codes)},)", *codes)

    # rows and fields

    def _row(self, node: t.Deref, scope: Scope) -> Code:
        index = self.expression(node.index, scope)
        if isinstance(node.index, t.RowId) or is_nonzero(index, scope):
            return index
        name = f"null_{node.table.name}"
        self.space.setdefault(name, _crasher(f"null dereference: {node.table.name}"))
        return Code(
            f"({index.text} or {name}())", pure=False, effect=index.effect, bare_text=index.bare,
            facts=index.facts | {index.bare},
        )

    def _where(self, row: t.Expr | None, scope: Scope) -> Code:
        return c.literal(1) if row is None else self.expression(row, scope)

    def _field(self, buffer: Buffer, column: Column, row: Code) -> Code:
        if column.constants is not None:
            values = tuple(int(value) for value in column.constants)
            if row.value is not None or (len(set(values)) == 1 and row.pure):
                return c.literal(values[(row.value or 1) - 1])
            name = self.tuple_of((0, *values))
            return replace(
                c.combined(f"{name}[{row.text}]", row), bare_text=f"{name}[{row.bare}]",
                nonzero=all(values),
            )
        if row.value is not None:
            offset = column.offset(row.value)
            return Code(f"{buffer.cells}[{offset}]", cell=(buffer.bytes, offset))
        at, bare = (_shifted(text, column.base - 1) for text in (row.text, row.bare))
        read = c.combined(f"{buffer.cells}[{at}]", row)
        return replace(read, bare_text=f"{buffer.cells}[{bare}]")

    def tuple_of(self, values: tuple[int, ...]) -> str:
        """The name of a constant tuple."""
        if values not in self._constants:
            self._constants[values] = f"C{len(self._constants)}"
            self.space[self._constants[values]] = values
        return self._constants[values]

    def _member(self, node: t.Member, scope: Scope) -> Code:
        item = self.expression(node.item, scope)
        row = self._where(node.row, scope.after(item))
        if not item.trivial and not (item.pure and row.pure):
            name = self.fresh()
            return c.bound(name, item, self._in_set(node, Code(name), row, scope))
        return self._in_set(node, item, row, scope)

    def _in_set(self, node: t.Member, item: Code, row: Code, scope: Scope) -> Code:
        column, cells = node.column, scope.buffers[node.state].cells
        if column.constants is not None:
            masks = tuple(_mask(members) for members in column.constants)
            if row.value is not None and item.value is not None:
                return c.literal(masks[row.value - 1] >> item.value & 1)
            mask = f"{self.tuple_of((0, *masks))}[{row.text}]"
            if row.value is not None:
                mask = str(masks[row.value - 1])
            if item.value is not None:
                return c.bit_of(mask, item.value, row)
            return c.combined(f"({mask} >> {item.text} & 1)", row, item)
        if item.value == 0 and row.pure:
            return c.FALSE
        if column.width == 1:
            cell = f"{cells}[{offset_text(column, row)}]"
            if item.value:
                return c.bit_of(cell, item.value - 1, row)
            return c.combined(f"({cell} << 1 >> {item.text} & 1)", row, item)
        if not row.trivial:
            name = self.fresh()
            return c.bound(name, row, self._in_set(node, item, Code(name), scope))
        first = offset_text(column, row)
        end = str(int(first) + column.width) if first.isdigit() else f"{first} + {column.width}"
        whole = f"from_bytes({scope.buffers[node.state].bytes}[{first}:{end}], 'little')"
        if item.value:
            place = item.value - 1
            at = str(int(first) + place // 8) if first.isdigit() else f"{first} + {place // 8}"
            return c.bit_of(whole, place, row, byte=f"{cells}[{at}]")
        return c.combined(f"({whole} << 1 >> {item.text} & 1)", row, item)

    # calls

    def in_order(self, items: Sequence[t.Expr], scope: Scope) -> list[Code]:
        """Expressions that are evaluated one after the other."""
        codes = []
        for item in items:
            codes.append(self.expression(item, scope))
            scope = scope.after(codes[-1])
        return codes

def offset_text(column: Column, row: Code) -> str:
    """Where the cell of a row begins, as text."""
    if row.value is not None:
        return str(column.offset(row.value))
    scaled = row.text if column.width == 1 else f"{row.text} * {column.width}"
    return _shifted(scaled, column.base - column.width)


def _shifted(text: str, distance: int) -> str:
    if distance == 0:
        return text
    return f"{text} + {distance}" if distance > 0 else f"{text} - {-distance}"


def _mask(members: Sequence[int]) -> int:
    return sum(1 << int(member) for member in set(members))


def _crasher(why: str) -> Callable[[], int]:
    failure = crash_class(why)

    def crash() -> int:
        raise failure

    return crash

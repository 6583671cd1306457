"""Expressions of a specification function as typed trees."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Callable, Sequence
from enum import IntEnum
from types import FunctionType
from typing import Any, Final, Protocol

from checkers.frontend import tree as t
from checkers.frontend.bindings import ANY_INT, BOOL, Names
from checkers.frontend.effects import Effects
from checkers.frontend.failing import may_fail
from spec.language import types
from spec.language.layout import (
    BoolT,
    Column,
    EnumT,
    IdT,
    IntT,
    Layout,
    SetT,
    SortT,
    TableLayout,
)

QUANTIFIERS: Final[dict[Any, str]] = {
    builtins.any: "any", builtins.all: "all", types.count: "count", types.first: "first",
    types.fresh: "fresh",
}
COMPARISONS: Final[dict[type[ast.cmpop], str]] = {
    ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=",
}


class Functions(Protocol):
    """Has the trees of the functions that are called."""

    layout: Layout
    effects: Effects

    def function(self, function: Callable[..., Any]) -> t.Function:
        """The typed tree of a linked function."""


class Reader(Names):
    """Reads the expressions of one function."""

    def __init__(self, functions: Functions, function: Callable[..., Any]) -> None:
        super().__init__(function)
        self.functions = functions
        self.layout = functions.layout

    def boolean(self, node: ast.expr) -> t.Expr:
        """A condition."""
        found = self.expression(node)
        if found.type != BOOL:
            self.refuse(node, f"`{ast.unparse(node)}` is no condition; compare it with something")
        return found

    def expression(self, node: ast.expr) -> t.Expr:
        """Any expression."""
        match node:
            case ast.Constant(bool() as value):
                return t.Constant(int(value), BOOL)
            case ast.Constant(int() as value):
                return self.number(node, value)
            case ast.Name(name):
                return self.named(node, name)
            case ast.Attribute():
                return self._attribute(node)
            case ast.Subscript(base, index):
                return self._subscript(node, base, index)
            case ast.UnaryOp(ast.Not(), operand):
                return t.Not(self.boolean(operand), BOOL)
            case ast.UnaryOp(ast.USub(), ast.Constant(int() as value)):
                return self.number(node, -value)
            case ast.BoolOp(op, values):
                return self._logic("and" if isinstance(op, ast.And) else "or", values)
            case ast.Compare(left, [op], [right]):
                return self._compare(node, left, op, right)
            case ast.BinOp(left, ast.Add() | ast.Sub() as op, right):
                return self._arithmetic(node, left, op, right)
            case ast.IfExp(test, then, other):
                first, second = self.expression(then), self.expression(other)
                kind = self._joined(node, first.type, second.type)
                return t.Choice(
                    self.boolean(test), self.coerced(node, first, kind),
                    self.coerced(node, second, kind), kind,
                )
            case ast.Call():
                return self._call(node)
            case ast.Tuple(items):
                found = tuple(self.expression(item) for item in items)
                self.in_order(node, *found)
                return t.Several(found, t.TupleT(tuple(item.type for item in found)))
        self.refuse(
            node,
            f"`{ast.unparse(node)}` is not in the language; use comparison, and/or/not, + and -, "
            "`x if c else y`, any/all/count/first over a table, and calls",
        )

    def in_order(self, node: ast.AST, *operands: t.Expr) -> None:
        """Refuse a call that does something beside an operand that could tell when it is done."""
        effects = self.functions.effects

        def is_safe(other: t.Expr, does: bool) -> bool:
            fails = effects.changes(other) or may_fail(other, (), effects.fails)
            return _is_plain(other) or not (does or fails)

        for operand in filter(effects.changes, operands):
            does = effects.does(operand)
            if not all(is_safe(other, does) for other in operands if other is not operand):
                self.refuse(
                    node, "a call here changes the state, or may end the action, beside what may "
                    "depend on when it does; give its answer a name first: `x = ...`"
                )

    def _attribute(self, node: ast.Attribute) -> t.Expr:
        if isinstance(node.value, ast.Name) and not self.is_local(node.value.id):
            owner = self.global_(node, node.value.id)
            if isinstance(owner, type) and issubclass(owner, IntEnum):
                if node.attr not in owner.__members__:
                    self.refuse(node, f"{owner.__name__} has no member {node.attr}")
                return t.Constant(int(owner[node.attr]), EnumT(owner))
            self.refuse(node, f"`{ast.unparse(node)}` is not a value of the language")
        return self.field(node)

    def field(self, node: ast.Attribute) -> t.Expr:
        """A column of a row, or of the state itself."""
        owner = self.expression(node.value)
        if isinstance(owner.type, t.StateT):
            column = self.layout.scalars.get(node.attr)
            if column is None:
                self.refuse(node, f"the state has no field `{node.attr}`")
            return t.Field(owner.type.index, column, None, self._plain_type(node, column))
        if not isinstance(owner.type, t.RowT):
            self.refuse(node, f"`{ast.unparse(node.value)}` has no fields; is it an id, not a row?")
        if node.attr == "id":
            record = self.layout.tables[owner.type.table].record
            return t.RowId(owner, IdT(record))
        found = self.layout.tables[owner.type.table].columns.get(node.attr)
        if found is None:
            self.refuse(node, f"a row of `{owner.type.table}` has no field `{node.attr}`")
        return t.Field(owner.type.state, found, owner, self._plain_type(node, found))

    def _plain_type(self, node: ast.AST, column: Column) -> t.Type:
        if isinstance(column.type, SetT):
            self.refuse(node, f"`{column.name}` is a set; use `in`, add, discard, clear")
        return column.type

    def set_target(self, node: ast.expr) -> tuple[Column, t.Expr | None, int] | None:
        """The column, the row and the state of an expression that is a set; None if it is none."""
        if not isinstance(node, ast.Attribute):
            return None
        owner = self.expression(node.value)
        if isinstance(owner.type, t.StateT):
            column, row, state = self.layout.scalars.get(node.attr), None, owner.type.index
        elif isinstance(owner.type, t.RowT):
            column = self.layout.tables[owner.type.table].columns.get(node.attr)
            row, state = owner, owner.type.state
        else:
            return None
        return (column, row, state) if column and isinstance(column.type, SetT) else None

    def _table(self, node: ast.expr) -> tuple[int, TableLayout] | None:
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            name = node.value.id
            kind = self.named(node, name).type if self.is_local(name) else None
            if isinstance(kind, t.StateT) and node.attr in self.layout.tables:
                return kind.index, self.layout.tables[node.attr]
        return None

    def _subscript(self, node: ast.AST, base: ast.expr, index: ast.expr) -> t.Expr:
        found = self._table(base)
        if found is None:
            self.refuse(node, f"`{ast.unparse(base)}` is not a table of the state")
        state, table = found
        value = self.coerced(node, self.expression(index), IdT(table.record))
        return t.Deref(state, table, value, t.RowT(table.name, state))

    def _logic(self, op: str, values: Sequence[ast.expr]) -> t.Expr:
        found = self.boolean(values[0])
        for value in values[1:]:
            found = t.Logic(op, found, self.boolean(value), BOOL)
        return found

    def _compare(
        self, node: ast.AST, left: ast.expr, op: ast.cmpop, right: ast.expr
    ) -> t.Expr:
        if isinstance(op, ast.In | ast.NotIn):
            found = self._membership(node, left, right)
            return t.Not(found, BOOL) if isinstance(op, ast.NotIn) else found
        if type(op) not in COMPARISONS:
            self.refuse(node, "compare with ==, !=, <, <=, >, >= or `in`")
        a, b = self.expression(left), self.expression(right)
        self.in_order(node, a, b)
        name = COMPARISONS[type(op)]
        kind = self._joined(node, a.type, b.type)
        if isinstance(kind, t.RowT):
            self.refuse(node, "rows are compared by their ids")
        if isinstance(kind, t.TupleT | t.StateT | t.FaultT | t.NoneT):
            self.refuse(node, "only plain values are compared")
        if name not in ("==", "!=") and not isinstance(kind, IntT):
            self.refuse(node, "only ints have an order; ids, enums and data are compared with ==")
        a, b = self.coerced(node, a, kind), self.coerced(node, b, kind)
        return t.Compare(name, a, b, BOOL)

    def _membership(self, node: ast.AST, left: ast.expr, right: ast.expr) -> t.Expr:
        item = self.expression(left)
        if isinstance(right, ast.Tuple):
            self._one_of(node, item, [self.expression(element) for element in right.elts])
            found: t.Expr = t.Constant(0, BOOL)
            for element in reversed(right.elts):
                value = self.coerced(node, self.expression(element), item.type)
                test = t.Compare("==", item, value, BOOL)
                found = t.Logic("or", test, found, BOOL) if found != t.Constant(0, BOOL) else test
            return found
        target = self.set_target(right)
        if target is None:
            self.refuse(node, "`in` takes a set field or a tuple of values")
        column, row, state = target
        assert isinstance(column.type, SetT)
        self.in_order(node, item, *([row] if row is not None else []))
        return t.Member(self.coerced(node, item, IdT(column.type.record)), state, column, row, BOOL)

    def _one_of(self, node: ast.AST, item: t.Expr, elements: list[t.Expr]) -> None:
        """Refuse a tuple to look in whose elements, or the item, are more than looked at."""
        effects = self.functions.effects
        if any(map(effects.changes, (item, *elements))):
            self.refuse(node, "a call here does more than answer; give its answer a name first")
        if any(may_fail(element, (), effects.fails) for element in elements[1:]):
            self.refuse(node, "what is looked in may fail; compare with ==, and join with `or`")

    def _arithmetic(
        self, node: ast.AST, left: ast.expr, op: ast.operator, right: ast.expr
    ) -> t.Expr:
        a, b = self.expression(left), self.expression(right)
        self.in_order(node, a, b)
        if not isinstance(a.type, IntT) or not isinstance(b.type, IntT):
            self.refuse(node, "only ints are added and subtracted")
        if isinstance(op, ast.Add):
            lo, hi, name = a.type.lo + b.type.lo, a.type.hi + b.type.hi, "+"
        else:
            lo, hi, name = a.type.lo - b.type.hi, a.type.hi - b.type.lo, "-"
        kind = IntT(max(lo, ANY_INT.lo), min(hi, ANY_INT.hi))
        return t.Arithmetic(name, a, b, kind)

    def _call(self, node: ast.Call) -> t.Expr:
        callee = self.resolve(node.func)
        if callee in QUANTIFIERS:
            return self._quantified(node, QUANTIFIERS[callee])
        if callee is len and len(node.args) == 1 and (found := self._table(node.args[0])):
            return t.Constant(found[1].rows, IntT(found[1].rows, found[1].rows))
        if not isinstance(callee, FunctionType):
            self.refuse(node, f"`{ast.unparse(node.func)}` is not a specification function")
        if node.keywords or any(isinstance(argument, ast.Starred) for argument in node.args):
            self.refuse(node, "arguments are passed by position")
        function = self.functions.function(callee)
        if len(node.args) != len(function.parameters):
            self.refuse(node, f"{function.name} takes {len(function.parameters)} arguments")
        given = [self.expression(argument) for argument in node.args]
        self.in_order(node, *given)
        states = tuple(item.type.index for item in given if isinstance(item.type, t.StateT))
        arguments = tuple(
            self.coerced(node, item, _seen(kind, states, item.type))
            for item, (_, kind) in zip(given, function.parameters, strict=True)
        )
        return t.Call(function, arguments, _seen(function.returns, states, None))

    def _quantified(self, node: ast.Call, op: str) -> t.Expr:
        if len(node.args) != 1 or not isinstance(node.args[0], ast.GeneratorExp):
            self.refuse(node, f"`{op}` takes a generator: {op}(... for x in s.table if ...)")
        relaxed = op == "fresh"
        return self._generator(node, "first" if relaxed else op, node.args[0], 0, relaxed)

    def _generator(
        self, node: ast.Call, op: str, source: ast.GeneratorExp, level: int, relaxed: bool = False
    ) -> t.Expr:
        clause = source.generators[level]
        if not isinstance(clause.target, ast.Name):
            self.refuse(node, "a generator binds one name")
        state, table, span = self.iterable(clause.iter)
        name = clause.target.id
        hidden, sure = self.locals.get(name), self.sure
        self.bind(name, t.RowT(table.name, state) if table else ANY_INT)
        test = self._logic("and", clause.ifs) if clause.ifs else None
        if level + 1 < len(source.generators):
            if op not in ("any", "all"):
                self.refuse(node, f"`{op}` goes over one table")
            value = self._generator(node, op, source, level + 1)
        else:
            value = self.expression(source.elt) if op == "first" else self.boolean(source.elt)
        if self.functions.effects.does((test, value)):
            self.refuse(node, f"a call in `{op}` changes the state or calls the host; use a loop")
        if op == "first" and not isinstance(value.type, IdT):
            self.refuse(node, "`first` takes ids: first(x.id for x in s.table if ...)")
        self.sure = sure
        if hidden is None:
            del self.locals[name]
        else:
            self.locals[name] = hidden
        kinds: dict[str, t.Type] = {"first": value.type, "count": IntT(0, span[1] - span[0])}
        kind = kinds.get(op, BOOL)
        line = self.line_of(node)
        return t.Quantified(op, name, state, table, span, test, value, kind, relaxed, line)

    def _joined(self, node: ast.AST, a: t.Type, b: t.Type) -> t.Type:
        if isinstance(a, IntT) and isinstance(b, IntT):
            return IntT(min(a.lo, b.lo), max(a.hi, b.hi))
        if isinstance(a, IdT) and isinstance(b, IdT) and a.record is types.Record:
            return b
        if isinstance(a, SortT) and isinstance(b, SortT):
            return b if a.cls is types.Sort else a
        self.same(node, b, a)
        return a

    def coerced(self, node: ast.AST, value: t.Expr, kind: t.Type) -> t.Expr:
        """The value as one of this type: NONE and NULL take the type that is wanted."""
        if isinstance(value, t.Several) and isinstance(kind, t.TupleT):
            pairs = zip(value.items, kind.items, strict=True)
            return t.Several(tuple(self.coerced(node, item, k) for item, k in pairs), kind)
        self.same(node, value.type, kind)
        if isinstance(value, t.Constant) and not isinstance(kind, IntT):
            return t.Constant(value.value, kind, value.line)
        if isinstance(value, t.Choice) and value.type != kind and not isinstance(kind, IntT):
            then, other = (self.coerced(node, side, kind) for side in (value.then, value.other))
            return t.Choice(value.test, then, other, kind)
        return value

    def same(self, node: ast.AST, found: t.Type, wanted: t.Type) -> None:
        """Refuse what is of another type."""
        if isinstance(found, IntT) and isinstance(wanted, IntT):
            return
        if isinstance(found, IdT) and isinstance(wanted, IdT):
            if types.Record in (found.record, wanted.record) or found.record is wanted.record:
                return
        elif isinstance(found, SortT) and isinstance(wanted, SortT):
            if types.Sort in (found.cls, wanted.cls) or found.cls is wanted.cls:
                return
        elif found == wanted:
            return
        self.refuse(node, f"this is {_spelled(found)}, where {_spelled(wanted)} is wanted")

    def iterable(self, node: ast.expr) -> tuple[int, TableLayout | None, tuple[int, int]]:
        """What a loop goes over: a table of a state, or (None) a range of literals; its numbers."""
        found = self._table(node)
        if found:
            return found[0], found[1], (1, found[1].rows + 1)
        if isinstance(node, ast.Call) and self.resolve(node.func) is range:
            ends = [self.expression(argument) for argument in node.args]
            if all(isinstance(end, t.Constant) for end in ends) and len(ends) in (1, 2):
                values = [end.value for end in ends if isinstance(end, t.Constant)]
                return 0, None, (values[0] if len(values) == 2 else 0, values[-1])
        self.refuse(node, "loops go over a table of the state or a range of literals")


def _is_plain(expr: t.Expr) -> bool:
    """Whether it does not matter when an expression is evaluated, whatever is done meanwhile."""
    match expr:
        case t.RowId(row, _):
            return _is_plain(row)
    return isinstance(expr, t.Constant | t.Local)


def _seen(kind: t.Type, states: tuple[int, ...], given: t.Type | None) -> t.Type:
    """A type of the callee as its caller sees it: rows belong to the states that were passed."""
    if isinstance(kind, t.RowT):
        return t.RowT(kind.table, states[kind.state])
    return given if isinstance(kind, t.StateT) and isinstance(given, t.StateT) else kind


def _spelled(kind: t.Type) -> str:
    match kind:
        case IdT(record):
            return f"an Id[{record.__name__}]"
        case EnumT(cls) | SortT(cls):
            return f"a {cls.__name__}"
        case t.RowT(table):
            return f"a row of `{table}`"
        case BoolT():
            return "a bool"
        case IntT():
            return "an int"
        case t.TupleT(items):
            return f"a tuple of {len(items)}"
    return "nothing" if isinstance(kind, t.NoneT) else "the state or the fault"

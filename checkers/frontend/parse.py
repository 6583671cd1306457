"""Python source of a linked specification function -> typed tree, or one clear refusal.

Everything outside the subset is refused with file, line and what to write instead.
"""

from __future__ import annotations

import ast
import builtins
import inspect
import itertools
import textwrap
from collections.abc import Callable, Sequence
from enum import IntEnum
from types import FunctionType
from typing import Any, NoReturn, get_args, get_origin, get_type_hints

from checkers.frontend import tree as t
from spec.language import control, types
from spec.language.errors import LanguageError
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

ANY_INT = IntT(-512, 511)
"""The range of intermediate and local ints."""

BOOL = BoolT()
QUANTIFIERS: dict[Any, str] = {
    builtins.any: "any", builtins.all: "all", types.count: "count", types.first: "first",
    types.fresh: "fresh",
}
GUARDS: dict[Any, str] = {
    control.require: "require", control.check: "check", control.limit: "limit",
}
COMPARISONS: dict[type[ast.cmpop], tuple[str, bool]] = {
    ast.Eq: ("==", False), ast.NotEq: ("!=", False), ast.Lt: ("<", False), ast.LtE: ("<=", False),
    ast.Gt: ("<", True), ast.GtE: ("<=", True),
}


class Parser:
    """Parses the functions of one program; each function once."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self._functions: dict[Callable[..., Any], t.Function] = {}
        self._serials = itertools.count()

    def function(self, function: Callable[..., Any]) -> t.Function:
        """The typed tree of a linked function."""
        if function not in self._functions:
            tree = _FunctionParser(self, function).parse(next(self._serials))
            self._functions[function] = tree
        return self._functions[function]

    def type_of(self, function: Callable[..., Any], name: str, hint: Any, states: int) -> t.Type:
        """The type an annotation of a parameter or result stands for."""
        if isinstance(hint, type) and issubclass(hint, types.State):
            return t.StateT(states)
        if isinstance(hint, type) and issubclass(hint, types.Record):
            return t.RowT(self.layout.table_of(hint).name)
        if hint is control.Fault:
            return t.FaultT()
        if hint is int:
            return ANY_INT
        if hint is type(None):
            return t.NoneT()
        if get_origin(hint) is tuple:
            return t.TupleT(tuple(self.type_of(function, name, x, states) for x in get_args(hint)))
        kind = self.layout.value_type(function, name, hint)
        if isinstance(kind, SetT):
            raise LanguageError(*_place(function), f"`{name}`: a set is passed as its row")
        return kind


class _FunctionParser:
    def __init__(self, parser: Parser, function: Callable[..., Any]) -> None:
        self.parser = parser
        self.layout = parser.layout
        self.function = function
        self.plain: Any = inspect.unwrap(function)
        self.file, self.line = _place(function)
        self.locals: dict[str, t.Type] = {}
        self.loops = 0

    def parse(self, serial: int) -> t.Function:
        node = _definition(self.plain, self.file, self.line)
        hints = get_type_hints(self.plain, include_extras=True)
        states = 0
        parameters = []
        if node.args.kwonlyargs or node.args.vararg or node.args.kwarg or node.args.defaults:
            self.refuse(node, "parameters are positional, without defaults")
        for argument in node.args.args:
            if argument.arg not in hints:
                self.refuse(node, f"parameter `{argument.arg}` has no type")
            kind = self.parser.type_of(self.plain, argument.arg, hints[argument.arg], states)
            if isinstance(kind, t.RowT) and not states:
                self.refuse(node, "a function that takes a row takes the state before it")
            states += isinstance(kind, t.StateT)
            self.locals[argument.arg] = kind
            parameters.append((argument.arg, kind))
        self.returns = self.parser.type_of(self.plain, "return", hints.get("return", type(None)), 0)
        body = self.block(node.body)
        return t.Function(
            node.name, tuple(parameters), self.returns, body,
            getattr(self.function, "__host_call__", None), self.file, self.line, serial,
        )

    def refuse(self, node: ast.AST, message: str) -> NoReturn:
        raise LanguageError(self.file, self.line_of(node), message)

    def line_of(self, node: ast.AST) -> int:
        """The line of the file in which a part of the function is written."""
        return self.line + int(getattr(node, "lineno", 1)) - 1

    # statements

    def block(self, nodes: Sequence[ast.stmt]) -> tuple[t.Stmt, ...]:
        found: list[t.Stmt] = []
        for node in nodes:
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
                continue  # a docstring
            if not isinstance(node, ast.Pass):
                found.append(self.statement(node))
        return tuple(found)

    def statement(self, node: ast.stmt) -> t.Stmt:
        match node:
            case ast.Expr(ast.Call() as call):
                return self.effect(call)
            case ast.Assign([target], value):
                return self.assignment(target, value)
            case ast.AnnAssign(ast.Name() as target, _, ast.expr() as value):
                return self.assignment(target, value, self.annotation(node))
            case ast.AugAssign(target, op, value):
                load = ast.copy_location(_loaded(target), node)
                total = ast.copy_location(ast.BinOp(load, op, value), node)
                return self.assignment(target, total)
            case ast.If(test, body, other):
                return t.If(self.boolean(test), self.block(body), self.block(other))
            case ast.For(ast.Name(name), iterable, body, []):
                return self.loop(node, name, iterable, body)
            case ast.Break() | ast.Continue():
                return t.Jump("break" if isinstance(node, ast.Break) else "continue")
            case ast.Return(value):
                return self.result(node, value)
        instead = {
            ast.While: "use `for` over a table or a range",
            ast.Assert: "use `require` for a guard, `check` for what the code would die of",
            ast.Raise: "return an errno, or use `check`",
            ast.Try: "refusals are results; test the errno",
            ast.With: "call the lock and unlock functions",
        }.get(type(node), "use assignments, if, for, return and calls")
        self.refuse(node, f"`{type(node).__name__.lower()}` is not in the language; {instead}")

    def annotation(self, node: ast.AnnAssign) -> t.Type:
        names = dict(self.plain.__globals__)
        text = ast.unparse(node.annotation)
        hint = get_type_hints(
            type("_", (), {"__annotations__": {"x": text}}), names, names, include_extras=True
        )["x"]
        return self.parser.type_of(self.plain, text, hint, 0)

    def result(self, node: ast.Return, value: ast.expr | None) -> t.Return:
        if value is None:
            return t.Return(None)
        found = self.expression(value)
        return t.Return(self.coerced(node, found, self.returns))

    def effect(self, node: ast.Call) -> t.Stmt:
        if isinstance(node.func, ast.Attribute):
            target = self.set_target(node.func.value)
            if target is None or node.func.attr not in ("add", "discard", "clear"):
                self.refuse(node, f"`{ast.unparse(node.func)}` cannot be called here")
            column, row, state = target
            if state:
                self.refuse(node, "only the first state may be changed")
            item = None
            if node.func.attr != "clear":
                item = self.expression(node.args[0])
                assert isinstance(column.type, SetT)
                self.same(node, item.type, IdT(column.type.record))
            return t.SetChange(node.func.attr, column, row, item)
        callee = self.resolve(node.func)
        if callee in GUARDS:
            op = GUARDS[callee]
            name = ""
            if op != "require":
                if len(node.args) != 2 or not isinstance(node.args[1], ast.Constant):
                    self.refuse(node, f"`{op}` takes a condition and a literal text")
                name = str(node.args[1].value)
            return t.Guard(op, self.boolean(node.args[0]), name)
        found = self.expression(node)
        if not isinstance(found, t.Call):
            self.refuse(node, "this value is not used")
        return t.Do(found)

    def assignment(
        self, target: ast.expr, value: ast.expr, declared: t.Type | None = None
    ) -> t.Stmt:
        found = self.expression(value)
        match target:
            case ast.Name(name):
                return t.Assign((name,), self.local(target, name, found, declared))
            case ast.Tuple(elements):
                if not isinstance(found.type, t.TupleT):
                    self.refuse(target, "only a call that returns a tuple can be taken apart")
                names = []
                for element, kind in zip(elements, found.type.items, strict=True):
                    if not isinstance(element, ast.Name):
                        self.refuse(target, "a tuple is taken apart into local names")
                    self.local(target, element.id, t.Local("", kind), None)
                    names.append(element.id)
                return t.Assign(tuple(names), found)
            case ast.Attribute():
                place = self.field(target)
                if not isinstance(place, t.Field) or place.column.constants is not None:
                    self.refuse(target, f"`{ast.unparse(target)}` cannot be assigned")
                if place.state:
                    self.refuse(target, "only the first state may be changed")
                return t.Store(place.column, place.row, self.coerced(target, found, place.type))
        self.refuse(target, f"`{ast.unparse(target)}` cannot be assigned")

    def local(
        self, node: ast.AST, name: str, value: t.Expr, declared: t.Type | None
    ) -> t.Expr:
        before = declared or self.locals.get(name)
        kind = value.type
        if isinstance(kind, IntT):
            kind = ANY_INT
        if before is not None:
            value = self.coerced(node, value, before)
            kind = before
        if kind == IdT(types.Record):
            self.refuse(node, f"say of what table `{name}` is: `{name}: Id[...] = NONE`")
        self.locals[name] = kind
        return value

    def loop(
        self, node: ast.For, name: str, iterable: ast.expr, body: Sequence[ast.stmt]
    ) -> t.For:
        state, table, span = self.iterable(iterable)
        self.locals[name] = t.RowT(table.name, state) if table else ANY_INT
        return t.For(name, state, table, span, self.block(body), self.line_of(node))

    def iterable(self, node: ast.expr) -> tuple[int, TableLayout | None, tuple[int, int]]:
        found = self.table(node)
        if found:
            return found[0], found[1], (1, found[1].rows + 1)
        if isinstance(node, ast.Call) and self.resolve(node.func) is range:
            ends = [self.expression(argument) for argument in node.args]
            if all(isinstance(end, t.Constant) for end in ends) and len(ends) in (1, 2):
                values = [end.value for end in ends if isinstance(end, t.Constant)]
                return 0, None, (values[0] if len(values) == 2 else 0, values[-1])
        self.refuse(node, "loops go over a table of the state or a range of literals")

    # expressions

    def boolean(self, node: ast.expr) -> t.Expr:
        found = self.expression(node)
        if found.type != BOOL:
            self.refuse(node, f"`{ast.unparse(node)}` is no condition; compare it with something")
        return found

    def expression(self, node: ast.expr) -> t.Expr:
        match node:
            case ast.Constant(bool() as value):
                return t.Constant(int(value), BOOL)
            case ast.Constant(int() as value):
                return t.Constant(value, IntT(value, value))
            case ast.Name(name):
                return self.name(node, name)
            case ast.Attribute():
                return self.attribute(node)
            case ast.Subscript(base, index):
                return self.subscript(node, base, index)
            case ast.UnaryOp(ast.Not(), operand):
                return t.Not(self.boolean(operand), BOOL)
            case ast.UnaryOp(ast.USub(), ast.Constant(int() as value)):
                return t.Constant(-value, IntT(-value, -value))
            case ast.BoolOp(op, values):
                return self.logic("and" if isinstance(op, ast.And) else "or", values)
            case ast.Compare(left, [op], [right]):
                return self.compare(node, left, op, right)
            case ast.BinOp(left, ast.Add() | ast.Sub() as op, right):
                return self.arithmetic(node, left, op, right)
            case ast.IfExp(test, then, other):
                first, second = self.expression(then), self.expression(other)
                kind = self.joined(node, first.type, second.type)
                return t.Choice(
                    self.boolean(test), self.coerced(node, first, kind),
                    self.coerced(node, second, kind), kind,
                )
            case ast.Call():
                return self.call(node)
            case ast.Tuple(items):
                found = tuple(self.expression(item) for item in items)
                return t.Several(found, t.TupleT(tuple(item.type for item in found)))
        self.refuse(
            node,
            f"`{ast.unparse(node)}` is not in the language; use comparison, and/or/not, + and -, "
            "`x if c else y`, any/all/count/first over a table, and calls",
        )

    def name(self, node: ast.AST, name: str) -> t.Expr:
        if name in self.locals:
            return t.Local(name, self.locals[name])
        return self.constant(node, name, self.global_(node, name))

    def global_(self, node: ast.AST, name: str) -> Any:
        if name in self.plain.__globals__:
            return self.plain.__globals__[name]
        if hasattr(builtins, name):
            return getattr(builtins, name)
        self.refuse(node, f"`{name}` is not known here")

    def constant(self, node: ast.AST, name: str, value: Any) -> t.Expr:
        if isinstance(value, types.Id):
            return t.Constant(int(value), IdT(types.Record), self.line_of(node))
        if isinstance(value, IntEnum):
            return t.Constant(int(value), EnumT(type(value)))
        if value is types.NULL and isinstance(value, int) and name == "NULL":
            return t.Constant(0, SortT(types.Sort))
        if isinstance(value, bool):
            return t.Constant(int(value), BOOL)
        if isinstance(value, int):
            return t.Constant(value, IntT(value, value))
        self.refuse(node, f"`{name}` is not a value of the language")

    def attribute(self, node: ast.Attribute) -> t.Expr:
        if isinstance(node.value, ast.Name) and node.value.id not in self.locals:
            owner = self.global_(node, node.value.id)
            if isinstance(owner, type) and issubclass(owner, IntEnum):
                if node.attr not in owner.__members__:
                    self.refuse(node, f"{owner.__name__} has no member {node.attr}")
                return t.Constant(int(owner[node.attr]), EnumT(owner))
            self.refuse(node, f"`{ast.unparse(node)}` is not a value of the language")
        return self.field(node)

    def field(self, node: ast.Attribute) -> t.Expr:
        owner = self.expression(node.value)
        if isinstance(owner.type, t.StateT):
            column = self.layout.scalars.get(node.attr)
            if column is None:
                self.refuse(node, f"the state has no field `{node.attr}`")
            return t.Field(owner.type.index, column, None, self.plain_type(node, column))
        if not isinstance(owner.type, t.RowT):
            self.refuse(node, f"`{ast.unparse(node.value)}` has no fields; is it an id, not a row?")
        if node.attr == "id":
            record = self.layout.tables[owner.type.table].record
            return t.RowId(owner, IdT(record))
        found = self.layout.tables[owner.type.table].columns.get(node.attr)
        if found is None:
            self.refuse(node, f"a row of `{owner.type.table}` has no field `{node.attr}`")
        return t.Field(owner.type.state, found, owner, self.plain_type(node, found))

    def plain_type(self, node: ast.AST, column: Column) -> t.Type:
        if isinstance(column.type, SetT):
            self.refuse(node, f"`{column.name}` is a set; use `in`, add, discard, clear")
        return column.type

    def set_target(self, node: ast.expr) -> tuple[Column, t.Expr | None, int] | None:
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

    def table(self, node: ast.expr) -> tuple[int, TableLayout] | None:
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            kind = self.locals.get(node.value.id)
            if isinstance(kind, t.StateT) and node.attr in self.layout.tables:
                return kind.index, self.layout.tables[node.attr]
        return None

    def subscript(self, node: ast.AST, base: ast.expr, index: ast.expr) -> t.Expr:
        found = self.table(base)
        if found is None:
            self.refuse(node, f"`{ast.unparse(base)}` is not a table of the state")
        state, table = found
        value = self.coerced(node, self.expression(index), IdT(table.record))
        return t.Deref(state, table, value, t.RowT(table.name, state))

    def logic(self, op: str, values: Sequence[ast.expr]) -> t.Expr:
        found = self.boolean(values[0])
        for value in values[1:]:
            found = t.Logic(op, found, self.boolean(value), BOOL)
        return found

    def compare(
        self, node: ast.AST, left: ast.expr, op: ast.cmpop, right: ast.expr
    ) -> t.Expr:
        if isinstance(op, ast.In | ast.NotIn):
            found = self.membership(node, left, right)
            return t.Not(found, BOOL) if isinstance(op, ast.NotIn) else found
        if type(op) not in COMPARISONS:
            self.refuse(node, "compare with ==, !=, <, <=, >, >= or `in`")
        a, b = self.expression(left), self.expression(right)
        name, swapped = COMPARISONS[type(op)]
        kind = self.joined(node, a.type, b.type)
        if isinstance(kind, t.RowT):
            self.refuse(node, "rows are compared by their ids")
        if isinstance(kind, t.TupleT | t.StateT | t.FaultT | t.NoneT):
            self.refuse(node, "only plain values are compared")
        if name in ("<", "<=") and not isinstance(kind, IntT):
            self.refuse(node, "only ints have an order; ids, enums and data are compared with ==")
        a, b = self.coerced(node, a, kind), self.coerced(node, b, kind)
        return t.Compare(name, b, a, BOOL) if swapped else t.Compare(name, a, b, BOOL)

    def membership(self, node: ast.AST, left: ast.expr, right: ast.expr) -> t.Expr:
        item = self.expression(left)
        if isinstance(right, ast.Tuple):
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
        return t.Member(self.coerced(node, item, IdT(column.type.record)), state, column, row, BOOL)

    def arithmetic(
        self, node: ast.AST, left: ast.expr, op: ast.operator, right: ast.expr
    ) -> t.Expr:
        a, b = self.expression(left), self.expression(right)
        if not isinstance(a.type, IntT) or not isinstance(b.type, IntT):
            self.refuse(node, "only ints are added and subtracted")
        if isinstance(op, ast.Add):
            lo, hi, name = a.type.lo + b.type.lo, a.type.hi + b.type.hi, "+"
        else:
            lo, hi, name = a.type.lo - b.type.hi, a.type.hi - b.type.lo, "-"
        kind = IntT(max(lo, ANY_INT.lo), min(hi, ANY_INT.hi))
        return t.Arithmetic(name, a, b, kind)

    def call(self, node: ast.Call) -> t.Expr:
        callee = self.resolve(node.func)
        if callee in QUANTIFIERS:
            return self.quantified(node, QUANTIFIERS[callee])
        if callee is len and len(node.args) == 1 and (found := self.table(node.args[0])):
            return t.Constant(found[1].rows, IntT(found[1].rows, found[1].rows))
        if not isinstance(callee, FunctionType):
            self.refuse(node, f"`{ast.unparse(node.func)}` is not a specification function")
        if node.keywords or any(isinstance(argument, ast.Starred) for argument in node.args):
            self.refuse(node, "arguments are passed by position")
        function = self.parser.function(callee)
        if len(node.args) != len(function.parameters):
            self.refuse(node, f"{function.name} takes {len(function.parameters)} arguments")
        given = [self.expression(argument) for argument in node.args]
        states = tuple(item.type.index for item in given if isinstance(item.type, t.StateT))
        arguments = tuple(
            self.coerced(node, item, _seen(kind, states, item.type))
            for item, (_, kind) in zip(given, function.parameters, strict=True)
        )
        return t.Call(function, arguments, _seen(function.returns, states, None))

    def quantified(self, node: ast.Call, op: str) -> t.Expr:
        if len(node.args) != 1 or not isinstance(node.args[0], ast.GeneratorExp):
            self.refuse(node, f"`{op}` takes a generator: {op}(... for x in s.table if ...)")
        relaxed = op == "fresh"
        return self.generator(node, "first" if relaxed else op, node.args[0], 0, relaxed)

    def generator(
        self, node: ast.Call, op: str, source: ast.GeneratorExp, level: int, relaxed: bool = False
    ) -> t.Expr:
        clause = source.generators[level]
        if not isinstance(clause.target, ast.Name):
            self.refuse(node, "a generator binds one name")
        state, table, span = self.iterable(clause.iter)
        name = clause.target.id
        hidden = self.locals.get(name)
        self.locals[name] = t.RowT(table.name, state) if table else ANY_INT
        test = self.logic("and", clause.ifs) if clause.ifs else None
        if level + 1 < len(source.generators):
            if op not in ("any", "all"):
                self.refuse(node, f"`{op}` goes over one table")
            value = self.generator(node, op, source, level + 1)
        else:
            value = self.expression(source.elt) if op == "first" else self.boolean(source.elt)
        if op == "first" and not isinstance(value.type, IdT):
            self.refuse(node, "`first` takes ids: first(x.id for x in s.table if ...)")
        if hidden is None:
            del self.locals[name]
        else:
            self.locals[name] = hidden
        kinds: dict[str, t.Type] = {"first": value.type, "count": IntT(0, span[1] - span[0])}
        kind = kinds.get(op, BOOL)
        line = self.line_of(node)
        return t.Quantified(op, name, state, table, span, test, value, kind, relaxed, line)

    def resolve(self, node: ast.expr) -> Any:
        if isinstance(node, ast.Name) and node.id not in self.locals:
            return self.global_(node, node.id)
        self.refuse(node, f"`{ast.unparse(node)}` cannot be called; import the function by name")

    # types

    def joined(self, node: ast.AST, a: t.Type, b: t.Type) -> t.Type:
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
        return value

    def same(self, node: ast.AST, found: t.Type, wanted: t.Type) -> None:
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


def _loaded(target: ast.expr) -> ast.expr:
    clone: ast.expr = ast.parse(ast.unparse(target), mode="eval").body
    return clone


def _place(function: Callable[..., Any]) -> tuple[str, int]:
    plain: Any = inspect.unwrap(function)
    return plain.__code__.co_filename, _first_line(plain)


def _first_line(function: Any) -> int:
    try:
        return int(inspect.getsourcelines(function.__code__)[1])
    except OSError:
        return int(function.__code__.co_firstlineno)


def _definition(function: Any, file: str, line: int) -> ast.FunctionDef:
    try:
        source = textwrap.dedent("".join(inspect.getsourcelines(function.__code__)[0]))
    except OSError as error:
        raise LanguageError(file, line, "the source of this function cannot be read") from error
    node = ast.parse(source).body[0]
    if not isinstance(node, ast.FunctionDef):
        raise LanguageError(file, line, "a specification function is written with `def`")
    return node

"""Python source of a linked specification function -> typed tree, or one clear refusal.

Everything outside the subset is refused with file, line and what to write instead.
"""

from __future__ import annotations

import ast
import functools
import itertools
from collections.abc import Callable, Sequence
from typing import Any, Final, get_args, get_origin, get_type_hints

from checkers.frontend import tree as t
from checkers.frontend.bindings import ANY_INT, either
from checkers.frontend.effects import Effects, leaves
from checkers.frontend.reading import Reader
from checkers.frontend.source import definition, place
from spec.language import control, types
from spec.language.errors import LanguageError
from spec.language.layout import IdT, IntT, Layout, SetT

GUARDS: Final[dict[Any, str]] = {
    control.require: "require", control.check: "check", control.limit: "limit",
}


class Parser:
    """Parses the functions of one program; each function once."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self._functions: dict[Callable[..., Any], t.Function] = {}
        self.effects = Effects()
        self._serials = itertools.count()

    @staticmethod
    @functools.lru_cache(maxsize=16)
    def of(layout: Layout) -> Parser:
        """The parser of a program's functions, by its layout: whoever asks, they are read once."""
        return Parser(layout)

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
            raise LanguageError(*place(function), f"`{name}`: a set is passed as its row")
        return kind


class _FunctionParser(Reader):
    """Parses one function: its parameters, then statement by statement."""

    def __init__(self, parser: Parser, function: Callable[..., Any]) -> None:
        super().__init__(parser, function)
        self.parser = parser

    def parse(self, serial: int) -> t.Function:
        node = definition(self.plain, self.file, self.line)
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
            self.bind(argument.arg, kind)
            parameters.append((argument.arg, kind))
        self.returns = self.parser.type_of(self.plain, "return", hints.get("return", type(None)), 0)
        body = self.block(node.body)
        if not isinstance(self.returns, t.NoneT) and not leaves(body):
            self.refuse(node, f"`{node.name}` may end without an answer; end it with a `return`")
        return t.Function(
            node.name, tuple(parameters), self.returns, body,
            getattr(self.function, "__host_call__", None), self.file, self.line, serial,
        )

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
                return self.branch(self.boolean(test), body, other)
            case ast.For(ast.Name(name), iterable, body, []):
                return self.loop(node, name, iterable, body)
            case ast.Break() | ast.Continue():
                self.sure = None
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

    def branch(
        self, test: t.Expr, then: Sequence[ast.stmt], other: Sequence[ast.stmt]
    ) -> t.If:
        before = self.sure
        first, after = self.block(then), self.sure
        self.sure = before
        second = self.block(other)
        self.sure = either(after, self.sure)
        return t.If(test, first, second)

    def result(self, node: ast.Return, value: ast.expr | None) -> t.Return:
        if value is None and not isinstance(self.returns, t.NoneT):
            self.refuse(node, "this `return` has no answer; say which")
        found = None
        if value is not None:
            found = self.coerced(node, self.expression(value), self.returns)
        self.sure = None
        return t.Return(found)

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
                self.in_order(node, item, *([row] if row is not None else []))
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
                self.in_order(target, found, *([place.row] if place.row is not None else []))
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
        self.bind(name, kind)
        return value

    def loop(
        self, node: ast.For, name: str, iterable: ast.expr, body: Sequence[ast.stmt]
    ) -> t.For:
        state, table, span = self.iterable(iterable)
        if self.sure is not None and name in self.sure:
            why = f"`{name}` has a value before this loop; use another name for a turn"
            self.refuse(node, why)
        before = self.sure
        self.bind(name, t.RowT(table.name, state) if table else ANY_INT)
        found = t.For(name, state, table, span, self.block(body), self.line_of(node))
        self.sure = before
        return found


def _loaded(target: ast.expr) -> ast.expr:
    clone: ast.expr = ast.parse(ast.unparse(target), mode="eval").body
    return clone

"""Typed expressions -> Python expressions over the flat state.

A row is its number, a field of it one byte at a known distance. Quantifiers are written out row by
row, so that constant columns fold away the rows that cannot matter.
"""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any, Final

from checkers.explicit import code as c
from checkers.explicit.code import Code
from checkers.explicit.raising import crash_class
from checkers.frontend import tree as t
from spec.language.layout import Column, IntT

WRITTEN_OUT: Final = 600
"""Quantifiers nested to more cases than this become generators."""

DEEPEST: Final = 60
"""A longer chain of conditional expressions is too deep for Python's parser."""

INLINED: Final = 700
"""A function whose value is an expression is written out in its caller up to this length."""


@dataclass(frozen=True)
class Buffer:
    """A state in generated code: what its cells are read from, and its bytes."""

    cells: str
    bytes: str


@dataclass(frozen=True)
class Scope:
    """What names stand for at one place; `known` are bare texts that are not 0 there."""

    buffers: tuple[Buffer, ...]
    names: Mapping[str, Code] = field(default_factory=dict)
    known: frozenset[str] = frozenset()
    cases: int = 1

    def after(self, code: Code, result: bool | None = None) -> Scope:
        """The scope where `code` was evaluated, and was true or false."""
        more = code.facts if result is None else code.facts | (code.yes if result else code.no)
        known = c.lasting(self.known) if code.effect else self.known
        return replace(self, known=known | more)

    def naming(self, name: str, code: Code) -> Scope:
        """The scope in which `name` stands for `code`."""
        return replace(self, names={**self.names, name: code})


@dataclass(frozen=True)
class Lowered:
    """A function of the specification as a generated one."""

    name: str
    pure: bool
    effect: bool


class Expressions(ABC):
    """Translates expressions; constants go to the name space of the generated module."""

    def __init__(self) -> None:
        self.space: dict[str, Any] = {"from_bytes": int.from_bytes}
        self._serials = itertools.count()
        self._constants: dict[tuple[int, ...], str] = {}

    @abstractmethod
    def lowered(self, function: t.Function) -> Lowered:
        """The generated function for one of the specification."""

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
                return self._quantified(node, scope)
            case t.Call(function, arguments):
                return self._call(function, arguments, scope)
            case t.Several(items):
                codes = self._in_order(items, scope)
                return c.combined(f"({', '.join(item.text for item in codes)},)", *codes)

    # rows and fields

    def _row(self, node: t.Deref, scope: Scope) -> Code:
        index = self.expression(node.index, scope)
        if index.value or index.bare in scope.known or isinstance(node.index, t.RowId):
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
                c.combined(f"{name}[{row.text}]", row), bare_text=f"{name}[{row.bare}]"
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

    # quantifiers

    def _quantified(self, node: t.Quantified, scope: Scope) -> Code:
        rows = range(*node.span)
        if scope.cases * len(rows) > WRITTEN_OUT or (node.op == "first" and len(rows) > DEEPEST):
            return self._generator(node, rows, scope)
        inner = replace(scope, cases=scope.cases * max(1, len(rows)))
        cases = [self._case(node, inner.naming(node.name, c.literal(row))) for row in rows]
        effect = any(test.effect or value.effect for test, value in cases)
        if effect:
            late = replace(inner, known=c.lasting(inner.known))
            cases = [self._case(node, late.naming(node.name, c.literal(row))) for row in rows]
        match node.op:
            case "any":
                return _any([c.conjunction(case) for case in cases])
            case "all":
                return _all([c.disjunction((c.negation(test), value)) for test, value in cases])
            case "count":
                return _count([c.conjunction(case) for case in cases])
        return self._first(cases)

    def _case(self, node: t.Quantified, scope: Scope) -> tuple[Code, Code]:
        test = self.expression(node.test, scope) if node.test is not None else c.TRUE
        return test, self.expression(node.value, scope.after(test, True))

    def _first(self, cases: Sequence[tuple[Code, Code]]) -> Code:
        live = [(test, value) for test, value in cases if test.value != 0]
        run = c.run_of([test for test, _ in live])
        ids = [value.value for _, value in live]
        if run is not None and ids[0] is not None and all(
            value == ids[0] + n for n, value in enumerate(ids)
        ):
            name, shift = self.fresh(), run.lo - ids[0]
            return Code(f"({name} - {shift} if ({name} := {run.call('find')}) >= 0 else 0)")
        found = c.FALSE
        for test, value in reversed(live):
            found = c.choice(test, value, found)
        return found

    def _generator(self, node: t.Quantified, rows: range, scope: Scope) -> Code:
        name = self.fresh("r")
        inner = replace(scope, known=c.lasting(scope.known) | {name})
        test, value = self._case(node, inner.naming(node.name, Code(name)))
        source = f"for {name} in {tuple(rows)}"
        if node.op == "first":
            text = f"next(({value.text} {source} if {test.text}), 0)"
        else:
            test = c.negation(test) if node.op == "all" else test
            join = c.disjunction if node.op == "all" else c.conjunction
            function = "sum" if node.op == "count" else node.op
            text = f"{function}({join((test, value)).text} {source})"
        return replace(c.combined(text, test, value), facts=c.NOTHING)

    # calls

    def _in_order(self, items: Sequence[t.Expr], scope: Scope) -> list[Code]:
        codes = []
        for item in items:
            codes.append(self.expression(item, scope))
            scope = scope.after(codes[-1])
        return codes

    def _call(
        self, function: t.Function, arguments: Sequence[t.Expr], scope: Scope
    ) -> Code:
        buffers = tuple(
            scope.buffers[item.type.index] for item in arguments if isinstance(item.type, t.StateT)
        )
        plain = [x for x in arguments if not isinstance(x.type, t.StateT | t.FaultT)]
        codes = self._in_order(plain, scope)
        for code in codes:
            scope = scope.after(code)
        return self.apply(function, codes, replace(scope, buffers=buffers, names={}))

    def apply(
        self, function: t.Function, arguments: Sequence[Code], scope: Scope, longest: int = INLINED
    ) -> Code:
        """The value of a function for given arguments; `scope` has the buffers of its states."""
        lowered = self.lowered(function)
        written_out = self._written_out(function, arguments, scope, lowered.effect)
        if written_out is not None and len(written_out.text) <= longest:
            return written_out
        given = [buffer.bytes for buffer in scope.buffers] + [item.text for item in arguments]
        call = c.combined(f"{lowered.name}({', '.join(given)})", *arguments)
        effect = call.effect or lowered.effect
        return replace(
            call, pure=call.pure and lowered.pure, effect=effect,
            facts=c.lasting(call.facts) if effect else call.facts,
        )

    def _written_out(
        self, function: t.Function, arguments: Sequence[Code], scope: Scope, effect: bool
    ) -> Code | None:
        if function.host is not None or effect:
            return None
        changing = any(code.effect for code in arguments)
        bindings: list[tuple[str, Code]] = []
        for name, code in zip(plain_names(function), arguments, strict=True):
            often = uses(function.body, name) > 1
            if code.trivial or (code.pure and not often and not changing):
                scope = scope.naming(name, code)
            else:
                bindings.append((self.fresh(), code))
                scope = scope.naming(name, Code(bindings[-1][0]))
        body = self._body(function.body, scope)
        for name, code in reversed(bindings):
            body = None if body is None else c.bound(name, code, body)
        return body

    def _body(self, body: Sequence[t.Stmt], scope: Scope) -> Code | None:
        """The value of a body that has no effect but its result; None if it is not of that kind."""
        if not body:
            return None
        match body[0]:
            case t.Return(value):
                return None if value is None else self.expression(value, scope)
            case t.Assign((name,), value):
                return self._let(name, self.expression(value, scope), body[1:], scope)
            case t.If(test, then, other):
                if not (leaves(then) or leaves(other)):
                    return None
                first = self.expression(test, scope)
                yes = self._body((*then, *body[1:]), scope.after(first, True))
                no = self._body((*other, *body[1:]), scope.after(first, False))
                if yes is None or no is None:
                    return None
                return _branch(first, yes, no)
        return None

    def entered(
        self, function: t.Function, given: Sequence[t.Expr], scope: Scope
    ) -> Scope | None:
        """The scope inside a called function if its arguments are names and literals, else None."""
        buffers = tuple(
            scope.buffers[item.type.index] for item in given if isinstance(item.type, t.StateT)
        )
        plain = [x for x in given if not isinstance(x.type, t.StateT | t.FaultT)]
        codes = self._in_order(plain, scope)
        if not all(code.trivial for code in codes):
            return None
        names = dict(zip(plain_names(function), codes, strict=True))
        return replace(scope, buffers=buffers, names=names)

    def _let(
        self, name: str, value: Code, rest: Sequence[t.Stmt], scope: Scope
    ) -> Code | None:
        scope = scope.after(value)
        if value.trivial or (value.pure and value.cell is not None and uses(rest, name) < 2):
            return self._body(rest, scope.naming(name, value))
        held = self.fresh()
        body = self._body(rest, scope.naming(name, Code(held)))
        return None if body is None else c.bound(held, value, body)


def _branch(test: Code, yes: Code, no: Code) -> Code:
    """`yes if test else no`; a test is 0 or 1, so `and` and `or` do where one of both is."""
    if test.value is None and yes.value in (0, 1) and yes.value != no.value:
        return c.disjunction((test, no)) if yes.value else c.conjunction((c.negation(test), no))
    if test.value is None and no.value in (0, 1) and yes.value is None:
        return c.disjunction((c.negation(test), yes)) if no.value else c.conjunction((test, yes))
    return c.choice(test, yes, no)


def _any(cases: Sequence[Code]) -> Code:
    live = [case for case in cases if case.value != 0]
    run = c.run_of(live)
    if bits := c.bits_of(live):
        return c.combined(f"({bits[0]} & {bits[1]} != 0)", live[0])
    return Code(f"({run.call('find')} >= 0)") if run else c.disjunction(live)


def _all(cases: Sequence[Code]) -> Code:
    live = [case for case in cases if not case.value]
    run = c.run_of(live)
    if bits := c.bits_of(live):
        return c.combined(f"({bits[0]} & {bits[1]} == {bits[1]})", live[0])
    return Code(f"({run.call('count')} == {run.hi - run.lo})") if run else c.conjunction(live)


def _count(cases: Sequence[Code]) -> Code:
    sure = sum(case.value for case in cases if case.value is not None)
    live = [case for case in cases if case.value is None]
    run = c.run_of(live)
    bits = c.bits_of(live)
    if run:
        total = Code(run.call("count"))
    elif bits:
        total = c.combined(f"({bits[0]} & {bits[1]}).bit_count()", live[0])
    elif live:
        total = c.combined(f"({' + '.join(case.text for case in live)})", *live)
    else:
        return c.literal(sure)
    return c.sum_of("+", total, c.literal(sure)) if sure else total


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


def plain_names(function: t.Function) -> list[str]:
    """The parameters that are neither a state nor the fault."""
    return [
        name for name, kind in function.parameters if not isinstance(kind, t.StateT | t.FaultT)
    ]


def leaves(body: Sequence[t.Stmt]) -> bool:
    """Control never comes to the end of these statements."""
    if not body:
        return False
    last = body[-1]
    if isinstance(last, t.If):
        return leaves(last.then) and leaves(last.other)
    return isinstance(last, t.Return | t.Jump)


def uses(node: object, name: str) -> int:
    """How often a local is read; under a quantifier, once more."""
    if isinstance(node, t.Local):
        return int(node.name == name)
    weight = 2 if isinstance(node, t.Quantified | t.For) else 1
    return weight * sum(uses(child, name) for child in parts(node))


def parts(node: object) -> Iterator[object]:
    """The expressions and statements that a part of a tree has directly inside."""
    if isinstance(node, tuple):
        yield from node
    elif is_dataclass(node) and not isinstance(node, t.Function):
        for item in fields(node):
            value = getattr(node, item.name)
            if isinstance(value, tuple) or type(value).__module__ == t.__name__:
                yield value

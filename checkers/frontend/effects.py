"""What a specification function may do: write, stop the action, fail a check, call the host.

Each answer errs on the side of yes, and counts what the function calls.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from typing import TypeVar

from checkers.frontend import tree as t
from checkers.frontend.failing import Known, may_fail, some
from spec.language.layout import Column, IntT

T = TypeVar("T")


class Effects:
    """Answers for the functions of one program, each worked out once."""

    def __init__(self) -> None:
        self._writes: dict[t.Function, bool] = {}
        self._stops: dict[t.Function, bool] = {}
        self._fails: dict[t.Function, bool] = {}
        self._calls: dict[t.Function, int] = {}
        self._written: dict[t.Function, frozenset[Column]] = {}
        self._read: dict[t.Function, frozenset[Column]] = {}

    def writes(self, function: t.Function) -> bool:
        """A field of the state may be written."""
        return _known(self._writes, function, lambda: bool(self.columns_written(function)))

    def stops(self, function: t.Function) -> bool:
        """A `require` or `limit` may disable the action or cut it off."""
        return _known(self._stops, function, lambda: any(
            (isinstance(node, t.Guard) and node.op != "check")
            or (isinstance(node, t.Call) and self.stops(node.function))
            for node in function.nodes
        ))  # fmt: skip

    def fails(self, function: t.Function) -> bool:
        """A check may fail: one that is written, or that of a null, a range or a set."""
        return _known(self._fails, function, lambda: _Failing(self, function).found)

    def host_calls(self, function: t.Function) -> int:
        """At most so many calls of the host, itself among them."""
        return _known(self._calls, function, lambda: (
            self._calls_in(function.body) + (function.host is not None)
        ))  # fmt: skip

    def columns_written(self, function: t.Function) -> frozenset[Column]:
        """The columns of which a cell may be written."""
        return _known(self._written, function, lambda: frozenset(
            node.column for node in function.nodes if isinstance(node, t.Store | t.SetChange)
        ).union(*map(self.columns_written, _called(function))))  # fmt: skip

    def columns_read(self, function: t.Function) -> frozenset[Column]:
        """The columns of which a cell may be read; what the bounds fix is not of the state."""
        return _known(self._read, function, lambda: frozenset(
            node.column for node in function.nodes
            if isinstance(node, t.Field | t.Member) and node.column.constants is None
        ).union(*map(self.columns_read, _called(function))))  # fmt: skip

    def acts(self, function: t.Function) -> bool:
        """It does more than answer: writes the state, may stop the action, or calls the host."""
        return self.writes(function) or self.stops(function) or self.host_calls(function) > 0

    def does(self, thing: object) -> bool:
        """A call in an expression writes the state, or calls the host."""
        return any(self.writes(x) or self.host_calls(x) for x in _called(thing))

    def changes(self, thing: object) -> bool:
        """A call in an expression does more than answer."""
        return any(map(self.acts, _called(thing)))

    def _calls_in(self, thing: object) -> int:
        match thing:
            case t.If(test, then, other):
                return self._calls_in(test) + max(self._calls_in(then), self._calls_in(other))
            case t.For(span=(low, high), body=body):
                return (high - low) * self._calls_in(body)
            case t.Quantified(span=(low, high), test=test, value=value):
                return (high - low) * self._calls_in((test, value))
            case t.Call(function, arguments):
                return self.host_calls(function) + self._calls_in(arguments)
        return sum(self._calls_in(part) for part in t.parts(thing))


class _Failing:
    """Looks for a check that may fail, in the order in which a function does things."""

    def __init__(self, effects: Effects, function: t.Function) -> None:
        self.effects = effects
        self.found = False
        self._block(function.body, ())

    def _block(self, body: Sequence[t.Stmt], known: Known) -> Known:
        """The ids that are known not to be none behind these statements."""
        for node in body:
            known = self._statement(node, known)
            if self.found:
                break
        return known

    def _statement(self, node: t.Stmt, known: Known) -> Known:
        for part in _first(node):
            steady = not self.effects.changes(part) or self._is_last(part)
            self.found |= may_fail(part, known, self.effects.fails if steady else _any)
        match node:
            case t.Guard(op, test):
                self.found |= op == "check"
                known += some(test, True)
            case t.Store(column, _, value) if isinstance(column.type, IntT):
                self.found |= not _fits(value, column.type)
            case t.SetChange("add", item=item) if item is not None:
                self.found |= not (isinstance(item, t.RowId) or item in known)
            case t.If(test, then, other):
                yes = self._block(then, known + some(test, True))
                no = self._block(other, known + some(test, False))
                if leaves(then) or leaves(other):
                    known = no if leaves(then) else yes
            case t.For(body=body):
                self._block(body, self._lasting(known, node))
        return self._lasting(known, node)

    def _is_last(self, expr: t.Expr) -> bool:
        """The call that changes something is all of an expression, or is compared with no field."""
        match expr:
            case t.Not(below):
                return self._is_last(below)
            case t.Compare(_, left, t.Constant() | t.Local()):
                return self._is_last(left)
            case t.Call(_, arguments):
                return not self.effects.changes(arguments)
        return False

    def _lasting(self, known: Known, thing: object) -> Known:
        """What is known still, once a part of the function has been done any number of times."""
        names = t.bound(thing)
        written = any(isinstance(node, t.Store | t.SetChange) for node in t.nodes(thing))
        written = written or self.effects.changes(thing)
        return tuple(item for item in known if not _depends(item, names, written))


def _any(_: t.Function) -> bool:
    """Every function may fail, for all that is known."""
    return True


def _depends(item: t.Expr, names: Container[str], written: bool) -> bool:
    """The value of an expression may have changed with these locals, or with the state."""
    return any(
        (isinstance(node, t.Local) and node.name in names)
        or (written and isinstance(node, t.Field | t.Member | t.Call))
        for node in t.nodes(item)
    )


def _first(node: t.Stmt) -> list[t.Expr]:
    """The expressions that a statement evaluates before its branches or its body."""
    match node:
        case t.If(test, _, _):
            return [test]
        case t.For():
            return []
    return t.operands(node)


def _fits(value: t.Expr, kind: IntT) -> bool:
    """The type of a value says that it is in the range of a field."""
    return isinstance(value.type, IntT) and kind.lo <= value.type.lo <= value.type.hi <= kind.hi


def leaves(body: Sequence[t.Stmt]) -> bool:
    """Control never comes to the end of these statements."""
    match body[-1] if body else None:
        case t.If(_, then, other):
            return leaves(then) and leaves(other)
        case t.Return() | t.Jump() | t.Guard(_, t.Constant(0)):
            return True
    return False


def _called(thing: object) -> list[t.Function]:
    """The functions that a function, or a part of one, calls itself."""
    if isinstance(thing, t.Function):
        return list(thing.called)
    return [node.function for node in t.nodes(thing) if isinstance(node, t.Call)]


def _known(answers: dict[t.Function, T], function: t.Function, answer: Callable[[], T]) -> T:
    """The answer for a function, kept once it was worked out."""
    if function not in answers:
        answers[function] = answer()
    return answers[function]

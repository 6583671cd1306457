"""Whether the turns of a loop over a table may come in any order.

They may if no turn looks at its row. Else each turn writes its own row only, and adds to cells that
are the same for all turns; it reads its own row, and what no turn writes. What it adds is the same
in each turn that adds, so the sums, and whether one is out of range, do not depend on the order. A
turn calls no host and asks for nothing, so all that can fail in it is a check, in whatever order.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from enum import Enum

from checkers.frontend import tree as t
from checkers.frontend.liveness import names_read, read_after
from spec.language.layout import Column, TableLayout


def order_told(function: t.Function, loop: t.For) -> str:
    """Why the order of the turns of a loop over a table may matter; empty if it does not."""
    assert loop.table is not None
    after = read_after(function.body, loop) or set()
    looked_at = loop.name in names_read(loop.body)
    kept = {loop.name, *(t.bound(loop.body) if looked_at else ())}
    for name in sorted(after & kept):
        return f"`{name}` is used after the loop, where it is that of the last row"
    if looked_at:
        try:
            _Turn(loop.table, loop).check()
        except _OrderError:
            return f"the turns of this loop over `{loop.table.name}` may depend on their order"
    return ""


class _OrderError(Exception):
    """Something in a turn may depend on the turns before it."""


class _Kind(Enum):
    """What a value is in a turn: its row or the id of it, the same in all turns, or neither."""

    OWN = "own"
    FIXED = "fixed"
    OTHER = "other"


class _Adds(Enum):
    """Whether a turn adds: never, always the same, or the same or nothing."""

    NOTHING = "nothing"
    SAME = "same"
    SAME_OR_NOTHING = "same or nothing"


OWN, FIXED, OTHER = _Kind.OWN, _Kind.FIXED, _Kind.OTHER
Kinds = dict[str, _Kind]


class _Turn:
    """Reads the body of a loop, and the functions that it calls, as one turn of it."""

    def __init__(self, table: TableLayout, loop: t.For) -> None:
        self.table = table
        self.loop = loop
        self.own_written: set[Column] = set()
        self.added: set[Column] = set()
        self.own_read: set[Column] = set()
        self.read: set[Column] = set()
        self.draws = 0

    def check(self) -> None:
        """Raises `_OrderError` if the turns may depend on their order."""
        before = names_read(self.loop.body) - t.bound(self.loop.body).keys()
        self._effects(self.loop.body, {**dict.fromkeys(before, FIXED), self.loop.name: OWN})
        read_elsewhere = self.read & (self.own_written | self.added)
        if read_elsewhere or self.added & (self.own_read | self.own_written):
            raise _OrderError

    def _effects(self, body: Sequence[t.Stmt], kinds: Kinds) -> _Adds:
        adds = _Adds.NOTHING
        for statement in body:
            more = self._effect(statement, kinds)
            if _Adds.NOTHING not in (adds, more) and (adds, more) != (_Adds.SAME, _Adds.SAME):
                raise _OrderError
            adds = adds if more is _Adds.NOTHING else more
        return adds

    def _effect(self, statement: t.Stmt, kinds: Kinds) -> _Adds:
        match statement:
            case t.Store(column, row, value):
                return self._store(column, row, value, kinds)
            case t.SetChange(_, column, row, item):
                self._own_cell(column, row, kinds)
                if item is not None:
                    self._kind(item, kinds)
            case t.If(test, then, other):
                return self._branch(test, then, other, kinds)
            case t.Assign():
                self._assign(statement, kinds)
            case t.Guard("check", test, _):
                self._kind(test, kinds)
            case t.Do(call):
                if call.function.host is not None:
                    raise _OrderError
                return self._effects(call.function.body, self._given(call, kinds))
            case _:
                raise _OrderError
        return _Adds.NOTHING

    def _store(self, column: Column, row: t.Expr | None, value: t.Expr, kinds: Kinds) -> _Adds:
        match value:
            case t.Arithmetic(_, t.Field(_, read, at, _), more, _) if (read, at) == (column, row):
                if self._kind(row, kinds) is FIXED and self._kind(more, kinds) is FIXED:
                    self.added.add(column)
                    return _Adds.SAME
        self._own_cell(column, row, kinds)
        self._kind(value, kinds)
        return _Adds.NOTHING

    def _own_cell(self, column: Column, row: t.Expr | None, kinds: Kinds) -> None:
        if self._kind(row, kinds) is not OWN or column.table != self.table.name:
            raise _OrderError
        self.own_written.add(column)

    def _branch(
        self, test: t.Expr, then: tuple[t.Stmt, ...], other: tuple[t.Stmt, ...], kinds: Kinds
    ) -> _Adds:
        self._kind(test, kinds)
        sides = dict(kinds), dict(kinds)
        adds = [self._effects(body, side) for body, side in zip((then, other), sides, strict=True)]
        _merge(kinds, *sides, t.bound((then, other)))
        if adds == [_Adds.NOTHING, _Adds.NOTHING]:
            return _Adds.NOTHING
        if _Adds.NOTHING not in adds:
            raise _OrderError
        return _Adds.SAME_OR_NOTHING

    def _assign(self, statement: t.Assign, kinds: Kinds) -> None:
        kind = self._kind(statement.value, kinds)
        if len(statement.names) > 1 and kind is OWN:
            kind = OTHER
        kinds.update(dict.fromkeys(statement.names, kind))

    def _given(self, call: t.Call, kinds: Kinds) -> Kinds:
        """What the parameters of a function are that is called."""
        return {
            name: self._kind(given, kinds)
            for (name, _), given in zip(call.function.parameters, call.arguments, strict=True)
        }

    def _kind(self, expr: t.Expr | None, kinds: Kinds) -> _Kind:
        """What an expression is; what it reads is noted."""
        match expr:
            case None | t.Constant():
                return FIXED
            case t.Local(name, _):
                if name not in kinds:
                    raise _OrderError  # of a turn before, or of before the loop
                return kinds[name]
            case t.RowId(row, _):
                return self._kind(row, kinds)
            case t.Deref(_, table, index, _):
                kind = self._kind(index, kinds)
                return OTHER if kind is OWN and table.name != self.table.name else kind
            case t.Field(_, column, row, _):
                return self._cell(column, self._kind(row, kinds))
            case t.Member(item, _, column, row, _):
                return _both(
                    self._kind(item, kinds), self._cell(column, self._kind(row, kinds))
                )
            case t.Quantified(name=name, test=test, value=value):
                inside = {**kinds, name: FIXED}
                kind = _both(self._kind(test, inside), self._kind(value, inside))
                self.draws += expr.relaxed
                return OTHER if expr.relaxed else kind
            case t.Call():
                return self._answer(expr, kinds)
        return _both(*(self._kind(item, kinds) for item in t.operands(expr)))

    def _cell(self, column: Column, row: _Kind) -> _Kind:
        if column.constants is None:
            (self.own_read if row is OWN else self.read).add(column)
        return _both(row)

    def _answer(self, call: t.Call, kinds: Kinds) -> _Kind:
        """What a function answers, which only looks."""
        if call.function.host is not None:
            raise _OrderError
        given = self._given(call, kinds)
        answer, draws = _both(*given.values()), self.draws
        self._look(call.function.body, given)
        return answer if self.draws == draws else OTHER

    def _look(self, body: Sequence[t.Stmt], kinds: Kinds) -> None:
        for statement in body:
            match statement:
                case t.If(test, then, other):
                    self._kind(test, kinds)
                    sides = dict(kinds), dict(kinds)
                    self._look(then, sides[0])
                    self._look(other, sides[1])
                    _merge(kinds, *sides, t.bound((then, other)))
                case t.Assign():
                    self._assign(statement, kinds)
                case t.Return(value):
                    self._kind(value, kinds)
                case t.Guard("check", test, _):
                    self._kind(test, kinds)
                case t.Do(call):
                    self._answer(call, kinds)
                case _:
                    raise _OrderError


def _both(*kinds: _Kind) -> _Kind:
    """What is made of such values."""
    return FIXED if all(kind is FIXED for kind in kinds) else OTHER


def _merge(kinds: Kinds, one: Kinds, other: Kinds, changed: Container[str]) -> None:
    """What locals are after two branches; one that has a value of this turn in both only."""
    kinds.clear()
    for name in one.keys() & other.keys():
        same = one[name] is other[name] and (one[name] is OWN or name not in changed)
        kinds[name] = one[name] if same else OTHER

"""How the condition of a quantifier may come out for a row, way by way: cheap symbolic execution.

A way is what was learnt before the end and the end itself: a value, or what failed. Two rows have
in common what does not speak of the row, so a way of one excludes a way of the other if they
disagree there. With that `order_matters` tells whether it makes a difference which of two rows an
``any`` comes to first. The look errs on the side of yes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from checkers.frontend import tree as t
from checkers.frontend.failing import never_none
from spec.language.layout import BoolT

Term = tuple[Any, ...]
"""A value: equal terms are equal values, for a given state and given locals."""

Fact = tuple[Term, int, bool]
"""Whether (or not) a term has this value."""

Facts = frozenset[Fact]
Env = Mapping[str, Term]

ROW: Final = ("row", 0)
TRUE: Final = ("const", 1)
FALSE: Final = ("const", 0)
SKIPPED: Final = ("skipped",)
WAYS: Final = 5000
"""A condition with more forks than this is not looked through."""


class _UnclearError(Exception):
    """A condition that does more than answer, or that has too many ways."""


@dataclass(frozen=True)
class Way:
    """What was learnt, and the value, or the kind of guard that failed (of a limit its name)."""

    facts: Facts
    value: Term = FALSE
    failed: str = ""


def order_matters(expr: t.Quantified) -> bool:
    """Whether an order of the rows may decide how it comes out.

    So it is if it may end with one row where the next would fail, or fail in one way or another.
    """
    try:
        ways = list(_Outcomes().turn(expr, {expr.name: ROW}, frozenset()))
    except _UnclearError:
        return True
    ends = [(way.failed, _without(way.facts, ROW)) for way in ways if _ends(way, expr.op)]
    return any(
        a != b and all(_learn(one, *fact) is not None for fact in other)
        for a, one in ends
        if a
        for b, other in ends
    )


def _ends(way: Way, op: str) -> bool:
    """Whether no row is looked at after one of which this is the way."""
    if way.failed or op == "first":
        return bool(way.failed) or way.value != SKIPPED
    return way.value == {"any": TRUE, "all": FALSE}.get(op)


def _learn(facts: Facts, term: Term, value: int, holds: bool) -> Facts | None:
    """The facts and one more; None if they exclude it."""
    if (term, value, not holds) in facts:
        return None
    if holds and any(a == term and is_ and b != value for a, b, is_ in facts):
        return None
    return facts | {(term, value, holds)}


def _without(facts: Facts, row: Term) -> Facts:
    """What of the facts does not speak of a row."""
    return frozenset(fact for fact in facts if not _mentions(fact[0], row))


def _mentions(term: object, row: Term) -> bool:
    return term == row or (isinstance(term, tuple) and any(_mentions(x, row) for x in term))


class _Outcomes:
    """Every way through the conditions of one quantifier; called functions are looked into."""

    def __init__(self) -> None:
        self.forks = 0
        self.depth = 0

    def turn(self, expr: t.Quantified, env: Env, facts: Facts) -> Iterator[Way]:
        """The ways of one row: `SKIPPED` if it is none of those that count."""
        tests = [Way(facts, TRUE)] if expr.test is None else self.values(expr.test, env, facts)
        for test in tests:
            if test.failed:
                yield test
            elif test.value == FALSE:
                yield Way(test.facts, SKIPPED)
            else:
                yield from self.values(expr.value, env, test.facts)

    def values(self, expr: t.Expr, env: Env, facts: Facts) -> Iterator[Way]:
        """The ways of an expression; those of a condition are true or false."""
        match expr:
            case t.Constant(value, _):
                yield Way(facts, ("const", value))
            case t.Local(name, kind):
                yield from self._local(name, kind, env, facts)
            case t.RowId(row, _):
                yield from self.values(row, env, facts)
            case t.Deref(_, _, index, _):
                for way in self.values(index, env, facts):
                    some = way.failed or never_none(index)
                    yield from [way] if some else self._some(way)
            case t.Field(state, column, row, kind):
                place = (env.get(f"state {state}", ("state", state)), column.table, column.name)
                for way in self._each([row] if row is not None else [], env, facts):
                    term = ("field", *place, way.value)
                    yield from self._read(way, term, isinstance(kind, BoolT))
            case t.Member(item, state, column, row, _):
                place = (env.get(f"state {state}", ("state", state)), column.table, column.name)
                for way in self._each([item, *([row] if row is not None else [])], env, facts):
                    yield from self._read(way, ("in", *place, way.value), True)
            case t.Not(operand, _):
                for way in self.values(operand, env, facts):
                    yield way if way.failed else Way(way.facts, _flipped(way.value))
            case t.Logic(op, left, right, _):
                for way in self.values(left, env, facts):
                    done = way.failed or way.value == (FALSE if op == "and" else TRUE)
                    yield from [way] if done else self.values(right, env, way.facts)
            case t.Compare(op, left, right, _):
                for way in self._each([left, right], env, facts):
                    if way.failed:
                        yield way
                    else:
                        yield from self._compared(op, way.value[0], way.value[1], way.facts)
            case t.Arithmetic(op, left, right, _):
                for way in self._each([left, right], env, facts):
                    yield way if way.failed else Way(way.facts, (op, *way.value))
            case t.Choice(test, then, other, _):
                for way in self.values(test, env, facts):
                    side = then if way.value == TRUE else other
                    yield from [way] if way.failed else self.values(side, env, way.facts)
            case t.Quantified():
                yield from self._quantified(expr, env, facts)
            case t.Call():
                yield from self._called(expr, env, facts)
            case t.Several(items, _):
                yield from self._each(items, env, facts)

    def _local(self, name: str, kind: t.Type, env: Env, facts: Facts) -> Iterator[Way]:
        if isinstance(kind, t.StateT):
            yield Way(facts, env.get(f"state {kind.index}", ("state", kind.index)))
            return
        unknown = ("row" if isinstance(kind, t.RowT) else "local", name)
        yield from self._read(Way(facts), env.get(name, unknown), isinstance(kind, BoolT))

    def _each(self, exprs: Sequence[t.Expr], env: Env, facts: Facts) -> Iterator[Way]:
        """The ways of several expressions, one after the other; the value has all of theirs."""
        if not exprs:
            yield Way(facts, ())
            return
        for way in self.values(exprs[0], env, facts):
            if way.failed:
                yield way
                continue
            for rest in self._each(exprs[1:], env, way.facts):
                yield rest if rest.failed else Way(rest.facts, (way.value, *rest.value))

    def _read(self, way: Way, term: Term, is_condition: bool) -> Iterator[Way]:
        """What was read: a term, or if it is a condition whether it is true."""
        if way.failed:
            yield way
        elif is_condition and term not in (TRUE, FALSE):
            yield from self._fork(term, 1, way.facts)
        else:
            yield Way(way.facts, term)

    def _fork(self, term: Term, value: int, facts: Facts) -> Iterator[Way]:
        """True if a term has this value, and false if it has not, as far as either can be."""
        self.forks += 1
        if self.forks > WAYS:
            raise _UnclearError
        for holds in (True, False):
            learnt = _learn(facts, term, value, holds)
            if learnt is not None:
                yield Way(learnt, TRUE if holds else FALSE)

    def _some(self, way: Way) -> Iterator[Way]:
        """An id as that of a row: it may be none, which fails."""
        if way.value[0] == "row" or (way.value[0] == "const" and way.value != FALSE):
            yield way
            return
        for fork in self._compared("==", way.value, FALSE, way.facts):
            if fork.value == TRUE:
                yield Way(fork.facts, failed="check")
            else:
                yield Way(fork.facts, way.value)

    def _compared(self, op: str, a: Term, b: Term, facts: Facts) -> Iterator[Way]:
        if op == "!=":
            for way in self._compared("==", a, b, facts):
                yield Way(way.facts, _flipped(way.value))
        elif op in (">", ">="):
            yield from self._compared(op.replace(">", "<"), b, a, facts)
        elif a[0] == b[0] == "const":
            holds = {"==": a == b, "<": a < b, "<=": a <= b}[op]
            yield Way(facts, TRUE if holds else FALSE)
        elif op == "==" and a == b:
            yield Way(facts, TRUE)
        elif op == "==" and "const" in (a[0], b[0]):
            term, value = (b, a) if a[0] == "const" else (a, b)
            yield from self._fork(term, int(value[1]), facts)
        else:
            pair = sorted((a, b), key=repr) if op == "==" else (a, b)
            yield from self._fork((op, *pair), 1, facts)

    def _quantified(self, expr: t.Quantified, env: Env, facts: Facts) -> Iterator[Way]:
        self.depth += 1
        row: Term = ("row" if expr.table else "int", self.depth)
        ways = list(self.turn(expr, {**env, expr.name: row}, facts))
        self.depth -= 1
        for way in ways:
            if way.failed:
                yield Way(_without(way.facts, row), failed=way.failed)
        drawn = ROW if expr.relaxed else ()  # another row may be given another one
        term = ("quantified", id(expr), drawn, tuple(sorted(env.items(), key=repr)))
        yield from self._read(Way(facts), term, expr.op in ("any", "all"))

    def _called(self, expr: t.Call, env: Env, facts: Facts) -> Iterator[Way]:
        function = expr.function
        if function.host is not None:
            raise _UnclearError
        for way in self._each(expr.arguments, env, facts):
            if way.failed:
                yield way
                continue
            inner: dict[str, Term] = {}
            for (name, kind), value in zip(function.parameters, way.value, strict=True):
                inner[f"state {kind.index}" if isinstance(kind, t.StateT) else name] = value
            for end, after in self._run(function.body, inner, way.facts):
                yield Way(end.facts) if after is not None else end

    def _run(
        self, body: Sequence[t.Stmt], env: Env, facts: Facts
    ) -> Iterator[tuple[Way, Env | None]]:
        """The ways of statements; each with the locals after them, if it comes there."""
        if not body:
            yield Way(facts), env
            return
        for way, after in self._statement(body[0], env, facts):
            if after is None:
                yield way, None
            else:
                yield from self._run(body[1:], after, way.facts)

    def _statement(
        self, statement: t.Stmt, env: Env, facts: Facts
    ) -> Iterator[tuple[Way, Env | None]]:
        match statement:
            case t.Assign(names, value):
                for way in self.values(value, env, facts):
                    values = [way.value] if len(names) == 1 else way.value
                    new = None if way.failed else dict(zip(names, values, strict=True))
                    yield way, None if new is None else {**env, **new}
            case t.If(test, then, other):
                for way in self.values(test, env, facts):
                    side = then if way.value == TRUE else other
                    yield from [(way, None)] if way.failed else self._run(side, env, way.facts)
            case t.Return(value):
                ways = [Way(facts)] if value is None else self.values(value, env, facts)
                yield from ((way, None) for way in ways)
            case t.Guard(op, test, name):
                for way in self.values(test, env, facts):
                    if way.failed or way.value == TRUE:
                        yield way, None if way.failed else env
                    else:
                        yield Way(way.facts, failed=f"limit {name}" if op == "limit" else op), None
            case t.Do(call):
                for way in self.values(call, env, facts):
                    yield way, None if way.failed else env
            case _:
                raise _UnclearError


def _flipped(value: Term) -> Term:
    return FALSE if value == TRUE else TRUE

"""Which expressions may fail a check: a cheap look that errs on the side of yes."""

from __future__ import annotations

from collections.abc import Callable

from checkers.frontend import tree as t

Known = tuple[t.Expr, ...]
"""Ids of which it is known that they are not none."""


Fails = Callable[[t.Function], bool]
"""Whether a function may fail a check, whatever it is called with."""


def may_fail(expr: t.Expr, known: Known = (), fails: Fails = lambda _: True) -> bool:
    """Whether a null may be dereferenced in it; `fails` is asked of calls that do more than answer.

    What is known must stay so while the expression is evaluated.
    """
    match expr:
        case t.Logic(op, left, right, _):
            after = known + some(left, op == "and")
            return may_fail(left, known, fails) or may_fail(right, after, fails)
        case t.Choice(test, then, other, _):
            yes, no = known + some(test, True), known + some(test, False)
            sides = may_fail(then, yes, fails) or may_fail(other, no, fails)
            return sides or may_fail(test, known, fails)
        case t.Quantified(name=name, test=test, value=value):
            known = tuple(item for item in known if not _names(item, name))
            inside = known if test is None else known + some(test, True)
            fails_first = test is not None and may_fail(test, known, fails)
            return fails_first or may_fail(value, inside, fails)
        case t.Deref(_, _, index, _):
            return may_fail(index, known, fails) or not _is_some(index, known)
        case t.Call(_, arguments, _):
            given = any(may_fail(item, known, fails) for item in arguments)
            return given or _fails(expr, known, fails)
    return any(may_fail(part, known, fails) for part in t.operands(expr))


def _fails(call: t.Call, known: Known, fails: Fails) -> bool:
    """Whether a function that was called may fail, with what is known of its arguments."""
    match call.function.body:
        case (t.Return(value),) if value is not None and call.function.host is None:
            given = zip(call.function.parameters, call.arguments, strict=True)
            sure = [t.Local(name, kind) for (name, kind), x in given if _is_some(x, known)]
            return may_fail(value, tuple(sure), fails)
    return fails(call.function)


def never_none(expr: t.Expr) -> bool:
    """Whether an id is a constant that is that of a row for every row that has it."""
    return isinstance(expr, t.Field) and all(expr.column.constants or (0,))


def _is_some(expr: t.Expr, known: Known) -> bool:
    """Whether an id is known to be that of a row."""
    return isinstance(expr, t.RowId) or expr in known or never_none(expr)


def _names(expr: t.Expr, name: str) -> bool:
    """Whether an expression reads a local of this name."""
    return any(isinstance(node, t.Local) and node.name == name for node in t.nodes(expr))


def some(test: t.Expr, truth: bool) -> Known:
    """The ids that are not none if a test has this truth."""
    match test:
        case t.Not(below, _):
            return some(below, not truth)
        case t.Logic(op, left, right, _) if op == ("and" if truth else "or"):
            return some(left, truth) + some(right, truth)
        case t.Compare(op, left, t.Constant(0), _) if op == ("!=" if truth else "=="):
            return (left,)
    return ()

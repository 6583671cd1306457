"""Which expressions may fail a check: a cheap look that errs on the side of yes."""

from __future__ import annotations

from checkers.frontend import tree as t

Known = tuple[t.Expr, ...]
"""Ids of which it is known that they are not none."""


def may_fail(expr: t.Expr, known: Known = ()) -> bool:
    """Whether a null may be dereferenced in it, or a called function may do more than answer."""
    match expr:
        case t.Logic(op, left, right, _):
            after = known + _some(left, op == "and")
            return may_fail(left, known) or may_fail(right, after)
        case t.Choice(test, then, other, _):
            yes, no = known + _some(test, True), known + _some(test, False)
            return may_fail(test, known) or may_fail(then, yes) or may_fail(other, no)
        case t.Quantified(test=test, value=value):
            inside = known if test is None else known + _some(test, True)
            return (test is not None and may_fail(test, known)) or may_fail(value, inside)
        case t.Deref(_, _, index, _):
            return may_fail(index, known) or not _is_some(index, known)
        case t.Call(_, arguments, _):
            return any(may_fail(item, known) for item in arguments) or _fails(expr, known)
        case t.Compare(_, left, right, _) | t.Arithmetic(_, left, right, _):
            return may_fail(left, known) or may_fail(right, known)
        case t.Not(below, _) | t.RowId(below, _):
            return may_fail(below, known)
        case t.Field(_, _, row, _):
            return row is not None and may_fail(row, known)
        case t.Member(item, _, _, row, _):
            return may_fail(item, known) or (row is not None and may_fail(row, known))
    return not isinstance(expr, t.Constant | t.Local)


def _fails(call: t.Call, known: Known) -> bool:
    """Whether a function that was called may fail; one that is more than an expression may."""
    match call.function.body:
        case (t.Return(value),) if value is not None and call.function.host is None:
            given = zip(call.function.parameters, call.arguments, strict=True)
            some = [t.Local(name, kind) for (name, kind), x in given if _is_some(x, known)]
            return may_fail(value, tuple(some))
    return True


def _is_some(expr: t.Expr, known: Known) -> bool:
    """Whether an id is known to be that of a row."""
    return isinstance(expr, t.RowId) or expr in known


def _some(test: t.Expr, truth: bool) -> Known:
    """The ids that are not none if a test has this truth."""
    match test:
        case t.Not(below, _):
            return _some(below, not truth)
        case t.Logic(op, left, right, _) if op == ("and" if truth else "or"):
            return _some(left, truth) + _some(right, truth)
        case t.Compare(op, left, t.Constant(0), _) if op == ("!=" if truth else "=="):
            return (left,)
    return ()

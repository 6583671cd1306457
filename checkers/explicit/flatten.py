"""Calls of small functions written out in their callers, as statements.

A call costs as much as three reads of a cell. Only what changes the state is written out here; a
function whose value is an expression becomes part of an expression when it is translated. Host
calls stay calls: written out as well they were no faster, and took longer to generate.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from checkers.explicit.scope import inside, leaves, walk
from checkers.frontend import tree as t

LONGEST: Final = 30
"""Functions of at most so many statements, those of their own calls among them, are written out."""

Body = tuple[t.Stmt, ...]
Answer = Callable[[t.Expr | None], Body | None]


class Flattener:
    """Writes calls out; `changes` says of which functions."""

    def __init__(self, changes: Callable[[t.Function], bool]) -> None:
        self.changes = changes
        self._serials = itertools.count()
        self._bodies: dict[t.Function, Body] = {}

    def flat(self, body: Sequence[t.Stmt]) -> Body:
        """Statements with the small calls among them written out."""
        return tuple(itertools.chain.from_iterable(self._statement(node) for node in body))

    def _statement(self, node: t.Stmt) -> Body:
        match node:
            case t.If(test, then, other):
                return (t.If(test, self.flat(then), self.flat(other)),)
            case t.For():
                return (replace(node, body=self.flat(node.body)),)
            case t.Do(call):
                return self._written(call, _ignored) or (node,)
            case t.Assign(names, t.Call() as call):
                return self._written(call, lambda value: _assigned(names, value)) or (node,)
            case t.Return(t.Call() as call):
                return self._written(call, None) or (node,)
        return (node,)

    def _written(self, call: t.Call, answer: Answer | None) -> Body | None:
        """The callee's statements, its results given to `answer`; None if it stays a call."""
        function = call.function
        if function.host is not None or not self.changes(function):
            return None
        states = [item.type for item in call.arguments if isinstance(item.type, t.StateT)]
        if states != [t.StateT(0)]:
            return None
        if function not in self._bodies:
            self._bodies[function] = self.flat(function.body)
        body: Body | None = self._bodies[function]
        assert body is not None
        if _length(body) > LONGEST:
            return None
        mark = f"_{next(self._serials)}"
        before, names = _bound(call, body, mark)
        body = _renamed(body, mark, names)
        if answer is not None:
            body = _tails(body, answer)
        return None if body is None else (*before, *body)


def _bound(call: t.Call, body: Body, mark: str) -> tuple[Body, dict[str, t.Expr]]:
    """What a call's parameters stand for in the body, and the assignments that come before."""
    before: list[t.Stmt] = []
    names: dict[str, t.Expr] = {}
    changed = {name for node in walk(body) for name in _targets(node)}
    for (name, kind), value in zip(call.function.parameters, call.arguments, strict=True):
        if isinstance(kind, t.StateT | t.FaultT):
            continue
        if name not in changed and isinstance(value, t.Constant | t.Local):
            names[name] = value
        else:
            before.append(t.Assign((name + mark,), value))
    return tuple(before), names


def _ignored(value: t.Expr | None) -> Body | None:
    match value:
        case None | t.Constant() | t.Local():
            return ()
        case t.Call():
            return (t.Do(value),)
    return None


def _assigned(names: tuple[str, ...], value: t.Expr | None) -> Body | None:
    return None if value is None else (t.Assign(names, value),)


def _tails(body: Sequence[t.Stmt], answer: Answer) -> Body | None:
    """Statements in which each `return` is the last thing done, replaced by its answer."""
    for place, node in enumerate(body):
        done, rest = tuple(body[:place]), tuple(body[place + 1 :])
        if isinstance(node, t.Return):
            end = answer(node.value)
            return None if end is None else (*done, *end)
        if not _returns(node):
            continue
        if not isinstance(node, t.If) or not (leaves(node.then) or leaves(node.other)):
            return None
        then = node.then if leaves(node.then) else (*node.then, *rest)
        other = node.other if leaves(node.other) else (*node.other, *rest)
        yes, no = _tails(then, answer), _tails(other, answer)
        return None if yes is None or no is None else (*done, t.If(node.test, yes, no))
    end = answer(None)
    return None if end is None else (*body, *end)


def _returns(node: object) -> bool:
    return any(isinstance(item, t.Return) for item in walk(node))


def _length(body: Sequence[t.Stmt]) -> int:
    return sum(isinstance(node, t.Stmt) for node in walk(tuple(body)))


def _targets(node: object) -> tuple[str, ...]:
    if isinstance(node, t.Assign):
        return node.names
    return (node.name,) if isinstance(node, t.For | t.Quantified) else ()


def _renamed(node: Any, mark: str, names: Mapping[str, t.Expr]) -> Any:
    """A part of a tree in which parameters stand for their arguments, and locals are its own."""
    if isinstance(node, tuple):
        return tuple(_renamed(item, mark, names) for item in node)
    if isinstance(node, t.Local):
        return names.get(node.name) or replace(node, name=node.name + mark)
    if type(node).__module__ != t.__name__ or isinstance(node, t.Function):
        return node
    changed = {
        item: _renamed(value, mark, names) for item in inside(node)
        if (value := getattr(node, item)) is not None
    }
    if isinstance(node, t.Assign):
        changed["names"] = tuple(name + mark for name in node.names)
    elif isinstance(node, t.For | t.Quantified):
        changed["name"] = node.name + mark
    return replace(node, **changed) if changed else node

"""What the text of an action touches, and which expressions are cheap and cannot fail."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass

from checkers.frontend import tree as t
from spec.language.layout import Column

Name = tuple[str, str]
"""A column: its table and its name."""


@dataclass(frozen=True)
class Touched:
    """The columns that a function, or one it calls, reads or writes; and those it writes."""

    all: frozenset[Name]
    written: frozenset[Name]


def touched(function: t.Function) -> Touched:
    """What a function touches."""
    every: set[Name] = set()
    written: set[Name] = set()
    seen: set[t.Function] = set()
    stack = [function]
    while stack:
        one = stack.pop()
        if one in seen:
            continue
        seen.add(one)
        for node in _nodes(one.body):
            column = getattr(node, "column", None)
            if isinstance(column, Column) and column.constants is None:
                every.add((column.table, column.name))
                if isinstance(node, t.Store | t.SetChange):
                    written.add((column.table, column.name))
            if isinstance(node, t.Call):
                stack.append(node.function)
    return Touched(frozenset(every), frozenset(written))


class Plain:
    """Knows which expressions are as cheap everywhere as it is to find out where they matter."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[t.Expr, bool]] = {}

    def __call__(self, expr: t.Expr) -> bool:
        """Whether it is cheap and cannot fail."""
        known = self._known.get(id(expr))
        if known is None:
            dear = (t.Call, t.Quantified, t.Deref, t.Choice)
            known = expr, not any(isinstance(node, dear) for node in _nodes(expr))
            self._known[id(expr)] = known
        return known[1]


def _nodes(node: object) -> Iterator[object]:
    """The parts of a text, not those of the functions it calls."""
    if isinstance(node, tuple):
        for item in node:
            yield from _nodes(item)
    elif is_dataclass(node) and type(node).__module__ == t.__name__:
        yield node
        if not isinstance(node, t.Function):
            for item in fields(node):
                yield from _nodes(getattr(node, item.name))

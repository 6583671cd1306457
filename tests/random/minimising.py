"""A smaller text that still shows a difference: whatever can be left out is."""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterator
from typing import Any

Shows = Callable[[str], bool]
"""Whether a text still shows what is to be shown; false for what is no machine any more."""

LISTS = ("body", "orelse", "elts", "keywords", "values", "ifs")


def minimised(text: str, shows: Shows, tries: int = 2000) -> str:
    """The text without whatever it does not need, after so many tries at most."""
    best = text
    found = True
    while found and tries > 0:
        found = False
        for smaller in _smaller(best):
            tries -= 1
            if tries < 0:
                break
            if shows(smaller):
                best, found = smaller, True
                break
    return best


def _smaller(text: str) -> Iterator[str]:
    """Every text with one part less, those first that lack the most."""
    tree = ast.parse(text)
    changes = [change for node in ast.walk(tree) for change in _changes(node)]
    size = len(text)
    seen = {text}
    made = []
    for change in changes:
        undo = change()
        smaller = ast.unparse(tree) + "\n"
        undo()
        if smaller not in seen and len(smaller) < size:
            seen.add(smaller)
            made.append(smaller)
    yield from sorted(made, key=len)


Undo = Callable[[], None]


def _changes(node: ast.AST) -> Iterator[Callable[[], Undo]]:
    """Ways to make a node smaller; each is done by calling it, and undone by what that returns."""
    for name in LISTS:
        items = getattr(node, name, None)
        if isinstance(items, list):
            for place in range(len(items)):
                yield lambda n=name, p=place: _set(node, n, _without(node, n, p))
    for name, value in ast.iter_fields(node):
        if isinstance(value, ast.expr):
            for other in _instead(value):
                yield lambda n=name, o=other: _set(node, n, o)
        if isinstance(value, list):
            for place, item in enumerate(value):
                if isinstance(item, ast.expr):
                    for other in _instead(item):
                        swapped = [*value[:place], other, *value[place + 1 :]]
                        yield lambda n=name, s=swapped: _set(node, n, s)
                if isinstance(item, ast.If | ast.For):
                    swapped = [*value[:place], *item.body, *value[place + 1 :]]
                    yield lambda n=name, s=swapped: _set(node, n, s)


def _without(node: ast.AST, name: str, place: int) -> list[Any]:
    items = getattr(node, name)
    left = [*items[:place], *items[place + 1 :]]
    return left or ([ast.Pass()] if name == "body" else [])


def _instead(value: ast.expr) -> Iterator[ast.expr]:
    """Simpler expressions for one: its parts, or a literal."""
    match value:
        case ast.BoolOp(_, values):
            yield from values
        case ast.IfExp(_, body, other):
            yield from (body, other)
        case ast.BinOp(left, _, right):
            yield from (left, right)
        case ast.UnaryOp(_, operand):
            yield operand
    if isinstance(value, ast.BoolOp | ast.Compare | ast.UnaryOp | ast.Call):
        yield from (ast.Constant(True), ast.Constant(False))


def _set(node: ast.AST, name: str, value: Any) -> Undo:
    before = getattr(node, name)
    setattr(node, name, copy.copy(value))
    return lambda: setattr(node, name, before)

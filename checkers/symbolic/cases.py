"""Which cases a large action is proved in: which of a few references are none, and which are what.

An action that looks through small tables for something is one huge formula, and as many small ones
when it is known which rows are in use. The cases are all that the invariants allow.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from checkers.frontend import tree as t
from checkers.frontend.ir import Node
from checkers.symbolic.interchange import nodes
from checkers.symbolic.system import System
from spec.language.layout import IdT

MOST: Final = 8
"""More cases than this are not told apart."""

SMALL: Final = 4
"""Only references to tables of so many rows are told apart, and only in tables of so many."""

LARGE: Final = 150
"""An action with fewer calls of the host, its loops written out, is taken whole."""

Case = tuple[tuple[Node, int], ...]
"""What each of some variables is."""

Possible = Callable[[Case], bool]
"""Whether some state in which the invariants hold is of a case."""


def calls(function: t.Function) -> int:
    """How many calls of the host a function has, its loops and calls written out."""
    return int(function.host is not None) + _calls(function.body)


def _calls(thing: object) -> int:
    if isinstance(thing, tuple):
        return sum(_calls(item) for item in thing)
    if isinstance(thing, t.For):
        return (thing.span[1] - thing.span[0]) * _calls(thing.body)
    if isinstance(thing, t.If):
        return _calls(thing.then) + _calls(thing.other)
    return sum(calls(node.function) for node in nodes(thing) if isinstance(node, t.Call))


def cases(system: System, possible: Possible) -> list[Case]:
    """The cases that can be, given the invariants; one empty case if nothing is told apart."""
    found: list[Case] = [()]
    for node in _references(system):
        assert isinstance(node.type, IdT)
        rows = system.program.layout.table_of(node.type.record).rows
        split = [(*case, (node, value)) for case in found for value in range(rows + 1)]
        split = [case for case in split if possible(case)]
        if len(split) > MOST:
            break
        found = split
    return found


def _references(system: System) -> list[Node]:
    """The variables that refer to a row of a small table, from small tables, in layout order."""
    layout = system.program.layout
    return [
        node
        for node, (column, _, element) in system.merger.where.items()
        if column.table
        and not element
        and isinstance(column.type, IdT)
        and column.rows <= SMALL
        and layout.table_of(column.type.record).rows <= SMALL
    ]

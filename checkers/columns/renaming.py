"""Renaming of data values, as expressions: the state after a step with its values numbered anew.

It gives the representatives of `checkers.explicit.symmetry`: the values of a sort are numbered in
the order in which they first occur in the state.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from checkers.explicit.symmetry import Symmetry
from checkers.frontend.ir import Graph, Node
from checkers.frontend.merge import Merger


def renamed(
    merger: Merger, after: Mapping[Node, Node], found: Sequence[Symmetry]
) -> Mapping[Node, Node]:
    """The variables after a step, up to renaming; those of a sort that is not written stay."""
    changed = dict(after)
    for symmetry in found:
        cells = _cells(merger, symmetry)
        if any(cell in after for cell in cells):
            values = [after.get(cell, cell) for cell in cells]
            for cell, new in zip(cells, _numbered(merger.graph, values, symmetry), strict=True):
                if new is not cell:
                    changed[cell] = new
                else:
                    changed.pop(cell, None)
    return changed


def _cells(merger: Merger, symmetry: Symmetry) -> list[Node]:
    """The variables that hold values of a sort, in the order of the flat state."""
    places = {
        column.offset(row): node
        for node, (column, row, element) in merger.where.items()
        if not element
    }
    return [places[at] for lo, hi in symmetry.slices for at in range(lo, hi)]


def _numbered(graph: Graph, values: Sequence[Node], symmetry: Symmetry) -> list[Node]:
    """The values, each as its number in the order of first occurrence."""
    kind = values[0].type
    names = [graph.const(name, kind) for name in range(symmetry.carrier + 1)]
    ranks = _ranks(graph, values, names[1:])
    found = []
    for value in values:
        new = names[0]
        for number in range(1, len(names)):
            is_it = graph.any_of(
                graph.and_(graph.eq(value, name), graph.eq(rank, graph.number(number)))
                for name, rank in zip(names[1:], ranks, strict=True)
            )
            new = graph.ite(is_it, names[number], new)
        found.append(new)
    return found


def _ranks(graph: Graph, values: Sequence[Node], names: Sequence[Node]) -> list[Node]:
    """Of each name, one more than how many others occur before it."""
    one = graph.number(1)
    return [
        graph.add(graph.count([_before(graph, values, u, v) for u in names if u is not v]), one)
        for v in names
    ]


def _before(graph: Graph, values: Sequence[Node], first: Node, other: Node) -> Node:
    """Whether a value occurs before another does."""
    found = graph.false
    for value in reversed(values):
        found = graph.ite(graph.eq(value, other), graph.false, found)
        found = graph.ite(graph.eq(value, first), graph.true, found)
    return found

"""Representatives of webs in which colours tell nothing apart: as many as there are orbits."""

from __future__ import annotations

import itertools

import pytest

from checkers.explore.native.c_program import c_program
from checkers.explore.native.c_state import Renamed
from checkers.explore.native.compiler import load
from checkers.explore.native.library import Space
from checkers.explore.symmetry import symmetry
from checkers.result import Renaming
from spec.language import Bounds, Id, Machine, Record, State, Table, build


class Node(Record):
    """A node and two others, each of one kind."""

    left: Id[Node]
    right: Id[Node]


class Web(State):
    """All nodes."""

    nodes: Table[Node]


def bare(s: Web) -> None:
    """No node leads anywhere."""


def link(s: Web, node: Id[Node], left: Id[Node], right: Id[Node]) -> None:
    """A node leads to others."""
    s.nodes[node].left = left
    s.nodes[node].right = right


WEB = Machine("web", Web, bare, (link,), {"small": Bounds({"nodes": 5})})


@pytest.mark.parametrize(("nodes", "orbits"), [(3, 11), (4, 43), (5, 161)])
def test_pairs_of_permutations_up_to_conjugation(nodes: int, orbits: int) -> None:
    """Every node has one neighbour in and out of each kind: only the search tells nodes apart."""
    program = build(WEB, "small", values={"nodes": nodes})
    chosen = symmetry(program, Renaming.IDS)
    tables = {item.table.name: item.classes for item in chosen.sets}
    text = c_program(program, Renamed(chosen.sorts, tables), [])
    space = Space(load(text.text, "-O1"), text)
    each = [bytes(order) for order in itertools.permutations(range(1, nodes + 1))]
    added = [space.add([left + right for right in each], judged=False) for left in each]
    space.close()
    assert sum(added) == orbits

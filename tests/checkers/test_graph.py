from __future__ import annotations

from typing import Annotated

import pytest

from checkers import graph
from checkers.cells import frozen
from spec.language import (
    CONST,
    Bounds,
    Id,
    IdSet,
    Machine,
    Program,
    Record,
    Shape,
    State,
    Table,
    build,
)
from tests.toys.queue import QUEUE
from tests.toys.refcount import REFCOUNT


class Node(Record):
    """A node that says itself whether it lives."""

    used: bool
    next: Id[Node]

    def live(self) -> bool:
        """It is used."""
        return self.used

    def label(self) -> str:
        """A name that has to be quoted."""
        return f'"n{int(self.id)}"'


class Owner(Record):
    """Somebody who owns nodes."""

    owns: IdSet[Node]
    home: Annotated[Id[Node], CONST]


class Net(State):
    """Owners and nodes, one node is the root."""

    root: Id[Node]
    nodes: Table[Node]
    owners: Table[Owner]


def init(s: Net) -> None:
    """Nothing is used."""


def shape(values: dict[str, int]) -> Shape:
    """The first owner has a home."""
    return Shape(values, {"owners": {"home": (Id[Node](3), Id[Node](0))}})


NET = Machine("net", Net, init, (), {"small": Bounds({"nodes": 3, "owners": 2})}, shape=shape)


@pytest.fixture(scope="module")
def net() -> Program:
    return build(NET, "small")


def drawn(program: Program, **fields: int | list[int]) -> graph.MultiDiGraph:
    """The graph of a state written as ``nodes_1_used=1``."""
    values = {}
    for key, value in fields.items():
        table, _, rest = key.partition("_")
        row, _, field = rest.partition("_")
        values[f"{table}[{row}].{field}" if rest else table] = value
    return graph.graph(program, frozen(program.layout, values, "test"))


def names(edges: list[graph.Edge]) -> list[str]:
    return [str(edge) for edge in edges]


def test_nothing_lives_in_the_first_state() -> None:
    program = build(REFCOUNT, "small")
    assert list(graph.graph(program, program.initial()[0])) == ["machine"]


def test_edges_are_ids_and_members(net: Program) -> None:
    of = drawn(net, root=1, nodes_1_used=True, nodes_2_used=True, owners_2_owns=[1, 2])
    assert names(graph.references(of)) == [
        "machine.root -> nodes[1]",
        "owners[2].owns -> nodes[1]",
        "owners[2].owns -> nodes[2]",
    ]
    assert graph.dangling(of) == []
    assert names(graph.referrers(of, "nodes[2]")) == ["owners[2].owns -> nodes[2]"]
    assert of.nodes["nodes[1]"]["kind"] == "Node"
    assert of.nodes["nodes[1]"]["fields"] == {"used": True}


def test_reference_to_what_is_not_live_dangles(net: Program) -> None:
    good = drawn(net, root=1, nodes_1_used=True)
    bad = drawn(net, root=1)
    assert graph.dangling(good) == []
    assert names(graph.dangling(bad)) == ["machine.root -> nodes[1]"]


def test_constant_reference_counts_once_its_row_lives(net: Program) -> None:
    assert "owners[1]" not in drawn(net)
    of = drawn(net, owners_1_owns=[2], nodes_2_used=True)
    assert names(graph.dangling(of)) == ["owners[1].home -> nodes[3]"]


def test_row_that_is_referred_to_lives() -> None:
    of = graph.graph(build(QUEUE, "small"), build(QUEUE, "small").initial()[0])
    assert list(of) == ["machine", "cells[1]", "cells[2]", "cells[3]"]
    assert graph.dangling(of) == []


def test_unreachable_rows_are_leaked(net: Program) -> None:
    fields = {"nodes_1_used": True, "nodes_2_used": True, "nodes_1_next": 2}
    assert graph.unreachable(drawn(net, root=1, **fields), []) == []
    assert graph.unreachable(drawn(net, **fields), []) == ["nodes[1]", "nodes[2]"]
    assert graph.unreachable(drawn(net, **fields), ["nodes[1]"]) == []


def test_around(net: Program) -> None:
    of = drawn(net, root=1, nodes_1_used=True, nodes_1_next=2, nodes_2_used=True, owners_2_owns=[2])
    assert names(graph.around(of, ["nodes[1]"])) == [
        "machine.root -> nodes[1]",
        "nodes[1].next -> nodes[2]",
    ]


def test_dot_quotes_labels_and_marks_what_dangles(net: Program) -> None:
    text = graph.dot(drawn(net, root=1))
    assert '"nodes[1]" [label="nodes[1] \\"n1\\"", style=dashed, color=red];' in text
    assert '"machine" -> "nodes[1]" [label="root", style=dashed, color=red];' in text


def test_dot_needs_no_program() -> None:
    program = build(REFCOUNT, "small")
    state = frozen(program.layout, {"objects[1].alive": True, "holders[1].holds": 1}, "test")
    assert graph.dot(graph.graph(program, state)) == (
        'digraph "state" {\n'
        "  rankdir=LR;\n"
        "  node [shape=box];\n"
        '  "objects[1]" [label="objects[1]\\nalive = True"];\n'
        '  "holders[1]" [label="holders[1]"];\n'
        '  "holders[1]" -> "objects[1]" [label="holds"];\n'
        "}\n"
    )

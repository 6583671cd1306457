from __future__ import annotations

from enum import IntEnum
from typing import Annotated, Any

import pytest

from spec.language import CONST, NONE, Id, IdSet, Range, Record, Shape, State, Table
from spec.language.control import Crash
from spec.language.layout import Layout
from spec.language.store import Store


class Colour(IntEnum):
    RED = 0
    BLUE = 5


class Node(Record):
    colour: Colour
    marked: bool
    next: Id[Node]
    peers: IdSet[Node]
    level: Annotated[int, Range(1, 3)]
    home: Annotated[bool, CONST]
    allowed: Annotated[IdSet[Node], CONST]


class Graph(State):
    root: Id[Node]
    nodes: Table[Node]


CONSTANTS = {"nodes": {"home": (True, *(False,) * 8), "allowed": ((2, 3), *((),) * 8)}}


@pytest.fixture
def store() -> Store:
    made = Store(Layout(Graph, Shape({"nodes": 9}, CONSTANTS), {"nodes": 9}))
    made.clear()
    return made


def node(store: Store, row: int) -> Any:
    state: Any = store.state
    return state.nodes[Id(row)]


def test_a_cleared_state_has_the_first_value_of_each_field(store: Store) -> None:
    row = node(store, 1)
    assert (row.colour, row.marked, row.next, row.level) == (Colour.RED, False, NONE, 1)
    assert Id[Node](1) not in row.peers


def test_values_come_back_typed(store: Store) -> None:
    row = node(store, 2)
    row.colour, row.marked, row.next, row.level = Colour.BLUE, True, Id(9), 3
    assert row.colour is Colour.BLUE
    assert row.marked is True
    assert isinstance(row.next, Id)
    assert (row.next, row.level) == (9, 3)
    assert node(store, 1).marked is False
    assert node(store, 3).marked is False


def test_freeze_and_load_are_inverse(store: Store) -> None:
    empty = store.freeze()
    node(store, 4).marked = True
    node(store, 4).peers.add(Id(9))
    full = store.freeze()
    assert hash(full) != hash(empty)
    store.load(empty)
    assert not node(store, 4).marked
    store.load(full)
    assert node(store, 4).marked
    assert Id[Node](9) in node(store, 4).peers


def test_a_table_is_walked_in_row_order(store: Store) -> None:
    state: Any = store.state
    assert [int(row.id) for row in state.nodes] == list(range(1, 10))
    assert len(state.nodes) == 9


def test_a_scalar_is_a_field_of_the_state(store: Store) -> None:
    state: Any = store.state
    state.root = Id[Node](3)
    assert state.nodes[state.root].id == 3


def test_none_dereferenced_is_a_crash_that_names_the_table(store: Store) -> None:
    with pytest.raises(Crash, match=r"null dereference: nodes"):
        node(store, 0)


@pytest.mark.parametrize("value", [0, 4, -1, 255])
def test_a_value_outside_its_range_is_a_crash(store: Store, value: int) -> None:
    row = node(store, 1)
    with pytest.raises(Crash, match=r"nodes\.level out of range"):
        row.level = value
    assert row.level == 1


def test_a_set_beyond_eight_rows(store: Store) -> None:
    peers = node(store, 1).peers
    for item in (1, 8, 9):
        peers.add(Id[Node](item))
    peers.add(Id[Node](9))
    assert [i for i in range(1, 10) if Id[Node](i) in peers] == [1, 8, 9]
    assert Id[Node](1) not in node(store, 2).peers
    peers.discard(Id[Node](8))
    peers.discard(Id[Node](7))
    peers.discard(NONE)
    assert [i for i in range(1, 10) if Id[Node](i) in peers] == [1, 9]
    peers.clear()
    assert not any(Id[Node](i) in peers for i in range(1, 10))


def test_none_is_in_no_set_and_adding_it_is_a_crash(store: Store) -> None:
    peers = node(store, 1).peers
    assert NONE not in peers
    with pytest.raises(Crash, match="none added to a set"):
        peers.add(NONE)


def test_constants_are_read_by_row_and_cannot_be_written(store: Store) -> None:
    assert node(store, 1).home is True
    assert node(store, 2).home is False
    assert Id[Node](3) in node(store, 1).allowed
    assert Id[Node](3) not in node(store, 2).allowed
    with pytest.raises(AttributeError):
        node(store, 1).home = False

"""Representatives: one for all states that differ in names alone, and itself one of them."""

from __future__ import annotations

import ctypes
import functools
import itertools
import threading
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checkers.explore.native.c_program import c_program
from checkers.explore.native.c_state import Renamed
from checkers.explore.native.compiler import load
from checkers.explore.native.library import Space
from checkers.explore.symmetry import symmetry
from checkers.result import Renaming
from spec.language import Bounds, Id, IdSet, Machine, Program, Record, Sort, State, Table, build


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


class Tag(Sort):
    """Data."""


class Member(Record):
    """Somebody with a friend, some whom it knows, and data."""

    friend: Id[Member]
    known: IdSet[Member]
    tag: Tag
    busy: bool


class Club(State):
    """All members, who leads them, some of them, and data."""

    leader: Id[Member]
    board: IdSet[Member]
    tag: Tag
    members: Table[Member]


def empty(s: Club) -> None:
    """Nobody knows anybody."""


def meet(s: Club, one: Id[Member], two: Id[Member], tag: Tag) -> None:
    """Everything is written."""
    s.members[one].friend = two
    s.members[one].known.add(two)
    s.members[one].tag = s.tag
    s.members[one].busy = True
    s.leader = two
    s.board.add(one)
    s.tag = tag


CLUB = Machine("club", Club, empty, (meet,), {"small": Bounds({"members": 4, "Tag": 3})})


class Forms:
    """The representatives of the states of a program."""

    def __init__(self, program: Program) -> None:
        chosen = symmetry(program, Renaming.IDS)
        assert chosen.sets
        tables = {item.table.name: item.classes for item in chosen.sets}
        text = c_program(program, Renamed(chosen.sorts, tables), [])
        self.layout = program.layout
        self.space = Space(load(text.text, "-O1"), text)

    def __call__(self, state: bytes) -> bytes:
        out = ctypes.create_string_buffer(len(state))
        self.space.library.space_canonical(state, out)
        return out.raw

    def state(self, values: Mapping[str, Sequence[int]]) -> bytes:
        """The state with these values in the cells of each column, row by row."""
        cells = bytearray(self.layout.size)
        for column in self.layout.columns():
            for row, value in enumerate(values[column.name + column.table], 1):
                at = column.offset(row)
                cells[at : at + column.width] = value.to_bytes(column.width, "little")
        return bytes(cells)


@functools.cache
def clubs() -> Forms:
    return Forms(build(CLUB, "small"))


Values = dict[str, list[int]]


@st.composite
def club(draw: st.DrawFn) -> Values:
    """Any values, few of them different, so that much is alike."""
    ids, masks = st.integers(0, 4), st.sampled_from((0, 1, 3, 6, 8, 15))
    tags, of = st.integers(0, 3), functools.partial(st.lists, min_size=4, max_size=4)
    return {
        "leader": [draw(ids)], "board": [draw(masks)], "tag": [draw(tags)],
        "friendmembers": draw(of(ids)), "knownmembers": draw(of(masks)),
        "tagmembers": draw(of(tags)), "busymembers": draw(of(st.integers(0, 1))),
    }  # fmt: skip


def renamed(values: Values, members: Sequence[int], tags: Sequence[int]) -> Values:
    """The same club, with the names that these permutations give; 0 keeps its name."""
    ids, data = [0, *members], [0, *tags]

    def mask(old: int) -> int:
        return sum(1 << ids[row] - 1 for row in range(1, 5) if old >> row - 1 & 1)

    def moved(cells: Sequence[int]) -> list[int]:
        return [cell for _, cell in sorted(zip(members, cells, strict=True))]

    return {
        "leader": [ids[values["leader"][0]]], "board": [mask(values["board"][0])],
        "tag": [data[values["tag"][0]]],
        "friendmembers": moved([ids[x] for x in values["friendmembers"]]),
        "knownmembers": moved([mask(x) for x in values["knownmembers"]]),
        "tagmembers": moved([data[x] for x in values["tagmembers"]]),
        "busymembers": moved(values["busymembers"]),
    }  # fmt: skip


@settings(max_examples=60)
@given(club())
def test_one_form_for_all_that_differ_in_names(values: Values) -> None:
    """Under every permutation of members and data; and it is the form of one of them."""
    forms = clubs()
    orbit = [
        forms.state(renamed(values, members, tags))
        for members in itertools.permutations(range(1, 5))
        for tags in itertools.permutations(range(1, 4))
    ]
    form = forms(orbit[0])
    assert {forms(state) for state in orbit} == {form}
    assert form in orbit


def test_as_many_ties_as_rows_need_no_deep_stack() -> None:
    """Nodes that lead to themselves are all tied, and told apart one after the other."""
    forms, found = Forms(build(WEB, "small", values={"nodes": 40})), list[bytes]()
    state = bytes([*range(1, 41)] * 2)
    before = threading.stack_size(1 << 17)
    try:
        thread = threading.Thread(target=lambda: found.append(forms(state)))
        thread.start()
        thread.join()
    finally:
        threading.stack_size(before)
    assert found == [state]


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

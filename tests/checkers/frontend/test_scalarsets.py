"""Rows are alike where permuting them commutes with every step; where it does not, they are not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from enum import IntEnum
from pathlib import Path
from typing import Annotated

import pytest

from checkers.frontend.scalarsets import declared, exchanged, free_sorts, scalarsets
from invariants import complete
from spec.language import (
    CONST,
    NONE,
    Bounds,
    Id,
    IdSet,
    LanguageError,
    Machine,
    Program,
    Range,
    Record,
    Shape,
    Sort,
    State,
    Table,
    build,
    check,
    count,
    first,
    fresh,
    invariant,
    require,
    sometimes,
)
from spec.language.program import Kind
from spec.machines import MACHINES
from tests.checkers.frontend.permuting import differences
from tests.spec.language.places import assert_place

LAST: Id[Node] = Id(2)


class Color(IntEnum):
    """Of a node."""

    RED = 0
    GREEN = 1
    BLUE = 2


class Node(Record):
    """Names another node, and is of a size."""

    size: Annotated[int, Range(0, 9), CONST]
    peer: Id[Node]
    color: Color
    hits: Annotated[int, Range(0, 3)]


class Net(State):
    """Nodes, with one that is the root, a set of them, and what was seen of one last."""

    nodes: Table[Node]
    root: Id[Node]
    marked: IdSet[Node]
    seen: Color
    total: Annotated[int, Range(0, 3)]


def init(s: Net) -> None:
    """Nothing is linked."""


# what is alike


def new(s: Net, color: Color) -> None:
    """Any red node takes a color."""
    node = fresh(x.id for x in s.nodes if x.color == Color.RED)
    require(node != NONE)
    s.nodes[node].color = color


def link(s: Net, a: Id[Node], b: Id[Node]) -> None:
    """One node names another, and both are known."""
    require(s.nodes[a].peer == NONE)
    s.nodes[a].peer = b
    s.root = a
    s.marked.add(b)


def clear(s: Net) -> None:
    """Every node for itself; how many there were is added up."""
    require(s.total == 0 and count(x.peer != NONE for x in s.nodes) <= 3)
    for x in s.nodes:
        if x.peer != NONE and x.color == Color.GREEN:
            x.peer = NONE
            s.total += 1


def walk(s: Net, a: Id[Node]) -> None:
    """As many steps as there are nodes: no turn looks at its row."""
    at = a
    for _ in s.nodes:
        if s.nodes[at].peer == NONE:
            break
        at = s.nodes[at].peer
    s.root = at


@invariant()
def none_blue_is_marked(s: Net) -> bool:
    """What is looked up is known to be some."""
    return all(x.peer == NONE or s.nodes[x.peer].color != Color.BLUE for x in s.nodes)


# what is not


def the_first(s: Net) -> None:
    s.root = first(x.id for x in s.nodes if x.color == Color.RED)


def the_last(s: Net) -> None:
    s.root = LAST


def hidden_literal(s: Net) -> None:
    l: Id[Node] = LAST if s.total == 0 else NONE  # noqa: E741
    s.root = l


def last_color(s: Net) -> None:
    for x in s.nodes:
        s.seen = x.color


def kept_local(s: Net) -> None:
    color = Color.RED
    for x in s.nodes:
        x.hits = 1 if color == Color.GREEN else 0
        color = x.color


def kept_afterwards(s: Net) -> None:
    color = Color.RED
    for x in s.nodes:
        color = x.color
        x.hits = 0
    s.seen = color


def in_one_branch(s: Net) -> None:
    color = Color.RED
    for x in s.nodes:
        if x.color == Color.GREEN:
            color = Color.GREEN
        x.hits = 1 if color == Color.GREEN else 0


def reads_a_neighbour(s: Net) -> None:
    for x in s.nodes:
        if x.peer != NONE:
            x.color = s.nodes[x.peer].color


def adds_up_and_down(s: Net) -> None:
    """Out of range in one order, and not in another."""
    for x in s.nodes:
        if x.color == Color.GREEN:
            s.total += 3
        elif x.color == Color.BLUE:
            s.total -= 3


def adds_what_differs(s: Net) -> None:
    for x in s.nodes:
        step = 0
        if x.color == Color.GREEN:
            step = 3
        if x.color == Color.BLUE:
            step = -3
        s.total = s.total + step


def any_that_ends(s: Net) -> None:
    require(any(s.nodes[x.peer].color == Color.RED for x in s.nodes))


def all_that_ends(s: Net) -> None:
    require(not all(s.nodes[x.peer].color == Color.GREEN for x in s.nodes))


def fresh_that_ends(s: Net) -> None:
    s.root = fresh(x.id for x in s.nodes if s.nodes[x.peer].color == Color.RED)


def asks_then_checks(s: Net, node: Id[Node]) -> bool:
    require(s.nodes[node].color != Color.BLUE)
    check(s.nodes[node].color != Color.GREEN, "not green")
    return s.nodes[node].color == Color.RED


def counts_what_asks(s: Net) -> None:
    """Disabled or a violation, as the first row has it that is not red."""
    s.total = count(asks_then_checks(s, x.id) for x in s.nodes)


def paint(s: Net, node: Id[Node], color: Color) -> None:
    s.nodes[node].color = color


def machine(*actions: Callable[..., None], sizes: tuple[int, ...] = (0, 0, 0)) -> Machine:
    return Machine(
        "net", Net, init, actions, {"small": Bounds({"nodes": len(sizes)})},
        shape=lambda values: Shape(values, {"nodes": {"size": sizes}}),
    )


GOOD = machine(new, link, clear, walk, paint).holding(none_blue_is_marked)


def nodes_of(program: Program) -> tuple[tuple[int, ...], ...]:
    found, _ = scalarsets(program)
    return next((item.classes for item in found if item.table.name == "nodes"), ())


def test_rows_that_name_each_other_are_alike_and_permuting_them_commutes() -> None:
    program = build(GOOD, "small")
    assert nodes_of(program) == ((1, 2, 3),)
    assert not list(differences(program, program.layout.tables["nodes"], (1, 2, 3)))


@pytest.mark.parametrize(
    ("action", "line", "why"),
    [
        (the_first, "s.root = first(", "`first` over `nodes` depends"),
        (the_last, "s.root = LAST", "row 2 of `nodes` is named"),
        (hidden_literal, "l: Id[Node] = LAST", "row 2 of `nodes` is named"),
        (last_color, "for x in s.nodes:", "the turns of this loop over `nodes` may depend"),
        (kept_local, "for x in s.nodes:", "the turns of this loop"),
        (kept_afterwards, "for x in s.nodes:", "`color` is used after the loop"),
        (in_one_branch, "for x in s.nodes:", "the turns of this loop"),
        (reads_a_neighbour, "for x in s.nodes:", "the turns of this loop"),
        (adds_up_and_down, "for x in s.nodes:", "the turns of this loop"),
        (adds_what_differs, "for x in s.nodes:", "the turns of this loop"),
        (any_that_ends, "require(any(", "`any` over `nodes` may fail for a row"),
        (all_that_ends, "require(not all(", "`all` over `nodes` may fail for a row"),
        (counts_what_asks, "s.total = count(", "`count` over `nodes` may fail for a row"),
    ],
)
def test_what_tells_rows_apart_is_refused_and_does_tell_them_apart(
    action: Callable[..., None], line: str, why: str
) -> None:
    program = build(machine(action, paint, link, sizes=(0, 0)), "small")
    found, refused = scalarsets(program)
    assert not found
    assert refused[0].message.startswith(why)
    assert action.__code__.co_firstlineno <= refused[0].line <= action.__code__.co_firstlineno + 9
    assert line in Path(__file__).read_text(encoding="utf-8").splitlines()[refused[0].line - 1]
    table = program.layout.tables["nodes"]
    assert action.__name__ in differences(program, table, (1, 2))


def test_a_fresh_that_may_fail_where_it_could_end_is_refused_and_tells_rows_apart() -> None:
    program = build(machine(fresh_that_ends, sizes=(0, 0)), "small")
    (why,) = scalarsets(program)[1]
    assert why.message == "`fresh` over `nodes` may fail for a row, or end before it"
    store = program.store()
    store.clear()
    s: Net = store.state  # type: ignore[assignment]
    s.nodes[Id(1)].peer = Id(1)
    before = store.freeze()
    other = exchanged(program, program.layout.tables["nodes"], before, 1, 2)
    (rule,) = program.actions
    assert [program.run(rule, x, ()).kind for x in (before, other)] == [Kind.DONE, Kind.CRASH]


def big(s: Net, node: Id[Node]) -> None:
    require(s.nodes[node].size > 4)
    s.nodes[node].hits = 1


def as_big_as(s: Net, a: Id[Node], b: Id[Node]) -> None:
    require(a != b and s.nodes[a].size == s.nodes[b].size)
    s.nodes[a].hits = 2


def test_constants_tell_rows_apart_by_what_is_asked_of_them() -> None:
    sizes = (1, 2, 6, 7, 7)
    assert nodes_of(build(machine(paint, sizes=sizes), "small")) == ((1, 2, 3, 4, 5),)
    program = build(machine(big, sizes=sizes), "small")
    assert nodes_of(program) == ((1, 2), (3, 4, 5))
    table = program.layout.tables["nodes"]
    assert not list(differences(program, table, (1, 2)))
    assert "big" in differences(program, table, (2, 3))
    both = build(machine(big, as_big_as, sizes=sizes), "small")
    assert nodes_of(both) == ((4, 5),)
    _, (why,) = scalarsets(build(machine(as_big_as, sizes=(1, 2)), "small"))
    assert why.message.startswith("constants tell each row of `nodes` from all others")


def test_a_rule_and_a_witness_count_and_have_one_value() -> None:
    @sometimes
    def some_new(s: Net) -> bool:
        return fresh(x.id for x in s.nodes if x.color == Color.GREEN) != NONE

    program = build(replace(GOOD, sometimes=(some_new,)), "small")
    _, (why,) = scalarsets(program)
    assert why.message == "`fresh` over `nodes` gives one of several rows, in no action"


def one_begins_green(s: Net) -> None:
    for x in s.nodes:
        x.color = Color.GREEN
        break


def one_of_them_begins_green(s: Net, node: Id[Node]) -> None:
    s.nodes[node].color = Color.GREEN


def test_rows_begin_alike() -> None:
    _, (why,) = scalarsets(build(replace(GOOD, init=one_begins_green), "small"))
    assert why.message == "not every row of `nodes` may begin as any other"
    assert nodes_of(build(replace(GOOD, init=one_of_them_begins_green), "small"))


def test_a_renamed_state_has_the_ids_renamed_everywhere() -> None:
    program = build(GOOD, "small")
    store = program.store()
    store.clear()
    s: Net = store.state  # type: ignore[assignment]
    s.root = Id(1)
    s.marked.add(Id(2))
    s.nodes[Id(1)].peer = Id(2)
    s.nodes[Id(3)].peer = Id(1)
    store.load(exchanged(program, program.layout.tables["nodes"], store.freeze(), 1, 2))
    assert s.root == 2
    assert Id(1) in s.marked
    assert Id(2) not in s.marked
    assert [x.peer for x in s.nodes] == [0, 1, 2]


def any_of_what_is_drawn(s: Net) -> None:
    """What a row is given may fail, and what another is given may end it."""
    require(any(
        s.nodes[s.nodes[fresh(y.id for y in s.nodes)].peer].color == Color.RED for x in s.nodes
    ))  # fmt: skip


def test_what_fresh_gives_one_row_it_need_not_give_the_next() -> None:
    (why,) = scalarsets(build(machine(any_of_what_is_drawn), "small"))[1]
    assert why.message == "`any` over `nodes` may fail for a row, or end before it"


# the machines


@pytest.mark.parametrize(
    ("name", "bounds", "alike"),
    [
        ("iommufd-objects", "small", {"objects": ((1, 2, 3, 4),)}),
        ("iommufd-objects", "groups", {"objects": ((1, 2, 3, 4, 5),), "devices": ((1, 2),)}),
        ("object-lifetime", "S", {"slots": ((1, 2, 3, 4, 5),), "devices": ((1, 2, 3),)}),
        (
            "object-lifetime",
            "B",
            {"slots": ((1, 2, 3, 4), (5, 6, 7, 8)), "devices": ((1, 2),)},
        ),
        ("hwpt-sharing", "small", {"objects": (tuple(range(3, 12)),)}),
        ("pci-hotplug", "small", {}),
    ],
)
def test_what_is_alike_in_the_machines(
    name: str, bounds: str, alike: dict[str, tuple[tuple[int, ...], ...]]
) -> None:
    found, _ = scalarsets(build(complete(MACHINES[name]), bounds))
    assert {item.table.name: item.classes for item in found} == alike


def test_two_tables_of_a_machine_are_permuted_at_a_time() -> None:
    program = build(complete(MACHINES["object-lifetime"]), "small")
    for item in scalarsets(program)[0]:
        assert not list(differences(program, item.table, item.classes[0]))


# what a machine declares


def test_what_is_declared_is_alike() -> None:
    declared(build(complete(MACHINES["object-lifetime"]), "small"))
    with pytest.raises(LanguageError, match="not alike, as net declares") as caught:
        declared(build(replace(machine(the_first), symmetric=(Node,)), "small"))
    assert_place(caught, __file__, "s.root = first(")

    class Other(Record):
        """Of no table."""

    with pytest.raises(LanguageError, match="no table of Other, declared symmetric"):
        declared(build(replace(GOOD, symmetric=(Other,)), "small"))


class Name(Sort):
    """What somebody is called."""


class Town(Sort):
    """Where somebody lives; one is the capital."""


class People(State):
    """One of them."""

    name: Name
    town: Town
    capital: Annotated[Town, CONST]


def nobody(s: People) -> None:
    """There is nobody."""


def move(s: People, name: Name, town: Town) -> None:
    s.name = name
    s.town = town


@pytest.mark.parametrize(
    ("capital", "free"), [(0, {"Name": 3, "Town": 2}), (1, {"Name": 3})]
)
def test_sorts_without_constants_are_free(capital: int, free: dict[str, int]) -> None:
    people = Machine(
        "people", People, nobody, (move,), {"small": Bounds({"Name": 3, "Town": 2})},
        shape=lambda values: Shape(values, {"": {"capital": (capital,)}}),
    )
    assert free_sorts(build(people, "small")) == free

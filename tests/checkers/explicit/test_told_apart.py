"""Rows that are told apart are not alike, and the refusal says where."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from checkers.explicit.alike import alike
from spec.iommufd.object_lifetime import Slot
from spec.language import (
    NONE,
    Bounds,
    Id,
    LanguageError,
    Machine,
    Record,
    Sort,
    State,
    Table,
    build,
    first,
    fresh,
    require,
    sometimes,
)
from tests.spec.language.places import assert_place
from tests.toys.ports import PORTS, Hub, Port


def the_first(s: Hub) -> None:
    port = first(x.id for x in s.ports if x.opened == 0)
    require(port != NONE)
    s.ports[port].opened = 1


def the_fresh(s: Hub) -> None:
    port = fresh(x.id for x in s.ports if x.opened == 0)
    require(port != NONE)
    s.ports[port].opened = 1


SECOND: Id[Port] = Id(2)


def the_second(s: Hub) -> None:
    s.ports[SECOND].opened = 1


def every_turn(s: Hub) -> None:
    for x in s.ports:
        require(x.opened < 2)


class Peer(Record):
    """Has a peer of its own kind."""

    peer: Id[Peer]
    up: bool


class Peers(State):
    """All of them."""

    peers: Table[Peer]


class Plug(Record):
    """Is attached to something that may be away."""

    socket: Id[Socket]


class Socket(Record):
    """Something."""

    live: bool


class Wall(State):
    """All plugs and sockets."""

    plugs: Table[Plug]
    sockets: Table[Socket]


def nothing(s: Peers) -> None:
    """All are down."""


def one_is_up(s: Peers, peer: Id[Peer]) -> None:
    require(peer == SECOND)
    s.peers[peer].up = True


def unplugged(s: Wall) -> None:
    """Nothing is plugged in."""


def any_live(s: Wall) -> None:
    require(any(s.sockets[x.socket].live for x in s.plugs))


def any_live_of_those_plugged(s: Wall) -> None:
    require(any(x.socket != NONE and s.sockets[x.socket].live for x in s.plugs))


def reason(machine: Machine, bounds: str = "small") -> pytest.ExceptionInfo[LanguageError]:
    with pytest.raises(LanguageError, match=r"not alike, as .* declares") as caught:
        alike(build(machine, bounds))
    return caught


@pytest.mark.parametrize(
    ("action", "line", "why"),
    [
        (the_first, "port = first(x.id for", "`first` over `ports` depends on the order"),
        (the_fresh, "port = fresh(x.id for", "`fresh` over `ports` takes the first row"),
        (the_second, "s.ports[SECOND].opened = 1", "row 2 of `ports` is named"),
        (every_turn, "for x in s.ports:", "the turns of this loop over `ports`"),
    ],
)
def test_an_action_that_tells_rows_apart_is_refused(
    action: Callable[..., None], line: str, why: str
) -> None:
    caught = reason(replace(PORTS, actions=(*PORTS.actions, action)))
    assert caught.value.message.startswith(why)
    assert_place(caught, __file__, line)


def test_a_witness_counts_as_well() -> None:
    @sometimes
    def second(s: Hub) -> bool:
        return s.ports[SECOND].opened == 1

    assert "row 2 of `ports` is named" in str(reason(replace(PORTS, sometimes=(second,))).value)


def wall(action: Callable[..., None]) -> Machine:
    bounds = Bounds({"plugs": 2, "sockets": 1})
    return Machine("wall", Wall, unplugged, (action,), {"small": bounds}, symmetric=(Plug,))


def test_an_any_that_may_fail_after_it_could_have_ended_is_refused() -> None:
    caught = reason(wall(any_live))
    assert caught.value.message.startswith("`any` over `plugs` may fail for a row, or end before")
    assert_place(caught, __file__, "require(any(s.sockets[x.socket].live")
    assert alike(build(wall(any_live_of_those_plugged), "small"))[0].classes == ((1, 2),)


def test_rows_that_others_name_are_refused() -> None:
    machine = Machine(
        "peers", Peers, nothing, (one_is_up,), {"small": Bounds({"peers": 2})}, symmetric=(Peer,)
    )
    assert "row 2 of `peers` is named" in str(reason(machine).value)
    caught = reason(replace(machine, actions=()))
    assert caught.value.message.startswith("`peers.peer` names rows of `peers`")
    assert_place(caught, __file__, "class Peer(Record):")


class Name(Sort):
    """What somebody is called."""


class Person(Record):
    """Has a name."""

    name: Name


class People(State):
    """All of them."""

    people: Table[Person]


def nobody(s: People) -> None:
    """They have no names."""


def call(s: People, person: Id[Person], name: Name) -> None:
    s.people[person].name = name


def test_rows_with_data_that_is_renamed_are_refused() -> None:
    bounds = {"small": Bounds({"people": 2, "Name": 2})}
    machine = Machine("people", People, nobody, (call,), bounds, symmetric=(Person,))
    assert "has values that are renamed themselves" in str(reason(machine).value)


def one_is_open(s: Hub, port: Id[Port]) -> None:
    require(port == SECOND)
    s.ports[port].opened = 1


def any_is_open(s: Hub, port: Id[Port]) -> None:
    s.ports[port].opened = 1


def test_rows_begin_alike() -> None:
    caught = reason(replace(PORTS, init=one_is_open))
    assert caught.value.message.startswith("not every row of `ports` may begin as any other")
    assert_place(caught, __file__, "def one_is_open(")
    assert alike(build(replace(PORTS, init=any_is_open), "small"))


def test_what_is_no_table_of_the_state_is_refused() -> None:
    with pytest.raises(LanguageError, match="has no table of Slot, declared symmetric"):
        alike(build(replace(PORTS, symmetric=(Slot,)), "small"))

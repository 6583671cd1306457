"""Ports that are alike and hold sets of users: their rows have several cells, one a set."""

from __future__ import annotations

from typing import Annotated

from spec.language import (
    CONST,
    Bounds,
    Id,
    IdSet,
    Machine,
    Range,
    Record,
    Shape,
    State,
    Table,
    check,
    invariant,
    require,
)


class User(Record):
    """Somebody, who is like nobody else."""

    busy: bool


class Port(Record):
    """A port, on one side or the other, which some users have open."""

    side: Annotated[int, Range(0, 1), CONST]
    opened: Annotated[int, Range(0, 2)]
    users: IdSet[User]


class Hub(State):
    """All ports and users."""

    ports: Table[Port]
    users: Table[User]


def idle(s: Hub) -> None:
    """Nobody has a port open."""


def enter(s: Hub, port: Id[Port], user: Id[User]) -> None:
    """A user opens a port."""
    require(not s.users[user].busy)
    s.users[user].busy = True
    s.ports[port].users.add(user)
    s.ports[port].opened += 1


def leave(s: Hub, port: Id[Port], user: Id[User]) -> None:
    """A user leaves a port."""
    require(user in s.ports[port].users)
    s.users[user].busy = False
    s.ports[port].users.discard(user)
    s.ports[port].opened -= 1


def crowd(s: Hub, port: Id[Port]) -> None:
    """All leave, but not three of them."""
    check(s.ports[port].opened < 2, "nobody is trampled")
    require(s.ports[port].opened == 1)
    for user in s.users:
        if user.id in s.ports[port].users:
            user.busy = False
    s.ports[port].users.clear()
    s.ports[port].opened = 0


@invariant()
def at_most_one(s: Hub, port: Id[Port]) -> bool:
    """No port is opened twice."""
    return s.ports[port].opened < 2


PORTS = Machine(
    name="ports",
    state=Hub,
    init=idle,
    actions=(enter, leave, crowd),
    bounds={"small": Bounds({"ports": 3, "users": 2}), "wide": Bounds({"ports": 5, "users": 17})},
    shape=lambda values: Shape(
        values, {"ports": {"side": tuple(n // 3 for n in range(values["ports"]))}}
    ),
    invariants=(at_most_one,),
    symmetric=(Port,),
)

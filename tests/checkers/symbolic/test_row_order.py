"""Rows are interchangeable only where nothing tells them apart."""

from __future__ import annotations

from enum import IntEnum

from checkers.symbolic.row_order import alike, orders
from invariants import complete
from spec.language import (
    NONE,
    Bounds,
    Id,
    Machine,
    Record,
    State,
    Table,
    build,
    first,
    fresh,
    require,
)
from spec.machines import MACHINES


class Kind(IntEnum):
    """Free or taken."""

    FREE = 0
    TAKEN = 1


class Slot(Record):
    """One slot."""

    kind: Kind


class Slots(State):
    """All slots, and the one taken last."""

    last: Id[Slot]
    slots: Table[Slot]


def init(s: Slots) -> None:
    """All are free."""


def take(s: Slots) -> None:
    """Take any free slot."""
    slot = fresh(x.id for x in s.slots if x.kind == Kind.FREE)
    require(slot != NONE)
    s.slots[slot].kind = Kind.TAKEN


def take_first(s: Slots) -> None:
    """Take the first free slot."""
    slot = first(x.id for x in s.slots if x.kind == Kind.FREE)
    require(slot != NONE)
    s.slots[slot].kind = Kind.TAKEN


def give_all(s: Slots) -> None:
    """Give all back, each by itself."""
    for x in s.slots:
        if x.kind == Kind.TAKEN:
            x.kind = Kind.FREE


def remember_last(s: Slots) -> None:
    """The last slot that is taken: the order of the turns matters."""
    for x in s.slots:
        if x.kind == Kind.TAKEN:
            s.last = x.id


def pairs(*actions: object) -> list[tuple[int, int]]:
    """The rows that a proof may sort."""
    machine = Machine(
        "slots",
        Slots,
        init,
        actions,  # type: ignore[arg-type]
        {"small": Bounds({"slots": 3})},
    )
    program = build(machine, "small")
    return [(low, high) for _, low, high in orders(program, alike(program))]


def test_rows_that_are_allocated_by_fresh_are_alike() -> None:
    assert pairs(take, give_all) == [(1, 2), (2, 3)]


def test_first_tells_rows_apart() -> None:
    assert pairs(take_first, give_all) == []


def test_a_loop_whose_last_turn_wins_tells_rows_apart() -> None:
    assert pairs(take, remember_last) == []


def test_the_ids_that_vfio_owns_are_like_no_other_and_iommufds_are_kept_apart() -> None:
    program = build(complete(MACHINES["hwpt-sharing"]), "fds")
    rows = [(low, high) for _, low, high in orders(program, alike(program))]
    slots = program.bounds.values["slots"]
    assert rows == [
        *((n, n + 1) for n in range(3, slots)),
        *((n, n + 1) for n in range(slots + 3, 2 * slots)),
    ]

"""Objects of three kinds that refer to each other, and devices attached to them."""

from __future__ import annotations

from enum import IntEnum
from typing import Annotated

from spec.language import (
    NONE,
    Bounds,
    Id,
    Machine,
    Range,
    Record,
    State,
    Table,
    Teardown,
    count,
    first,
    invariant,
    require,
    sometimes,
)


class Kind(IntEnum):
    """What a slot holds."""

    FREE = 0
    IOAS = 1
    S2 = 2
    NESTED = 3


class Slot(Record):
    """One place of the object table: what it holds, what that refers to, who refers to it."""

    kind: Kind
    parent: Id[Slot]
    references: Annotated[int, Range(0, "most")]


class Device(Record):
    """A device and the HWPT it is attached to, if any."""

    hwpt: Id[Slot]


class Host(State):
    """One iommufd: its objects and the devices bound to it."""

    slots: Table[Slot]
    devices: Table[Device]


def init(s: Host) -> None:
    """There is no object and no device is attached."""


def alloc_ioas(s: Host) -> None:
    """A new IOAS takes the lowest free slot."""
    free = first(x.id for x in s.slots if x.kind == Kind.FREE)
    require(free != NONE)
    s.slots[free].kind = Kind.IOAS


def alloc_s2(s: Host, ioas: Id[Slot]) -> None:
    """A new stage-2 over an IOAS."""
    require(s.slots[ioas].kind == Kind.IOAS)
    free = first(x.id for x in s.slots if x.kind == Kind.FREE)
    require(free != NONE)
    s.slots[free].kind = Kind.S2
    s.slots[free].parent = ioas
    s.slots[ioas].references += 1


def alloc_nested(s: Host, parent: Id[Slot]) -> None:
    """A new nested HWPT over a stage-2."""
    require(s.slots[parent].kind == Kind.S2)
    free = first(x.id for x in s.slots if x.kind == Kind.FREE)
    require(free != NONE)
    s.slots[free].kind = Kind.NESTED
    s.slots[free].parent = parent
    s.slots[parent].references += 1


def attach(s: Host, device: Id[Device], hwpt: Id[Slot]) -> None:
    """A detached device is attached to an HWPT."""
    require(s.devices[device].hwpt == NONE)
    require(s.slots[hwpt].kind in (Kind.S2, Kind.NESTED))
    s.devices[device].hwpt = hwpt
    s.slots[hwpt].references += 1


def detach(s: Host, device: Id[Device]) -> None:
    """A device leaves its HWPT."""
    require(s.devices[device].hwpt != NONE)
    hwpt = s.slots[s.devices[device].hwpt]
    hwpt.references -= 1
    s.devices[device].hwpt = NONE


def destroy(s: Host, slot: Id[Slot]) -> None:
    """An object that nobody refers to goes away."""
    require(s.slots[slot].kind != Kind.FREE and s.slots[slot].references == 0)
    parent = s.slots[slot].parent
    s.slots[slot].kind = Kind.FREE
    s.slots[slot].parent = NONE
    if parent != NONE:
        s.slots[parent].references -= 1


def empty(s: Host) -> bool:
    """There is no object."""
    return all(x.kind == Kind.FREE for x in s.slots)


def rank(s: Host) -> int:
    """How much there is to undo."""
    return count(x.kind != Kind.FREE for x in s.slots) + count(d.hwpt != NONE for d in s.devices)


@sometimes
def all_nested(s: Host) -> bool:
    """Every device is attached to a nested HWPT."""
    return all(d.hwpt != NONE and s.slots[d.hwpt].kind == Kind.NESTED for d in s.devices)


@invariant(witness=all_nested)
def references_are_referrers(s: Host, slot: Id[Slot]) -> bool:
    """The count of an object is the number of its children and its devices."""
    children = count(x.parent == slot for x in s.slots)
    return s.slots[slot].references == children + count(d.hwpt == slot for d in s.devices)


@invariant(witness=all_nested)
def parents_live(s: Host, slot: Id[Slot]) -> bool:
    """A stage-2 is over an IOAS, a nested HWPT over a stage-2."""
    parent = s.slots[slot].parent
    if s.slots[slot].kind == Kind.S2:
        return parent != NONE and s.slots[parent].kind == Kind.IOAS
    if s.slots[slot].kind == Kind.NESTED:
        return parent != NONE and s.slots[parent].kind == Kind.S2
    return parent == NONE


LIFETIMES = Machine(
    name="lifetimes",
    state=Host,
    init=init,
    actions=(alloc_ioas, alloc_s2, alloc_nested, attach, detach, destroy),
    bounds={
        "small": Bounds({"slots": 3, "devices": 2, "most": 4}, why="one chain of three objects"),
        "standard": Bounds(
            {"slots": 5, "devices": 3, "most": 7},
            why="two chains share their first object",
            states=77_017, transitions=538_446, depth=16,
        ),
        "large": Bounds(
            {"slots": 6, "devices": 3, "most": 8},
            why="two chains that share nothing",
            states=1_174_510, transitions=9_414_441, depth=19,
        ),
    },
    invariants=(references_are_referrers, parents_live),
    teardown=Teardown((detach, destroy), empty, rank),
    title="Object lifetimes",
    about="Objects of an iommufd are destroyed only when nobody refers to them.",
)

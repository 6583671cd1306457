"""Objects that live while somebody holds them: (objects + 1) ** holders states."""

from __future__ import annotations

from enum import IntEnum
from typing import Annotated

from spec.language import (
    NONE,
    Bounds,
    Fault,
    Id,
    Machine,
    Range,
    Record,
    State,
    Table,
    Teardown,
    check,
    count,
    first,
    host_call,
    invariant,
    on_failure,
    overrides,
    require,
    sometimes,
    variant_of,
)


class Errno(IntEnum):
    """What the host answers."""

    OK = 0
    ENOMEM = 12


class Object(Record):
    """One object and the count it keeps of its holders."""

    alive: bool
    references: Annotated[int, Range(0, "holders")]


class Holder(Record):
    """One holder and the object it holds, if any."""

    holds: Id[Object]


class Heap(State):
    """All objects and all holders."""

    objects: Table[Object]
    holders: Table[Holder]


def init(s: Heap) -> None:
    """Nothing lives and nobody holds anything."""


@host_call("heap_allocate  object={out} ({ret})", fails=Errno.ENOMEM)
def allocate(s: Heap, fault: Fault) -> tuple[Errno, Id[Object]]:
    """The lowest free object begins to live."""
    found = first(o.id for o in s.objects if not o.alive)
    if found == NONE:
        return Errno.ENOMEM, NONE
    s.objects[found].alive = True
    return Errno.OK, found


def release(s: Heap, item: Id[Object]) -> None:
    """One holder less; the last one frees the object."""
    check(s.objects[item].alive, "release of a freed object")
    s.objects[item].references -= 1
    if s.objects[item].references == 0:
        s.objects[item].alive = False


def create(s: Heap, holder: Id[Holder], fault: Fault) -> Errno:
    """A holder of nothing makes an object; refused, it still holds nothing."""
    require(s.holders[holder].holds == NONE)
    ret, item = allocate(s, fault)
    if ret != Errno.OK:
        return ret
    s.objects[item].references = 1
    s.holders[holder].holds = item
    return Errno.OK


def get(s: Heap, holder: Id[Holder], item: Id[Object]) -> None:
    """A holder of nothing takes a share in a living object."""
    require(s.holders[holder].holds == NONE)
    require(s.objects[item].alive)
    s.objects[item].references += 1
    s.holders[holder].holds = item


def put(s: Heap, holder: Id[Holder]) -> None:
    """A holder lets go of its object."""
    require(s.holders[holder].holds != NONE)
    release(s, s.holders[holder].holds)
    s.holders[holder].holds = NONE


def empty(s: Heap) -> bool:
    """Nothing lives."""
    return not any(o.alive for o in s.objects)


def rank(s: Heap) -> int:
    """How many holders hold something."""
    return count(h.holds != NONE for h in s.holders)


@sometimes
def shared(s: Heap) -> bool:
    """An object has two holders."""
    return any(o.references > 1 for o in s.objects)


@invariant(witness=shared)
def no_dangling(s: Heap, holder: Id[Holder]) -> bool:
    """What is held is alive."""
    return s.holders[holder].holds == NONE or s.objects[s.holders[holder].holds].alive


@invariant(witness=shared)
def references_are_holders(s: Heap, item: Id[Object]) -> bool:
    """The count of a living object is the number of its holders."""
    held = count(h.holds == item for h in s.holders)
    return not s.objects[item].alive or s.objects[item].references == held


@on_failure()
def refusal_changes_nothing(before: Heap, s: Heap) -> bool:
    """A refused step leaves every object as it was."""
    return all(s.objects[o.id].alive == o.alive for o in before.objects)


REFCOUNT = Machine(
    name="refcount",
    state=Heap,
    init=init,
    actions=(create, get, put),
    bounds={
        "small": Bounds(
            {"objects": 2, "holders": 2},
            why="two holders are enough to let go of an object while another holds it",
            states=9, transitions=28, depth=4,
        ),
        "large": Bounds({"objects": 4, "holders": 5}, why="many holders of many objects"),
    },
    invariants=(no_dangling, references_are_holders, refusal_changes_nothing),
    teardown=Teardown((put,), empty, rank),
    title="Counted references",
    about="An object lives from its creation until its last holder lets go of it.",
)


@overrides(release)
def release_at_once(s: Heap, item: Id[Object]) -> None:
    """One holder less; the object is freed, whoever still holds it."""
    check(s.objects[item].alive, "release of a freed object")
    s.objects[item].references -= 1
    s.objects[item].alive = False


FREES_WHILE_HELD = variant_of(
    "refcount",
    "frees-while-held",
    release_at_once,
    about="The first holder that lets go frees the object.",
    no_dangling=3,
    references_are_holders=4,
    no_failed_check=4,
)


@overrides(create)
def create_leaking(s: Heap, holder: Id[Holder], fault: Fault) -> Errno:
    """A holder of nothing makes an object and a helper; refused that, it forgets both."""
    require(s.holders[holder].holds == NONE)
    ret, item = allocate(s, fault)
    if ret != Errno.OK:
        return ret
    ret, helper = allocate(s, fault)
    if ret != Errno.OK:
        return ret
    s.objects[helper].alive = False
    s.objects[item].references = 1
    s.holders[holder].holds = item
    return Errno.OK


LEAKS_ON_REFUSAL = variant_of(
    "refcount",
    "leaks-on-refusal",
    create_leaking,
    about="A second allocation that is refused leaves the first one behind.",
    refusal_changes_nothing=1,
)

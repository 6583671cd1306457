"""The core of hwpt-sharing as a machine: small enough to be written by hand for spin as well.

Devices, containers and stage-2 tables as `hwpt-sharing` has them, without kernel objects, failing
host calls and the memory map: those are what makes the whole of it large.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from spec.language import (
    CONST,
    NONE,
    Bounds,
    Id,
    Machine,
    Range,
    Record,
    Shape,
    State,
    Table,
    bits,
    check,
    count,
    first,
    invariant,
    require,
    sometimes,
)


class Container(Record):
    """An IOAS, for devices with the erratum or without it."""

    live: bool
    erratum: bool


class Stage2(Record):
    """A stage-2 table of a container, for coherent devices or for others, and its users."""

    container: Id[Container]
    coherent: bool
    users: Annotated[int, Range(0, "users")]


class Device(Record):
    """A device, the stage-2 that it uses, and the guest's table over it (0: pass-through)."""

    coherent: Annotated[bool, CONST]
    erratum: Annotated[bool, CONST]
    plugged: bool
    stage2: Id[Stage2]
    bound: Annotated[int, Range(0, 3)]


class Choice(Record):
    """What a device may be bound to: a table of the guest by its number, or none (0)."""

    number: Annotated[int, Range(0, 3), CONST]


class Guest(State):
    """All containers, stage-2 tables and devices, and what the guest may choose between."""

    containers: Table[Container]
    stage2s: Table[Stage2]
    devices: Table[Device]
    choices: Table[Choice]


def shape(values: Mapping[str, int]) -> Shape:
    """`coherent` and `errata` are masks of devices (bit 0: the first)."""
    devices = values["devices"]
    sizes = {
        "containers": 2, "stage2s": 4, "devices": devices, "users": devices + 1,
        "choices": values["tables"] + 1,
    }  # fmt: skip
    masks = {"coherent": values["coherent"], "erratum": values["errata"]}
    return Shape(
        sizes,
        {
            "devices": {key: bits(mask, devices) for key, mask in masks.items()},
            "choices": {"number": tuple(range(values["tables"] + 1))},
        },
    )


def init(s: Guest) -> None:
    """No device is plugged."""


def release(s: Guest, row: Id[Stage2]) -> None:
    """A stage-2 has a user less; the last one takes it along, and a container that has no other."""
    if row == NONE:
        return
    check(s.stage2s[row].users > 0, "release of an unused stage-2")
    s.stage2s[row].users -= 1
    if s.stage2s[row].users == 0:
        container: Id[Container] = s.stage2s[row].container
        s.stage2s[row].container = NONE
        s.stage2s[row].coherent = False
        if not any(x.container == container for x in s.stage2s):
            s.containers[container].live = False
            s.containers[container].erratum = False


def container_of(s: Guest, device: Id[Device]) -> Id[Container]:
    """The container that suits a device, or a new one."""
    erratum = s.devices[device].erratum
    found = first(x.id for x in s.containers if x.live and x.erratum == erratum)
    if found == NONE:
        found = first(x.id for x in s.containers if not x.live)
        s.containers[found].live = True
        s.containers[found].erratum = erratum
    return found


def stage2_of(s: Guest, device: Id[Device], container: Id[Container]) -> Id[Stage2]:
    """The stage-2 of a container that suits a device, or a new one."""
    coherent = s.devices[device].coherent
    found = first(
        x.id for x in s.stage2s if x.container == container and x.coherent == coherent
    )
    if found == NONE:
        found = first(x.id for x in s.stage2s if x.container == NONE)
        s.stage2s[found].container = container
        s.stage2s[found].coherent = coherent
    return found


def plug(s: Guest, device: Id[Device]) -> None:
    """A device comes."""
    require(not s.devices[device].plugged)
    s.devices[device].plugged = True


def unplug(s: Guest, device: Id[Device]) -> None:
    """A device goes, bound or not."""
    require(s.devices[device].plugged)
    s.devices[device].plugged = False
    detach(s, device)


def bind(s: Guest, device: Id[Device], choice: Id[Choice]) -> None:
    """A device is bound, or bound to another table: the new first, then the old is let go of."""
    require(s.devices[device].plugged)
    container = container_of(s, device)
    row = stage2_of(s, device, container)
    s.stage2s[row].users += 1
    old: Id[Stage2] = s.devices[device].stage2
    s.devices[device].stage2 = row
    s.devices[device].bound = s.choices[choice].number
    release(s, old)


def unbind(s: Guest, device: Id[Device]) -> None:
    """A device is bound to nothing more."""
    require(s.devices[device].stage2 != NONE)
    detach(s, device)


def detach(s: Guest, device: Id[Device]) -> None:
    """What a device used is let go of."""
    old: Id[Stage2] = s.devices[device].stage2
    s.devices[device].stage2 = NONE
    s.devices[device].bound = 0
    release(s, old)


@sometimes
def shared(s: Guest) -> bool:
    """Two devices use one stage-2."""
    return any(x.users > 1 for x in s.stage2s)


@invariant(witness=shared)
def users_are_counted(s: Guest, row: Id[Stage2]) -> bool:
    """The count of a stage-2 is the number of devices that use it."""
    return s.stage2s[row].users == count(x.stage2 == row for x in s.devices)


SHARING_CORE = Machine(
    name="sharing-core",
    title="The core of hwpt-sharing",
    about="Devices, containers and stage-2 tables; no kernel objects, no failing host calls.",
    state=Guest,
    init=init,
    actions=(plug, unplug, bind, unbind),
    shape=shape,
    invariants=(users_are_counted,),
    bounds={
        "small": Bounds(
            {"devices": 2, "coherent": 0b01, "errata": 0b00, "tables": 1},
            "Two devices that share a container and no stage-2.",
            28, 176, 5,
        ),
        "large": Bounds(
            {"devices": 6, "coherent": 0b010101, "errata": 0b001100, "tables": 3},
            "Every kind of device, some of them twice: the size at which tools are measured.",
            1_982_528, 60_685_440, 16,
        ),
    },
)

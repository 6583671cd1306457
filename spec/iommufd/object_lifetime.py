"""The machine `object-lifetime`: objects that hold each other, as any user of the uAPI drives them.

It is small enough to be written again by hand for other tools, and large enough to measure them.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Annotated

from spec.language import (
    CONST,
    NONE,
    Bounds,
    Id,
    Machine,
    Of,
    Range,
    Record,
    Shape,
    State,
    Table,
    Teardown,
    count,
    fresh,
    mirrors,
    require,
    sometimes,
)


class Kind(IntEnum):
    """What a slot holds; FREE if nothing."""

    FREE = 0
    IOAS = 1
    S2 = 2
    NESTED = 3


class Iommufd(Record):
    """One open /dev/iommu."""


class Slot(Record):
    """One id of an iommufd and the object it names, if any.

    `refs` counts who holds the object, the id table not among them. `parent` is the IOAS of a
    stage-2, the stage-2 of a nested HWPT.
    """

    fd: Annotated[Id[Iommufd], CONST]
    number: Annotated[int, Range(1, 31), CONST]
    kind: Kind
    parent: Id[Slot]
    refs: Annotated[int, Range(0, "referrers")]

    def label(self) -> str:
        """The id as the kernel gave it."""
        return str(self.number)


class Device(Record):
    """A device bound to an iommufd, and the HWPT it is attached to, if any."""

    fd: Annotated[Id[Iommufd], CONST]
    hwpt: Id[Slot]

    def label(self) -> str:
        """A name such as QEMU gives to a device."""
        return f"dev{int(self.id)}"


class Host(State):
    """All iommufds with their objects, and the devices bound to them."""

    iommufds: Table[Iommufd]
    slots: Table[Slot]
    devices: Table[Device]


def shape(values: Mapping[str, int]) -> Shape:
    """As many slots on each iommufd; `on_second_fd` is a mask of devices (bit 0: the first)."""
    fds, slots, devices = values["iommufds"], values["slots"], values["devices"]
    sizes = {
        "iommufds": fds,
        "slots": fds * slots,
        "devices": devices,
        "referrers": slots + devices - 1,
    }
    second = (values["on_second_fd"] >> bit & 1 for bit in range(devices))
    return Shape(
        sizes,
        {
            "slots": {
                "fd": tuple(index // slots + 1 for index in range(fds * slots)),
                "number": tuple(index % slots + 1 for index in range(fds * slots)),
            },
            "devices": {"fd": tuple(bit + 1 for bit in second)},
        },
    )


def init(s: Host) -> None:
    """There is no object, and no device is attached."""


@mirrors("kernel R0.1")
def free_id(s: Host, fd: Id[Iommufd]) -> Id[Slot]:
    """The lowest free id of an iommufd, if it has one."""
    return fresh(x.id for x in s.slots if x.fd == fd and x.kind == Kind.FREE)


@mirrors("kernel R1.1")
def alloc_ioas(s: Host, fd: Id[Iommufd]) -> None:
    """A new IOAS."""
    slot = free_id(s, fd)
    require(slot != NONE)
    s.slots[slot].kind = Kind.IOAS


@mirrors("kernel R2.2")
def alloc_s2(s: Host, ioas: Id[Slot]) -> None:
    """A new stage-2 HWPT over an IOAS, which it holds."""
    require(s.slots[ioas].kind == Kind.IOAS)
    slot = free_id(s, s.slots[ioas].fd)
    require(slot != NONE)
    s.slots[slot].kind = Kind.S2
    s.slots[slot].parent = ioas
    s.slots[ioas].refs += 1


@mirrors("kernel R2.4")
def alloc_nested(s: Host, s2: Id[Slot]) -> None:
    """A new nested HWPT over a stage-2, which it holds."""
    require(s.slots[s2].kind == Kind.S2)
    slot = free_id(s, s.slots[s2].fd)
    require(slot != NONE)
    s.slots[slot].kind = Kind.NESTED
    s.slots[slot].parent = s2
    s.slots[s2].refs += 1


@mirrors("kernel R7.5")
def attach(s: Host, device: Id[Device], hwpt: Id[Slot]) -> None:
    """A detached device is attached to an HWPT of its iommufd, and holds it."""
    require(s.devices[device].hwpt == NONE)
    require(s.slots[hwpt].fd == s.devices[device].fd)
    require(s.slots[hwpt].kind in (Kind.S2, Kind.NESTED))
    s.devices[device].hwpt = hwpt
    s.slots[hwpt].refs += 1


@mirrors("kernel R7.7")
def detach(s: Host, device: Id[Device]) -> None:
    """A device leaves its HWPT, and lets go of it."""
    require(s.devices[device].hwpt != NONE)
    s.slots[s.devices[device].hwpt].refs -= 1
    s.devices[device].hwpt = NONE


@mirrors("kernel R0.6")
def held(s: Host, slot: Id[Slot]) -> bool:
    """Whether anything but the id table holds an object."""
    return s.slots[slot].refs != 0


@mirrors("kernel R0.2", "kernel R0.6", "kernel R0.7")
def destroy(s: Host, slot: Id[Slot]) -> None:
    """An object that nobody holds goes, and lets go of its parent; its id is free at once."""
    require(s.slots[slot].kind != Kind.FREE and not held(s, slot))
    if s.slots[slot].parent != NONE:
        s.slots[s.slots[slot].parent].refs -= 1
    s.slots[slot].kind = Kind.FREE
    s.slots[slot].parent = NONE
    s.slots[slot].refs = 0


def empty_host(s: Host) -> bool:
    """There is no object, and no device is attached."""
    return all(x.kind == Kind.FREE for x in s.slots) and all(d.hwpt == NONE for d in s.devices)


def things_left(s: Host) -> int:
    """How many objects and attachments there are: what every step of a teardown lowers."""
    return count(x.kind != Kind.FREE for x in s.slots) + count(d.hwpt != NONE for d in s.devices)


@sometimes
def all_nested(s: Host) -> bool:
    """Every device is attached to a nested HWPT."""
    return all(d.hwpt != NONE and s.slots[d.hwpt].kind == Kind.NESTED for d in s.devices)


@sometimes
def no_id_left(s: Host) -> bool:
    """Every id names an object."""
    return all(x.kind != Kind.FREE for x in s.slots)


def _bounds(
    why: str, slots: int, devices: int, figures: tuple[int, int, int] | None = None,
    iommufds: int = 1, on_second_fd: int = 0, orbits: tuple[int, int, int] | None = None,
) -> Bounds:
    """Bounds of so many slots on each iommufd; `figures` are states, transitions, depth.

    `orbits` are the same up to which id and which device is which.
    """
    values = {
        "iommufds": iommufds, "slots": slots, "devices": devices, "on_second_fd": on_second_fd,
    }  # fmt: skip
    states, transitions, depth = figures or (None, None, None)
    return Bounds(values, why, states, transitions, depth, orbits=orbits)


OBJECT_LIFETIME = Machine(
    name="object-lifetime",
    check={"explicit": ("small", "S", "A", "B", "L2")},
    title="Object lifetimes",
    about="""
    Objects of an iommufd are made on each other and destroyed only when nobody holds them: an IOAS,
    stage-2 HWPTs over it, nested HWPTs over those, and devices attached to an HWPT.

    Events are the successful calls of a user who does what the uAPI allows, in any order. A call
    that the kernel would refuse changes nothing and is no transition.

    This is also the model by which explorers are measured: it has no host call that fails, no data
    and nothing of QEMU. The bounds S, A, B and L2 are those of the measurement.
    """,
    of=Of(
        "reference",
        "The lifetimes of iommufd's objects alone: the smallest machine, to compare engines with.",
        "Linux 7.1",
        kernel="not: iommufd-objects has the same rules and is held",
        qemu="not: there is no QEMU in it",
    ),
    state=Host,
    init=init,
    actions=(alloc_ioas, alloc_s2, alloc_nested, attach, detach, destroy),
    shape=shape,
    teardown=Teardown(actions=(detach, destroy), empty=empty_host, rank=things_left),
    symmetric=(Device,),
    sometimes=(no_id_left,),
    bounds={
        "small": _bounds(
            "One chain of three objects, or two of each kind side by side; two devices share an "
            "HWPT or not.",
            slots=3, devices=2, figures=(137, 496, 9), orbits=(20, 72, 5),
        ),
        "S": _bounds(
            "Two chains that share their IOAS, and every use of them by three devices.",
            slots=5, devices=3, figures=(77_017, 538_446, 16), orbits=(283, 2097, 8),
        ),
        "A": _bounds(
            "Two chains that share nothing.",
            slots=6, devices=3, figures=(1_174_510, 9_414_441, 19), orbits=(774, 6681, 9),
        ),
        "B": _bounds(
            "Two iommufds, with ids that are the same numbers: two devices on the first, one on "
            "the second.",
            iommufds=2, slots=4, devices=3, on_second_fd=0b100,
            figures=(840_496, 7_481_232, 23), orbits=(1888, 17164, 11),
        ),
        "L2": _bounds(
            "As A with an object more and a device less: the largest that is measured.",
            slots=7, devices=2, figures=(3_476_419, 27_651_156, 21), orbits=(919, 7894, 9),
        ),
    },
)  # fmt: skip

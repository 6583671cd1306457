"""What the kernel holds beside what QEMU's calls need: groups, PASIDs, vIOMMUs, event queues."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Annotated, Any, Final

from spec.iommufd.objects import Device, Kernel, Kind, Object
from spec.language import (
    CONST,
    NONE,
    NULL,
    Id,
    Range,
    Record,
    Sort,
    Table,
    bits,
    count,
    fresh,
    mirrors,
    require,
)
from spec.memory.section import Section


class Version(IntEnum):
    """Kernels that differ: up to 6.14, 6.15 and 6.16, 6.17 and 6.18, since 6.19."""

    V6_14 = 0
    V6_15 = 1
    V6_17 = 2
    V6_19 = 3


class Driver(IntEnum):
    """The IOMMU's driver: where it makes nested HWPTs, and what it asks of them."""

    INTEL = 0
    ARM = 1
    MOCK = 2


class VirtId(Sort):
    """The id that a guest knows a device by, as the Stream ID of an SMMU."""


class Group(Record):
    """A group of devices that the host cannot tell apart, and what its hardware translates with.

    `bridge`: it has a device that nobody binds. `hwpt` is what iommufd records for requests without
    a PASID, none if they are blocked, `pasid_hwpt` what it records for those with the PASID.
    `rival`: the host may give the group to another, `taken`: it has.
    """

    bridge: Annotated[bool, CONST]
    rival: Annotated[bool, CONST]
    taken: bool
    hwpt: Id[Object]
    pasid_hwpt: Id[Object]


class UapiObject(Object):
    """An object with what the rest of the uAPI knows of it.

    `parent` is a vIOMMU for a vDEVICE, a vEVENTQ and a nested HWPT made under it, and the nesting
    parent of a vIOMMU. An EVENTQ without a parent is a fault queue. `second`: it is of the second
    IOMMU of the host.

    `auto`: made by an attach to an IOAS. `pasid`, `dirty`: the flags it was made with. `fault`: the
    queue of an HWPT. `device` and `virt_id`: a vDEVICE's; one without a device is a tombstone.
    `open`: the file of an event queue is, or the user has a vIOMMU's window mapped; that holds it.
    `access`, `index`: of a hardware queue the access by which it pins a section, and its number;
    `pinned`: what that pins. `allowed`: the user has an IOAS keep the addresses that devices
    reserve for its own mappings.
    """

    second: bool
    auto: bool
    pasid: bool
    dirty: bool
    fault: Id[Object]
    device: Id[Device]
    virt_id: VirtId
    open: bool
    access: Id[Object]
    index: Annotated[int, Range(0, 1)]
    pinned: Id[Section]
    allowed: bool


class UapiDevice(Device):
    """A device with its group and what it can do, and what its PASID is attached to.

    `can_pri`: it asks for pages that are not there. `reserves`: it has addresses that nothing may
    be mapped at, as the window of its interrupts; the user's mappings are there. `reserved_in`: the
    IOAS that keeps them free. `through`: what its hardware translates requests without PASID with,
    none if it blocks them. `vsid`: the guest's id that its events carry. `cached`: its ATC has
    translations. `waits`, `pasid_waits`: a page request of it has no answer yet.

    `mdev`: there is no IOMMU before it; its object is an access, on an IOAS while attached.
    `resets`: it can be reset in a way that the IOMMU takes part in; `resetting`: it is being reset.
    """

    group: Annotated[Id[Group], CONST]
    on_second_iommu: Annotated[bool, CONST]
    can_pasid: Annotated[bool, CONST]
    can_dirty: Annotated[bool, CONST]
    can_pri: Annotated[bool, CONST]
    reserves: Annotated[bool, CONST]
    mdev: Annotated[bool, CONST]
    resets: Annotated[bool, CONST]
    resetting: bool
    pasid_attached: Id[Object]
    reserved_in: Id[Object]
    through: Id[Object]
    vsid: VirtId
    cached: bool
    waits: bool
    pasid_waits: bool


class Uapi(Kernel):
    """One open /dev/iommu and the devices of a host.

    `nests`: its IOMMU has a second stage to nest over. `closing`: its last file is closed, and what
    is left is being destroyed. `queues`: the user makes event queues, `hw_queues`: hardware queues,
    `pasids`: HWPTs for PASIDs. `events`: devices have events to report, `page_requests`: and ask
    for pages. `rare`: the user makes calls too that change little
    or nothing, and asks for what no driver has. `bound_first`: it binds devices while there are no
    other objects. `reserves_all`: what a device reserves is all addresses, not some.
    """

    version: Annotated[Version, CONST]
    driver: Annotated[Driver, CONST]
    nests: Annotated[bool, CONST]
    queues: Annotated[bool, CONST]
    hw_queues: Annotated[bool, CONST]
    pasids: Annotated[bool, CONST]
    events: Annotated[bool, CONST]
    page_requests: Annotated[bool, CONST]
    rare: Annotated[bool, CONST]
    reserves_all: Annotated[bool, CONST]
    bound_first: Annotated[bool, CONST]
    closing: bool
    objects: Table[UapiObject]
    devices: Table[UapiDevice]
    groups: Table[Group]


BARE: Final[Mapping[str, int]] = {
    "incoherent": 0, "errata": 0, "on_second_iommu": 0, "can_pasid": 0, "can_dirty": 0,
    "reserves": 0, "mdev": 0, "resets": 0, "rivals": 0, "bridges": 0, "no_nesting": 0, "no_pri": 0,
    "pasids": 0, "queues": 0, "hw_queues": 0, "events": 0, "page_requests": 0, "rare": 0,
    "reserves_all": 0, "bound_first": 0, "tables": 1, "virt_ids": 1, "version": Version.V6_19,
}  # fmt: skip
"""The numbers of bounds where of all that the uAPI has beyond objects and devices there is none."""


def uapi_shape(
    values: Mapping[str, int],
) -> tuple[dict[str, int], dict[str, dict[str, tuple[Any, ...]]]]:
    """Sizes and constants of one iommufd; what devices are is given by masks (bit 0: the first).

    The last devices have groups of their own; all others are in the first group.
    """
    slots, devices, groups = values["slots"], values["devices"], values["groups"]
    sizes = {
        "iommufds": 1, "objects": slots, "devices": devices, "groups": groups,
        "PgTable": values["tables"], "VirtId": values["virt_ids"],
    }  # fmt: skip
    constants: dict[str, dict[str, tuple[Any, ...]]] = {
        "": {
            "version": (Version(values["version"]),),
            "driver": (Driver(values["driver"]),),
            "nests": (not values["no_nesting"],),
            "queues": (bool(values["queues"]),),
            "hw_queues": (bool(values["hw_queues"]),),
            "pasids": (bool(values["pasids"] or values["can_pasid"]),),
            "events": (bool(values["events"]),),
            "page_requests": (bool(values["page_requests"]),),
            "rare": (bool(values["rare"]),),
            "reserves_all": (bool(values["reserves_all"]),),
            "bound_first": (bool(values["bound_first"]),),
        },
        "iommufds": {"vfio_hwpt": (NONE,)},
        "objects": {"fd": (1,) * slots, "number": tuple(range(1, slots + 1))},
        "devices": {
            "fd": (1,) * devices,
            "coherent": bits(~values["incoherent"], devices),
            "erratum": bits(values["errata"], devices),
            "group": tuple(max(1, row + 1 - devices + groups) for row in range(devices)),
            "on_second_iommu": bits(values["on_second_iommu"], devices),
            "can_pasid": bits(values["can_pasid"], devices),
            "can_dirty": bits(values["can_dirty"], devices),
            "can_pri": bits(~values["no_pri"], devices),
            "reserves": bits(values["reserves"], devices),
            "mdev": bits(values["mdev"], devices),
            "resets": bits(values["resets"], devices),
        },
        "groups": {
            "bridge": bits(values["bridges"], groups),
            "rival": bits(values["rivals"], groups),
        },
    }
    return sizes, constants


@mirrors("kernel R0.9")
def ioctl(s: Uapi) -> None:
    """A call needs the file to be open."""
    require(not s.closing)


@mirrors("kernel R0.1")
def room(s: Uapi) -> None:
    """The user makes no more objects than the bounds have ids."""
    require(any(o.kind == Kind.FREE for o in s.objects))


@mirrors("kernel R0.1")
def room_for_two(s: Uapi) -> None:
    """Nor where a call takes two ids."""
    require(count(o.kind == Kind.FREE for o in s.objects) > 1)


@mirrors("kernel R0.1", "kernel R0.3", "kernel R0.5")
def names(s: Uapi, obj: Id[Object], kind: Kind) -> bool:
    """Whether an id names an object of a kind; a tombstone names nothing."""
    return obj != NONE and s.objects[obj].kind == kind and not tombstone(s, obj)


@mirrors("kernel R0.3")
def tombstone(s: Uapi, obj: Id[Object]) -> bool:
    """What a vDEVICE leaves when its device is unbound: an id that is not used again."""
    return s.objects[obj].kind == Kind.VDEVICE and s.objects[obj].device == NONE


@mirrors("kernel R0.3", "kernel R0.6")
def absent(s: Uapi, obj: Id[Object]) -> bool:
    """Whether an id names nothing."""
    return obj == NONE or s.objects[obj].kind == Kind.FREE or tombstone(s, obj)


@mirrors("kernel R6.1")
def device_of(s: Uapi, obj: Id[Object]) -> Id[Device]:
    """The device that a device object is for; there is no other."""
    return fresh(d.id for d in s.devices if d.object == obj)


@mirrors("kernel R2.5")
def second_stage(s: Uapi, hwpt: Id[Object]) -> Id[Object]:
    """The paging HWPT that an HWPT is, or is made on, or is made on by way of a vIOMMU."""
    parent = s.objects[hwpt].parent
    if s.objects[hwpt].kind == Kind.HWPT_PAGING:
        return hwpt
    return s.objects[parent].parent if s.objects[parent].kind == Kind.VIOMMU else parent


@mirrors("kernel R7.4")
def attached_to(s: Uapi, dev: Id[Device], pasid: bool) -> Id[Object]:
    """What a device, or its PASID, is attached to."""
    return s.devices[dev].pasid_attached if pasid else s.devices[dev].attached


@mirrors("kernel R7.4")
def group_hwpt(s: Uapi, dev: Id[Device], pasid: bool) -> Id[Object]:
    """The HWPT of a device's group."""
    group = s.devices[dev].group
    return s.groups[group].pasid_hwpt if pasid else s.groups[group].hwpt


@mirrors("kernel R7.4")
def set_group_hwpt(s: Uapi, dev: Id[Device], pasid: bool, hwpt: Id[Object]) -> None:
    """The hardware of a whole group goes over to an HWPT, or is blocked, and that is recorded."""
    group = s.devices[dev].group
    answer_waiting(s, dev, pasid, hwpt)
    if pasid:
        s.groups[group].pasid_hwpt = hwpt
        return
    s.groups[group].hwpt = hwpt
    for d in s.devices:
        if d.group == group and not d.resetting:
            if s.events:
                d.vsid = routed(s, d.id, hwpt)
                d.cached = False
            d.through = hwpt


@mirrors("kernel R7.4", "kernel R7.9")
def go_through(s: Uapi, dev: Id[Device], hwpt: Id[Object]) -> None:
    """The hardware of a device goes over to an HWPT, or is blocked, by itself."""
    if s.events:
        s.devices[dev].vsid = routed(s, dev, hwpt)
        s.devices[dev].cached = False
    s.devices[dev].through = hwpt


@mirrors("kernel R2.5")
def viommu_of(s: Uapi, hwpt: Id[Object]) -> Id[Object]:
    """The vIOMMU that an HWPT was made under, if any."""
    if hwpt == NONE or s.objects[hwpt].kind != Kind.HWPT_NESTED:
        return NONE
    parent = s.objects[hwpt].parent
    return parent if s.objects[parent].kind == Kind.VIOMMU else NONE


@mirrors("kernel R7.18")
def routed(s: Uapi, dev: Id[Device], hwpt: Id[Object]) -> VirtId:
    """The id that a device's events carry once it goes over to an HWPT: its vDEVICE's, if any.

    They do until the next time: a vDEVICE that comes or goes changes nothing. The mock looks for it
    only if it is another vIOMMU.
    """
    viommu = viommu_of(s, hwpt)
    if s.driver == Driver.MOCK and viommu == viommu_of(s, s.devices[dev].through):
        return s.devices[dev].vsid
    vdevice = fresh(
        o.id for o in s.objects if o.kind == Kind.VDEVICE and o.device == dev and o.parent == viommu
    )
    return s.objects[vdevice].virt_id if vdevice != NONE else NULL


@mirrors("kernel R7.14")
def answer_waiting(s: Uapi, dev: Id[Device], pasid: bool, hwpt: Id[Object]) -> None:
    """The page requests of a group that wait when it leaves an HWPT are answered."""
    if not s.page_requests:
        return
    for d in s.devices:
        if d.group == s.devices[dev].group and pasid:
            d.pasid_waits = False
        if d.group == s.devices[dev].group and not pasid:
            d.waits = False

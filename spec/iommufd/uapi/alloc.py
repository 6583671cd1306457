"""The calls that make objects. What may be refused is asked first, so a refusal leaves nothing."""

from __future__ import annotations

from enum import IntEnum
from typing import Annotated

from spec.iommufd.calls import (
    hwpt_nested_over,
    hwpt_nested_refusal,
    hwpt_paging_over,
    hwpt_paging_refusal,
)
from spec.iommufd.objects import Device, Errno, Kind, Object, PgTable, new_object, object_over
from spec.iommufd.uapi.state import (
    Driver,
    Uapi,
    VirtId,
    device_of,
    ioctl,
    names,
    room,
)
from spec.language import NONE, NULL, NULLABLE, Id, first, fresh, mirrors, require


class Data(IntEnum):
    """What comes with a call beside its argument: data of the driver's type, or of another.

    OF_NO_TYPE has a length and says that there is none.
    """

    NONE = 0
    OF_ITS_TYPE = 1
    OF_ANOTHER_TYPE = 2
    OF_NO_TYPE = 3


@mirrors("kernel R1.1")
def ioas_alloc(s: Uapi) -> None:
    """IOMMU_IOAS_ALLOC: a new, empty IOAS."""
    ioctl(s)
    room(s)
    new_object(s, first(x.id for x in s.iommufds), Kind.IOAS)


@mirrors("kernel R2.1", "kernel R2.6")
def iommufd_hwpt_alloc(
    s: Uapi,
    dev_id: Id[Object],
    pt_id: Id[Object],
    nest_parent: bool,
    dirty: bool,
    pasid: bool,
    unknown: bool,
    fault_id: Id[Object],
    data: Data,
    table: PgTable,
) -> tuple[Errno, Id[Object]]:
    """A new HWPT over what `pt_id` names; if that is nothing, the answer is EINVAL, not ENOENT.

    `unknown` is a flag that no kernel knows. Data has a table, or is an SMMU's STE of abort or of
    bypass.
    """
    if data == Data.OF_NO_TYPE:
        return Errno.EINVAL, NONE
    if not names(s, dev_id, Kind.DEVICE):
        return Errno.ENOENT, NONE
    dev = device_of(s, dev_id)
    err = Errno.EINVAL
    if names(s, pt_id, Kind.IOAS):
        err = paging_refusal(s, dev, pt_id, nest_parent, dirty, pasid, unknown, fault_id, data)
    elif names(s, pt_id, Kind.HWPT_PAGING):
        err = nested_refusal(s, pt_id, nest_parent or dirty or unknown, data)
    elif names(s, pt_id, Kind.VIOMMU):
        err = viommu_refusal(s, dev, pt_id, nest_parent or dirty or unknown, pasid, data)
    if err == Errno.OK and fault_id != NONE and not names_fault_queue(s, fault_id):
        err = Errno.ENOENT
    if err != Errno.OK:
        return err, NONE
    room(s)
    if s.objects[pt_id].kind == Kind.IOAS:
        hwpt = hwpt_alloc_paging(s, dev, pt_id, nest_parent)
        s.objects[hwpt].dirty = dirty
    else:
        hwpt = hwpt_nested_over(s, s.objects[pt_id].fd, pt_id, table)
    s.objects[hwpt].pasid = pasid
    if fault_id != NONE:
        s.objects[hwpt].fault = fault_id
        s.objects[fault_id].refs += 1
    return Errno.OK, hwpt


@mirrors("kernel R2.2", "kernel R2.7", "kernel R2.9")
def paging_refusal(
    s: Uapi,
    dev: Id[Device],
    ioas: Id[Object],
    nest_parent: bool,
    dirty: bool,
    pasid: bool,
    unknown: bool,
    fault_id: Id[Object],
    data: Data,
) -> Errno:
    """Why a paging HWPT cannot be made with these flags; it takes no data of a guest."""
    if unknown or data != Data.NONE or (nest_parent and not s.nests):
        return Errno.EOPNOTSUPP
    if dirty and not s.devices[dev].can_dirty:
        return Errno.EOPNOTSUPP
    if nest_parent and fault_id != NONE:
        return Errno.EOPNOTSUPP
    if s.driver == Driver.ARM and nest_parent and (dirty or pasid):
        return Errno.EOPNOTSUPP
    return hwpt_paging_refusal(s, dev, ioas, nest_parent)


@mirrors("kernel R2.4", "kernel R2.8")
def nested_refusal(s: Uapi, parent: Id[Object], flags: bool, data: Data) -> Errno:
    """Why a nested HWPT cannot be made on a paging one: an SMMU nests under a vIOMMU only.

    `flags`: some that it cannot have.
    """
    if flags or data == Data.NONE or s.driver == Driver.ARM:
        return Errno.EOPNOTSUPP
    err = hwpt_nested_refusal(s, parent)
    return Errno.EOPNOTSUPP if err == Errno.OK and data == Data.OF_ANOTHER_TYPE else err


@mirrors("kernel R2.5", "kernel R2.10")
def viommu_refusal(
    s: Uapi,
    dev: Id[Device],
    viommu: Id[Object],
    flags: bool,
    pasid: bool,
    data: Data,
) -> Errno:
    """Why a nested HWPT cannot be made under a vIOMMU: a device of another, flags, no data."""
    if s.objects[viommu].second != s.devices[dev].on_second_iommu:
        return Errno.EINVAL
    if flags or data == Data.NONE or (pasid and s.driver == Driver.ARM):
        return Errno.EOPNOTSUPP
    if data == Data.OF_ANOTHER_TYPE:
        return Errno.EINVAL if s.driver == Driver.ARM else Errno.EOPNOTSUPP
    return Errno.OK


@mirrors("kernel R2.2", "kernel R2.3")
def hwpt_alloc_paging(
    s: Uapi, dev: Id[Device], ioas: Id[Object], nest_parent: bool
) -> Id[Object]:
    """A new paging HWPT of the device's IOMMU."""
    hwpt = hwpt_paging_over(s, dev, ioas, nest_parent)
    s.objects[hwpt].second = s.devices[dev].on_second_iommu
    return hwpt


@mirrors("kernel R0.5", "kernel R2.6")
def names_fault_queue(s: Uapi, obj: Id[Object]) -> bool:
    """Whether an id names a fault queue."""
    return names(s, obj, Kind.EVENTQ) and s.objects[obj].parent == NONE


@mirrors("kernel R2.1", "kernel R2.2")
def hwpt_alloc_on_ioas(
    s: Uapi, dev: Id[Device], pt: Id[Object], nest_parent: bool, dirty: bool, pasid: bool
) -> Errno:
    """IOMMU_HWPT_ALLOC without data, with any flags that some device is capable of."""
    ioctl(s)
    require(not dirty or any(d.can_dirty for d in s.devices))
    require(not pasid or s.pasids)
    err, _ = iommufd_hwpt_alloc(
        s, s.devices[dev].object, pt, nest_parent, dirty, pasid, False, NONE, Data.NONE, NULL
    )
    return err


@mirrors("kernel R2.4", "kernel R2.5")
def hwpt_alloc_nested(
    s: Uapi,
    dev: Id[Device],
    pt: Id[Object],
    nest_parent: bool,
    pasid: bool,
    table: Annotated[PgTable, NULLABLE],
) -> Errno:
    """IOMMU_HWPT_ALLOC with data: a table of the guest, or the STE of an SMMU that has none."""
    ioctl(s)
    require(not pasid or s.pasids)
    require(table != NULL or s.driver == Driver.ARM)
    err, _ = iommufd_hwpt_alloc(
        s, s.devices[dev].object, pt, nest_parent, False, pasid, False, NONE,
        Data.OF_ITS_TYPE, table
    )  # fmt: skip
    return err


@mirrors("kernel R2.6")
def hwpt_alloc_with_fault(
    s: Uapi, dev: Id[Device], pt: Id[Object], fault_id: Id[Object], nest_parent: bool
) -> Errno:
    """IOMMU_HWPT_ALLOC of an HWPT whose faults go to a queue; for PASIDs where those fault."""
    ioctl(s)
    require(s.queues)
    err, _ = iommufd_hwpt_alloc(
        s, s.devices[dev].object, pt, nest_parent, False, s.page_requests, False, fault_id,
        Data.NONE, NULL,
    )  # fmt: skip
    return err


@mirrors("kernel R2.1", "kernel R2.2", "kernel R2.8")
def hwpt_alloc_unknown(
    s: Uapi, dev: Id[Device], pt: Id[Object], data: Data, unknown: bool
) -> Errno:
    """IOMMU_HWPT_ALLOC with a flag or with data that no driver knows."""
    ioctl(s)
    require(s.rare)
    require(unknown or data in (Data.OF_ANOTHER_TYPE, Data.OF_NO_TYPE))
    err, _ = iommufd_hwpt_alloc(
        s, s.devices[dev].object, pt, False, False, False, unknown, NONE, data, NULL
    )
    return err


@mirrors("kernel R2.2")
def hwpt_set_dirty_tracking(s: Uapi, hwpt: Id[Object], enable: bool) -> Errno:
    """IOMMU_HWPT_SET_DIRTY_TRACKING, as often as wanted, of an HWPT that was made for it."""
    ioctl(s)
    require(s.rare)
    if not names(s, hwpt, Kind.HWPT_PAGING):
        return Errno.ENOENT
    return Errno.OK if s.objects[hwpt].dirty else Errno.EOPNOTSUPP


@mirrors("kernel R3.1")
def iommufd_viommu_alloc(
    s: Uapi, dev_id: Id[Object], hwpt: Id[Object], its_type: bool
) -> tuple[Errno, Id[Object]]:
    """A new vIOMMU of the driver's type on a nesting parent, for the devices of one IOMMU."""
    if not names(s, dev_id, Kind.DEVICE):
        return Errno.ENOENT, NONE
    dev = device_of(s, dev_id)
    if not its_type or not makes_viommus(s, dev):
        return Errno.EOPNOTSUPP, NONE
    if not names(s, hwpt, Kind.HWPT_PAGING):
        return Errno.ENOENT, NONE
    second = s.devices[dev].on_second_iommu
    if not s.objects[hwpt].nest_parent or s.objects[hwpt].second != second:
        return Errno.EINVAL, NONE
    room(s)
    viommu = object_over(s, s.objects[hwpt].fd, hwpt, Kind.VIOMMU)
    s.objects[viommu].second = second
    return Errno.OK, viommu


@mirrors("kernel R3.1")
def makes_viommus(s: Uapi, dev: Id[Device]) -> bool:
    """Whether the driver makes vIOMMUs for a device: an SMMU's if all its walks are coherent."""
    return s.driver == Driver.MOCK or (s.driver == Driver.ARM and s.devices[dev].coherent)


@mirrors("kernel R3.1")
def viommu_alloc(s: Uapi, dev: Id[Device], hwpt: Id[Object]) -> Errno:
    """IOMMU_VIOMMU_ALLOC."""
    ioctl(s)
    err, _ = iommufd_viommu_alloc(s, s.devices[dev].object, hwpt, True)
    return err


@mirrors("kernel R3.1")
def viommu_alloc_unknown(s: Uapi, dev: Id[Device], hwpt: Id[Object]) -> Errno:
    """IOMMU_VIOMMU_ALLOC of a type that no driver knows."""
    ioctl(s)
    require(s.rare)
    err, _ = iommufd_viommu_alloc(s, s.devices[dev].object, hwpt, False)
    return err


@mirrors("kernel R0.7")
def viommu_mmap(s: Uapi, viommu: Id[Object], exact: bool) -> Errno:
    """The window of a vIOMMU is mapped, all of it and nothing else; `close_file` undoes that."""
    ioctl(s)
    require(s.rare and s.driver == Driver.MOCK)
    if not names(s, viommu, Kind.VIOMMU):
        return Errno.ENXIO
    require(not s.objects[viommu].open)
    if not exact:
        return Errno.ENXIO
    open_file(s, viommu)
    return Errno.OK


@mirrors("kernel R3.2")
def iommufd_vdevice_alloc(
    s: Uapi, viommu: Id[Object], dev_id: Id[Object], virt_id: VirtId
) -> tuple[Errno, Id[Object]]:
    """A new vDEVICE: a vIOMMU knows a device by the guest's id; one for each device."""
    if not names(s, viommu, Kind.VIOMMU) or not names(s, dev_id, Kind.DEVICE):
        return Errno.ENOENT, NONE
    dev = device_of(s, dev_id)
    if s.objects[viommu].second != s.devices[dev].on_second_iommu:
        return Errno.EINVAL, NONE
    if vdevice_of(s, dev) != NONE or virt_id_taken(s, viommu, virt_id):
        return Errno.EEXIST, NONE
    room(s)
    vdevice = object_over(s, s.objects[viommu].fd, viommu, Kind.VDEVICE)
    hold_device(s, dev)
    s.objects[vdevice].device = dev
    s.objects[vdevice].virt_id = virt_id
    return Errno.OK, vdevice


@mirrors("kernel R3.2")
def hold_device(s: Uapi, dev: Id[Device]) -> None:
    """A vDEVICE holds the object of its device."""
    s.objects[s.devices[dev].object].refs += 1


@mirrors("kernel R3.2")
def vdevice_of(s: Uapi, dev: Id[Device]) -> Id[Object]:
    """The vDEVICE of a device, in whichever vIOMMU."""
    return fresh(o.id for o in s.objects if o.device == dev)


@mirrors("kernel R3.2")
def virt_id_taken(s: Uapi, viommu: Id[Object], virt_id: VirtId) -> bool:
    """Whether a vIOMMU has a vDEVICE of this id."""
    return any(
        o.kind == Kind.VDEVICE and o.parent == viommu and o.virt_id == virt_id for o in s.objects
    )


@mirrors("kernel R3.2")
def vdevice_alloc(
    s: Uapi, viommu: Id[Object], dev: Id[Device], virt_id: VirtId
) -> Errno:
    """IOMMU_VDEVICE_ALLOC."""
    ioctl(s)
    err, _ = iommufd_vdevice_alloc(s, viommu, s.devices[dev].object, virt_id)
    return err


@mirrors("kernel R3.3")
def iommufd_veventq_alloc(s: Uapi, viommu: Id[Object]) -> tuple[Errno, Id[Object]]:
    """A new queue for the events of a vIOMMU, which has one of a type."""
    if not names(s, viommu, Kind.VIOMMU):
        return Errno.ENOENT, NONE
    if any(o.kind == Kind.EVENTQ and o.parent == viommu for o in s.objects):
        return Errno.EEXIST, NONE
    room(s)
    queue = object_over(s, s.objects[viommu].fd, viommu, Kind.EVENTQ)
    open_file(s, queue)
    return Errno.OK, queue


@mirrors("kernel R3.3")
def veventq_alloc(s: Uapi, viommu: Id[Object]) -> Errno:
    """IOMMU_VEVENTQ_ALLOC of a type that the driver knows, of some depth."""
    ioctl(s)
    require(s.queues)
    err, _ = iommufd_veventq_alloc(s, viommu)
    return err


@mirrors("kernel R3.4")
def fault_queue_alloc(s: Uapi) -> None:
    """IOMMU_FAULT_QUEUE_ALLOC: a new queue and its file."""
    ioctl(s)
    require(s.queues)
    room(s)
    open_file(s, new_object(s, first(x.id for x in s.iommufds), Kind.EVENTQ))


@mirrors("kernel R0.7")
def open_file(s: Uapi, queue: Id[Object]) -> None:
    """The file of a queue holds it, and a mapped window its vIOMMU."""
    s.objects[queue].open = True
    s.objects[queue].refs += 1


@mirrors("kernel R0.7", "kernel R0.8")
def close_file(s: Uapi, queue: Id[Object]) -> None:
    """The file of a queue is closed, or the window of a vIOMMU unmapped."""
    require(s.objects[queue].open)
    s.objects[queue].open = False
    s.objects[queue].refs -= 1



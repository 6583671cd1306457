"""How objects go: DESTROY, and the close of the last file."""

from __future__ import annotations

from spec.iommufd.calls import held, iommufd_destroy
from spec.iommufd.objects import Device, Errno, Kind, Object
from spec.iommufd.uapi.hw_queue import put_queue_before, unpin
from spec.iommufd.uapi.state import Uapi, ioctl, tombstone
from spec.language import NONE, NULL, Id, count, mirrors, require


@mirrors("kernel R0.6", "kernel R0.7")
def destroy_object(s: Uapi, obj: Id[Object]) -> Errno:
    """An object that nobody holds goes, and lets go of what it was made on, or is for."""
    fault, dev = s.objects[obj].fault, s.objects[obj].device
    access, viommu = s.objects[obj].access, s.objects[obj].parent
    err = iommufd_destroy(s, obj)
    if err == Errno.OK:
        forget(s, obj)
        put_fault(s, fault)
        put_device(s, dev)
        if s.hw_queues and access != NONE:
            unpin(s, access)
            put_queue_before(s, viommu)
    return err


@mirrors("kernel R0.7")
def put_fault(s: Uapi, fault: Id[Object]) -> None:
    """An HWPT that goes lets go of the queue of its faults."""
    if fault != NONE:
        s.objects[fault].refs -= 1


@mirrors("kernel R0.7", "kernel R3.2")
def put_device(s: Uapi, dev: Id[Device]) -> None:
    """A vDEVICE that goes lets go of its device."""
    if dev != NONE:
        s.objects[s.devices[dev].object].refs -= 1


@mirrors("kernel R0.2")
def forget(s: Uapi, obj: Id[Object]) -> None:
    """Nothing is left of an object that went."""
    o = s.objects[obj]
    o.second = False
    o.auto = False
    o.pasid = False
    o.dirty = False
    o.fault = NONE
    o.device = NONE
    o.virt_id = NULL
    o.access = NONE
    o.index = 0
    o.allowed = False


@mirrors("kernel R0.3", "kernel R0.6")
def iommufd_ioctl_destroy(s: Uapi, obj: Id[Object]) -> Errno:
    """IOMMU_DESTROY of an id."""
    if tombstone(s, obj):
        return Errno.ENOENT
    return destroy_object(s, obj)


@mirrors("kernel R0.3", "kernel R0.6")
def destroy(s: Uapi, obj: Id[Object]) -> Errno:
    """IOMMU_DESTROY."""
    ioctl(s)
    return iommufd_ioctl_destroy(s, obj)


@mirrors("kernel R0.9")
def close(s: Uapi) -> None:
    """The last file that keeps the iommufd is closed; those of devices and queues went before."""
    ioctl(s)
    require(any(o.kind != Kind.FREE for o in s.objects))
    require(all(d.object == NONE for d in s.devices) and not any(o.open for o in s.objects))
    s.closing = True


@mirrors("kernel R0.3", "kernel R0.9")
def release(s: Uapi, obj: Id[Object]) -> None:
    """An object that nobody holds is destroyed by the close, as long as there is one."""
    require(s.closing and s.objects[obj].kind != Kind.FREE)
    require(tombstone(s, obj) or not held(s, obj))
    if tombstone(s, obj):
        s.objects[obj].kind = Kind.FREE
    else:
        destroy_object(s, obj)
    if not any(o.kind != Kind.FREE for o in s.objects):
        s.closing = False


def empty_host(s: Uapi) -> bool:
    """No object is left, no device is bound, and the file is open or can be opened again."""
    return things_left(s) == 0


def things_left(s: Uapi) -> int:
    """What every step of a teardown lowers."""
    return (
        count(o.kind != Kind.FREE for o in s.objects)
        + count(o.open for o in s.objects)
        + count(d.object != NONE for d in s.devices)
        + count(d.resetting for d in s.devices)
        + count(g.taken for g in s.groups)
        + (1 if any(o.kind != Kind.FREE for o in s.objects) and not s.closing else 0)
    )

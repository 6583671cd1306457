"""A device comes to an iommufd and leaves it."""

from __future__ import annotations

from spec.iommufd.calls import (
    iommufd_backend_get_device_info,
    iommufd_cdev_connect_and_bind,
    iommufd_cdev_unbind,
    put_parent,
)
from spec.iommufd.objects import Device, Errno, Kind, Object
from spec.iommufd.uapi.alloc import vdevice_of
from spec.iommufd.uapi.attach import vfio_detach
from spec.iommufd.uapi.lifetime import put_device
from spec.iommufd.uapi.state import Uapi, ioctl, room
from spec.language import NONE, NULL, Fault, Id, mirrors, require


@mirrors("kernel R6.1")
def bind(s: Uapi, dev: Id[Device], fault: Fault) -> Errno:
    """VFIO_DEVICE_BIND_IOMMUFD."""
    ioctl(s)
    room(s)
    require(not s.bound_first or all(o.kind in (Kind.FREE, Kind.DEVICE) for o in s.objects))
    return iommufd_cdev_connect_and_bind(s, dev, fault)


@mirrors("kernel R6.3")
def unbind(s: Uapi, dev: Id[Device]) -> None:
    """The device's file is closed: detached, its vDEVICE destroyed, its id free."""
    require(s.devices[dev].object != NONE)
    vfio_detach(s, dev, True)
    vfio_detach(s, dev, False)
    vdevice = vdevice_of(s, dev)
    if vdevice != NONE:
        bury(s, vdevice)
    iommufd_cdev_unbind(s, dev)


@mirrors("kernel R0.3", "kernel R6.3")
def bury(s: Uapi, vdevice: Id[Object]) -> None:
    """A vDEVICE goes with its device, and leaves a tombstone."""
    put_parent(s, vdevice)
    put_device(s, s.objects[vdevice].device)
    o = s.objects[vdevice]
    o.parent = NONE
    o.refs = 0
    o.device = NONE
    o.virt_id = NULL


@mirrors("kernel R5.1")
def get_hw_info(s: Uapi, dev: Id[Device], its_type: bool, fault: Fault) -> Errno:
    """IOMMU_GET_HW_INFO, of the type that the device's IOMMU is or of another."""
    ioctl(s)
    err = iommufd_backend_get_device_info(s, dev, fault)
    return Errno.EOPNOTSUPP if err == Errno.OK and not its_type else err

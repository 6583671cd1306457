"""A device comes to an iommufd and leaves it."""

from __future__ import annotations

from spec.iommufd.calls import (
    iommufd_backend_get_device_info,
    iommufd_cdev_connect_and_bind,
    iommufd_cdev_unbind,
    put_parent,
)
from spec.iommufd.objects import Device, Errno, Kind, Object
from spec.iommufd.uapi.access import iommufd_access_detach
from spec.iommufd.uapi.alloc import vdevice_of
from spec.iommufd.uapi.attach import vfio_detach
from spec.iommufd.uapi.lifetime import put_device
from spec.iommufd.uapi.state import Group, Uapi, go_through, ioctl, room
from spec.language import NONE, NULL, Fault, Id, mirrors, require


@mirrors("kernel R6.1")
def bind(s: Uapi, dev: Id[Device], fault: Fault) -> Errno:
    """VFIO_DEVICE_BIND_IOMMUFD."""
    ioctl(s)
    room(s)
    require(not s.bound_first or all(o.kind in (Kind.FREE, Kind.DEVICE) for o in s.objects))
    if s.devices[dev].object == NONE and s.groups[s.devices[dev].group].taken:
        return Errno.EPERM
    return vfio_bind(s, dev, fault)


@mirrors("kernel R6.1", "kernel R0.7")
def vfio_bind(s: Uapi, dev: Id[Device], fault: Fault) -> Errno:
    """A device gets an id: of a device object, or if no IOMMU is before it of an access."""
    err = iommufd_cdev_connect_and_bind(s, dev, fault)
    if err == Errno.OK and s.devices[dev].mdev:
        s.objects[s.devices[dev].object].kind = Kind.ACCESS
    return err


@mirrors("kernel R6.3")
def unbind(s: Uapi, dev: Id[Device]) -> None:
    """The device's file is closed: detached, its vDEVICE destroyed, its id free."""
    require(s.devices[dev].object != NONE and not s.devices[dev].resetting)
    iommufd_access_detach(s, dev)
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


@mirrors("kernel R6.1")
def take_group(s: Uapi, group: Id[Group]) -> None:
    """Another iommufd, or a driver of the host, comes to own a group that nobody here uses."""
    require(s.groups[group].rival and not s.groups[group].taken)
    require(not any(d.group == group and d.object != NONE for d in s.devices))
    s.groups[group].taken = True


@mirrors("kernel R6.1")
def leave_group(s: Uapi, group: Id[Group]) -> None:
    """It lets go of the group."""
    require(s.groups[group].taken)
    s.groups[group].taken = False


@mirrors("kernel R7.9")
def pci_dev_reset_iommu_prepare(s: Uapi, dev: Id[Device]) -> None:
    """A reset of a device begins: its hardware is blocked, what is recorded stays."""
    require(s.devices[dev].resets and not s.devices[dev].resetting)
    require(s.devices[dev].object != NONE)
    s.devices[dev].resetting = True
    go_through(s, dev, NONE)


@mirrors("kernel R7.9")
def pci_dev_reset_iommu_done(s: Uapi, dev: Id[Device]) -> None:
    """The reset is over: the hardware goes through what is recorded by now."""
    require(s.devices[dev].resetting)
    s.devices[dev].resetting = False
    go_through(s, dev, s.groups[s.devices[dev].group].hwpt)


@mirrors("kernel R5.1")
def get_hw_info(s: Uapi, dev: Id[Device], its_type: bool, fault: Fault) -> Errno:
    """IOMMU_GET_HW_INFO, of the type that the device's IOMMU is or of another."""
    ioctl(s)
    if s.devices[dev].mdev:
        return Errno.ENOENT
    err = iommufd_backend_get_device_info(s, dev, fault)
    return Errno.EOPNOTSUPP if err == Errno.OK and not its_type else err

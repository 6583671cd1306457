"""The life of a VFIO device in the guest: realize, exit; and what its address space translates."""

from __future__ import annotations

from spec.iommufd.objects import Errno, Object
from spec.language import NONE, Fault, Id, first, mirrors, require
from spec.memory.section import Section
from spec.smmuv3.iommu_device import pci_device_set_iommu_device, pci_device_unset_iommu_device
from spec.vfio.calls import vfio_free_id
from spec.vfio.iommufd import (
    iommufd_cdev_attach,
    iommufd_cdev_detach,
    vfio_container_forget,
    vfio_container_new,
)
from spec.vfio.listener import vfio_iommu_map_notify, vfio_iommu_unmap_notify
from spec.vfio.state import (
    VFIOAddressSpace,
    VFIODevice,
    VFIOKind,
    VFIOState,
)


@mirrors("defects C-14")
def next_event(s: VFIOState) -> None:
    """Bottom halves run before the next event: nothing waits to be destroyed then."""
    require(not any(o.id in s.deferred for o in s.objects))


@mirrors("defects C-14")
def destroy_deferred(s: VFIOState, obj: Id[Object], fault: Fault) -> None:
    """A bottom half tries again to destroy an object whose DESTROY was refused."""
    require(obj in s.deferred)
    err = vfio_free_id(s, obj, fault)
    if err == Errno.OK:
        s.deferred.discard(obj)


@mirrors("000 02/20 pci_device_get_viommu_cap", "002 10/21 vtd_dev_set_iommu_device")
def vfio_pci_realize(s: VFIOState, vdev: Id[VFIODevice], fault: Fault) -> Errno:
    """A device is plugged: attached, given its host IOMMU device, then handed to the vIOMMU."""
    require(s.vdevs[vdev].container == NONE)
    next_event(s)
    if s.vdevs[vdev].kind == VFIOKind.LEGACY:
        return vfio_legacy_attach_device(s, vdev)
    err = iommufd_cdev_attach(s, vdev, fault)
    if err != Errno.OK:
        return err
    err = pci_device_set_iommu_device(s, vdev, fault)
    if err != Errno.OK:
        iommufd_cdev_detach(s, vdev, fault)
    return err


@mirrors("001 10/37 smmuv3_accel_supports_as")
def vfio_legacy_attach_device(s: VFIOState, vdev: Id[VFIODevice]) -> Errno:
    """A device without iommufd uses tables of its own kind, which no vIOMMU can nest over."""
    if s.vdevs[vdev].nesting:
        return Errno.EOPNOTSUPP
    container = first(
        x.id for x in s.containers if x.space == s.vdevs[vdev].space and x.be == NONE
    )
    if container == NONE:
        container = vfio_container_new(s, vdev, NONE)
    s.vdevs[vdev].container = container
    return Errno.OK


@mirrors("002 10/21 vtd_hiod_destroy", "001 12/37 smmuv3_accel_unset_iommu_device")
def vfio_exitfn(s: VFIOState, vdev: Id[VFIODevice], fault: Fault) -> None:
    """A device is unplugged: the vIOMMU lets go of it, then it is detached and its file closed."""
    require(s.vdevs[vdev].container != NONE)
    next_event(s)
    if s.vdevs[vdev].kind == VFIOKind.LEGACY:
        vfio_legacy_detach_device(s, vdev)
    else:
        pci_device_unset_iommu_device(s, vdev, fault)
        iommufd_cdev_detach(s, vdev, fault)


@mirrors("qemu hw/vfio/iommufd.c iommufd_cdev_container_destroy")
def vfio_legacy_detach_device(s: VFIOState, vdev: Id[VFIODevice]) -> None:
    """A device leaves its container, which goes with the last one."""
    container = s.vdevs[vdev].container
    s.vdevs[vdev].container = NONE
    if not any(x.container == container for x in s.vdevs):
        vfio_container_forget(s, container)


@mirrors("qemu hw/vfio/listener.c vfio_iommu_map_notify")
def guest_maps(
    s: VFIOState, space: Id[VFIOAddressSpace], section: Id[Section], fault: Fault
) -> None:
    """The guest maps memory in an address space that a vIOMMU translates, and invalidates."""
    require(s.spaces[space].iommu and section not in s.spaces[space].translated)
    require(s.sections[section].ram)
    next_event(s)
    vfio_iommu_map_notify(s, space, section, fault)


@mirrors("qemu hw/vfio/listener.c vfio_iommu_map_notify")
def guest_unmaps(
    s: VFIOState, space: Id[VFIOAddressSpace], section: Id[Section], fault: Fault
) -> Errno:
    """The guest unmaps memory there, and invalidates."""
    require(s.spaces[space].iommu and section in s.spaces[space].translated)
    next_event(s)
    return vfio_iommu_unmap_notify(s, space, section, fault)

"""As posted: a passthrough device comes to the vIOMMU and leaves it."""

from __future__ import annotations

from spec.iommufd.calls import (
    iommufd_backend_free_id,
    iommufd_backend_get_device_info,
    iommufd_cdev_attach_ioas_hwpt,
    iommufd_cdev_connect_and_bind,
    iommufd_cdev_unbind,
)
from spec.iommufd.objects import Device, Errno, Object
from spec.language import NULL, Fault, Id, mirrors, require
from spec.vtd.address_space import listener_runtime_error, memory_region_transaction_commit
from spec.vtd.ioas_container import vtd_device_detach_hwpt, vtd_forget_hwpt
from spec.vtd.pasid_cache import next_event, vtd_cache_entry, vtd_iommu_lock, vtd_iommu_unlock
from spec.vtd.state import IntelIOMMUState, Pgtt, VTDAddressSpace


@mirrors("002 10/21 vtd_dev_set_iommu_device", "002 16/21 vtd_dev_set_iommu_device")
def vtd_dev_set_iommu_device(s: IntelIOMMUState, vtd_as: Id[VTDAddressSpace]) -> None:
    """The vIOMMU learns of a host IOMMU device; its PASID entry is bound when the guest says so."""
    vtd_iommu_lock(s)
    s.address_spaces[vtd_as].hiod_set = True
    vtd_iommu_unlock(s)


@mirrors("002 10/21 vtd_hiod_destroy", "defects V-10")
def vtd_dev_unset_iommu_device(
    s: IntelIOMMUState, vtd_as: Id[VTDAddressSpace], fault: Fault
) -> None:
    """The vIOMMU lets go of a device: its binding is undone first.

    If the host refuses the detach, the close of the device's file does it; the ids wait until then.
    """
    vtd_iommu_lock(s)
    if s.address_spaces[vtd_as].pgtt != Pgtt.NONE:
        vtd_device_detach_hwpt(s, vtd_as, fault)
        vtd_forget_hwpt(s, vtd_as, fault)
        vtd_cache_entry(s, vtd_as, Pgtt.NONE, NULL, NULL)
    s.address_spaces[vtd_as].hiod_set = False
    vtd_iommu_unlock(s)


@mirrors("002 03/21 hiod_iommufd_vfio_realize", "002 16/21 vtd_check_hiod")
def plug(s: IntelIOMMUState, vtd_as: Id[VTDAddressSpace], fault: Fault) -> Errno:
    """A device is plugged: bound, attached to VFIO's own table, queried, and handed over."""
    require(s.running and not s.address_spaces[vtd_as].hiod_set)
    next_event(s)
    dev = s.address_spaces[vtd_as].hiod
    err = iommufd_cdev_connect_and_bind(s, dev, fault)
    if err != Errno.OK:
        return err
    err = attach_to_vfio(s, dev, fault)
    if err == Errno.OK:
        err = iommufd_backend_get_device_info(s, dev, fault)
    if err != Errno.OK:
        iommufd_cdev_unbind(s, dev)
        return err
    vtd_dev_set_iommu_device(s, vtd_as)
    return Errno.OK


@mirrors("002 03/21 hiod_iommufd_vfio_realize")
def attach_to_vfio(s: IntelIOMMUState, dev: Id[Device], fault: Fault) -> Errno:
    """Attach a device to VFIO's own HWPT, where it stays until the guest binds it."""
    vfio_hwpt = s.iommufds[s.devices[dev].fd].vfio_hwpt
    return iommufd_cdev_attach_ioas_hwpt(s, dev, vfio_hwpt, fault)


@mirrors("002 10/21 vtd_hiod_destroy")
def unplug(s: IntelIOMMUState, vtd_as: Id[VTDAddressSpace], fault: Fault) -> None:
    """A device is unplugged, bound or not: the vIOMMU lets go of it, then its file is closed."""
    require(s.address_spaces[vtd_as].hiod_set)
    next_event(s)
    vtd_dev_unset_iommu_device(s, vtd_as, fault)
    iommufd_cdev_unbind(s, s.address_spaces[vtd_as].hiod)


@mirrors("defects C-14")
def destroy_deferred(s: IntelIOMMUState, obj: Id[Object], fault: Fault) -> None:
    """A bottom half tries again to destroy an object whose DESTROY was refused."""
    require(obj in s.deferred)
    err = iommufd_backend_free_id(s, obj, fault)
    if err == Errno.OK:
        s.deferred.discard(obj)


@mirrors("002 15/21 iommufd_s2domain_memory_listener")
def memory_map_change(s: IntelIOMMUState, fault: Fault) -> None:
    """Firmware or guest changes the memory map to the next of its views (after the last: reset)."""
    require(s.running)
    next_event(s)
    err = memory_region_transaction_commit(s, s.views[s.view].next, fault)
    if err != Errno.OK:
        listener_runtime_error(s)

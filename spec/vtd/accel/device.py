"""A passthrough device comes to the vIOMMU and leaves it, whatever the guest has asked for it.

What VFIO does for it may not fail here; vfio-attach has that.
"""

from __future__ import annotations

from spec.iommufd.objects import Kind, Object, new_object
from spec.iommufd.uapi.alloc import hwpt_alloc_paging
from spec.iommufd.uapi.attach import join, vfio_detach
from spec.iommufd.uapi.state import set_group_hwpt
from spec.language import NONE, NULL, Fault, Id, mirrors, require
from spec.vfio.bottom_halves import vfio_free
from spec.vfio.calls import vfio_unbind
from spec.vtd.accel.calls import host_iommu_device_iommufd_detach_hwpt
from spec.vtd.accel.state import (
    PasidCacheState,
    VTDHostIOMMUDevice,
    VTDPasid,
    next_event,
    translating,
)
from spec.vtd.accel.sync import (
    begin_anew,
    vtd_accel_pasid_cache_invalidate_one,
    vtd_destroy_old_fs_hwpt,
    vtd_forget_pc,
    vtd_sm_pasid_table_walk_one,
)
from spec.vtd.state import Pgtt


@mirrors("qemu hw/vfio/iommufd.c iommufd_cdev_attach")
def attach_by_vfio(s: PasidCacheState, vtd_hiod: Id[VTDHostIOMMUDevice]) -> None:
    """VFIO binds a device, makes an IOAS and a nesting parent for it, and attaches it."""
    dev = s.hiods[vtd_hiod].dev
    obj = new_object(s, s.devices[dev].fd, Kind.DEVICE)
    s.objects[obj].refs = 2
    s.devices[dev].object = obj
    ioas = new_object(s, s.devices[dev].fd, Kind.IOAS)
    hwpt = hwpt_alloc_paging(s, dev, ioas, True)
    s.objects[hwpt].pasid = s.devices[dev].can_pasid
    s.hiods[vtd_hiod].hwpt_id = hwpt
    set_group_hwpt(s, dev, False, hwpt)
    join(s, dev, False, hwpt)


@mirrors("qemu hw/i386/intel_iommu.c vtd_dev_set_iommu_device", "defects V-27")
def plug(s: PasidCacheState, vtd_hiod: Id[VTDHostIOMMUDevice], fault: Fault) -> None:
    """A device is plugged, and given to the vIOMMU: what the guest's tables say of it is due."""
    require(s.hiods[vtd_hiod].hwpt_id == NONE)
    next_event(s)
    attach_by_vfio(s, vtd_hiod)
    s.hiods[vtd_hiod].context_due = translating(s)
    for x in s.entries:
        if x.vtd_hiod == vtd_hiod:
            begin_anew(s, x.id)
    vtd_dev_set_iommu_device(s, vtd_hiod, fault)


@mirrors("qemu hw/i386/intel_iommu.c vtd_dev_set_iommu_device", "defects V-27")
def vtd_dev_set_iommu_device(
    s: PasidCacheState, vtd_hiod: Id[VTDHostIOMMUDevice], fault: Fault
) -> None:
    """The vIOMMU does at once for a device what the guest's tables say of it."""
    for x in s.entries:
        if x.vtd_hiod == vtd_hiod:
            vtd_accel_pasid_cache_invalidate_one(s, x.id, fault)
            vtd_sm_pasid_table_walk_one(s, x.id, fault)


@mirrors("qemu hw/i386/intel_iommu.c vtd_dev_unset_iommu_device", "defects V-25")
def vtd_dev_unset_iommu_device(
    s: PasidCacheState, vtd_hiod: Id[VTDHostIOMMUDevice], fault: Fault
) -> None:
    """The vIOMMU lets go of a device: what is bound is unbound, and nothing is cached of it."""
    for x in s.entries:
        if x.vtd_hiod == vtd_hiod:
            if x.pgtt != Pgtt.NONE:
                vtd_unbind(s, x.id, fault)
            x.blocked = False
            x.due = False
            x.stale = NULL
            x.stale2 = NULL
            x.was_absent = False


@mirrors("defects V-25")
def vtd_unbind(s: PasidCacheState, x: Id[VTDPasid], fault: Fault) -> None:
    """Undo an entry; if the host refuses, the close of the device's file does it."""
    dev = s.hiods[s.entries[x].vtd_hiod].dev
    host_iommu_device_iommufd_detach_hwpt(s, dev, s.entries[x].pasid, fault)
    vtd_destroy_old_fs_hwpt(s, x, fault)
    vtd_forget_pc(s, x)


@mirrors("qemu hw/vfio/iommufd.c iommufd_cdev_detach", "kernel R6.3")
def unplug(s: PasidCacheState, vtd_hiod: Id[VTDHostIOMMUDevice], fault: Fault) -> None:
    """A device is unplugged, bound or not; its file is closed, and what VFIO made for it goes."""
    require(s.hiods[vtd_hiod].hwpt_id != NONE)
    next_event(s)
    vtd_dev_unset_iommu_device(s, vtd_hiod, fault)
    dev, hwpt = s.hiods[vtd_hiod].dev, s.hiods[vtd_hiod].hwpt_id
    ioas: Id[Object] = s.objects[hwpt].parent
    host_iommu_device_iommufd_detach_hwpt(s, dev, False, fault)
    vfio_free(s, hwpt, fault)
    vfio_free(s, ioas, fault)
    vfio_detach(s, dev, True)
    vfio_unbind(s, dev)
    s.hiods[vtd_hiod].hwpt_id = NONE
    s.hiods[vtd_hiod].context_due = False

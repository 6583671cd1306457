"""One PASID of one device follows the guest's entry: bind it, change the binding, undo it.

What the host refuses is tried again before the guest has its answer: until then what was in force
stays in force, in the hardware and in the cache.
"""

from __future__ import annotations

from spec.iommufd.objects import Errno, PgTable
from spec.language import NONE, NULL, Fault, Id, mirrors
from spec.vfio.bottom_halves import vfio_free
from spec.vtd.accel.calls import (
    host_iommu_device_iommufd_attach_hwpt,
    host_iommu_device_iommufd_detach_hwpt,
    vtd_create_fs_hwpt,
)
from spec.vtd.accel.state import (
    PasidCacheState,
    VTDPasid,
    asked,
    device_of_pasid,
    of_a_device,
    translating,
)
from spec.vtd.state import Pgtt


@mirrors("qemu hw/i386/intel_iommu.c vtd_dev_get_pe_from_pasid", "defects V-16")
def vtd_dev_get_pe_from_pasid(s: PasidCacheState, x: Id[VTDPasid]) -> Pgtt:
    """What the vIOMMU reads in the guest's tables of a PASID."""
    return asked(s, x)


@mirrors("qemu hw/i386/intel_iommu_accel.c vtd_device_attach_iommufd")
def vtd_device_attach_iommufd(
    s: PasidCacheState, x: Id[VTDPasid], pgtt: Pgtt, flpt: PgTable, fault: Fault
) -> Errno:
    """Attach as an entry asks: to a new nested HWPT, or for pass-through to the nesting parent."""
    dev = device_of_pasid(s, x)
    hwpt = s.hiods[s.entries[x].vtd_hiod].hwpt_id
    if pgtt == Pgtt.FLT:
        err, hwpt = vtd_create_fs_hwpt(s, dev, hwpt, flpt, fault)
        if err != Errno.OK:
            return err
    err = host_iommu_device_iommufd_attach_hwpt(s, dev, s.entries[x].pasid, hwpt, fault)
    if err == Errno.OK:
        vtd_destroy_old_fs_hwpt(s, x, fault)
        s.entries[x].blocked = False
        s.entries[x].fs_hwpt_id = hwpt if pgtt == Pgtt.FLT else NONE
    elif pgtt == Pgtt.FLT:
        vfio_free(s, hwpt, fault)
    return err


@mirrors("qemu hw/i386/intel_iommu_accel.c vtd_destroy_old_fs_hwpt")
def vtd_destroy_old_fs_hwpt(s: PasidCacheState, x: Id[VTDPasid], fault: Fault) -> None:
    """The nested HWPT that an entry had goes, if it had one."""
    if s.entries[x].fs_hwpt_id != NONE:
        vfio_free(s, s.entries[x].fs_hwpt_id, fault)
        s.entries[x].fs_hwpt_id = NONE


@mirrors("qemu hw/i386/intel_iommu_accel.c vtd_device_detach_iommufd", "defects V-27")
def vtd_device_detach_iommufd(s: PasidCacheState, x: Id[VTDPasid], fault: Fault) -> Errno:
    """Without an entry a PASID is blocked; a device is, too, while there is remapping.

    Without remapping it goes back to the nesting parent, by which it reaches all memory.
    """
    dev = device_of_pasid(s, x)
    if s.entries[x].pasid or translating(s):
        err = host_iommu_device_iommufd_detach_hwpt(s, dev, s.entries[x].pasid, fault)
    else:
        hwpt = s.hiods[s.entries[x].vtd_hiod].hwpt_id
        err = host_iommu_device_iommufd_attach_hwpt(s, dev, False, hwpt, fault)
    if err == Errno.OK:
        vtd_destroy_old_fs_hwpt(s, x, fault)
        s.entries[x].blocked = not s.entries[x].pasid and translating(s)
    return err


@mirrors("qemu hw/i386/intel_iommu_accel.c vtd_accel_fill_pc", "defects V-20")
def vtd_accel_fill_pc(s: PasidCacheState, x: Id[VTDPasid], fault: Fault) -> None:
    """Bring the cache, and the host, up to an entry; both stay as they are if the host refuses."""
    p = s.entries[x]
    if p.pgtt == p.mem_pgtt and p.did == p.mem_did and p.flpt == p.mem_flpt:
        return
    err = vtd_device_attach_iommufd(s, x, p.mem_pgtt, p.mem_flpt, fault)
    if err == Errno.OK:
        vtd_store_pc(s, x)
    else:
        s.entries[x].retry = True


def vtd_store_pc(s: PasidCacheState, x: Id[VTDPasid]) -> None:
    """The guest's entry is cached."""
    p = s.entries[x]
    s.entries[x].pgtt = p.mem_pgtt
    s.entries[x].did = p.mem_did
    s.entries[x].flpt = p.mem_flpt


@mirrors("qemu hw/i386/intel_iommu_accel.c vtd_accel_delete_pc")
def vtd_accel_delete_pc(s: PasidCacheState, x: Id[VTDPasid], fault: Fault) -> None:
    """Undo what an entry asked for that is no more; it stays in the cache if the host refuses."""
    err = vtd_device_detach_iommufd(s, x, fault)
    if err == Errno.OK:
        vtd_forget_pc(s, x)
    else:
        s.entries[x].retry = True


def vtd_forget_pc(s: PasidCacheState, x: Id[VTDPasid]) -> None:
    """There is no cached entry any more."""
    s.entries[x].pgtt = Pgtt.NONE
    s.entries[x].did = NULL
    s.entries[x].flpt = NULL


@mirrors("defects V-27", "defects V-16")
def vtd_accel_block(s: PasidCacheState, x: Id[VTDPasid], fault: Fault) -> None:
    """A device without an entry is blocked when remapping begins, and reaches memory when it ends.

    QEMU 11.1 does this for devices alone that had an entry.
    """
    if s.entries[x].pasid or s.entries[x].blocked == translating(s):
        return
    err = vtd_device_detach_iommufd(s, x, fault)
    if err != Errno.OK:
        s.entries[x].retry = True


@mirrors("qemu hw/i386/intel_iommu_accel.c vtd_accel_pasid_cache_invalidate_one", "defects V-16")
def is_there_still(s: PasidCacheState, x: Id[VTDPasid]) -> bool:
    """Whether the guest's table has an entry that is used."""
    return vtd_dev_get_pe_from_pasid(s, x) != Pgtt.NONE


@mirrors("qemu hw/i386/intel_iommu_accel.c vtd_accel_pasid_cache_invalidate_one")
def vtd_accel_pasid_cache_invalidate_one(
    s: PasidCacheState, x: Id[VTDPasid], fault: Fault
) -> None:
    """An entry that is no longer in the guest's table goes."""
    if not of_a_device(s, x) or is_there_still(s, x):
        return
    if s.entries[x].pgtt != Pgtt.NONE:
        vtd_accel_delete_pc(s, x, fault)
    else:
        vtd_accel_block(s, x, fault)


@mirrors("qemu hw/i386/intel_iommu_accel.c vtd_sm_pasid_table_walk_one")
def vtd_sm_pasid_table_walk_one(s: PasidCacheState, x: Id[VTDPasid], fault: Fault) -> None:
    """An entry that is in the guest's table is filled in."""
    if of_a_device(s, x) and vtd_dev_get_pe_from_pasid(s, x) != Pgtt.NONE:
        vtd_accel_fill_pc(s, x, fault)


@mirrors("002 12/21 vtd_pasid_cache_sync")
def begin_anew(s: PasidCacheState, x: Id[VTDPasid]) -> None:
    """Nothing is cached of what was before: what is in memory is due, if it is used at all."""
    s.entries[x].due = translating(s) and of_a_device(s, x)
    s.entries[x].stale = NULL
    s.entries[x].stale2 = NULL
    s.entries[x].was_absent = False

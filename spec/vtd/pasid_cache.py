"""As posted: the cached PASID entry of each device, and how it follows the guest's PASID table.

The guest's tables are not state: what QEMU reads there is a parameter of the action that reads it,
so the guest may have written anything at any time.
"""

from __future__ import annotations

from typing import Annotated

from spec.iommufd.objects import Errno, PgTable
from spec.language import NULL, NULLABLE, Fault, Id, check, count, mirrors, require
from spec.vtd.ioas_container import vtd_device_attach_iommufd, vtd_device_detach_iommufd
from spec.vtd.state import DomainId, IntelIOMMUState, Pgtt, VTDAddressSpace


@mirrors("002 13/21 vtd_iommu_lock")
def vtd_iommu_lock(s: IntelIOMMUState) -> None:
    """Take the vIOMMU's lock, which is not recursive."""
    check(not s.iommu_lock, "iommu_lock taken twice")
    s.iommu_lock = True


@mirrors("002 13/21 vtd_iommu_unlock")
def vtd_iommu_unlock(s: IntelIOMMUState) -> None:
    """Give the vIOMMU's lock back."""
    check(s.iommu_lock, "iommu_lock released while not held")
    s.iommu_lock = False


@mirrors("defects C-14")
def next_event(s: IntelIOMMUState) -> None:
    """The main loop takes the next event once its bottom half has destroyed what was refused.

    `max_deferred` ids may still be outstanding then: objects that some other user keeps for long.
    """
    require(count(o.id in s.deferred for o in s.objects) <= s.max_deferred)


@mirrors("002 15/21 vtd_device_attach_pgtbl")
def vtd_device_attach_pgtbl(
    s: IntelIOMMUState, vtd_as: Id[VTDAddressSpace], pgtt: Pgtt, flpt: PgTable, fault: Fault
) -> Errno:
    """Attach as an entry asks; only pass-through and first stage with a table can be done."""
    if pgtt not in (Pgtt.FLT, Pgtt.PT):
        return Errno.EINVAL
    if pgtt == Pgtt.FLT and flpt == NULL:
        return Errno.EINVAL
    return vtd_device_attach_iommufd(s, vtd_as, pgtt, flpt, fault)


@mirrors("002 15/21 vtd_device_detach_pgtbl")
def vtd_device_detach_pgtbl(s: IntelIOMMUState, vtd_as: Id[VTDAddressSpace], fault: Fault) -> Errno:
    """Undo what a cached entry asked for."""
    return vtd_device_detach_iommufd(s, vtd_as, fault)


@mirrors("002 15/21 vtd_bind_guest_pasid")
def vtd_bind_guest_pasid(
    s: IntelIOMMUState, vtd_as: Id[VTDAddressSpace], pgtt: Pgtt, flpt: PgTable, fault: Fault
) -> Errno:
    """Bind the host to a new or changed entry, or unbind it if the entry has gone.

    The caller holds the lock. A device without a host IOMMU device needs nothing.
    """
    check(s.iommu_lock, "vtd_bind_guest_pasid called without iommu_lock")
    if not s.address_spaces[vtd_as].hiod_set:
        return Errno.OK
    if pgtt == Pgtt.NONE:
        return vtd_device_detach_pgtbl(s, vtd_as, fault)
    return vtd_device_attach_pgtbl(s, vtd_as, pgtt, flpt, fault)


@mirrors("002 12/21 vtd_fill_pe_in_cache", "002 15/21 vtd_fill_pe_in_cache")
def vtd_fill_pe_in_cache(
    s: IntelIOMMUState,
    vtd_as: Id[VTDAddressSpace],
    pgtt: Pgtt,
    did: DomainId,
    flpt: PgTable,
    fault: Fault,
) -> Errno:
    """Bring the cache up to an entry of the guest; it stays as it was if the host refuses."""
    cached = s.address_spaces[vtd_as]
    if cached.pgtt == pgtt and cached.did == did and cached.flpt == flpt:
        return Errno.OK
    err = vtd_bind_guest_pasid(s, vtd_as, pgtt, flpt, fault)
    if err == Errno.OK:
        vtd_cache_entry(s, vtd_as, pgtt, did, flpt)
    return err


def vtd_cache_entry(
    s: IntelIOMMUState, vtd_as: Id[VTDAddressSpace], pgtt: Pgtt, did: DomainId, flpt: PgTable
) -> None:
    """Write an entry into the cache."""
    s.address_spaces[vtd_as].pgtt = pgtt
    s.address_spaces[vtd_as].did = did
    s.address_spaces[vtd_as].flpt = flpt


@mirrors("002 12/21 vtd_flush_pasid", "002 15/21 vtd_flush_pasid")
def vtd_flush_pasid(s: IntelIOMMUState, vtd_as: Id[VTDAddressSpace], fault: Fault) -> Errno:
    """Drop a cached entry and unbind the host; both stay if the host refuses."""
    err = vtd_bind_guest_pasid(s, vtd_as, Pgtt.NONE, NULL, fault)
    if err == Errno.OK:
        vtd_cache_entry(s, vtd_as, Pgtt.NONE, NULL, NULL)
    return err


@mirrors("002 12/21 vtd_pasid_cache_sync", "002 13/21 vtd_replay_guest_pasid_bindings")
def vtd_pasid_cache_sync(
    s: IntelIOMMUState,
    vtd_as: Id[VTDAddressSpace],
    pgtt: Pgtt,
    did: DomainId,
    flpt: PgTable,
    fault: Fault,
) -> Errno:
    """Follow the guest's present entry of one device: first what is cached, then what is new."""
    err = Errno.OK
    vtd_iommu_lock(s)
    if s.address_spaces[vtd_as].pgtt != Pgtt.NONE:
        if pgtt == Pgtt.NONE:
            err = vtd_flush_pasid(s, vtd_as, fault)
        else:
            err = vtd_fill_pe_in_cache(s, vtd_as, pgtt, did, flpt, fault)
    vtd_iommu_unlock(s)
    if pgtt != Pgtt.NONE and err == Errno.OK:
        err = vtd_sm_pasid_table_walk_one(s, vtd_as, pgtt, did, flpt, fault)
    return err


@mirrors("002 13/21 vtd_sm_pasid_table_walk_one")
def vtd_sm_pasid_table_walk_one(
    s: IntelIOMMUState,
    vtd_as: Id[VTDAddressSpace],
    pgtt: Pgtt,
    did: DomainId,
    flpt: PgTable,
    fault: Fault,
) -> Errno:
    """Bind an entry found in the guest's table, if the device has a host IOMMU device."""
    if not s.address_spaces[vtd_as].hiod_set:
        return Errno.OK
    vtd_iommu_lock(s)
    err = vtd_fill_pe_in_cache(s, vtd_as, pgtt, did, flpt, fault)
    vtd_iommu_unlock(s)
    return err


@mirrors("002 12/21 vtd_process_pasid_desc", "002 15/21 vtd_process_pasid_desc")
def pasid_cache_invalidate(
    s: IntelIOMMUState,
    vtd_as: Id[VTDAddressSpace],
    pgtt: Pgtt,
    did: Annotated[DomainId, NULLABLE],
    flpt: Annotated[PgTable, NULLABLE],
    fault: Fault,
) -> Errno:
    """The guest has rewritten a device's PASID entry in any way and invalidates the PASID cache.

    If the host refuses, the guest sees the invalidation fail and its old entry stays in force.
    """
    require(s.dmar_enabled)
    require(s.address_spaces[vtd_as].hiod_set or s.address_spaces[vtd_as].pgtt != Pgtt.NONE)
    require((pgtt == Pgtt.NONE) == (did == NULL))
    require(pgtt == Pgtt.FLT or flpt == NULL)
    next_event(s)
    return vtd_pasid_cache_sync(s, vtd_as, pgtt, did, flpt, fault)


@mirrors("002 14/21 vtd_pasid_cache_reset_locked", "002 19/21 vtd_handle_gcmd_te")
def gcmd_translation_enable(s: IntelIOMMUState, enable: bool, fault: Fault) -> None:
    """The guest turns DMA remapping on or off: every cached entry is dropped and unbound.

    A binding that the host refuses to undo stays recorded and is tried again the next time.
    """
    require(s.running and s.dmar_enabled != enable)
    next_event(s)
    s.dmar_enabled = enable
    vtd_iommu_lock(s)
    for vtd_as in s.address_spaces:
        if vtd_as.pgtt != Pgtt.NONE:
            vtd_flush_pasid(s, vtd_as.id, fault)
    vtd_iommu_unlock(s)

"""What the guest does: it writes its tables, invalidates, and programs registers."""

from __future__ import annotations

from enum import IntEnum
from typing import Annotated

from spec.iommufd.objects import PgTable
from spec.language import NONE, NULL, NULLABLE, Fault, Id, limit, mirrors, require
from spec.vtd.accel.state import (
    Context,
    PasidCacheState,
    VTDHostIOMMUDevice,
    VTDPasid,
    next_event,
    of_a_device,
    translating,
)
from spec.vtd.accel.sync import (
    begin_anew,
    vtd_accel_pasid_cache_invalidate_one,
    vtd_sm_pasid_table_walk_one,
)
from spec.vtd.state import DomainId, Pgtt


class Granularity(IntEnum):
    """What a PASID-cache invalidation is of: everything, a domain id, or one PASID of it."""

    GLOBAL = 0
    DSI = 1
    PSI = 2


@mirrors("002 13/21 vtd_get_pe_in_pasid_leaf_table")
def guest_writes_entry(
    s: PasidCacheState,
    x: Id[VTDPasid],
    pgtt: Pgtt,
    did: Annotated[DomainId, NULLABLE],
    flpt: Annotated[PgTable, NULLABLE],
) -> None:
    """The guest writes a PASID entry: it need not be in force before an invalidation covers it.

    SLT stands for all that cannot be done; of which domain it is does not matter.
    """
    require((pgtt in (Pgtt.FLT, Pgtt.PT)) == (did != NULL) and (pgtt == Pgtt.FLT) == (flpt != NULL))
    p = s.entries[x]
    require(p.mem_pgtt != pgtt or p.mem_did != did or p.mem_flpt != flpt)
    supersede(s, x)
    s.entries[x].mem_pgtt = pgtt
    s.entries[x].mem_did = did
    s.entries[x].mem_flpt = flpt


@mirrors("002 12/21 vtd_pasid_cache_sync")
def supersede(s: PasidCacheState, x: Id[VTDPasid]) -> None:
    """What is in memory may be in force until an invalidation names its domain id."""
    p = s.entries[x]
    s.entries[x].due = False
    if not (translating(s) and of_a_device(s, x)):
        return
    if p.mem_did == NULL:
        s.entries[x].was_absent = True
    elif p.stale == NULL:
        s.entries[x].stale = p.mem_did
    elif p.mem_did not in (p.stale, p.stale2):
        limit(p.stale2 == NULL, "domain ids")
        s.entries[x].stale2 = p.mem_did


@mirrors("002 08/21 vtd_dev_to_context_entry")
def guest_writes_context(
    s: PasidCacheState, vtd_hiod: Id[VTDHostIOMMUDevice], context: Context
) -> None:
    """The guest writes a device's context entry: none, or one with a small or a large directory."""
    require(s.hiods[vtd_hiod].context != context)
    s.hiods[vtd_hiod].context = context
    s.hiods[vtd_hiod].context_due = False
    for x in s.entries:
        if x.vtd_hiod == vtd_hiod:
            supersede(s, x.id)
            x.was_absent = translating(s) and of_a_device(s, x.id)


@mirrors("qemu hw/i386/intel_iommu.c vtd_process_pasid_desc", "002 12/21 vtd_process_pasid_desc")
def pasid_cache_invalidate(
    s: PasidCacheState,
    granularity: Granularity,
    did: Annotated[DomainId, NULLABLE],
    pasid: bool,
    fault: Fault,
) -> None:
    """The guest invalidates the PASID cache: of everything, of a domain, of one PASID in it."""
    require(translating(s))
    require((granularity == Granularity.GLOBAL) == (did == NULL))
    require(granularity == Granularity.PSI or not pasid)
    next_event(s)
    vtd_accel_pasid_cache_sync(s, granularity, did, pasid, fault)
    for x in s.entries:
        if of_a_device(s, x.id) and (granularity != Granularity.PSI or x.pasid == pasid):
            cover(s, x.id, did)


@mirrors("002 12/21 vtd_pasid_cache_sync")
def cover(s: PasidCacheState, x: Id[VTDPasid], did: DomainId) -> None:
    """Entries of a domain (null: of any) are in force no more; when none is left memory is due.

    That there was no entry is in force until an invalidation names the domain of the new one.
    """
    p = s.entries[x]
    stale = NULL if did in (NULL, p.stale) else p.stale
    stale2 = NULL if did in (NULL, p.stale2) else p.stale2
    was_absent = p.was_absent and did != NULL and p.mem_did not in (NULL, did)
    due = stale == NULL and stale2 == NULL and not was_absent
    s.entries[x].stale = stale2 if stale == NULL else stale
    s.entries[x].stale2 = NULL if stale == NULL else stale2
    s.entries[x].was_absent = was_absent
    s.entries[x].due = p.due or (due and s.hiods[p.vtd_hiod].context_due)


@mirrors("qemu hw/i386/intel_iommu_accel.c vtd_accel_pasid_cache_sync")
def vtd_accel_pasid_cache_sync(
    s: PasidCacheState, granularity: Granularity, did: DomainId, pasid: bool, fault: Fault
) -> None:
    """Each device: what is gone from its table goes, then what is there is filled in."""
    for h in s.hiods:
        for x in s.entries:
            if x.vtd_hiod == h.id and selected(s, x.id, granularity, did, pasid):
                vtd_accel_pasid_cache_invalidate_one(s, x.id, fault)
        for x in s.entries:
            if x.vtd_hiod == h.id and selected(s, x.id, granularity, did, pasid):
                vtd_sm_pasid_table_walk_one(s, x.id, fault)


@mirrors("qemu hw/i386/intel_iommu_accel.c vtd_sm_pasid_table_walk_one", "defects V-46")
def selected(
    s: PasidCacheState, x: Id[VTDPasid], granularity: Granularity, did: DomainId, pasid: bool
) -> bool:
    """Whether an invalidation is of a PASID: by the domain id of the cached or of the new entry."""
    p = s.entries[x]
    if granularity == Granularity.GLOBAL:
        return True
    if granularity == Granularity.PSI and p.pasid != pasid:
        return False
    return did in (p.did, p.mem_did)


@mirrors("qemu hw/i386/intel_iommu.c vtd_context_global_invalidate",
         "qemu hw/i386/intel_iommu.c vtd_context_device_invalidate")
def context_cache_invalidate(
    s: PasidCacheState, vtd_hiod: Annotated[Id[VTDHostIOMMUDevice], NULLABLE], fault: Fault
) -> None:
    """The guest invalidates the context cache, of one device or (none) of all.

    What the PASID cache has is in force still; all of it is looked at if the context cache is.
    """
    require(translating(s))
    next_event(s)
    for h in s.hiods:
        if h.hwpt_id != NONE and vtd_hiod in (NONE, h.id):
            h.context_due = True
    if vtd_hiod == NONE:
        vtd_accel_pasid_cache_sync(s, Granularity.GLOBAL, NULL, False, fault)


@mirrors("qemu hw/i386/intel_iommu.c vtd_handle_gcmd_te", "002 14/21 vtd_pasid_cache_reset_locked")
def gcmd_translation_enable(s: PasidCacheState, enable: bool, fault: Fault) -> None:
    """GCMD.TE: remapping begins, or ends."""
    require(s.dmar_enabled != enable)
    next_event(s)
    s.dmar_enabled = enable
    vtd_reset_caches(s, fault)


@mirrors("qemu hw/i386/intel_iommu.c vtd_handle_gcmd_srtp")
def gcmd_set_root_table(s: PasidCacheState, scalable: bool, fault: Fault) -> None:
    """GCMD.SRTP: the root table is another, of scalable or of legacy mode."""
    require(s.root_scalable != scalable)
    next_event(s)
    s.root_scalable = scalable
    vtd_reset_caches(s, fault)


@mirrors("qemu hw/i386/intel_iommu.c vtd_reset_exit")
def system_reset(s: PasidCacheState, fault: Fault) -> None:
    """The machine is reset: no remapping, no root table; memory is as it was."""
    require(s.dmar_enabled or s.root_scalable)
    next_event(s)
    s.dmar_enabled = False
    s.root_scalable = False
    vtd_reset_caches(s, fault)


@mirrors("qemu hw/i386/intel_iommu.c vtd_reset_caches", "defects V-16",
         "qemu hw/i386/intel_iommu.c vtd_replay_pasid_bindings_all")
def vtd_reset_caches(s: PasidCacheState, fault: Fault) -> None:
    """Everything is looked at anew, and is in force: the caches of an IOMMU begin empty."""
    for x in s.entries:
        vtd_accel_pasid_cache_invalidate_one(s, x.id, fault)
    for x in s.entries:
        vtd_sm_pasid_table_walk_one(s, x.id, fault)
    for h in s.hiods:
        h.context_due = translating(s) and h.hwpt_id != NONE
    for x in s.entries:
        begin_anew(s, x.id)


@mirrors("defects V-20")
def ask_again(s: PasidCacheState, x: Id[VTDPasid], fault: Fault) -> None:
    """The host is asked again for what it refused; the guest waits."""
    require(s.entries[x].retry)
    s.entries[x].retry = False
    vtd_accel_pasid_cache_invalidate_one(s, x, fault)
    vtd_sm_pasid_table_walk_one(s, x, fault)

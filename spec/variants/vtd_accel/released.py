"""What VT-d's first stage in QEMU 11.1 does otherwise than the reference."""

from __future__ import annotations

from functools import partial

from spec.language import (
    NONE,
    NULL,
    Fault,
    Id,
    mirrors,
    overrides,
    released,
    variant_of,
)
from spec.variants.seen import in_qemu
from spec.variants.vfio.otherwise import free_forgets
from spec.vtd.accel.device import vtd_dev_set_iommu_device, vtd_dev_unset_iommu_device
from spec.vtd.accel.events import Granularity, selected
from spec.vtd.accel.state import (
    Context,
    PasidCacheState,
    VTDHostIOMMUDevice,
    VTDPasid,
    asked,
)
from spec.vtd.accel.sync import (
    is_there_still,
    vtd_accel_block,
    vtd_accel_delete_pc,
    vtd_accel_fill_pc,
    vtd_dev_get_pe_from_pasid,
    vtd_device_attach_iommufd,
    vtd_device_detach_iommufd,
    vtd_forget_pc,
    vtd_store_pc,
)
from spec.vtd.state import DomainId, Pgtt


@overrides(vtd_accel_fill_pc)
@mirrors("qemu hw/i386/intel_iommu_accel.c vtd_accel_fill_pc", "defects V-20")
def remembered_as_done(s: PasidCacheState, x: Id[VTDPasid], fault: Fault) -> None:
    """The new entry is cached before the host is asked, and stays if it refuses."""
    p = s.entries[x]
    if p.pgtt == p.mem_pgtt and p.did == p.mem_did and p.flpt == p.mem_flpt:
        return
    vtd_store_pc(s, x)
    vtd_device_attach_iommufd(s, x, p.mem_pgtt, p.mem_flpt, fault)


@overrides(vtd_accel_fill_pc)
@mirrors("qemu hw/i386/intel_iommu_accel.c vtd_device_attach_iommufd", "defects V-14")
def bound_as_it_was(s: PasidCacheState, x: Id[VTDPasid], fault: Fault) -> None:
    """An entry that changes is bound anew with what is cached of it, which stays as it was."""
    p = s.entries[x]
    if p.pgtt == Pgtt.NONE:
        vtd_accel_fill_pc(s, x, fault)
    elif p.pgtt != p.mem_pgtt or p.did != p.mem_did or p.flpt != p.mem_flpt:
        vtd_device_attach_iommufd(s, x, p.pgtt, p.flpt, fault)


@overrides(vtd_accel_delete_pc)
@mirrors("qemu hw/i386/intel_iommu_accel.c vtd_accel_delete_pc")
def forgotten_though_attached(s: PasidCacheState, x: Id[VTDPasid], fault: Fault) -> None:
    """An entry is freed whatever the host says to the detach, and its nested HWPT with it."""
    vtd_device_detach_iommufd(s, x, fault)
    s.entries[x].fs_hwpt_id = NONE
    vtd_forget_pc(s, x)


@overrides(is_there_still)
@mirrors("qemu hw/i386/intel_iommu_accel.c vtd_accel_pasid_cache_invalidate_one", "defects V-16")
def used_or_not(s: PasidCacheState, x: Id[VTDPasid]) -> bool:
    """An entry stays as long as it can be read, also while remapping is off."""
    p = s.entries[x]
    context = s.hiods[p.vtd_hiod].context
    reached = context == Context.LARGE or (context == Context.SMALL and not p.pasid)
    return s.root_scalable and reached and p.mem_pgtt in (Pgtt.FLT, Pgtt.PT)


@overrides(is_there_still)
@mirrors("qemu hw/i386/intel_iommu.c vtd_dev_get_pe_from_pasid")
def beyond_the_directory(s: PasidCacheState, x: Id[VTDPasid]) -> bool:
    """An entry is read without a look at how large the guest's directory is."""
    p = s.entries[x]
    there = s.hiods[p.vtd_hiod].context != Context.ABSENT
    used = s.dmar_enabled and s.root_scalable
    return used and there and p.mem_pgtt in (Pgtt.FLT, Pgtt.PT)


@mirrors("qemu hw/i386/intel_iommu.c vtd_dev_get_pe_from_pasid")
def alone(s: PasidCacheState, x: Id[VTDPasid]) -> bool:
    """Whether it is a PASID of a device whose own entry cannot be used."""
    return s.entries[x].pasid and not any(
        y.vtd_hiod == s.entries[x].vtd_hiod and not y.pasid and y.mem_pgtt in (Pgtt.FLT, Pgtt.PT)
        for y in s.entries
    )


@overrides(vtd_dev_get_pe_from_pasid)
@mirrors("qemu hw/i386/intel_iommu.c vtd_dev_get_pe_from_pasid")
def not_alone(s: PasidCacheState, x: Id[VTDPasid]) -> Pgtt:
    """No PASID is looked up while the entry of requests without one cannot be used."""
    return Pgtt.NONE if alone(s, x) else asked(s, x)


@overrides(is_there_still)
@mirrors("qemu hw/i386/intel_iommu_accel.c vtd_accel_pasid_cache_invalidate_one", "defects V-16")
def whatever_can_be_read(s: PasidCacheState, x: Id[VTDPasid]) -> bool:
    """An entry stays as long as there is one in memory, used or not, reached or not."""
    p = s.entries[x]
    there = s.root_scalable and s.hiods[p.vtd_hiod].context != Context.ABSENT
    return there and p.mem_pgtt in (Pgtt.FLT, Pgtt.PT) and not alone(s, x)


@overrides(vtd_accel_block)
@mirrors("qemu hw/i386/intel_iommu_accel.c vtd_accel_pasid_cache_sync", "defects V-27")
def entries_only(s: PasidCacheState, x: Id[VTDPasid], fault: Fault) -> None:
    """A device is looked at if it has an entry: without one it stays blocked, or is never."""


@overrides(selected)
@mirrors("qemu hw/i386/intel_iommu_accel.c vtd_sm_pasid_table_walk_one")
def by_the_new_domain(
    s: PasidCacheState, x: Id[VTDPasid], granularity: Granularity, did: DomainId, pasid: bool
) -> bool:
    """What goes is found by the domain of the cached entry, what comes by that of the new one."""
    p = s.entries[x]
    if granularity == Granularity.GLOBAL:
        return True
    if granularity == Granularity.PSI and p.pasid != pasid:
        return False
    return did == (p.did if p.mem_pgtt not in (Pgtt.FLT, Pgtt.PT) else p.mem_did)


@overrides(vtd_dev_set_iommu_device)
@mirrors("qemu hw/i386/intel_iommu.c vtd_dev_set_iommu_device", "defects V-27")
def set_and_left(
    s: PasidCacheState, vtd_hiod: Id[VTDHostIOMMUDevice], fault: Fault
) -> None:
    """A device that is plugged stays on the nesting parent until the guest invalidates."""


@overrides(vtd_dev_unset_iommu_device)
@mirrors("qemu hw/i386/intel_iommu.c vtd_dev_unset_iommu_device", "defects V-25")
def unset_forgets(
    s: PasidCacheState, vtd_hiod: Id[VTDHostIOMMUDevice], fault: Fault
) -> None:
    """A device that is unplugged leaves the nested HWPTs of its entries behind."""
    for x in s.entries:
        if x.vtd_hiod == vtd_hiod:
            x.fs_hwpt_id = NONE
            x.pgtt = Pgtt.NONE
            x.did = NULL
            x.flpt = NULL
            x.blocked = False
            x.due = False
            x.stale = NULL
            x.stale2 = NULL
            x.was_absent = False


variant = partial(variant_of, "pasid-cache")
ACCEL = "hw/i386/intel_iommu_accel.c"


VARIANTS = (
    variant(
        "qemu-11.1-pasid-cache", remembered_as_done, forgotten_though_attached,
        whatever_can_be_read, not_alone, entries_only, by_the_new_domain, set_and_left,
        unset_forgets, free_forgets,
        standing=in_qemu(ACCEL), bounds="pasid",
        about="All that QEMU 11.1 does otherwise than the reference.",
        the_guest_gets_what_is_due=3, nothing_is_leaked=2, an_entry_is_well_formed=3,
    ),
    variant(
        "vtd-11.1-remembered-as-done", remembered_as_done,
        standing=in_qemu(f"{ACCEL} vtd_accel_fill_pc", "V-20"),
        the_guest_gets_what_is_due=5,
        the_cache_is_what_the_host_has=5,
        an_entry_is_well_formed=5,
    ),
    variant(
        "vtd-11.1-detach-forgets", forgotten_though_attached,
        standing=in_qemu(f"{ACCEL} vtd_accel_delete_pc", "vtd-refused-detach", "vtd-refused-reset"),
        the_guest_gets_what_is_due=6,
        the_cache_is_what_the_host_has=6,
        nothing_is_leaked=6,
    ),
    variant(
        "vtd-11.1-remapping-off", used_or_not,
        standing=in_qemu(f"{ACCEL} vtd_accel_pasid_cache_reset", "V-16"),
        the_guest_gets_what_is_due=6, an_entry_is_well_formed=6,
    ),
    variant(
        "vtd-11.1-beyond-directory", beyond_the_directory, bounds="pasid",
        standing=in_qemu("hw/i386/intel_iommu.c vtd_dev_get_pe_from_pasid", "vtd-beyond-directory"),
        the_guest_gets_what_is_due=8, what_is_in_force_is_known=7,
    ),
    variant(
        "vtd-11.1-pasid-alone", not_alone, bounds="pasid",
        standing=in_qemu("hw/i386/intel_iommu.c vtd_dev_get_pe_from_pasid", "vtd-pasid-alone"),
        the_guest_gets_what_is_due=5, what_is_in_force_is_known=5,
    ),
    variant(
        "vtd-11.1-entries-only", entries_only,
        standing=in_qemu(f"{ACCEL} vtd_accel_pasid_cache_sync", "vtd-blocked"),
        the_guest_gets_what_is_due=3, an_entry_is_well_formed=3,
    ),
    variant(
        "vtd-11.1-new-domain", by_the_new_domain,
        standing=in_qemu(f"{ACCEL} vtd_sm_pasid_table_walk_one", "vtd-new-domain"),
        the_guest_gets_what_is_due=7, what_is_in_force_is_known=7,
    ),
    variant(
        "vtd-11.1-set", set_and_left,
        standing=in_qemu("hw/i386/intel_iommu.c vtd_dev_set_iommu_device", "vtd-set"),
        the_guest_gets_what_is_due=3, an_entry_is_well_formed=3,
    ),
    variant(
        "vtd-11.1-unset", unset_forgets,
        standing=in_qemu("hw/i386/intel_iommu.c vtd_dev_unset_iommu_device", "V-25"),
        nothing_is_leaked=6,
    ),
    variant(
        "vtd-11.1-destroy", free_forgets,
        standing=in_qemu("backends/iommufd.c iommufd_backend_free_id", "vtd-refused-destroy"),
        nothing_is_leaked=2,
    ),
    variant(
        "vtd-11.0-bound-as-it-was", bound_as_it_was,
        standing=released(
            "QEMU 11.0", f"{ACCEL} vtd_device_attach_iommufd", "fixed in QEMU 11.1"
        ),
        the_guest_gets_what_is_due=7, what_is_in_force_is_known=7,
    ),
)

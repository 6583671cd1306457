"""Breaches of the PASID cache's rules that nobody made: each shows that a rule can be broken."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from spec.iommufd.objects import Device, Errno, Object, PgTable
from spec.iommufd.uapi.alloc import hwpt_alloc_paging
from spec.iommufd.uapi.state import Uapi
from spec.language import (
    MUTANT,
    NONE,
    NULL,
    NULLABLE,
    Fault,
    Id,
    mirrors,
    overrides,
    require,
    variant_of,
)
from spec.variants.uapi.kernel import nothing_is_forgotten, nothing_is_held, parent_is_kept
from spec.variants.vfio.breaches import binding_stays, deferred_kept, hardware_goes_on
from spec.vfio.bottom_halves import vfio_free
from spec.vfio.calls import vfio_free_id, vfio_unbind
from spec.vfio.state import Deferring
from spec.vtd.accel.events import guest_writes_entry, supersede
from spec.vtd.accel.state import PasidCacheState, VTDPasid
from spec.vtd.accel.sync import vtd_destroy_old_fs_hwpt, vtd_device_attach_iommufd
from spec.vtd.state import DomainId, Pgtt


@overrides(vtd_device_attach_iommufd)
@mirrors("002 15/21 vtd_device_attach_iommufd", "defects V-01")
def old_one_is_kept(
    s: PasidCacheState, x: Id[VTDPasid], pgtt: Pgtt, flpt: PgTable, fault: Fault
) -> Errno:
    """The nested HWPT that an entry had is overwritten with the new one."""
    s.entries[x].fs_hwpt_id = NONE
    return vtd_device_attach_iommufd(s, x, pgtt, flpt, fault)


@overrides(vtd_destroy_old_fs_hwpt)
@mirrors("qemu hw/i386/intel_iommu_accel.c vtd_destroy_old_fs_hwpt")
def destroyed_and_remembered(s: PasidCacheState, x: Id[VTDPasid], fault: Fault) -> None:
    """The nested HWPT of an entry is destroyed and is its own still."""
    if s.entries[x].fs_hwpt_id != NONE:
        vfio_free(s, s.entries[x].fs_hwpt_id, fault)


@overrides(vfio_free)
@mirrors("qemu backends/iommufd.c iommufd_backend_free_id")
def parent_goes_unasked(s: Deferring, obj: Id[Object], fault: Fault) -> None:
    """What a nested HWPT is over is destroyed later with it, used or not."""
    parent = s.objects[obj].parent
    err = vfio_free_id(s, obj, fault)
    if err != Errno.OK:
        s.deferred.add(obj)
        if parent != NONE:
            s.deferred.add(parent)


@overrides(hwpt_alloc_paging)
@mirrors("kernel R2.2")
def no_nesting_parent(
    s: Uapi, dev: Id[Device], ioas: Id[Object], nest_parent: bool
) -> Id[Object]:
    """VFIO makes an HWPT that nothing can be nested over, though the vIOMMU wants to."""
    return hwpt_alloc_paging(s, dev, ioas, False)


@overrides(guest_writes_entry)
@mirrors("002 13/21 vtd_get_pe_in_pasid_leaf_table")
def table_stays(
    s: PasidCacheState,
    x: Id[VTDPasid],
    pgtt: Pgtt,
    did: Annotated[DomainId, NULLABLE],
    flpt: Annotated[PgTable, NULLABLE],
) -> None:
    """An entry that is no longer of the first stage has the table still that it had."""
    require((pgtt in (Pgtt.FLT, Pgtt.PT)) == (did != NULL) and (pgtt == Pgtt.FLT) == (flpt != NULL))
    supersede(s, x)
    s.entries[x].mem_pgtt = pgtt
    s.entries[x].mem_did = did
    if flpt != NULL:
        s.entries[x].mem_flpt = flpt


@overrides(supersede)
@mirrors("002 12/21 vtd_pasid_cache_sync")
def superseded_at_once(s: PasidCacheState, x: Id[VTDPasid]) -> None:
    """A new entry is taken for the only one that may be in force."""
    s.entries[x].due = False


@overrides(vfio_unbind)
@mirrors("kernel R6.3")
def device_object_stays(s: Uapi, dev: Id[Device]) -> None:
    """A device is forgotten before its file is closed: the id stays."""
    s.devices[dev].object = NONE


variant = partial(variant_of, "pasid-cache", standing=MUTANT)

VARIANTS = (
    variant(
        "pasid-cache-old-one-kept", old_one_is_kept,
        nothing_is_leaked=7, an_entry_is_well_formed=7, the_cache_is_what_the_host_has=7,
    ),
    variant(
        "pasid-cache-destroyed-remembered", destroyed_and_remembered, an_entry_is_well_formed=6,
    ),
    variant(
        "pasid-cache-parent-goes", parent_goes_unasked,
        the_nesting_parent_stays=6, what_waits_is_live=6,
    ),
    variant(
        "pasid-cache-no-parent", no_nesting_parent,
        nothing_else_is_made=1, the_nesting_parent_stays=1,
    ),
    variant(
        "pasid-cache-deferred-kept", deferred_kept, what_waits_is_live=3, teardown_reachable=6,
    ),
    variant("pasid-cache-table-stays", table_stays, memory_is_written_whole=2),
    variant("pasid-cache-superseded", superseded_at_once, what_is_in_force_is_known=5),
    variant(
        "pasid-cache-binding-stays", binding_stays,
        bound_devices_have_their_object=2, devices_are_as_plugged=2, the_nesting_parent_stays=2,
    ),
    variant(
        "pasid-cache-object-stays", device_object_stays,
        device_objects_have_their_device=2, bound_devices_have_their_object=2,
        nothing_is_leaked=2, what_waits_is_live=2, uapi_refs_equal_referrers=2,
        the_cache_is_what_the_host_has=2,
    ),
    variant(
        "pasid-cache-hardware-goes-on", hardware_goes_on,
        groups_agree=2, hardware_uses_a_live_hwpt=2, attached_hwpts_fit=2,
    ),
    variant(
        "pasid-cache-nothing-held", nothing_is_held,
        about="DESTROY never answers EBUSY.",
        destroy_is_ebusy_while_held=1, made_on_what_is_there=2, no_failed_check=2,
    ),
    variant(
        "pasid-cache-parent-kept", parent_is_kept,
        uapi_refs_equal_referrers=2, destroy_is_ebusy_while_held=2,
    ),
    variant(
        "pasid-cache-nothing-forgotten", nothing_is_forgotten, bounds="pasid",
        nothing_is_left_in_a_reused_id=2,
    ),
)  # fmt: skip

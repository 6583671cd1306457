"""Small breaches that no series posted: each shows that an invariant can fail.

Where a posted defect breaks an invariant already, there is no mutant for it.
"""

from __future__ import annotations

from functools import partial

from spec.iommufd.calls import (
    has_read_only,
    iommufd_backend_free_id,
    refuses_read_only,
    suits,
)
from spec.iommufd.objects import Device, Errno, Kernel, Object, PgTable
from spec.language import MUTANT, NONE, Fault, Id, first, mirrors, overrides, require, variant_of
from spec.memory.section import Section
from spec.variants.uapi.kernel import areas_are_kept, nothing_is_held, parent_is_kept
from spec.vtd.address_space import (
    iommufd_listener_skipped_section,
    listener_follows,
    listener_runtime_error,
)
from spec.vtd.ioas_container import (
    vtd_container_matches,
    vtd_destroy_s1_hwpt,
    vtd_free_id,
    vtd_ioas_container_destroy,
    vtd_ioas_container_forget,
    vtd_s2_unused,
)
from spec.vtd.iommu_device import destroy_deferred
from spec.vtd.pasid_cache import vtd_iommu_lock, vtd_sm_pasid_table_walk_one
from spec.vtd.state import (
    DomainId,
    IntelIOMMUState,
    Pgtt,
    VTDAddressSpace,
    VTDIOASContainer,
    VTDS2Hwpt,
)


@overrides(suits)
@mirrors("kernel R7.10")
def everything_suits(s: Kernel, dev: Id[Device], hwpt: Id[Object]) -> bool:
    """A device that does not enforce coherency may use an HWPT that needs it."""
    return True


@overrides(refuses_read_only)
@mirrors("kernel R2.7")
def read_only_is_taken(s: Kernel, ioas: Id[Object]) -> bool:
    """A nesting parent for a device with the erratum takes read-only mappings, once it is there."""
    return False


@overrides(has_read_only)
@mirrors("kernel R2.7")
def read_only_is_found_late(s: Kernel, ioas: Id[Object]) -> bool:
    """A nesting parent for a device with the erratum is made over read-only mappings."""
    return False


@overrides(iommufd_listener_skipped_section)
@mirrors("002 15/21 iommufd_listener_skipped_section")
def read_only_is_mapped(
    s: IntelIOMMUState, container: Id[VTDIOASContainer], section: Id[Section]
) -> bool:
    """The skip rule as it was before 16/21, on a kernel that takes read-only mappings."""
    return not s.sections[section].ram or s.sections[section].upper_half


@overrides(vtd_ioas_container_forget)
@mirrors("002 15/21 vtd_ioas_container_destroy")
def container_is_remembered(s: IntelIOMMUState, container: Id[VTDIOASContainer]) -> None:
    """A freed container stays in the list, with the id of its IOAS."""


@overrides(vtd_destroy_s1_hwpt)
@mirrors("002 15/21 vtd_destroy_s1_hwpt")
def wrong_id_is_destroyed(s: IntelIOMMUState, hwpt: Id[Object], fault: Fault) -> None:
    """VFIO's HWPT is destroyed in place of the nested one."""
    vtd_free_id(s, s.iommufds[s.objects[hwpt].fd].vfio_hwpt, fault)


@overrides(listener_runtime_error)
@mirrors("002 15/21 iommufd_listener_region_add_s2domain")
def stop_frees_nothing(s: IntelIOMMUState) -> None:
    """QEMU stops for good, and what it had stays."""
    s.running = False


@overrides(vtd_container_matches)
@mirrors("002 15/21 vtd_device_attach_iommufd")
def container_of_any_iommufd(
    s: IntelIOMMUState, container: Id[VTDIOASContainer], vtd_as: Id[VTDAddressSpace]
) -> bool:
    """Any container serves any device: an id of one iommufd is used on another."""
    device = s.devices[s.address_spaces[vtd_as].hiod]
    found = s.containers[container]
    return found.iommufd != NONE and found.errata == device.erratum


@overrides(vtd_ioas_container_destroy)
@mirrors("002 15/21 vtd_ioas_container_destroy")
def container_is_kept(s: IntelIOMMUState, container: Id[VTDIOASContainer], fault: Fault) -> None:
    """A container without a stage-2 is never freed."""


@overrides(vtd_s2_unused)
@mirrors("002 15/21 vtd_ioas_container_put_s2_hwpt")
def any_s2_is_unused(s: IntelIOMMUState, s2: Id[VTDS2Hwpt]) -> bool:
    """The first user that leaves frees the stage-2 of all."""
    return True


@overrides(destroy_deferred)
@mirrors("defects C-14")
def deferred_is_kept(s: IntelIOMMUState, obj: Id[Object], fault: Fault) -> None:
    """The bottom half destroys what was deferred, and does not take it off its list."""
    require(obj in s.deferred)
    iommufd_backend_free_id(s, obj, fault)


@overrides(listener_follows)
@mirrors("002 15/21 iommufd_s2domain_memory_listener")
def first_listener_only(s: IntelIOMMUState, container: Id[VTDIOASContainer]) -> bool:
    """Only the first container hears of a change of the memory map."""
    return container == first(x.id for x in s.containers if x.listening)


@overrides(vtd_sm_pasid_table_walk_one)
@mirrors("002 13/21 vtd_sm_pasid_table_walk_one")
def lock_is_kept(
    s: IntelIOMMUState,
    vtd_as: Id[VTDAddressSpace],
    pgtt: Pgtt,
    did: DomainId,
    flpt: PgTable,
    fault: Fault,
) -> Errno:
    """An error path leaves without giving the lock back."""
    err = vtd_sm_pasid_table_walk_one(s, vtd_as, pgtt, did, flpt, fault)
    if err != Errno.OK:
        vtd_iommu_lock(s)
    return err


variant = partial(variant_of, "hwpt-sharing", bounds="roomy", standing=MUTANT)

VARIANTS = (
    variant("mutant-destroy-while-held", nothing_is_held, kernel_links=4, no_failed_check=4),
    variant("mutant-parent-kept", parent_is_kept, refs_equal_referrers=3),
    variant("mutant-coherency-ignored", everything_suits, devices_attached=5),
    variant(
        "mutant-read-only-mapped", read_only_is_mapped, read_only_is_taken, read_only_is_found_late,
        read_only_exclusion=3, writeable_only_holds=3,
    ),
    variant(
        "mutant-any-iommufd", container_of_any_iommufd, bounds="fds",
        kernel_links_stay_on_their_iommufd=5, devices_attached=5,
    ),
    variant("mutant-areas-kept", areas_are_kept, only_an_ioas_maps=4),
    variant(
        "mutant-wrong-id", wrong_id_is_destroyed, vfio_owns_its_objects=4,
        no_leaked_object=3, deferred_ids_are_live=3, a_refusal_leaves_nothing_behind=3,
    ),
    variant(
        "mutant-stop-frees-nothing", stop_frees_nothing, a_view_is_in_force=4,
        vfio_owns_its_objects=4, containers_follow_the_map=4,
    ),
    variant(
        "mutant-container-kept", container_is_kept, no_leaked_record=3,
        containers_follow_the_map=3, a_refusal_leaves_nothing_behind=3,
    ),
    variant(
        "mutant-container-remembered", container_is_remembered,
        containers_name_their_ioas=3, a_refusal_leaves_nothing_behind=3, no_leaked_record=3,
        containers_follow_the_map=3,
    ),
    variant(
        "mutant-stage2-freed-early", any_s2_is_unused,
        stage2_rows_name_their_hwpt=4, teardown_reachable=4, bindings_are_attached=4,
        no_failed_check=6,
    ),
    variant("mutant-deferred-kept", deferred_is_kept, deferred_ids_are_live=5),
    variant(
        "mutant-deaf-listener", first_listener_only, bounds="errata", sharers_see_one_map=6,
        containers_follow_the_map=6,
    ),
    variant("mutant-lock-kept", lock_is_kept, no_lock_held=3, no_failed_check=4),
)

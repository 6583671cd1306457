"""What must hold of each machine. Every rule here is an *always* with its *sometimes*."""

from __future__ import annotations

from invariants.address_space import (
    a_view_is_in_force,
    containers_follow_the_map,
    sharers_see_one_map,
)
from invariants.capability import (
    a_refusal_leaves_the_space,
    capabilities_are_inside,
    every_capability_is_reached,
    no_header_overwritten,
    no_register_shared,
    nothing_is_left_of_a_device,
    one_pasid_capability,
    pasid_as_promised,
    pasid_is_emulated,
    pasid_needs_support,
    the_list_ends,
)
from invariants.failure import a_refusal_keeps_bindings, a_refusal_leaves_nothing_behind
from invariants.hotplug import (
    a_bus_finds_its_devices,
    a_group_has_one_address_space,
    a_nesting_parent_where_wanted,
    a_nesting_viommu_finds_its_devices,
    a_refused_device_leaves_nothing,
    accelerated_with_a_doorbell,
    address_space_of_its_place,
    an_iommu_is_on_a_root_bus,
    doorbell_walked,
    every_host_iommu_device_is_set,
    no_emulated_device_behind_an_accelerated_viommu,
    no_read_only_memory_below_vtds_tables,
    no_walk_where_the_host_walks,
    one_iommu_on_a_bus,
    set_for_host_iommu_devices_only,
    slot_0_behind_a_bridge_is_vacant,
    the_bridges_stay,
    vfio_is_told_of_maps,
    vfio_maps_what_the_device_reaches,
)
from invariants.leaks import no_leaked_object, no_leaked_record, two_stage2_in_a_container
from invariants.lifetimes import (
    attached_to_an_hwpt,
    counts_equal_referrers,
    parents_are_there,
)
from invariants.locks import no_lock_held
from invariants.migration import (
    a_guest_is_in_a_qemu,
    a_refusal_changes_nothing,
    a_viommu_is_what_the_user_asked_for,
    blocked_exactly_if_it_must_be,
    capabilities_are_frozen,
    no_promise_beyond_a_host,
    nothing_without_a_viommu,
    only_migratable_is_kept,
    tables_are_in_force,
    the_guest_keeps_what_it_saw,
)
from invariants.pasid_cache import RULES as PASID_CACHE
from invariants.read_only import read_only_exclusion, writeable_only_holds
from invariants.references import (
    bindings_are_attached,
    containers_name_their_ioas,
    deferred_ids_are_live,
    devices_attached,
    kernel_links,
    kernel_links_stay_on_their_iommufd,
    only_an_ioas_maps,
    refs_equal_referrers,
    stage2_rows_name_their_hwpt,
    users_equal_devices,
    vfio_owns_its_objects,
)
from invariants.sharing import one_container_of_a_kind, one_stage2_of_a_kind
from invariants.uapi import RULES as UAPI
from invariants.uapi import SHARED as UAPI_SHARED
from invariants.vfio import RULES as VFIO
from invariants.vtd_capabilities import MORE as VTD_CAPABILITIES_MORE
from invariants.vtd_capabilities import RULES as VTD_CAPABILITIES
from invariants.vtd_iommu_device import RULES as VTD_IOMMU_DEVICE
from invariants.vtd_regions import RULES as VTD_REGIONS
from spec.language import Invariant, Machine, Witness

_OF: dict[str, tuple[tuple[Invariant, ...], tuple[Witness, ...]]] = {
    "hwpt-sharing": (
        (
            no_leaked_object,
            no_leaked_record,
            refs_equal_referrers,
            kernel_links,
            only_an_ioas_maps,
            kernel_links_stay_on_their_iommufd,
            vfio_owns_its_objects,
            devices_attached,
            containers_name_their_ioas,
            stage2_rows_name_their_hwpt,
            users_equal_devices,
            bindings_are_attached,
            deferred_ids_are_live,
            read_only_exclusion,
            writeable_only_holds,
            a_view_is_in_force,
            containers_follow_the_map,
            sharers_see_one_map,
            a_refusal_keeps_bindings,
            a_refusal_leaves_nothing_behind,
            one_container_of_a_kind,
            one_stage2_of_a_kind,
            no_lock_held,
        ),
        (two_stage2_in_a_container,),
    ),
    "migration-blocker": (
        (
            capabilities_are_frozen,
            no_promise_beyond_a_host,
            a_viommu_is_what_the_user_asked_for,
            the_guest_keeps_what_it_saw,
            blocked_exactly_if_it_must_be,
            only_migratable_is_kept,
            tables_are_in_force,
            nothing_without_a_viommu,
            a_guest_is_in_a_qemu,
            a_refusal_changes_nothing,
        ),
        (),
    ),
    "iommufd-objects": (UAPI, ()),
    "object-lifetime": ((counts_equal_referrers, parents_are_there, attached_to_an_hwpt), ()),
    "pasid-capability": (
        (
            no_header_overwritten,
            no_register_shared,
            capabilities_are_inside,
            the_list_ends,
            every_capability_is_reached,
            one_pasid_capability,
            pasid_needs_support,
            pasid_as_promised,
            pasid_is_emulated,
            nothing_is_left_of_a_device,
            a_refusal_leaves_the_space,
        ),
        (),
    ),
    "pci-hotplug": (
        (
            address_space_of_its_place,
            a_group_has_one_address_space,
            vfio_maps_what_the_device_reaches,
            a_nesting_parent_where_wanted,
            no_read_only_memory_below_vtds_tables,
            vfio_is_told_of_maps,
            a_nesting_viommu_finds_its_devices,
            no_emulated_device_behind_an_accelerated_viommu,
            a_bus_finds_its_devices,
            slot_0_behind_a_bridge_is_vacant,
            the_bridges_stay,
            one_iommu_on_a_bus,
            an_iommu_is_on_a_root_bus,
            set_for_host_iommu_devices_only,
            every_host_iommu_device_is_set,
            no_walk_where_the_host_walks,
            accelerated_with_a_doorbell,
            a_refused_device_leaves_nothing,
        ),
        (doorbell_walked,),
    ),
    "pasid-cache": ((*PASID_CACHE, *UAPI_SHARED), ()),
    "vfio-attach": ((*VFIO, *UAPI_SHARED), ()),
    "vtd-iommu-device": (VTD_IOMMU_DEVICE, ()),
    "vtd-capabilities": (VTD_CAPABILITIES, VTD_CAPABILITIES_MORE),
    "vtd-address-space": (VTD_REGIONS, ()),
}


def complete(machine: Machine) -> Machine:
    """The machine with every invariant and witness that this package has for it."""
    rules, witnesses = _OF.get(machine.name, ((), ()))
    return machine.holding(*rules, witnesses=witnesses)

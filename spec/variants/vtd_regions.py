"""What QEMU 11.1 does otherwise with VT-d's address spaces, and breaches of our own."""

from __future__ import annotations

from functools import partial

from spec.iommufd.objects import Errno, Object
from spec.language import (
    MUTANT,
    NONE,
    Fault,
    Id,
    mirrors,
    overrides,
    require,
    variant_of,
)
from spec.variants.seen import in_qemu
from spec.variants.uapi.kernel import areas_are_kept
from spec.variants.vfio.breaches import deferred_kept, nothing_is_replayed
from spec.variants.vfio.otherwise import free_forgets, qemu_stops, unmap_is_over
from spec.vfio.bottom_halves import vfio_free
from spec.vfio.calls import vfio_unmap_all
from spec.vfio.iommufd import vfio_container_forget
from spec.vfio.state import Deferring
from spec.vtd.regions.events import (
    gcmd_set_root_table,
    gcmd_translation_enable,
    system_reset,
    unplug,
    vfio_device_detach,
    vtd_dev_set_iommu_device,
    vtd_find_add_as,
)
from spec.vtd.regions.state import Asks, VTDAddressSpace, VTDDevice, VTDRegions
from spec.vtd.regions.switching import (
    region_on,
    vtd_address_space_unmap,
    vtd_switch_address_space,
    vtd_sync_shadow_page_table,
    vtd_uses_iommu,
)


@overrides(vtd_dev_set_iommu_device)
@mirrors("qemu hw/i386/intel_iommu.c vtd_dev_set_iommu_device")
def set_and_not_switched(s: VTDRegions, dev: Id[VTDDevice], fault: Fault) -> Errno:
    """A device that is plugged while remapping is on stays over what the guest's tables map."""
    x = s.pci_devices[dev]
    if x.bridge and s.address_spaces[x.vtd_as].first_stage:
        return Errno.EINVAL
    x.hiod = True
    return Errno.OK


@overrides(vtd_find_add_as)
@mirrors("qemu hw/i386/intel_iommu.c vtd_find_add_as")
def found_as_it_was(s: VTDRegions, vtd_as: Id[VTDAddressSpace], fault: Fault) -> None:
    """Who comes finds the region on that was for who was in its place before."""
    if not s.address_spaces[vtd_as].there:
        s.address_spaces[vtd_as].there = True
        vtd_switch_address_space(s, vtd_as, fault)


@overrides(gcmd_translation_enable)
@mirrors("qemu hw/i386/intel_iommu.c vtd_handle_gcmd_te")
def enabled_only(s: VTDRegions, enable: bool, fault: Fault) -> None:
    """Remapping begins and ends, and address spaces follow at the next invalidation."""
    s.dmar_enabled = enable


@overrides(gcmd_set_root_table)
@mirrors("qemu hw/i386/intel_iommu.c vtd_handle_gcmd_srtp")
def root_only(s: VTDRegions, scalable: bool, fault: Fault) -> None:
    """A root table of another mode is taken, and address spaces follow at the next invalidation."""
    s.root_scalable = scalable


@overrides(vtd_uses_iommu)
@mirrors("002 15/21 vtd_device_attach_hwpt")
def translated_though_nested(s: VTDRegions, vtd_as: Id[VTDAddressSpace]) -> bool:
    """Also of a device for which the host walks the guest's tables QEMU shows what they map."""
    return s.dmar_enabled and s.address_spaces[vtd_as].asks != Asks.PASS_THROUGH


@overrides(vtd_sync_shadow_page_table)
@mirrors("qemu hw/i386/intel_iommu.c vtd_sync_shadow_page_table")
def not_walked_again(s: VTDRegions, vtd_as: Id[VTDAddressSpace], fault: Fault) -> None:
    """An invalidation is taken for one of a cache, and the guest's table not walked."""
    s.address_spaces[vtd_as].unsynced.clear()


@overrides(vtd_dev_set_iommu_device)
@mirrors("qemu hw/i386/intel_iommu_accel.c vtd_check_hiod_accel")
def behind_a_bridge(s: VTDRegions, dev: Id[VTDDevice], fault: Fault) -> Errno:
    """A device behind a bridge is taken, where others are in its address space."""
    s.pci_devices[dev].hiod = True
    vtd_switch_address_space(s, s.pci_devices[dev].vtd_as, fault)
    return Errno.OK


@overrides(region_on)
@mirrors("qemu hw/vfio/listener.c vfio_container_region_add")
def listens_elsewhere(s: VTDRegions, vtd_as: Id[VTDAddressSpace], fault: Fault) -> None:
    """A container does not hear of the region that is turned on."""


@overrides(unplug)
@mirrors("qemu hw/i386/intel_iommu.c vtd_dev_unset_iommu_device")
def never_unset(s: VTDRegions, dev: Id[VTDDevice], fault: Fault) -> None:
    """The vIOMMU still knows a device that is unplugged."""
    hiod = s.pci_devices[dev].hiod
    unplug(s, dev, fault)
    s.pci_devices[dev].hiod = hiod


@overrides(unplug)
@mirrors("qemu hw/vfio/pci.c vfio_exitfn")
def unplug_waits(s: VTDRegions, dev: Id[VTDDevice], fault: Fault) -> None:
    """While remapping is on no device goes."""
    require(not s.dmar_enabled)
    unplug(s, dev, fault)


@overrides(vfio_device_detach)
@mirrors("qemu hw/vfio/iommufd.c iommufd_cdev_detach")
def container_stays(s: VTDRegions, dev: Id[VTDDevice], fault: Fault) -> None:
    """The container of a device that goes is left behind."""
    s.pci_devices[dev].there = False


@overrides(vfio_device_detach)
@mirrors("qemu hw/vfio/iommufd.c iommufd_cdev_container_destroy")
def ioas_stays(s: VTDRegions, dev: Id[VTDDevice], fault: Fault) -> None:
    """The container of a device that goes is freed, and its IOAS is not."""
    vtd_as = s.pci_devices[dev].vtd_as
    s.pci_devices[dev].there = False
    if s.containers[s.address_spaces[vtd_as].container].space != NONE:
        vfio_container_forget(s, s.address_spaces[vtd_as].container)
    s.spaces[s.address_spaces[vtd_as].dmar].translated.clear()



@overrides(vtd_address_space_unmap)
@mirrors("qemu hw/i386/intel_iommu.c vtd_address_space_unmap")
def still_translated(s: VTDRegions, vtd_as: Id[VTDAddressSpace], fault: Fault) -> None:
    """What is unmapped is remembered as translated."""
    x = s.address_spaces[vtd_as]
    if x.use_iommu and s.containers[x.container].listening:
        vfio_unmap_all(s, s.containers[x.container].ioas_id, fault)


@overrides(vfio_free)
@mirrors("kernel R0.6")
def busy_for_ever(s: Deferring, obj: Id[Object], fault: Fault) -> None:
    """What is destroyed later gains a user."""
    vfio_free(s, obj, fault)
    if obj in s.deferred:
        s.objects[obj].refs += 1


@overrides(system_reset)
@mirrors("qemu hw/i386/intel_iommu.c vtd_reset_exit")
def memory_is_gone(s: VTDRegions, fault: Fault) -> None:
    """After a reset there is no memory map."""
    system_reset(s, fault)
    s.view = NONE


variant = partial(variant_of, "vtd-address-space", standing=MUTANT)
RELEASED = (set_and_not_switched, found_as_it_was, free_forgets, unmap_is_over, qemu_stops)
"""All that QEMU 11.1 does otherwise than the reference."""

VARIANTS = (
    variant(
        "qemu-11.1-vtd-address-space", *RELEASED,
        about="All that QEMU 11.1 does otherwise.",
        standing=in_qemu(
            "hw/i386/intel_iommu.c and hw/vfio",
            "vtd-plugged-while-on", "vtd-emulated-after", "vtd-te-refused-map",
            "vtd-te-refused-unmap",
        ),
        a_nesting_parent_has_all_memory=3, containers_map_their_space=2, regions_leak_nothing=2,
        no_failed_check=3,
    ),
    variant(
        "vtd-set-not-switched", set_and_not_switched,
        standing=in_qemu(
            "hw/i386/intel_iommu.c vtd_dev_set_iommu_device", "vtd-plugged-while-on"
        ),
        a_nesting_parent_has_all_memory=3,
    ),
    variant(
        "vtd-found-as-it-was", found_as_it_was,
        standing=in_qemu("hw/i386/intel_iommu.c vtd_find_add_as", "vtd-emulated-after"),
        a_device_is_translated_as_asked=5,
    ),
    variant(
        "vtd-region-unmap-over", unmap_is_over,
        standing=in_qemu("hw/vfio/listener.c vfio_iommu_map_notify", "vtd-te-refused-unmap"),
        containers_map_their_space=2,
    ),
    variant(
        "vtd-region-qemu-stops", qemu_stops,
        standing=in_qemu("hw/vfio/listener.c vfio_container_region_add", "vtd-te-refused-map"),
        no_failed_check=3,
    ),
    variant("vtd-enabled-only", enabled_only, a_device_is_translated_as_asked=3,
            without_remapping_all_memory=3),
    variant("vtd-root-only", root_only, a_nesting_parent_has_all_memory=3),
    variant("vtd-translated-though-nested", translated_though_nested,
            a_nesting_parent_has_all_memory=3),
    variant("vtd-not-walked-again", not_walked_again, a_table_is_in_force=5),
    variant("vtd-behind-a-bridge", behind_a_bridge, bounds="bridge", nested_devices_are_alone=1),
    variant("vtd-listens-elsewhere", listens_elsewhere, a_container_is_on_its_region=2,
            containers_map_their_space=2),
    variant("vtd-never-unset", never_unset, a_passthrough_device_is_known=2),
    variant("vtd-unplug-waits", unplug_waits, teardown_reachable=2),
    variant("vtd-container-stays", container_stays, a_container_is_on_its_region=1,
            a_refused_device_leaves_no_container=1),
    variant("vtd-ioas-stays", ioas_stays, regions_leak_nothing=1,
            a_refused_device_leaves_no_container=1),
    variant("vtd-region-free-forgets", free_forgets, regions_leak_nothing=2),
    variant("vtd-still-translated", still_translated, only_tables_translate=5,
            containers_map_their_space=5),
    variant("vtd-busy-for-ever", busy_for_ever, the_host_has_ioases_only=2),
    variant("vtd-memory-is-gone", memory_is_gone, the_map_stays=1),
    variant("vtd-region-deferred-kept", deferred_kept, what_waits_is_live=3),
    variant("vtd-region-nothing-replayed", nothing_is_replayed, containers_map_their_space=1),
    variant(
        "vtd-region-areas-kept", areas_are_kept,
        about="What an IOAS has mapped is still there when its id names another object.",
        no_mapping_without_an_ioas=2,
    ),
)

"""Devices on their buses as series had it before 001 was merged, each defect alone."""

from __future__ import annotations

from functools import partial

from spec.iommufd.objects import Errno
from spec.language import Fault, Id, mirrors, overrides, posted, variant_of
from spec.pci.bus import (
    VIOMMU,
    DeviceType,
    PCIHost,
    PCISlot,
)
from spec.pci.hotplug import (
    do_pci_register_device,
    do_pci_unregister_device,
    pci_device_supports_iommu_address_space,
    pci_init_bus_master,
)
from spec.pci.iommu_ops import (
    has_get_msi_direct_gpa,
)
from spec.pci.passthrough import vfio_attach, vfio_device_attach


@overrides(do_pci_register_device)
@mirrors("001 07/37 do_pci_register_device", "defects S-29")
def bus_master_first(s: PCIHost, slot: Id[PCISlot], dev: DeviceType) -> Errno:
    """A hot-plugged device gets its address space before its bus can find it."""
    s.slots[slot].dev = dev
    if s.machine_ready:
        pci_init_bus_master(s, slot)
    s.slots[slot].on_bus = True
    if not pci_device_supports_iommu_address_space(s, slot):
        do_pci_unregister_device(s, slot)
        return Errno.EINVAL
    return Errno.OK


@overrides(pci_device_supports_iommu_address_space)
@mirrors("001 08/37 pci_device_supports_iommu_address_space")
def every_device_is_taken(s: PCIHost, slot: Id[PCISlot]) -> bool:
    """No vIOMMU is asked."""
    return True


@overrides(vfio_attach)
@mirrors("000 02/20 get_viommu_cap", "defects S-41")
def flags_are_asked_of_the_host_device(s: PCIHost, slot: Id[PCISlot], fault: Fault) -> Errno:
    """What is asked of the host IOMMU device is not known yet: VFIO makes an ordinary HWPT."""
    return vfio_device_attach(s, slot, False, fault)


@overrides(has_get_msi_direct_gpa)
@mirrors("001 16/37 get_msi_direct_gpa", "defects S-35")
def no_direct_gpa(s: PCIHost, viommu: Id[VIOMMU]) -> bool:
    """No vIOMMU has the callback; QEMU walks the guest's tables, which the host walks too."""
    return False


variant = partial(variant_of, "pci-hotplug")

VARIANTS = (
    variant(
        "pci-hotplug-doorbell-walked", no_direct_gpa,
        standing=posted("001 up to v5", "001 16/37; defects S-35", "never merged"),
        about="Up to v5 QEMU walks tables of the guest that it does not see change.",
        no_walk_where_the_host_walks=4,
    ),
    variant(
        "pci-hotplug-bus-master-first", bus_master_first,
        standing=posted("001 up to v4", "001 07/37; defects S-29", "never merged"),
        about="Before 001 07/37: the look-up finds no device, and a hot-plugged vfio-pci device "
        "gets the IOMMU's address space.",
        address_space_of_its_place=3,
    ),
    variant(
        "pci-hotplug-nobody-asks", every_device_is_taken,
        standing=posted("001 without 08/37", "001 08/37", "never merged"),
        about="Before 001 08/37 there was nothing to refuse a device with.",
        a_nesting_viommu_finds_its_devices=2, no_emulated_device_behind_an_accelerated_viommu=1,
        no_failed_check=2, teardown_reachable=1,
    ),
    variant(
        "pci-hotplug-nesting-unknown", flags_are_asked_of_the_host_device,
        standing=posted("000 v4", "000 02/20; defects S-41", "never merged"),
        about="The capability was first asked of the host IOMMU device, which is made after the "
        "HWPT.",
        a_nesting_parent_where_wanted=2, no_read_only_memory_below_vtds_tables=2,
    ),
)

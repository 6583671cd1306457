"""Devices on their buses as posted: 001 07/37 to 17/37, and hw/pci as it was before them.

`pci-hotplug-v9` is 001; each of the others is the reference with a single defect, so that one does
not hide another.
"""

from __future__ import annotations

from functools import partial

from spec.iommufd.objects import Errno
from spec.language import NONE, Fault, Id, check, mirrors, overrides, posted, released, variant_of
from spec.pci.bus import (
    VIOMMU,
    AddressSpace,
    DeviceType,
    IOMMUType,
    PCIBus,
    PCIHost,
    PCISlot,
    pci_find_device,
    pci_requester_id,
)
from spec.pci.hotplug import (
    do_pci_register_device,
    do_pci_unregister_device,
    msi_doorbell_known,
    pci_device_iommu_msi_direct_gpa,
    pci_device_supports_iommu_address_space,
    pci_device_wants_nesting_parent,
    pci_init_bus_master,
    pci_setup_iommu,
    pci_setup_iommu_too_late,
)
from spec.pci.iommu_ops import (
    get_msi_direct_gpa,
    has_get_msi_direct_gpa,
    smmuv3_accel_find_add_as,
    smmuv3_accel_pdev_allowed,
    supports_address_space,
)
from spec.pci.passthrough import has_host_iommu_device, vfio_attach, vfio_device_attach


@overrides(supports_address_space)
@mirrors("001 10/37 smmuv3_accel_supports_as")
def device_of_the_requester_id(
    s: PCIHost, viommu: Id[VIOMMU], requester: Id[PCISlot], slot: Id[PCISlot]
) -> bool:
    """The device is looked for in the slot of the requester id; where none is, any will do."""
    dev = pci_find_device(s, requester)
    return dev == DeviceType.NONE or smmuv3_accel_pdev_allowed(dev)


@overrides(smmuv3_accel_find_add_as)
@mirrors("001 10/37 smmuv3_accel_find_add_as")
def space_of_the_requester_id(
    s: PCIHost, viommu: Id[VIOMMU], requester: Id[PCISlot], slot: Id[PCISlot]
) -> Id[AddressSpace]:
    """The address space is that of the device in the slot of the requester id, if one is there."""
    return smmuv3_accel_find_add_as(s, viommu, requester, requester)


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


@overrides(pci_setup_iommu)
@mirrors("001 04/37 pci_setup_iommu_per_bus", "defects S-30")
def the_last_iommu_wins(
    s: PCIHost, bus: Id[PCIBus], viommu: Id[VIOMMU], iommu_per_bus: bool
) -> Errno:
    """A second vIOMMU takes the place of the first."""
    before = s.buses[bus].iommu
    s.buses[bus].iommu = viommu
    if pci_setup_iommu_too_late(s, viommu):
        s.buses[bus].iommu = before
        return Errno.EBUSY
    s.buses[bus].iommu_per_bus = iommu_per_bus
    return Errno.OK


@overrides(pci_setup_iommu_too_late)
@mirrors("001 04/37 pci_setup_iommu", "001 10/37 smmuv3_accel_find_add_as")
def never_too_late(s: PCIHost, viommu: Id[VIOMMU]) -> bool:
    """A vIOMMU is made whatever is on its bus already."""
    return False


@overrides(pci_device_iommu_msi_direct_gpa)
@mirrors("001 16/37 pci_device_iommu_msi_direct_gpa", "defects V-41")
def buses_are_swapped(s: PCIHost, slot: Id[PCISlot]) -> bool:
    """The bus of the requester id is taken for that of the vIOMMU, and has no callbacks."""
    viommu = s.buses[s.slots[pci_requester_id(s, slot)].bus].iommu
    check(viommu != NONE, "iommu_ops is NULL")
    return has_get_msi_direct_gpa(s, viommu) and get_msi_direct_gpa(s, viommu)


@overrides(vfio_attach)
@mirrors("001 12/37 smmuv3_accel_set_iommu_device", "defects S-37")
def mdev_is_attached(s: PCIHost, slot: Id[PCISlot], fault: Fault) -> Errno:
    """A device without a host IOMMU device goes behind a vIOMMU that cannot translate for it."""
    nesting = pci_device_wants_nesting_parent(s, slot)
    return vfio_device_attach(s, slot, nesting, fault)


@overrides(vfio_attach)
@mirrors("000 02/20 get_viommu_cap", "defects S-41")
def flags_are_asked_of_the_host_device(s: PCIHost, slot: Id[PCISlot], fault: Fault) -> Errno:
    """What is asked of the host IOMMU device is not known yet: VFIO makes an ordinary HWPT."""
    if pci_device_wants_nesting_parent(s, slot) and not has_host_iommu_device(s.slots[slot].dev):
        return Errno.EINVAL
    return vfio_device_attach(s, slot, False, fault)


@overrides(has_get_msi_direct_gpa)
@mirrors("001 16/37 get_msi_direct_gpa", "defects S-35")
def no_direct_gpa(s: PCIHost, viommu: Id[VIOMMU]) -> bool:
    """No vIOMMU has the callback; QEMU walks the guest's tables, which the host walks too."""
    return False


@overrides(msi_doorbell_known)
@mirrors("001 17/37 smmuv3_accel_get_msi_gpa", "defects S-36")
def doorbell_is_taken_for_granted(type: IOMMUType, msi_gpa: bool) -> bool:
    """A machine without an MSI controller has an accelerated vIOMMU all the same."""
    return True


variant = partial(variant_of, "pci-hotplug")
MERGED = "reachable: merged as posted"

VARIANTS = (
    variant(
        "pci-hotplug-v9", device_of_the_requester_id, space_of_the_requester_id, mdev_is_attached,
        never_too_late, doorbell_is_taken_for_granted,
        standing=posted("001 v9", "001 04/37, 10/37, 12/37, 17/37", MERGED),
        about="001 as merged: devices behind a bridge are judged by slot 0 of its bus; an mdev is "
        "attached; a vIOMMU may come after its devices, and have no doorbell.",
        address_space_of_its_place=3, a_group_has_one_address_space=4,
        vfio_maps_what_the_device_reaches=2, a_nesting_parent_where_wanted=2,
        no_emulated_device_behind_an_accelerated_viommu=2, every_host_iommu_device_is_set=2,
        accelerated_with_a_doorbell=1, no_failed_check=3, teardown_reachable=2,
    ),
    variant(
        "pci-hotplug-slot-0-is-asked", device_of_the_requester_id, space_of_the_requester_id,
        standing=posted("001 v9", "001 10/37", MERGED),
        about="Behind a PCIe-to-PCI bridge the accelerated SMMU looks at slot 0 of the bus, which "
        "has another device or none: an emulated device is let in, and one of the host gets the "
        "IOMMU's address space.",
        address_space_of_its_place=3, a_group_has_one_address_space=4,
        vfio_maps_what_the_device_reaches=2, no_emulated_device_behind_an_accelerated_viommu=2,
    ),
    variant(
        "pci-hotplug-viommu-after-device", never_too_late,
        standing=posted("001 v9", "001 04/37, 10/37", MERGED),
        about="A device is on the bus before the vIOMMU is made: nobody asks whether it may be, "
        "and QEMU aborts when the machine is ready; VFIO maps memory for what a vIOMMU translates.",
        vfio_maps_what_the_device_reaches=2, a_nesting_parent_where_wanted=2,
        no_emulated_device_behind_an_accelerated_viommu=2, every_host_iommu_device_is_set=2,
        no_failed_check=3, teardown_reachable=2,
    ),
    variant(
        "pci-hotplug-mdev", mdev_is_attached,
        standing=posted("001 v9", "001 12/37; defects S-37", MERGED),
        about="It has the shared alias of memory, and what the guest tells the SMMU has no effect.",
        no_emulated_device_behind_an_accelerated_viommu=2,
    ),
    variant(
        "pci-hotplug-no-doorbell", doorbell_is_taken_for_granted,
        standing=posted("001 v9", "001 17/37; defects S-36", MERGED),
        about="QEMU aborts when a device uses an MSI.",
        accelerated_with_a_doorbell=1, no_failed_check=4,
    ),
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
        address_space_of_its_place=3, a_group_has_one_address_space=4,
    ),
    variant(
        "pci-hotplug-nobody-asks", every_device_is_taken,
        standing=posted("001 without 08/37", "001 08/37", "never merged"),
        about="Before 001 08/37 there was nothing to refuse a device with.",
        no_emulated_device_behind_an_accelerated_viommu=2, no_failed_check=2, teardown_reachable=2,
    ),
    variant(
        "pci-hotplug-nesting-unknown", flags_are_asked_of_the_host_device,
        standing=posted("000 v4", "000 02/20; defects S-41", "never merged"),
        about="The capability was first asked of the host IOMMU device, which is made after the "
        "HWPT.",
        a_nesting_parent_where_wanted=2,
    ),
    variant(
        "pci-hotplug-two-iommus", the_last_iommu_wins, bounds="roots", standing=released(
            "QEMU up to 11.0", "defects S-30", "fixed in QEMU 11.1: commit 17b9f38982"
        ),
        about="The last wins; devices of the first are translated by the second.",
        vfio_maps_what_the_device_reaches=3, a_nesting_parent_where_wanted=3,
        no_emulated_device_behind_an_accelerated_viommu=3, one_iommu_on_a_bus=2,
        every_host_iommu_device_is_set=3, no_failed_check=4, teardown_reachable=3,
    ),
    variant(
        "pci-hotplug-buses-swapped", buses_are_swapped, standing=released(
            "QEMU up to 10.1", "defects V-41", "fixed in QEMU 10.2: commit 5c1ded52ac"
        ),
        about="Of devices behind a bridge the wrong bus is asked for its vIOMMU. The posted "
        "helpers are those of ATS and PRI; here it is that of MSIs, which asks in the same way.",
        no_failed_check=4,
    ),
)

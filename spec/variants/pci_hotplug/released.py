"""Devices on their buses as QEMU releases them: 11.1, which has 001, and earlier ones.

`pci-hotplug-11.1` is all that QEMU 11.1 does otherwise; each of the others is the reference with a
single defect, so that one does not hide another.
"""

from __future__ import annotations

from functools import partial

from spec.iommufd.objects import Errno
from spec.language import NONE, Id, check, mirrors, overrides, released, variant_of
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
    msi_doorbell_known,
    pci_device_iommu_msi_direct_gpa,
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
from spec.variants.seen import seen


@overrides(supports_address_space)
@mirrors("001 10/37 smmuv3_accel_supports_as")
def device_of_the_requester_id(
    s: PCIHost, viommu: Id[VIOMMU], requester: Id[PCISlot], slot: Id[PCISlot]
) -> bool:
    """The device is looked for in the slot of the requester id, and where none is any will do."""
    dev = pci_find_device(s, requester)
    return dev == DeviceType.NONE or smmuv3_accel_pdev_allowed(dev)


@overrides(smmuv3_accel_find_add_as)
@mirrors("001 10/37 smmuv3_accel_find_add_as")
def space_of_the_requester_id(
    s: PCIHost, viommu: Id[VIOMMU], requester: Id[PCISlot], slot: Id[PCISlot]
) -> Id[AddressSpace]:
    """The address space is that of the device in the slot of the requester id, if one is there."""
    return smmuv3_accel_find_add_as(s, viommu, requester, requester)


@overrides(smmuv3_accel_pdev_allowed)
@mirrors("001 10/37 smmuv3_accel_pdev_allowed", "defects S-37")
def mdev_is_allowed(dev: DeviceType) -> bool:
    """Any vfio-pci device with an iommufd is let in, an mdev too, which no host IOMMU is before."""
    return dev in (DeviceType.BRIDGE, DeviceType.VFIO_IOMMUFD, DeviceType.VFIO_MDEV)


@overrides(pci_setup_iommu_too_late)
@mirrors("001 04/37 pci_setup_iommu", "001 10/37 smmuv3_accel_find_add_as")
def never_too_late(s: PCIHost, viommu: Id[VIOMMU]) -> bool:
    """A vIOMMU is made whatever is on its bus already."""
    return False


@overrides(msi_doorbell_known)
@mirrors("001 17/37 smmuv3_accel_get_msi_gpa", "defects S-36")
def doorbell_is_taken_for_granted(type: IOMMUType, msi_gpa: bool) -> bool:
    """A machine without an MSI controller has an accelerated vIOMMU all the same."""
    return True


@overrides(pci_setup_iommu)
@mirrors("001 04/37 pci_setup_iommu_per_bus", "defects S-30")
def the_last_iommu_wins(
    s: PCIHost, bus: Id[PCIBus], viommu: Id[VIOMMU], iommu_per_bus: bool
) -> Errno:
    """A second vIOMMU takes the place of the first."""
    s.buses[bus].iommu = viommu
    s.buses[bus].iommu_per_bus = iommu_per_bus
    return Errno.EBUSY if pci_setup_iommu_too_late(s, viommu) else Errno.OK


@overrides(pci_device_iommu_msi_direct_gpa)
@mirrors("001 16/37 pci_device_iommu_msi_direct_gpa", "defects V-41")
def buses_are_swapped(s: PCIHost, slot: Id[PCISlot]) -> bool:
    """The bus of the requester id is taken for that of the vIOMMU, and has no callbacks."""
    viommu = s.buses[s.slots[pci_requester_id(s, slot)].bus].iommu
    check(viommu != NONE, "iommu_ops is NULL")
    return has_get_msi_direct_gpa(s, viommu) and get_msi_direct_gpa(s, viommu)


variant = partial(variant_of, "pci-hotplug")
ON_ARM = seen("--without-kvm-check", "pci-arm")
ON_BOTH = seen("--without-kvm-check", "pci-arm", "pci-x86")

VARIANTS = (
    variant(
        "pci-hotplug-11.1", device_of_the_requester_id, space_of_the_requester_id, mdev_is_allowed,
        never_too_late, doorbell_is_taken_for_granted,
        standing=released(
            "QEMU 11.1", "001 04/37, 10/37, 12/37, 17/37; hw/arm/smmuv3-accel.c", "reachable",
            ON_BOTH,
        ),
        about="Devices behind a bridge are judged by slot 0 of its bus, where none ever is; an "
        "mdev is let in; a vIOMMU may come after its devices, and have no doorbell.",
        address_space_of_its_place=3, vfio_maps_what_the_device_reaches=2,
        a_nesting_parent_where_wanted=2, no_read_only_memory_below_vtds_tables=2,
        no_emulated_device_behind_an_accelerated_viommu=1, every_host_iommu_device_is_set=2,
        accelerated_with_a_doorbell=1, no_failed_check=2, teardown_reachable=1,
    ),
    variant(
        "pci-hotplug-slot-0-is-asked", device_of_the_requester_id, space_of_the_requester_id,
        standing=released(
            "QEMU 11.1", "hw/arm/smmuv3-accel.c smmuv3_accel_supports_as",
            "reachable: an emulated device on a pcie-pci-bridge", ON_ARM,
        ),
        about="Behind a PCIe-to-PCI bridge the accelerated SMMU looks at slot 0 of the bus, which "
        "is always vacant: any device is let in. A passed-through one then gets the address space "
        "of the IOMMU, and VFIO refuses it.",
        no_emulated_device_behind_an_accelerated_viommu=2,
    ),
    variant(
        "pci-hotplug-viommu-after-device", never_too_late,
        standing=released(
            "QEMU 11.1", "hw/arm/smmuv3-accel.c smmuv3_accel_find_add_as; hw/arm/virt.c",
            "reachable: the default NIC is there before any -device", ON_BOTH,
        ),
        about="A device is on the bus before the vIOMMU is made, as the default NIC is: nobody "
        "asks whether it may be, and QEMU aborts when the machine is ready; VFIO maps memory for "
        "what a vIOMMU translates.",
        vfio_maps_what_the_device_reaches=2, a_nesting_parent_where_wanted=2,
        no_read_only_memory_below_vtds_tables=2, no_emulated_device_behind_an_accelerated_viommu=1,
        every_host_iommu_device_is_set=2, no_failed_check=2, teardown_reachable=1,
    ),
    variant(
        "pci-hotplug-mdev", mdev_is_allowed,
        standing=released(
            "QEMU 11.1", "hw/arm/smmuv3-accel.c smmuv3_accel_pdev_allowed; defects S-37",
            "reachable",
        ),
        about="It has the shared alias of memory, and what the guest tells the SMMU has no effect.",
        no_emulated_device_behind_an_accelerated_viommu=2,
    ),
    variant(
        "pci-hotplug-no-doorbell", doorbell_is_taken_for_granted,
        standing=released(
            "QEMU 11.1", "hw/arm/smmuv3-accel.c smmuv3_accel_get_msi_gpa; defects S-36",
            "reachable: its=off",
        ),
        about="QEMU aborts when a device uses an MSI.",
        accelerated_with_a_doorbell=1, no_failed_check=4,
    ),
    variant(
        "pci-hotplug-two-iommus", the_last_iommu_wins, bounds="roots",
        standing=released(
            "QEMU up to 11.0", "defects S-30", "fixed in QEMU 11.1: commit 17b9f38982"
        ),
        about="The last wins; devices of the first are translated by the second.",
        vfio_maps_what_the_device_reaches=3, a_nesting_parent_where_wanted=3, one_iommu_on_a_bus=2,
        set_for_host_iommu_devices_only=5, every_host_iommu_device_is_set=3, teardown_reachable=3,
    ),
    variant(
        "pci-hotplug-buses-swapped", buses_are_swapped,
        standing=released(
            "QEMU up to 10.1", "defects V-41", "fixed in QEMU 10.2: commit 5c1ded52ac"
        ),
        about="Of devices behind a bridge the wrong bus is asked for its vIOMMU. The released "
        "helpers are those of ATS and PRI; here it is that of MSIs, which asks in the same way.",
        no_failed_check=4,
    ),
)

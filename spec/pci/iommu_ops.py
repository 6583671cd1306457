"""What vIOMMUs answer: PCIIOMMUOps as the emulated and the accelerated SMMU and VT-d have them.

The requester id is that of the alias group. Whatever depends on the device is decided by the device
itself, which is not the one in the slot of the requester id.
"""

from __future__ import annotations

from spec.iommufd.objects import Errno
from spec.language import NONE, Fault, Id, check, host_call, mirrors
from spec.pci.bus import (
    VIOMMU,
    AddressSpace,
    DeviceType,
    IOMMUType,
    PCIHost,
    PCISlot,
    iommu_space,
    pci_find_device,
    shared_as_sysmem,
    vfio_pci,
)


@mirrors("001 10/37 smmuv3_accel_ops")
def has_supports_address_space(s: PCIHost, viommu: Id[VIOMMU]) -> bool:
    """Whether a vIOMMU chooses its devices."""
    return s.viommus[viommu].type == IOMMUType.SMMUV3_ACCEL


@mirrors("001 11/37 smmuv3_accel_ops")
def has_get_viommu_flags(s: PCIHost, viommu: Id[VIOMMU]) -> bool:
    """Whether a vIOMMU has anything to say to VFIO."""
    return s.viommus[viommu].type == IOMMUType.SMMUV3_ACCEL


@mirrors("001 12/37 smmuv3_accel_ops", "003 v1 unset_iommu_device")
def has_set_iommu_device(s: PCIHost, viommu: Id[VIOMMU]) -> bool:
    """Whether a vIOMMU wants host IOMMU devices; one callback is never without the other."""
    return s.viommus[viommu].type in (IOMMUType.INTEL_IOMMU, IOMMUType.SMMUV3_ACCEL)


@mirrors("001 17/37 smmuv3_accel_ops")
def has_get_msi_direct_gpa(s: PCIHost, viommu: Id[VIOMMU]) -> bool:
    """Whether a vIOMMU knows the MSI doorbell without a walk."""
    return s.viommus[viommu].type == IOMMUType.SMMUV3_ACCEL


@mirrors("001 10/37 smmuv3_accel_pdev_allowed")
def smmuv3_accel_pdev_allowed(dev: DeviceType) -> bool:
    """Bridges and vfio-pci devices with an iommufd may be behind an accelerated SMMU."""
    return dev in (DeviceType.BRIDGE, DeviceType.VFIO_IOMMUFD, DeviceType.VFIO_MDEV)


@mirrors("001 10/37 smmuv3_accel_supports_as")
def supports_address_space(
    s: PCIHost, viommu: Id[VIOMMU], requester: Id[PCISlot], slot: Id[PCISlot]
) -> bool:
    """Whether the vIOMMU takes a device that has come to its bus."""
    check(has_supports_address_space(s, viommu), "supports_address_space is NULL")
    return smmuv3_accel_pdev_allowed(pci_find_device(s, slot))


@mirrors("001 10/37 smmuv3_accel_find_add_as")
def get_address_space(
    s: PCIHost, viommu: Id[VIOMMU], requester: Id[PCISlot], slot: Id[PCISlot]
) -> Id[AddressSpace]:
    """The address space of a device: that of its requester id.

    The host translates for vfio-pci devices of an accelerated SMMU; VFIO is to map memory for them.
    """
    if s.viommus[viommu].type == IOMMUType.SMMUV3_ACCEL:
        return smmuv3_accel_find_add_as(s, viommu, requester, slot)
    return iommu_space(s, viommu, requester)


@mirrors("001 10/37 smmuv3_accel_find_add_as")
def smmuv3_accel_find_add_as(
    s: PCIHost, viommu: Id[VIOMMU], requester: Id[PCISlot], slot: Id[PCISlot]
) -> Id[AddressSpace]:
    """The shared alias of memory for vfio-pci devices, the IOMMU's own space for bridges."""
    dev = pci_find_device(s, slot)
    check(dev == DeviceType.NONE or smmuv3_accel_pdev_allowed(dev), "g_assert_not_reached")
    if vfio_pci(dev):
        return shared_as_sysmem(s)
    return iommu_space(s, viommu, requester)


@mirrors("001 11/37 smmuv3_accel_get_viommu_flags")
def get_viommu_flags(s: PCIHost, viommu: Id[VIOMMU]) -> bool:
    """VIOMMU_FLAG_WANT_NESTING_PARENT: the user's configuration alone decides it."""
    check(has_get_viommu_flags(s, viommu), "get_viommu_flags is NULL")
    return True


@mirrors("001 12/37 smmuv3_accel_set_iommu_device")
@host_call("smmuv3_accel_set_iommu_device {slot} ({ret})", fails=Errno.ENOMEM)
def set_iommu_device(s: PCIHost, viommu: Id[VIOMMU], slot: Id[PCISlot], fault: Fault) -> Errno:
    """A vIOMMU is given a host IOMMU device, by the device's own slot; it may refuse it."""
    check(has_set_iommu_device(s, viommu), "set_iommu_device is NULL")
    if s.slots[slot].idev != NONE:
        return Errno.EEXIST
    s.slots[slot].idev = viommu
    return Errno.OK


@mirrors("001 12/37 smmuv3_accel_unset_iommu_device")
def unset_iommu_device(s: PCIHost, viommu: Id[VIOMMU], slot: Id[PCISlot]) -> None:
    """A vIOMMU lets go of a host IOMMU device, which it must have been given."""
    check(has_set_iommu_device(s, viommu), "unset_iommu_device is NULL")
    check(s.slots[slot].idev != NONE, "idev is NULL")
    s.slots[slot].idev = NONE


@mirrors("001 17/37 smmuv3_accel_get_msi_gpa")
def get_msi_direct_gpa(s: PCIHost, viommu: Id[VIOMMU]) -> bool:
    """The MSI doorbell, which the machine has told the vIOMMU."""
    check(has_get_msi_direct_gpa(s, viommu), "get_msi_direct_gpa is NULL")
    check(s.viommus[viommu].msi_gpa, "g_assert(s->msi_gpa)")
    return True

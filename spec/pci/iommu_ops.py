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
    is_aliased,
    is_smmu,
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
    return s.viommus[viommu].type not in (IOMMUType.NONE, IOMMUType.SMMUV3)


@mirrors("qemu hw/i386/intel_iommu_accel.c vtd_get_host_iommu_quirks", "002 16/21")
def has_get_host_iommu_quirks(s: PCIHost, viommu: Id[VIOMMU]) -> bool:
    """Whether a vIOMMU knows of quirks of the host's IOMMUs."""
    return s.viommus[viommu].type in (IOMMUType.INTEL_IOMMU, IOMMUType.INTEL_IOMMU_FSTS)


@mirrors("001 12/37 smmuv3_accel_ops", "003 v1 unset_iommu_device")
def has_set_iommu_device(s: PCIHost, viommu: Id[VIOMMU]) -> bool:
    """Whether a vIOMMU wants host IOMMU devices; one callback is never without the other."""
    return s.viommus[viommu].type not in (IOMMUType.NONE, IOMMUType.SMMUV3)


@mirrors("001 17/37 smmuv3_accel_ops")
def has_get_msi_direct_gpa(s: PCIHost, viommu: Id[VIOMMU]) -> bool:
    """Whether a vIOMMU knows the MSI doorbell without a walk."""
    return s.viommus[viommu].type == IOMMUType.SMMUV3_ACCEL


@mirrors("001 10/37 smmuv3_accel_pdev_allowed", "defects S-37")
def smmuv3_accel_pdev_allowed(dev: DeviceType) -> bool:
    """Bridges, and vfio-pci devices with iommufd and host IOMMU, may be behind such an SMMU."""
    return dev in (DeviceType.BRIDGE, DeviceType.VFIO_IOMMUFD)


@mirrors("001 10/37 smmuv3_accel_supports_as")
def supports_address_space(
    s: PCIHost, viommu: Id[VIOMMU], requester: Id[PCISlot], slot: Id[PCISlot]
) -> bool:
    """Whether the vIOMMU takes a device that has come to its bus.

    Not one whose requester id is another's: the guest's stream table entry for that would have no
    effect on the device.
    """
    check(has_supports_address_space(s, viommu), "supports_address_space is NULL")
    return requester == slot and smmuv3_accel_pdev_allowed(pci_find_device(s, slot))


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


@mirrors(
    "001 11/37 smmuv3_accel_get_viommu_flags", "qemu hw/i386/intel_iommu.c vtd_get_viommu_flags"
)
def get_viommu_flags(s: PCIHost, viommu: Id[VIOMMU]) -> bool:
    """VIOMMU_FLAG_WANT_NESTING_PARENT: the user's configuration alone decides it."""
    check(has_get_viommu_flags(s, viommu), "get_viommu_flags is NULL")
    return s.viommus[viommu].type in (IOMMUType.SMMUV3_ACCEL, IOMMUType.INTEL_IOMMU_FSTS)


@mirrors("qemu hw/i386/intel_iommu_accel.c vtd_get_host_iommu_quirks", "kernel R5.3")
def get_host_iommu_quirks(s: PCIHost, viommu: Id[VIOMMU]) -> bool:
    """HOST_IOMMU_QUIRK_NESTING_PARENT_BYPASS_RO: the kernel reports the erratum of every device."""
    check(has_get_host_iommu_quirks(s, viommu), "get_host_iommu_quirks is NULL")
    return True


@mirrors("001 12/37 smmuv3_accel_set_iommu_device", "002 10/21 vtd_dev_set_iommu_device")
@host_call("set_iommu_device {slot} ({ret})", fails=Errno.ENOMEM)
def set_iommu_device(s: PCIHost, viommu: Id[VIOMMU], slot: Id[PCISlot], fault: Fault) -> Errno:
    """A vIOMMU is given a host IOMMU device, by the device's own slot; it may refuse it."""
    check(has_set_iommu_device(s, viommu), "set_iommu_device is NULL")
    if s.slots[slot].idev != NONE:
        return Errno.EEXIST
    if s.viommus[viommu].type == IOMMUType.INTEL_IOMMU_FSTS and not vtd_check_hiod_accel(s, slot):
        return Errno.EINVAL
    s.slots[slot].idev = viommu
    return Errno.OK


@mirrors("qemu hw/i386/intel_iommu_accel.c vtd_check_hiod_accel")
def vtd_check_hiod_accel(s: PCIHost, slot: Id[PCISlot]) -> bool:
    """First-stage translation is for devices with an iommufd that have a requester id alone."""
    return s.slots[slot].dev == DeviceType.VFIO_IOMMUFD and not is_aliased(s, slot)


@mirrors(
    "001 12/37 smmuv3_accel_unset_iommu_device",
    "qemu hw/i386/intel_iommu.c vtd_dev_unset_iommu_device",
)
def unset_iommu_device(s: PCIHost, viommu: Id[VIOMMU], slot: Id[PCISlot]) -> None:
    """A vIOMMU lets go of a host IOMMU device; an SMMU must have been given it."""
    check(has_set_iommu_device(s, viommu), "unset_iommu_device is NULL")
    if is_smmu(s.viommus[viommu].type):
        check(s.slots[slot].idev != NONE, "hiodi is NULL")
    s.slots[slot].idev = NONE


@mirrors("qemu hw/arm/smmuv3.c smmuv3_notify_flag_changed")
def notifies_of_maps(s: PCIHost, space: Id[AddressSpace]) -> bool:
    """Whether VFIO is told of what the guest maps in an address space: no SMMU does."""
    viommu = s.spaces[space].iommu
    return viommu == NONE or not is_smmu(s.viommus[viommu].type)


@mirrors("001 17/37 smmuv3_accel_get_msi_gpa")
def get_msi_direct_gpa(s: PCIHost, viommu: Id[VIOMMU]) -> bool:
    """The MSI doorbell, which the machine has told the vIOMMU."""
    check(has_get_msi_direct_gpa(s, viommu), "get_msi_direct_gpa is NULL")
    check(s.viommus[viommu].msi_gpa, "g_assert(s->msi_gpa)")
    return True

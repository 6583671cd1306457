"""Which extended capabilities QEMU shows of a passthrough device, and the PASID one that it makes.

The device's own list is not state: what QEMU reads there is a parameter of the action that reads.
"""

from __future__ import annotations

from typing import Annotated

from spec.iommufd.objects import Errno
from spec.language import NONE, Range, count, mirrors, require
from spec.pci.config_space import (
    PCI_CONFIG_SPACE_SIZE,
    PCI_EXT_CAP_PASID_SIZEOF,
    CapId,
    PCIDevice,
    Phase,
    pci_forget_capability,
    pci_header_at,
    pci_write_capability,
)
from spec.pci.pcie import (
    pcie_add_capability,
    pcie_insert_capability,
    pcie_inside,
    pcie_overlaps,
    pcie_pasid_common_init,
)


@mirrors("001 36/37 vfio_add_ext_cap")
def vfio_realize(s: PCIDevice, listed: bool) -> None:
    """A device comes; if it has extended capabilities, the list starts with a stub."""
    require(s.phase == Phase.ABSENT)
    s.phase = Phase.ADDING
    if listed:
        pci_write_capability(s, CapId.STUB, PCI_CONFIG_SPACE_SIZE, 1, 0)


@mirrors("001 36/37 vfio_add_ext_cap")
def vfio_add_ext_cap(
    s: PCIDevice,
    pasid: bool,
    offset: Annotated[int, Range(2, "dwords")],
    size: Annotated[int, Range(2, "dwords")],
) -> None:
    """QEMU comes to the next capability of the device's list, and appends it to the guest's.

    Devices keep to the rules: the first is at the head, none is on another, one is for PASIDs. What
    is hidden from every guest, as SR-IOV is, makes no step.
    """
    require(s.phase == Phase.ADDING and device_may_have(s, offset, size))
    require(not pasid or (size == PCI_EXT_CAP_PASID_SIZEOF and not s.pasid_cap_added))
    if pasid:
        vfio_add_pasid_cap(s, offset)
    else:
        pcie_add_capability(s, CapId.OTHER, offset, size)


def device_may_have(s: PCIDevice, offset: int, size: int) -> bool:
    """Whether a device may have its next capability here, and the bounds leave rows for it.

    The head is the first, which a stub stands for until then.
    """
    head = pci_header_at(s, PCI_CONFIG_SPACE_SIZE)
    if head == NONE or count(x.cap != CapId.FREE for x in s.caps) + 1 >= len(s.caps):
        return False
    if offset == PCI_CONFIG_SPACE_SIZE:
        return s.caps[head].cap == CapId.STUB and s.caps[head].next == 0 and (
            pcie_inside(s, offset, size)
        )
    return pcie_inside(s, offset, size) and not pcie_overlaps(s, offset, size)


@mirrors("001 36/37 vfio_add_ext_cap")
def vfio_add_pasid_cap(s: PCIDevice, offset: int) -> None:
    """The device's own PASID capability: shown and emulated if all support PASIDs, else hidden."""
    s.pasid_cap_added = True
    if vfio_pasid_supported(s):
        pcie_add_capability(s, CapId.PASID, offset, PCI_EXT_CAP_PASID_SIZEOF)
        pcie_pasid_common_init(s, offset)


@mirrors("001 36/37 vfio_pci_synthesize_pasid_cap", "001 33/37 hiod_iommufd_get_pasid_info",
         "001 37/37 smmuv3_accel_get_viommu_flags")
def vfio_pasid_supported(s: PCIDevice) -> bool:
    """Whether there is a host IOMMU device, and it and the vIOMMU support PASIDs."""
    return s.hiod != NONE and s.hiods[s.hiod].pasid and s.viommu_pasid


@mirrors("001 36/37 vfio_pci_synthesize_pasid_cap")
def vfio_pasid_offset(s: PCIDevice, asked: int) -> int:
    """Where the capability goes: as asked; if that is 0 at the end, or where a list begins."""
    if asked != 0:
        return asked
    if pci_header_at(s, PCI_CONFIG_SPACE_SIZE) == NONE:
        return PCI_CONFIG_SPACE_SIZE
    return s.config_size - PCI_EXT_CAP_PASID_SIZEOF


@mirrors("001 36/37 vfio_pci_synthesize_pasid_cap")
def vfio_pci_synthesize_pasid_cap(s: PCIDevice, asked: int, aligned: bool) -> Errno:
    """Make a PASID capability if all support PASIDs; with nothing to make, that is no error."""
    if not vfio_pasid_supported(s):
        return Errno.OK
    offset = vfio_pasid_offset(s, asked)
    err = pcie_insert_capability(s, CapId.PASID, offset, aligned, PCI_EXT_CAP_PASID_SIZEOF)
    if err == Errno.OK:
        pcie_pasid_common_init(s, offset)
    return err


@mirrors("001 36/37 vfio_add_ext_cap")
def vfio_add_ext_cap_done(
    s: PCIDevice, x_vpasid_cap_offset: Annotated[int, Range(0, "dwords")], aligned: bool
) -> Errno:
    """The device's list has ended: QEMU adds what it makes itself, and the device is there.

    A capability that cannot be placed is an error of the device, as the vIOMMU promises PASIDs.
    """
    require(s.phase == Phase.ADDING and (aligned or x_vpasid_cap_offset != 0))
    err = Errno.OK
    if not s.pasid_cap_added:
        err = vfio_pci_synthesize_pasid_cap(s, x_vpasid_cap_offset, aligned)
    if err != Errno.OK:
        return vfio_refused(s, err)
    vfio_clean_head(s)
    s.phase = Phase.READY
    return Errno.OK


@mirrors("001 36/37 error_report_err")
def vfio_refused(s: PCIDevice, err: Errno) -> Errno:
    """The realize of the device fails; it is taken away next."""
    s.phase = Phase.REFUSED
    return err


@mirrors("001 36/37 vfio_add_ext_cap")
def vfio_clean_head(s: PCIDevice) -> None:
    """A stub that nothing follows goes: a header of zeros is no list."""
    head = pci_header_at(s, PCI_CONFIG_SPACE_SIZE)
    if head != NONE and s.caps[head].cap == CapId.STUB and s.caps[head].next == 0:
        pci_forget_capability(s, head)


@mirrors("001 36/37 vfio_add_ext_cap")
def vfio_exit(s: PCIDevice) -> None:
    """A device goes, with its configuration space."""
    require(s.phase != Phase.ABSENT)
    s.phase = Phase.ABSENT
    s.pasid_cap_added = False
    s.pasid_cap = 0
    for x in s.caps:
        pci_forget_capability(s, x.id)

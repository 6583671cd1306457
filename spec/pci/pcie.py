"""The helpers of hw/pci/pcie.c: a capability at the end of the list, or in its place in between."""

from __future__ import annotations

from spec.iommufd.objects import Errno
from spec.language import NONE, Id, check, mirrors
from spec.pci.config_space import (
    PCI_CONFIG_SPACE_SIZE,
    PCI_EXT_CAP_MIN_SIZE,
    CapId,
    ExtCap,
    PCIDevice,
    pci_header_at,
    pci_write_capability,
)


@mirrors("001 34/37 pcie_insert_capability")
def pcie_inside(s: PCIDevice, offset: int, size: int) -> bool:
    """Whether registers are all in the extended space, and more than a header."""
    return (
        size >= PCI_EXT_CAP_MIN_SIZE
        and offset >= PCI_CONFIG_SPACE_SIZE
        and offset + size <= s.config_size
    )


@mirrors("001 34/37 pcie_insert_capability")
def pcie_overlaps(s: PCIDevice, offset: int, size: int) -> bool:
    """Whether registers would lie on those of a capability, its header or others, listed or not."""
    return any(
        x.cap != CapId.FREE and offset < x.offset + x.size and x.offset < offset + size
        for x in s.caps
    )


@mirrors("001 34/37 pcie_add_capability")
def pcie_last_capability(s: PCIDevice) -> Id[ExtCap]:
    """The capability at the end of the list."""
    pos = PCI_CONFIG_SPACE_SIZE
    last: Id[ExtCap] = NONE
    for _ in s.caps:
        found = pci_header_at(s, pos)
        if found == NONE:
            break
        last = found
        pos = s.caps[found].next
    return last


@mirrors("001 34/37 pcie_add_capability", "001 35/37 pcie_add_capability")
def pcie_add_capability(s: PCIDevice, cap: CapId, offset: int, size: int) -> None:
    """Append a capability to the list. The caller vouches for its place."""
    check(pcie_inside(s, offset, size), "pcie_add_capability: a place outside the extended space")
    if offset != PCI_CONFIG_SPACE_SIZE:
        last = pcie_last_capability(s)
        check(last != NONE, "pcie_add_capability: no list to append to")
        s.caps[last].next = offset
    pci_write_capability(s, cap, offset, size, 0)


@mirrors("001 34/37 pcie_insert_capability")
def pcie_place_in_list(s: PCIDevice, offset: int) -> tuple[Id[ExtCap], int]:
    """Between which two capabilities an offset comes: the first that has a higher one, or the end.

    Lists need not be in the order of their offsets; what follows a higher one is not looked at.
    """
    pos = PCI_CONFIG_SPACE_SIZE
    prev: Id[ExtCap] = NONE
    for _ in s.caps:
        found = pci_header_at(s, pos)
        if found == NONE or offset < pos:
            break
        prev = found
        pos = s.caps[found].next
    return prev, pos


@mirrors("001 34/37 pcie_insert_capability")
def pcie_insert_capability(
    s: PCIDevice, cap: CapId, offset: int, aligned: bool, size: int
) -> Errno:
    """Put a capability where its offset belongs in the list, if nothing is there yet.

    Where there is no list it can only be the head.
    """
    if not aligned or not pcie_inside(s, offset, size) or pcie_overlaps(s, offset, size):
        return Errno.EINVAL
    if pci_header_at(s, PCI_CONFIG_SPACE_SIZE) == NONE:
        if offset != PCI_CONFIG_SPACE_SIZE:
            return Errno.EINVAL
        pci_write_capability(s, cap, offset, size, 0)
        return Errno.OK
    prev, following = pcie_place_in_list(s, offset)
    pci_write_capability(s, cap, offset, size, following)
    s.caps[prev].next = offset
    return Errno.OK


@mirrors("001 35/37 pcie_pasid_common_init")
def pcie_pasid_common_init(s: PCIDevice, offset: int) -> None:
    """QEMU emulates the PASID registers that are there from now on."""
    s.pasid_cap = offset

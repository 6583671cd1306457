"""The PASID capability as posted: 001 34/37 to 36/37, and the series before it, of 004.

`pasid-cap-v9` is 001, `pasid-cap-v6` the first design, which 004 quotes; each of the others is the
reference with a single defect, so that one does not hide another.
"""

from __future__ import annotations

from functools import partial

from spec.iommufd.objects import Errno
from spec.language import MUTANT, NONE, mirrors, overrides, posted, variant_of
from spec.pci.config_space import (
    PCI_CONFIG_SPACE_SIZE,
    PCI_EXT_CAP_PASID_SIZEOF,
    CapId,
    PCIDevice,
    Phase,
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
from spec.vfio.ext_cap import (
    vfio_add_pasid_cap,
    vfio_clean_head,
    vfio_exit,
    vfio_pasid_supported,
    vfio_pci_synthesize_pasid_cap,
    vfio_refused,
)


@overrides(pcie_overlaps)
@mirrors("001 34/37 pcie_insert_capability", "defects S-39")
def headers_on_the_way(s: PCIDevice, offset: int, size: int) -> bool:
    """Only a header at the very offset counts, and only one met before a higher offset."""
    pos = PCI_CONFIG_SPACE_SIZE
    for _ in s.caps:
        found = pci_header_at(s, pos)
        if found == NONE or offset < pos:
            break
        if offset == pos:
            return True
        pos = s.caps[found].next
    return False


@overrides(pcie_overlaps)
@mirrors("001 34/37 pcie_insert_capability", "defects S-39")
def headers_alone(s: PCIDevice, offset: int, size: int) -> bool:
    """Every header is kept clear of, but not the registers that follow it."""
    return any(
        x.cap != CapId.FREE and offset <= x.offset and x.offset < offset + size for x in s.caps
    )


@overrides(pcie_overlaps)
@mirrors("001 34/37 pcie_insert_capability")
def headers_at_the_offset(s: PCIDevice, offset: int, size: int) -> bool:
    """A header is kept clear of by the new header only; the registers behind it may lie on one."""
    return any(
        x.cap != CapId.FREE and offset < x.offset + x.size and x.offset <= offset for x in s.caps
    )


@overrides(pcie_overlaps)
@mirrors("001 34/37 pcie_insert_capability")
def what_is_on_the_way(s: PCIDevice, offset: int, size: int) -> bool:
    """Registers are kept clear of, but only of capabilities met before it has been passed."""
    pos = PCI_CONFIG_SPACE_SIZE
    for _ in s.caps:
        found = pci_header_at(s, pos)
        if found == NONE:
            break
        if offset < pos + s.caps[found].size and pos < offset + size:
            return True
        if offset < pos:
            break
        pos = s.caps[found].next
    return False


@overrides(vfio_pci_synthesize_pasid_cap)
@mirrors("001 36/37 vfio_add_ext_cap")
def no_list_no_pasid(s: PCIDevice, asked: int, aligned: bool) -> Errno:
    """vfio_add_ext_cap returns early for a device without a list."""
    if pci_header_at(s, PCI_CONFIG_SPACE_SIZE) == NONE:
        return Errno.OK
    return vfio_pci_synthesize_pasid_cap(s, asked, aligned)


@overrides(vfio_refused)
@mirrors("001 36/37 error_report_err", "defects S-39")
def refusal_is_a_message(s: PCIDevice, err: Errno) -> Errno:
    """The error is printed, and the device goes on without the capability."""
    vfio_clean_head(s)
    s.phase = Phase.READY
    return Errno.OK


@overrides(vfio_add_pasid_cap)
@mirrors("001 36/37 vfio_add_ext_cap")
def own_pasid_is_shown(s: PCIDevice, offset: int) -> None:
    """The device's own capability is shown like any other, whatever the vIOMMU can do."""
    s.pasid_cap_added = True
    pcie_add_capability(s, CapId.PASID, offset, PCI_EXT_CAP_PASID_SIZEOF)


@overrides(vfio_pasid_supported)
@mirrors("defects S-38")
def hiod_is_taken_for_granted(s: PCIDevice) -> bool:
    """The host IOMMU device is asked without a look whether there is one."""
    return s.hiods[s.hiod].pasid and s.viommu_pasid


@overrides(vfio_pci_synthesize_pasid_cap)
@mirrors("004 32/33 vfio_pci_synthesize_pasid_cap", "defects S-39")
def pasid_at_the_end(s: PCIDevice, asked: int, aligned: bool) -> Errno:
    """The capability is appended to the list, in the last dwords of the space, used or not."""
    if pci_header_at(s, PCI_CONFIG_SPACE_SIZE) == NONE or not vfio_pasid_supported(s):
        return Errno.OK
    offset = s.config_size - PCI_EXT_CAP_PASID_SIZEOF
    pcie_add_capability(s, CapId.PASID, offset, PCI_EXT_CAP_PASID_SIZEOF)
    pcie_pasid_common_init(s, offset)
    return Errno.OK


@overrides(pcie_insert_capability)
@mirrors("001 34/37 pcie_insert_capability")
def linked_before_checked(s: PCIDevice, cap: CapId, offset: int, aligned: bool, size: int) -> Errno:
    """The head is made to point to the new capability before its place is looked at."""
    head = pci_header_at(s, PCI_CONFIG_SPACE_SIZE)
    if head != NONE and pcie_inside(s, offset, size) and s.caps[head].next == 0:
        s.caps[head].next = offset
    return pcie_insert_capability(s, cap, offset, aligned, size)


@overrides(pcie_insert_capability)
@mirrors("001 34/37 pcie_insert_capability")
def below_is_taken(s: PCIDevice, cap: CapId, offset: int, aligned: bool, size: int) -> Errno:
    """An offset below the extended space is taken: the capability is written there, unlinked."""
    if offset < PCI_CONFIG_SPACE_SIZE:
        pci_write_capability(s, cap, offset, size, 0)
        return Errno.OK
    return pcie_insert_capability(s, cap, offset, aligned, size)


@overrides(vfio_add_pasid_cap)
@mirrors("001 36/37 vfio_add_ext_cap")
def own_pasid_is_forgotten(s: PCIDevice, offset: int) -> None:
    """Nobody remembers that the device has a PASID capability of its own."""
    vfio_add_pasid_cap(s, offset)
    s.pasid_cap_added = False


@overrides(vfio_exit)
@mirrors("001 35/37 pcie_pasid_common_init")
def pasid_offset_stays(s: PCIDevice) -> None:
    """A device goes, and QEMU still knows where its PASID capability was."""
    offset = s.pasid_cap
    vfio_exit(s)
    s.pasid_cap = offset


variant = partial(variant_of, "pasid-capability", standing=MUTANT)
MERGED = "reachable: merged as posted"
REPLACED = "never merged: 001 36/37 looks for a place, and whether there is a host IOMMU device"

VARIANTS = (
    variant(
        "pasid-cap-v9", headers_on_the_way, no_list_no_pasid, refusal_is_a_message,
        own_pasid_is_shown, standing=posted("001 v9", "001 34/37, 36/37", MERGED),
        about="001 as merged: an offset is held against the headers met on the way to it; a device "
        "without a list gets no capability; an error is a message; a device's own capability is "
        "always shown.",
        no_header_overwritten=3, no_register_shared=3, the_list_ends=3,
        every_capability_is_reached=3, pasid_needs_support=2, pasid_as_promised=2,
        pasid_is_emulated=2,
    ),
    variant(
        "pasid-cap-v6", pasid_at_the_end, hiod_is_taken_for_granted, own_pasid_is_shown,
        standing=posted("004 v6", "004; defects S-38, S-39", REPLACED),
        about="The first design: in the last dwords of the space whatever is there, and the host "
        "IOMMU device of an mdev is dereferenced, which it does not have.",
        no_header_overwritten=3, no_register_shared=3, every_capability_is_reached=3,
        pasid_needs_support=2, pasid_as_promised=2, pasid_is_emulated=2, no_failed_check=2,
    ),
    variant(
        "pasid-cap-over-registers", headers_alone,
        standing=posted("001 v9", "001 34/37; defects S-39", MERGED),
        about="Left to the caller: the new capability lies on registers of another, as on those of "
        "a vendor at the end of the space, where the default is.",
        no_register_shared=3,
    ),
    variant(
        "pasid-cap-over-next-header", headers_at_the_offset,
        standing=posted("001 v9", "001 34/37", MERGED),
        about="The helper promises to overwrite no header but holds only the offset against "
        "headers: the registers of the new capability are written on a header right behind it.",
        no_header_overwritten=3, no_register_shared=3, the_list_ends=3,
        every_capability_is_reached=3, pasid_is_emulated=3,
    ),
    variant(
        "pasid-cap-over-later-header", what_is_on_the_way,
        standing=posted("001 v9", "001 34/37", MERGED),
        about="The walk stops at the first higher offset. Where a list is out of order a header "
        "behind that is overwritten, and the list goes round: not a failed insertion, as the "
        "helper says.",
        no_header_overwritten=4, no_register_shared=4, the_list_ends=4,
        every_capability_is_reached=4,
    ),
    variant(
        "pasid-cap-needs-a-list", no_list_no_pasid, standing=posted("001 v9", "001 36/37", MERGED),
        about="A device without extended capabilities gets none, and nobody is told.",
        pasid_as_promised=2,
    ),
    variant(
        "pasid-cap-refusal-is-a-message", refusal_is_a_message,
        standing=posted("001 v9", "001 36/37; defects S-39", MERGED),
        about="A capability that cannot be placed is a message; the device goes on without, behind "
        "a vIOMMU that promises PASIDs.",
        pasid_as_promised=2,
    ),
    variant(
        "pasid-cap-own-is-shown", own_pasid_is_shown,
        standing=posted("001 v9", "001 36/37", MERGED),
        about="A device's own capability is shown where the vIOMMU has no PASIDs too, and QEMU "
        "does not emulate it: to pcie_pasid_enabled it is not there.",
        pasid_needs_support=2, pasid_is_emulated=2,
    ),
    variant(
        "pasid-cap-null-hiod", hiod_is_taken_for_granted,
        standing=posted("004 v6", "004; defects S-38", REPLACED),
        about="QEMU crashes with an mdev, which has no host IOMMU device.",
        no_failed_check=2,
    ),
    variant(
        "pasid-cap-at-the-end", pasid_at_the_end,
        standing=posted("004 v6", "004; defects S-39", REPLACED),
        about="Appended in the last dwords whatever is there: a header, which is lost, or "
        "registers.",
        no_header_overwritten=3, no_register_shared=3, every_capability_is_reached=3,
        pasid_as_promised=2,
    ),
    variant(
        "pasid-cap-own-is-forgotten", own_pasid_is_forgotten,
        about="A second one is made.",
        one_pasid_capability=2,
    ),
    variant(
        "pasid-cap-below", below_is_taken,
        about="A place outside the extended space is taken.",
        no_header_overwritten=3, no_register_shared=3, capabilities_are_inside=2, the_list_ends=2,
        every_capability_is_reached=2,
    ),
    variant(
        "pasid-cap-linked-first", linked_before_checked,
        about="A refusal leaves a list that leads to nothing.",
        the_list_ends=2, a_refusal_leaves_the_space=2,
    ),
    variant(
        "pasid-cap-stays", pasid_offset_stays,
        about="Where it was is still known when the next device comes.",
        pasid_is_emulated=3, nothing_is_left_of_a_device=3, teardown_reachable=2,
    ),
)

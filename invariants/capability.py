"""The list of capabilities stays one, and has the PASID capability exactly if it should."""

from __future__ import annotations

from spec.language import NONE, Id, count, invariant, on_failure, sometimes
from spec.pci.config_space import (
    PCI_CONFIG_SPACE_SIZE,
    CapId,
    ExtCap,
    PCIDevice,
    Phase,
    pci_header_at,
)
from spec.vfio.pasid_capability import no_device


def pasid_supported(s: PCIDevice) -> bool:
    """Whether both the host and the vIOMMU have PASIDs for the device."""
    return s.viommu_pasid and s.hiod != NONE and s.hiods[s.hiod].pasid


@sometimes
def pasid_between_two(s: PCIDevice) -> bool:
    """A PASID capability was put between two others."""
    return any(
        x.cap == CapId.PASID and not s.pasid_cap_added and y.next == x.offset and x.next != 0
        for x in s.caps
        for y in s.caps
    )


@sometimes
def list_out_of_order(s: PCIDevice) -> bool:
    """A device with a PASID capability has a list that goes back to a lower offset."""
    return s.pasid_cap != 0 and any(x.next != 0 and x.next < x.offset for x in s.caps)


@sometimes
def a_list_of_its_own(s: PCIDevice) -> bool:
    """The PASID capability is all there is."""
    return s.pasid_cap == PCI_CONFIG_SPACE_SIZE and not s.pasid_cap_added


@sometimes
def ready_without_pasid(s: PCIDevice) -> bool:
    """A device is there, and does without PASIDs since the vIOMMU has none."""
    return s.phase == Phase.READY and s.hiod != NONE and s.hiods[s.hiod].pasid and (
        not s.viommu_pasid
    )


@sometimes
def the_devices_own(s: PCIDevice) -> bool:
    """A device that has a PASID capability of its own shows it."""
    return s.phase == Phase.READY and s.pasid_cap_added and s.pasid_cap != 0


@sometimes
def refused_beside_two(s: PCIDevice) -> bool:
    """A device was refused that has two capabilities already."""
    return s.phase == Phase.REFUSED and count(x.cap == CapId.OTHER for x in s.caps) >= 2


@sometimes
def gone_again(s: PCIDevice) -> bool:
    """There is no device."""
    return s.phase == Phase.ABSENT


@invariant(witness=pasid_between_two)
def no_header_overwritten(s: PCIDevice, cap: Id[ExtCap]) -> bool:
    """What was written as a header is one until the device goes."""
    return s.caps[cap].cap == CapId.FREE or not s.caps[cap].overwritten


@invariant(witness=pasid_between_two)
def no_register_shared(s: PCIDevice, cap: Id[ExtCap], other: Id[ExtCap]) -> bool:
    """No two capabilities have a register in common."""
    x = s.caps[cap]
    y = s.caps[other]
    return (
        cap == other
        or x.cap == CapId.FREE
        or y.cap == CapId.FREE
        or x.offset + x.size <= y.offset
        or y.offset + y.size <= x.offset
    )


@invariant(witness=pasid_between_two)
def capabilities_are_inside(s: PCIDevice, cap: Id[ExtCap]) -> bool:
    """Capabilities lie in the extended space; a stub is a header at its head."""
    x = s.caps[cap]
    if x.cap == CapId.STUB:
        return x.offset == PCI_CONFIG_SPACE_SIZE and x.size == 1
    return x.cap == CapId.FREE or (
        x.offset >= PCI_CONFIG_SPACE_SIZE and x.size >= 2 and x.offset + x.size <= s.config_size
    )


@invariant(witness=list_out_of_order)
def the_list_ends(s: PCIDevice) -> bool:
    """From the head one comes to the end, in as many steps as there are capabilities."""
    pos = PCI_CONFIG_SPACE_SIZE
    for _ in s.caps:
        found = pci_header_at(s, pos)
        if found == NONE:
            break
        pos = s.caps[found].next
    return pos == 0 or all(x.cap == CapId.FREE for x in s.caps)


@invariant(witness=list_out_of_order)
def every_capability_is_reached(s: PCIDevice, cap: Id[ExtCap]) -> bool:
    """The list leads from its head to every capability."""
    pos = PCI_CONFIG_SPACE_SIZE
    for _ in s.caps:
        found = pci_header_at(s, pos)
        if found in (NONE, cap):
            break
        pos = s.caps[found].next
    return s.caps[cap].cap == CapId.FREE or pci_header_at(s, pos) == cap


@invariant(witness=the_devices_own)
def one_pasid_capability(s: PCIDevice) -> bool:
    """There is at most one PASID capability: the device's own, or once it is there QEMU's."""
    may = s.pasid_cap_added or s.phase == Phase.READY
    return count(x.cap == CapId.PASID for x in s.caps) <= (1 if may else 0)


@invariant(witness=ready_without_pasid)
def pasid_needs_support(s: PCIDevice) -> bool:
    """Only where the host IOMMU device and the vIOMMU support PASIDs is there such a capability."""
    return pasid_supported(s) or all(x.cap != CapId.PASID for x in s.caps)


@invariant(witness=a_list_of_its_own)
def pasid_as_promised(s: PCIDevice) -> bool:
    """Where host and vIOMMU support PASIDs a device shows its own capability, or has QEMU's."""
    due = s.pasid_cap_added or s.phase == Phase.READY
    return (
        not due
        or not pasid_supported(s)
        or any(x.cap == CapId.PASID for x in s.caps)
    )


@invariant(witness=the_devices_own)
def pasid_is_emulated(s: PCIDevice) -> bool:
    """QEMU emulates the PASID capability that the guest sees, where the guest sees it."""
    if s.pasid_cap == 0:
        return all(x.cap != CapId.PASID for x in s.caps)
    found = pci_header_at(s, s.pasid_cap)
    return found != NONE and s.caps[found].cap == CapId.PASID


@invariant(witness=gone_again)
def nothing_is_left_of_a_device(s: PCIDevice) -> bool:
    """Without a device there is no configuration space."""
    return s.phase != Phase.ABSENT or no_device(s)


@on_failure(witness=refused_beside_two)
def a_refusal_leaves_the_space(before: PCIDevice, s: PCIDevice) -> bool:
    """A device that is refused has the capabilities it had, and they are linked as they were."""
    return s.pasid_cap == before.pasid_cap and all(
        x.cap == before.caps[x.id].cap
        and x.offset == before.caps[x.id].offset
        and x.size == before.caps[x.id].size
        and x.next == before.caps[x.id].next
        and x.overwritten == before.caps[x.id].overwritten
        for x in s.caps
    )

"""VT-d has an entry for each device that is there, holds it once, and keeps nothing of others."""

from __future__ import annotations

from typing import Final

from spec.language import NONE, Id, Invariant, count, invariant, on_failure, sometimes
from spec.vtd.set_unset.device import HostDevice, PCISlot, Phase, SetUnset


@sometimes
def bound_with_a_pasid(s: SetUnset) -> bool:
    """A device is bound, and a PASID of it."""
    return any(x.rid and x.pasid for x in s.slots)


@sometimes
def behind_a_bridge(s: SetUnset) -> bool:
    """A device behind a bridge has an entry."""
    return any(x.aliased and x.hiod != NONE for x in s.slots)


@sometimes
def left_and_waits(s: SetUnset) -> bool:
    """A device that has left was bound, and what was nested is to be destroyed later."""
    return any(x.phase == Phase.LEFT and x.deferred == 2 for x in s.devices)


@sometimes
def none_is_there(s: SetUnset) -> bool:
    """No device is there."""
    return all(x.phase == Phase.ABSENT for x in s.devices)


@invariant(witness=behind_a_bridge)
def an_entry_for_each_device_that_is_there(s: SetUnset, slot: Id[PCISlot]) -> bool:
    """A bus and devfn has the host IOMMU device of the device that is there, and of no other."""
    return all(
        (s.slots[slot].hiod == x.id) == (x.phase == Phase.REALIZED and x.slot == slot)
        for x in s.devices
    )


@invariant(witness=left_and_waits)
def a_slot_while_it_is_there(s: SetUnset, dev: Id[HostDevice]) -> bool:
    """A device is in a slot from when it is realized until it leaves."""
    return (s.devices[dev].slot != NONE) == (s.devices[dev].phase == Phase.REALIZED)


@invariant(witness=bound_with_a_pasid)
def own_requester_ids_alone_are_walked(s: SetUnset, slot: Id[PCISlot]) -> bool:
    """With the first stage nothing behind a bridge has an entry: the guest's is of another id."""
    return not (s.fsts and s.slots[slot].aliased) or s.slots[slot].hiod == NONE


@invariant(witness=bound_with_a_pasid)
def a_host_iommu_device_is_held_once_by_each(s: SetUnset, dev: Id[HostDevice]) -> bool:
    """VFIO holds the host IOMMU device of a device, and so does the entry that has it."""
    held = count(x.hiod == dev for x in s.slots)
    return s.devices[dev].refs == held + (0 if s.devices[dev].phase == Phase.ABSENT else 1)


@invariant(witness=left_and_waits)
def what_is_nested_is_known(s: SetUnset, dev: Id[HostDevice]) -> bool:
    """Each HWPT that lives is of an entry, is the parent of a device, or is destroyed later."""
    x = s.devices[dev]
    bound = count(y.hiod == dev and y.rid for y in s.slots) + count(
        y.hiod == dev and y.pasid for y in s.slots
    )
    late = 1 if x.phase == Phase.ABSENT and x.parent else 0
    return x.nested + late == bound + x.deferred


@invariant(witness=bound_with_a_pasid)
def what_is_nested_has_a_parent(s: SetUnset, dev: Id[HostDevice]) -> bool:
    """What is nested is over the parent, which a device that is not finalized has."""
    x = s.devices[dev]
    return x.parent if x.nested > 0 or x.phase != Phase.ABSENT else True


@invariant(witness=none_is_there)
def only_an_entry_is_bound(s: SetUnset, slot: Id[PCISlot]) -> bool:
    """Without an entry, and without the first stage, nothing is bound."""
    x = s.slots[slot]
    return not (x.rid or x.pasid) or (x.hiod != NONE and s.fsts)


@on_failure(witness=none_is_there)
def a_refusal_leaves_entries_as_they_were(before: SetUnset, s: SetUnset) -> bool:
    """When a device is refused, or set twice, every entry and what it has bound is as before."""
    return all(
        x.hiod == before.slots[x.id].hiod
        and x.rid == before.slots[x.id].rid
        and x.pasid == before.slots[x.id].pasid
        for x in s.slots
    )


RULES: Final[tuple[Invariant, ...]] = (
    an_entry_for_each_device_that_is_there,
    a_slot_while_it_is_there,
    own_requester_ids_alone_are_walked,
    a_host_iommu_device_is_held_once_by_each,
    what_is_nested_is_known,
    what_is_nested_has_a_parent,
    only_an_entry_is_bound,
    a_refusal_leaves_entries_as_they_were,
)

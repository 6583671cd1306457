"""Lifetimes: an object is there as long as somebody holds it, and the counts say so."""

from __future__ import annotations

from spec.iommufd.object_lifetime import Device, Host, Kind, Slot, all_nested
from spec.language import NONE, Id, count, invariant


@invariant(witness=all_nested)
def counts_equal_referrers(s: Host, slot: Id[Slot]) -> bool:
    """The count of an object is the number of objects made on it and of devices attached to it."""
    return s.slots[slot].refs == count(x.parent == slot for x in s.slots) + count(
        d.hwpt == slot for d in s.devices
    )


@invariant(witness=all_nested)
def parents_are_there(s: Host, slot: Id[Slot]) -> bool:
    """A stage-2 is over an IOAS, a nested HWPT over a stage-2, of their own iommufd."""
    x = s.slots[slot]
    if x.kind == Kind.S2:
        return x.parent != NONE and s.slots[x.parent].kind == Kind.IOAS and (
            s.slots[x.parent].fd == x.fd
        )
    if x.kind == Kind.NESTED:
        return x.parent != NONE and s.slots[x.parent].kind == Kind.S2 and (
            s.slots[x.parent].fd == x.fd
        )
    return x.parent == NONE


@invariant(witness=all_nested)
def attached_to_an_hwpt(s: Host, device: Id[Device]) -> bool:
    """What a device is attached to is an HWPT of its own iommufd."""
    hwpt = s.devices[device].hwpt
    return hwpt == NONE or (
        s.slots[hwpt].kind in (Kind.S2, Kind.NESTED) and s.slots[hwpt].fd == s.devices[device].fd
    )

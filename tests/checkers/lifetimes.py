"""The machine `object-lifetime`, and a few ways to get it wrong."""

from __future__ import annotations

from invariants import complete
from spec.iommufd.object_lifetime import Device, Host, Kind, Slot, attach, destroy, detach, held
from spec.language import NONE, Id, Program, Variant, build, overrides, require
from spec.language.machine import Function
from spec.machines import MACHINES

LIFETIMES = complete(MACHINES["object-lifetime"])


def variant(function: Function) -> Program:
    name = function.__name__
    given = Variant(
        name=name, machine="object-lifetime", overrides={function.__overrides__: function},
        expects={}, about=name,
    )  # fmt: skip
    return build(LIFETIMES, "small", given)


@overrides(held)
def never_held(s: Host, slot: Id[Slot]) -> bool:
    """Objects go while others hold them."""
    return False


@overrides(attach)
def not_counted(s: Host, device: Id[Device], hwpt: Id[Slot]) -> None:
    """The attached device is not counted, so to detach it takes the count below 0."""
    require(s.devices[device].hwpt == NONE)
    s.devices[device].hwpt = hwpt


@overrides(detach)
def never_uncounted(s: Host, device: Id[Device]) -> None:
    """The device that left is still counted, at last more often than there is room."""
    require(s.devices[device].hwpt != NONE)
    s.devices[device].hwpt = NONE


@overrides(destroy)
def only_when_all_are_detached(s: Host, slot: Id[Slot]) -> None:
    """An object goes when no device is attached, whoever holds it."""
    require(s.slots[slot].kind != Kind.FREE and all(d.hwpt == NONE for d in s.devices))
    s.slots[slot].kind = Kind.FREE
    s.slots[slot].parent = NONE
    s.slots[slot].refs = 0


@overrides(detach)
def uncounted_twice(s: Host, device: Id[Device]) -> None:
    """The device that left is taken off the count twice."""
    require(s.devices[device].hwpt != NONE)
    s.slots[s.devices[device].hwpt].refs -= 1
    s.slots[s.devices[device].hwpt].refs -= 1
    s.devices[device].hwpt = NONE


@overrides(attach)
def below_and_back(s: Host, device: Id[Device], hwpt: Id[Slot]) -> None:
    """The count is for a moment one less than it was: below 0, as the state after does not show."""
    require(s.devices[device].hwpt == NONE and s.slots[hwpt].kind != Kind.FREE)
    s.slots[hwpt].refs -= 1
    s.slots[hwpt].refs += 1


WRONG = [
    never_held, not_counted, never_uncounted, only_when_all_are_detached, uncounted_twice,
    below_and_back,
]  # fmt: skip

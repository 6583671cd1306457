"""Small breaches of the rules of lifetimes that no series posted: each rule can be broken."""

from __future__ import annotations

from functools import partial

from spec.iommufd.object_lifetime import Device, Host, Slot, detach, held
from spec.language import MUTANT, NONE, Id, mirrors, overrides, require, variant_of


@overrides(detach)
@mirrors("kernel R7.7")
def detach_keeps_the_count(s: Host, device: Id[Device]) -> None:
    """A device leaves its HWPT, which goes on counting it."""
    require(s.devices[device].hwpt != NONE)
    s.devices[device].hwpt = NONE


@overrides(held)
@mirrors("kernel R0.6")
def nobody_asks(s: Host, slot: Id[Slot]) -> bool:
    """DESTROY no longer answers EBUSY."""
    return False


variant = partial(variant_of, "object-lifetime", standing=MUTANT)

VARIANTS = (
    variant(
        "lifetime-detach-keeps-count", detach_keeps_the_count,
        about="A detached device is still counted, so its HWPT can never be destroyed.",
        counts_equal_referrers=4, teardown_reachable=3, no_failed_check=9,
    ),
    variant(
        "lifetime-destroy-while-held", nobody_asks,
        about="An object is destroyed under those who hold it: its id names nothing, or another.",
        counts_equal_referrers=3, parents_are_there=3, attached_to_an_hwpt=4, no_failed_check=4,
    ),
)

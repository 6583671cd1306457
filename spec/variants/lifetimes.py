"""Small breaches of the rules of lifetimes that no series posted: each rule can be broken."""

from __future__ import annotations

from spec.iommufd.object_lifetime import Device, Host, Slot, detach, held
from spec.language import NONE, Id, Variant, mirrors, overrides, overriding, require


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


VARIANTS = (
    Variant(
        name="lifetime-detach-keeps-count",
        machine="object-lifetime",
        overrides=overriding(detach_keeps_the_count),
        expects={"counts-equal-referrers": 4, "teardown-reachable": 3},
        source="no series",
        about="A detached device is still counted, so its HWPT can never be destroyed.",
    ),
    Variant(
        name="lifetime-destroy-while-held",
        machine="object-lifetime",
        overrides=overriding(nobody_asks),
        expects={
            "counts-equal-referrers": 3,
            "parents-are-there": 3,
            "attached-to-an-hwpt": 4,
            "no-failed-check": 4,
        },
        source="no series",
        about="An object is destroyed under those who hold it: its id names nothing, or another.",
    ),
)

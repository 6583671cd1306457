"""Locks: none is held between two actions."""

from __future__ import annotations

from spec.language import invariant, sometimes
from spec.vtd.state import IntelIOMMUState, Pgtt


@sometimes
def bound_under_the_lock(s: IntelIOMMUState) -> bool:
    """A device is bound, which took the lock."""
    return any(x.pgtt != Pgtt.NONE for x in s.address_spaces)


@invariant(witness=bound_under_the_lock)
def no_lock_held(s: IntelIOMMUState) -> bool:
    """Whoever took the vIOMMU's lock has given it back."""
    return not s.iommu_lock

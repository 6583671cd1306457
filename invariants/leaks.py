"""No leaked object: each live kernel object is known to somebody who will free it."""

from __future__ import annotations

from spec.iommufd.objects import Kind, Object
from spec.language import NONE, Id, invariant, sometimes
from spec.vtd.hwpt_sharing import vfio_owns
from spec.vtd.state import IntelIOMMUState


@sometimes
def nested_over_shared_stage2(s: IntelIOMMUState) -> bool:
    """Two devices have nested HWPTs over the same stage-2."""
    return any(
        a.id != b.id
        and a.s2_hwpt != NONE
        and a.s2_hwpt == b.s2_hwpt
        and s.objects[a.hwpt_id].kind == Kind.HWPT_NESTED
        and s.objects[b.hwpt_id].kind == Kind.HWPT_NESTED
        for a in s.address_spaces
        for b in s.address_spaces
    )


@sometimes
def two_stage2_in_a_container(s: IntelIOMMUState) -> bool:
    """A container has a stage-2 for each kind of cache coherency."""
    return any(
        a.id != b.id and a.container != NONE and a.container == b.container
        for a in s.s2_hwpts
        for b in s.s2_hwpts
    )


@invariant(witness=nested_over_shared_stage2)
def no_leaked_object(s: IntelIOMMUState, obj: Id[Object]) -> bool:
    """A live object is VFIO's, a bound device, on a container's or a device's record, or deferred.

    An object that nobody remembers stays until the iommufd is closed, and holds all below it.
    """
    return (
        s.objects[obj].kind == Kind.FREE
        or vfio_owns(s, obj)
        or obj in s.deferred
        or any(d.object == obj for d in s.devices)
        or any(x.ioas_id == obj and x.iommufd != NONE for x in s.containers)
        or any(x.hwpt_id == obj and x.container != NONE for x in s.s2_hwpts)
        or any(x.hwpt_id == obj for x in s.address_spaces)
    )


@invariant()
def no_leaked_record(s: IntelIOMMUState) -> bool:
    """Every container has a stage-2, every stage-2 has users: an unused one is freed at once."""
    return all(
        x.iommufd == NONE or any(y.container == x.id for y in s.s2_hwpts) for x in s.containers
    ) and all(x.container == NONE or x.users > 0 for x in s.s2_hwpts)

"""Sharing: guest memory is pinned once for each kind of device, and stage-2 tables are shared."""

from __future__ import annotations

from invariants.references import stage2_with_two_users
from spec.language import NONE, Id, invariant
from spec.vtd.state import IntelIOMMUState, VTDIOASContainer, VTDS2Hwpt


@invariant(witness=stage2_with_two_users)
def one_container_of_a_kind(
    s: IntelIOMMUState, a: Id[VTDIOASContainer], b: Id[VTDIOASContainer]
) -> bool:
    """No two containers are for the same iommufd and the same errata."""
    one, other = s.containers[a], s.containers[b]
    return (
        a == b or one.iommufd == NONE or one.iommufd != other.iommufd or one.errata != other.errata
    )


@invariant(witness=stage2_with_two_users)
def one_stage2_of_a_kind(s: IntelIOMMUState, a: Id[VTDS2Hwpt], b: Id[VTDS2Hwpt]) -> bool:
    """No two stage-2 tables of a container have the same cache coherency."""
    one, other = s.s2_hwpts[a], s.s2_hwpts[b]
    return (
        a == b
        or one.container == NONE
        or one.container != other.container
        or s.objects[one.hwpt_id].enforced != s.objects[other.hwpt_id].enforced
    )

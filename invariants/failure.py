"""Failure atomicity: an action that reports an error to its caller leaves what was there."""

from __future__ import annotations

from spec.iommufd.objects import Kind
from spec.language import NONE, on_failure, sometimes
from spec.vtd.state import IntelIOMMUState, Pgtt


@sometimes
def bound_and_not_first(s: IntelIOMMUState) -> bool:
    """A device is bound while another is plugged: the next refusal has something to spoil."""
    return any(
        a.pgtt != Pgtt.NONE and b.hiod_set and a.id != b.id
        for a in s.address_spaces
        for b in s.address_spaces
    )


@on_failure(witness=bound_and_not_first)
def a_refusal_keeps_bindings(before: IntelIOMMUState, s: IntelIOMMUState) -> bool:
    """Every device is attached to what it was, by the same id, and its cache is the same."""
    return all(d.attached == before.devices[d.id].attached for d in s.devices) and all(
        x.pgtt == before.address_spaces[x.id].pgtt
        and x.did == before.address_spaces[x.id].did
        and x.flpt == before.address_spaces[x.id].flpt
        and x.hwpt_id == before.address_spaces[x.id].hwpt_id
        and x.hiod_set == before.address_spaces[x.id].hiod_set
        for x in s.address_spaces
    )


@on_failure(witness=bound_and_not_first)
def a_refusal_leaves_nothing_behind(before: IntelIOMMUState, s: IntelIOMMUState) -> bool:
    """No new object is left but those that wait to be destroyed, and no old one is gone."""
    return all(
        o.kind == before.objects[o.id].kind
        or (before.objects[o.id].kind == Kind.FREE and o.id in s.deferred)
        for o in s.objects
    ) and all(
        (x.iommufd == NONE) == (before.containers[x.id].iommufd == NONE)
        and x.listening == before.containers[x.id].listening
        for x in s.containers
    )

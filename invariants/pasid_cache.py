"""The PASID cache: what is cached is what the host has, and what is due is what the guest asked."""

from __future__ import annotations

from spec.iommufd.objects import Device, Kind, Object, PgTable
from spec.iommufd.uapi.state import attached_to
from spec.language import NONE, NULL, Id, invariant, sometimes
from spec.vtd.accel.state import (
    PasidCacheState,
    VTDHostIOMMUDevice,
    VTDPasid,
    asked,
    of_a_device,
    translating,
)
from spec.vtd.state import Pgtt


@sometimes
def a_table_is_due(s: PasidCacheState) -> bool:
    """A first-stage table of the guest is due."""
    return any(
        x.due and asked(s, x.id) == Pgtt.FLT for x in s.entries
    )


@sometimes
def nested_by_pasid(s: PasidCacheState) -> bool:
    """A device is on a table of the guest, and its PASID on one too."""
    return any(
        a.pasid and not b.pasid and a.vtd_hiod == b.vtd_hiod
        and a.pgtt == Pgtt.FLT and b.pgtt == Pgtt.FLT
        for a in s.entries
        for b in s.entries
    )


@sometimes
def the_host_refused(s: PasidCacheState) -> bool:
    """The host refused what a guest waits for."""
    return any(x.retry for x in s.entries)


@sometimes
def written_and_not_invalidated(s: PasidCacheState) -> bool:
    """The guest has written another entry than is cached."""
    return any(
        x.pgtt != Pgtt.NONE and x.mem_pgtt != Pgtt.NONE and x.flpt != x.mem_flpt
        for x in s.entries
    )


def does(s: PasidCacheState, x: Id[VTDPasid], pgtt: Pgtt, table: PgTable) -> bool:
    """Whether the hardware does with requests what an entry asks for, or none."""
    p = s.entries[x]
    h = s.hiods[p.vtd_hiod]
    hwpt = attached_to(s, h.dev, p.pasid)
    if pgtt == Pgtt.FLT:
        o = s.objects[hwpt]
        return o.kind == Kind.HWPT_NESTED and o.parent == h.hwpt_id and o.table == table
    if pgtt == Pgtt.PT or not (p.pasid or translating(s)):
        return hwpt == h.hwpt_id
    return hwpt == NONE


@invariant(witness=a_table_is_due)
def the_guest_gets_what_is_due(s: PasidCacheState, x: Id[VTDPasid]) -> bool:
    """What an invalidation has covered is in force, and without remapping memory is as it is.

    While the host refuses, the guest has no answer.
    """
    p = s.entries[x]
    if s.hiods[p.vtd_hiod].hwpt_id == NONE or p.retry or (translating(s) and not p.due):
        return True
    return does(s, x, asked(s, x), p.mem_flpt)


@invariant(witness=written_and_not_invalidated)
def the_cache_is_what_the_host_has(s: PasidCacheState, x: Id[VTDPasid]) -> bool:
    """The hardware does what the cached entry says; without one it blocks, or nothing remaps."""
    p = s.entries[x]
    h = s.hiods[p.vtd_hiod]
    hwpt = attached_to(s, h.dev, p.pasid)
    if p.pgtt != Pgtt.NONE:
        own = h.hwpt_id if p.fs_hwpt_id == NONE else p.fs_hwpt_id
        return hwpt == own and does(s, x, p.pgtt, p.flpt)
    return hwpt == (NONE if p.pasid or p.blocked else h.hwpt_id)


@invariant(witness=a_table_is_due)
def nothing_is_leaked(s: PasidCacheState, obj: Id[Object]) -> bool:
    """An object is a device's, VFIO's for a device, a cached entry's, or will be destroyed."""
    return (
        s.objects[obj].kind == Kind.FREE
        or obj in s.deferred
        or any(d.object == obj for d in s.devices)
        or any(h.hwpt_id == obj for h in s.hiods)
        or any(h.hwpt_id != NONE and s.objects[h.hwpt_id].parent == obj for h in s.hiods)
        or any(x.fs_hwpt_id == obj for x in s.entries)
    )


@invariant()
def nothing_else_is_made(s: PasidCacheState, obj: Id[Object]) -> bool:
    """There are devices, their IOAS and nesting parents, and nested HWPTs; nothing is mapped."""
    o = s.objects[obj]
    return (
        o.kind in (Kind.FREE, Kind.DEVICE, Kind.IOAS, Kind.HWPT_PAGING, Kind.HWPT_NESTED)
        and not o.auto and not o.dirty and not o.open and not o.allowed and not o.second
        and o.fault == NONE and o.device == NONE and o.virt_id == NULL and o.access == NONE
        and o.pinned == NONE and not s.closing
        and o.nest_parent == (o.kind == Kind.HWPT_PAGING)
        and (o.table != NULL) == (o.kind == Kind.HWPT_NESTED)
    )


@invariant()
def what_waits_is_live(s: PasidCacheState, obj: Id[Object]) -> bool:
    """An id that waits to be destroyed is of an IOAS or an HWPT that no device is given."""
    return obj not in s.deferred or (
        s.objects[obj].kind in (Kind.IOAS, Kind.HWPT_PAGING, Kind.HWPT_NESTED)
        and all(d.attached != obj and d.pasid_attached != obj for d in s.devices)
        and all(h.hwpt_id != obj for h in s.hiods)
    )


@invariant()
def devices_are_as_plugged(s: PasidCacheState, dev: Id[Device]) -> bool:
    """A device that is not plugged is bound to nothing; one is reset, or reserves, nowhere."""
    d = s.devices[dev]
    return (
        d.reserved_in == NONE and not d.resetting
        and not s.groups[d.group].taken
        and (d.attached == NONE or s.objects[d.attached].pasid == d.can_pasid)
        and (d.pasid_attached == NONE or s.objects[d.pasid_attached].pasid)
        and (d.object != NONE) == any(h.dev == dev and h.hwpt_id != NONE for h in s.hiods)
    )


@invariant(witness=written_and_not_invalidated)
def memory_is_written_whole(s: PasidCacheState, x: Id[VTDPasid]) -> bool:
    """An entry in memory has a domain id if it can be used, and a table if it is first stage."""
    p = s.entries[x]
    usable, first_stage = p.mem_pgtt in (Pgtt.FLT, Pgtt.PT), p.mem_pgtt == Pgtt.FLT
    return not (usable != (p.mem_did != NULL) or first_stage != (p.mem_flpt != NULL))


@invariant(witness=written_and_not_invalidated)
def what_is_in_force_is_known(s: PasidCacheState, x: Id[VTDPasid]) -> bool:
    """What is cached is in memory, or its domain id is among those that may be in force."""
    p = s.entries[x]
    if not (translating(s) and of_a_device(s, x)):
        return not p.due and p.stale == NULL and p.stale2 == NULL and not p.was_absent
    if p.due and (p.stale != NULL or p.stale2 != NULL or p.was_absent):
        return False
    if p.stale == NULL and p.stale2 != NULL:
        return False
    if p.retry:
        return True
    wanted = asked(s, x)
    if p.pgtt == Pgtt.NONE:
        return wanted == Pgtt.NONE or p.was_absent
    if wanted == p.pgtt and p.mem_did == p.did and p.mem_flpt == p.flpt:
        return True
    return p.did in (p.stale, p.stale2)


@invariant(witness=nested_by_pasid)
def an_entry_is_well_formed(s: PasidCacheState, x: Id[VTDPasid]) -> bool:
    """A cached entry is first stage with its HWPT, or pass-through; no two have one HWPT."""
    p = s.entries[x]
    return (
        p.pgtt in (Pgtt.NONE, Pgtt.FLT, Pgtt.PT)
        and (p.pgtt == Pgtt.FLT) == (p.fs_hwpt_id != NONE)
        and (p.pgtt == Pgtt.FLT) == (p.flpt != NULL)
        and (p.pgtt == Pgtt.NONE) == (p.did == NULL)
        and not (p.blocked and (p.pasid or p.pgtt != Pgtt.NONE))
        and (p.pgtt == Pgtt.NONE or translating(s) or p.retry)
        and (p.blocked == translating(s) or p.pasid or p.pgtt != Pgtt.NONE or p.retry
             or not of_a_device(s, x))
        and (p.fs_hwpt_id == NONE or p.fs_hwpt_id not in s.deferred)
        and (s.hiods[p.vtd_hiod].hwpt_id != NONE or (
            p.pgtt == Pgtt.NONE and not p.blocked and not p.retry and not p.due and p.stale == NULL
        ))
        and all(
            y.id == x or p.fs_hwpt_id == NONE or y.fs_hwpt_id != p.fs_hwpt_id for y in s.entries
        )
    )


@invariant(witness=the_host_refused)
def the_nesting_parent_stays(s: PasidCacheState, vtd_hiod: Id[VTDHostIOMMUDevice]) -> bool:
    """A device that there is is bound, and has the nesting parent that VFIO made for it alone."""
    h = s.hiods[vtd_hiod]
    if h.hwpt_id == NONE:
        return s.devices[h.dev].object == NONE and not h.context_due
    o = s.objects[h.hwpt_id]
    return (
        s.devices[h.dev].object != NONE
        and h.hwpt_id not in s.deferred and o.parent not in s.deferred
        and o.kind == Kind.HWPT_PAGING and o.nest_parent and not o.auto
        and o.pasid == s.devices[h.dev].can_pasid
        and s.objects[o.parent].kind == Kind.IOAS
        and all(
            g.id == vtd_hiod or g.hwpt_id == NONE
            or (g.hwpt_id != h.hwpt_id and s.objects[g.hwpt_id].parent != o.parent)
            for g in s.hiods
        )
    )


RULES = (
    the_guest_gets_what_is_due,
    the_cache_is_what_the_host_has,
    nothing_is_leaked,
    nothing_else_is_made,
    what_waits_is_live,
    devices_are_as_plugged,
    memory_is_written_whole,
    what_is_in_force_is_known,
    an_entry_is_well_formed,
    the_nesting_parent_stays,
)

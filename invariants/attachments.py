"""What devices are attached to: groups, PASIDs, the hardware, and addresses that are reserved."""

from __future__ import annotations

from spec.iommufd.objects import Device, Kind
from spec.iommufd.uapi.refusals import fits
from spec.iommufd.uapi.reserved import in_use, ioas_of
from spec.iommufd.uapi.state import Group, Uapi
from spec.language import NONE, Id, invariant, sometimes


@sometimes
def group_shares_an_hwpt(s: Uapi) -> bool:
    """Two devices of one group are attached to the HWPT of the group."""
    return any(
        a.id != b.id
        and a.group == b.group
        and a.attached != NONE
        and b.attached != NONE
        for a in s.devices
        for b in s.devices
    )


@sometimes
def an_hwpt_is_used(s: Uapi) -> bool:
    """A device is attached to an HWPT."""
    return any(d.attached != NONE for d in s.devices)


@sometimes
def pasid_beside_its_device(s: Uapi) -> bool:
    """A device and its PASID are attached to different HWPTs."""
    return any(
        d.attached != NONE and d.pasid_attached != NONE and d.attached != d.pasid_attached
        for d in s.devices
    )


@sometimes
def an_address_is_reserved(s: Uapi) -> bool:
    """An IOAS keeps addresses of a device free."""
    return any(d.reserved_in != NONE for d in s.devices)


@sometimes
def a_group_is_taken(s: Uapi) -> bool:
    """Another owns a group."""
    return any(g.taken for g in s.groups)


@invariant(witness=group_shares_an_hwpt)
def groups_agree(s: Uapi, group: Id[Group]) -> bool:
    """The members of a group are all attached to what is recorded for it; without any, to nothing.

    So too for the PASID.
    """
    rid, pasid = s.groups[group].hwpt, s.groups[group].pasid_hwpt
    return (
        all(d.group != group or d.attached in (NONE, rid) for d in s.devices)
        and all(d.group != group or d.pasid_attached in (NONE, pasid) for d in s.devices)
        and (rid == NONE or any(d.group == group and d.attached == rid for d in s.devices))
        and (
            pasid == NONE
            or any(d.group == group and d.pasid_attached == pasid for d in s.devices)
        )
    )


@invariant(witness=an_hwpt_is_used)
def hardware_does_what_is_recorded(s: Uapi, dev: Id[Device]) -> bool:
    """A device's requests go through what is recorded: if it is attached, a reset alone blocks."""
    d = s.devices[dev]
    return d.through == (NONE if d.resetting else s.groups[d.group].hwpt)


@invariant(witness=a_group_is_taken)
def a_group_has_one_owner(s: Uapi, group: Id[Group]) -> bool:
    """While another owns a group, none of its devices is bound here."""
    return not s.groups[group].taken or not any(
        d.group == group and d.object != NONE for d in s.devices
    )


@invariant(witness=an_address_is_reserved)
def reserved_while_attached(s: Uapi, dev: Id[Device]) -> bool:
    """The IOAS that a device is attached to keeps its addresses free, and no other does."""
    d = s.devices[dev]
    if not d.reserves or d.attached == NONE:
        return d.reserved_in == NONE
    return d.reserved_in == ioas_of(s, d.attached)


@invariant(witness=an_address_is_reserved)
def nothing_is_mapped_where_it_is_reserved(s: Uapi, dev: Id[Device]) -> bool:
    """The IOAS that a device is attached to maps nothing at the addresses that it reserves."""
    d = s.devices[dev]
    return not d.reserves or d.attached == NONE or not in_use(s, ioas_of(s, d.attached))


@invariant(witness=an_hwpt_is_used)
def hardware_uses_a_live_hwpt(s: Uapi, group: Id[Group]) -> bool:
    """What the hardware of a group goes through is an HWPT that is there."""
    rid, pasid = s.groups[group].hwpt, s.groups[group].pasid_hwpt
    return (
        rid == NONE or s.objects[rid].kind in (Kind.HWPT_PAGING, Kind.HWPT_NESTED)
    ) and (pasid == NONE or s.objects[pasid].kind in (Kind.HWPT_PAGING, Kind.HWPT_NESTED))


@invariant(witness=an_hwpt_is_used)
def attached_hwpts_fit(s: Uapi, dev: Id[Device]) -> bool:
    """A device's hardware uses only an HWPT that it can: coherency, dirty tracking, its IOMMU."""
    d = s.devices[dev]
    rid, pasid = s.groups[d.group].hwpt, s.groups[d.group].pasid_hwpt
    return (rid == NONE or fits(s, dev, rid)) and (
        pasid == NONE or not d.can_pasid or fits(s, dev, pasid)
    )


@invariant(witness=pasid_beside_its_device)
def pasids_need_their_flag(s: Uapi, group: Id[Group]) -> bool:
    """While a PASID of a group is attached, its HWPT and the devices' own, if any, allow PASIDs."""
    rid, pasid = s.groups[group].hwpt, s.groups[group].pasid_hwpt
    return pasid == NONE or (s.objects[pasid].pasid and (rid == NONE or s.objects[rid].pasid))

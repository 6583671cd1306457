"""References: nothing dangles, nothing has two owners, every count is the number of referrers."""

from __future__ import annotations

from spec.iommufd.objects import Device, Kind, Object, stage2_of
from spec.language import NONE, NULL, Id, count, invariant, sometimes
from spec.memory.section import Section
from spec.vtd.hwpt_sharing import vfio_owns
from spec.vtd.state import IntelIOMMUState, Pgtt, VTDAddressSpace, VTDIOASContainer, VTDS2Hwpt


@sometimes
def stage2_with_two_users(s: IntelIOMMUState) -> bool:
    """A stage-2 is in use by two devices."""
    return any(x.users == 2 for x in s.s2_hwpts)


@sometimes
def destroy_was_refused(s: IntelIOMMUState) -> bool:
    """An id waits for a second attempt to destroy it."""
    return any(o.id in s.deferred for o in s.objects)


@invariant(witness=stage2_with_two_users)
def refs_equal_referrers(s: IntelIOMMUState, obj: Id[Object]) -> bool:
    """The kernel's count of a live object is 1 and its referrers; that of a free id is 0.

    Referrers: objects whose parent it is, devices attached to it; of a device object VFIO and its
    attachment.
    """
    o = s.objects[obj]
    if o.kind == Kind.FREE:
        return o.refs == 0
    if o.kind == Kind.DEVICE:
        return o.refs == 2 + count(d.object == obj and d.attached != NONE for d in s.devices)
    return o.refs == 1 + count(x.parent == obj for x in s.objects) + count(
        d.attached == obj for d in s.devices
    )


@invariant()
def kernel_links(s: IntelIOMMUState, obj: Id[Object]) -> bool:
    """A paging HWPT has an IOAS below it, a nested one a nesting parent; others have no parent."""
    o = s.objects[obj]
    if o.kind == Kind.HWPT_PAGING:
        return o.parent != NONE and s.objects[o.parent].kind == Kind.IOAS and o.table == NULL
    if o.kind == Kind.HWPT_NESTED:
        return (
            o.parent != NONE
            and s.objects[o.parent].kind == Kind.HWPT_PAGING
            and s.objects[o.parent].nest_parent
            and not o.nest_parent
            and not o.writeable_only
            and not o.enforced
        )
    return (
        o.parent == NONE
        and not o.nest_parent
        and not o.writeable_only
        and not o.enforced
        and o.table == NULL
    )


@invariant()
def only_an_ioas_maps(s: IntelIOMMUState, obj: Id[Object], section: Id[Section]) -> bool:
    """Areas belong to an IOAS, not to what had its id before; VFIO's has none in this machine."""
    o = s.objects[obj]
    return section not in o.areas or (o.kind == Kind.IOAS and not vfio_owns(s, obj))


@invariant()
def kernel_links_stay_on_their_iommufd(s: IntelIOMMUState, obj: Id[Object]) -> bool:
    """An object and its parent are of the same iommufd."""
    o = s.objects[obj]
    return o.parent == NONE or s.objects[o.parent].fd == o.fd


@invariant()
def vfio_owns_its_objects(s: IntelIOMMUState, obj: Id[Object]) -> bool:
    """VFIO's IOAS and HWPT are there while QEMU runs; the HWPT takes any device, is no parent."""
    o = s.objects[obj]
    if not s.running:
        return o.kind == Kind.FREE
    if o.number == 1:
        return o.kind == Kind.IOAS
    return o.number != 2 or (
        o.kind == Kind.HWPT_PAGING
        and not o.enforced
        and not o.nest_parent
        and o.parent != NONE
        and s.objects[o.parent].number == 1
    )


@invariant()
def devices_attached(s: IntelIOMMUState, dev: Id[Device]) -> bool:
    """A bound device has its own device object, and an HWPT that suits it or none."""
    device = s.devices[dev]
    if device.object == NONE:
        return device.attached == NONE
    if s.objects[device.object].kind != Kind.DEVICE or s.objects[device.object].fd != device.fd:
        return False
    if any(d.id != dev and d.object == device.object for d in s.devices):
        return False
    if device.attached == NONE:
        return True
    if s.objects[device.attached].kind not in (Kind.HWPT_PAGING, Kind.HWPT_NESTED):
        return False
    stage2 = stage2_of(s, device.attached)
    return s.objects[device.attached].fd == device.fd and (
        device.coherent or not s.objects[stage2].enforced
    )


@invariant()
def containers_name_their_ioas(s: IntelIOMMUState, container: Id[VTDIOASContainer]) -> bool:
    """A container names a live IOAS of its iommufd, which no other container names."""
    x = s.containers[container]
    if x.iommufd == NONE:
        return x.ioas_id == NONE and not x.errata
    return (
        x.ioas_id != NONE
        and s.objects[x.ioas_id].kind == Kind.IOAS
        and s.objects[x.ioas_id].fd == x.iommufd
        and x.ioas_id not in s.deferred
        and not vfio_owns(s, x.ioas_id)
        and all(y.id == container or y.ioas_id != x.ioas_id for y in s.containers)
    )


@invariant()
def stage2_rows_name_their_hwpt(s: IntelIOMMUState, s2: Id[VTDS2Hwpt]) -> bool:
    """A stage-2 names a live nesting parent over its container's IOAS, which no other names."""
    x = s.s2_hwpts[s2]
    if x.container == NONE:
        return x.hwpt_id == NONE and x.users == 0
    if x.hwpt_id == NONE or s.containers[x.container].iommufd == NONE:
        return False
    hwpt = s.objects[x.hwpt_id]
    return (
        hwpt.kind == Kind.HWPT_PAGING
        and hwpt.nest_parent
        and hwpt.parent == s.containers[x.container].ioas_id
        and hwpt.writeable_only == s.containers[x.container].errata
        and x.hwpt_id not in s.deferred
        and all(y.id == s2 or y.hwpt_id != x.hwpt_id for y in s.s2_hwpts)
    )


@invariant(witness=stage2_with_two_users)
def users_equal_devices(s: IntelIOMMUState, s2: Id[VTDS2Hwpt]) -> bool:
    """The users of a stage-2 are the devices that the vIOMMU has bound to it."""
    return s.s2_hwpts[s2].users == count(x.s2_hwpt == s2 for x in s.address_spaces)


@invariant()
def bindings_are_attached(s: IntelIOMMUState, vtd_as: Id[VTDAddressSpace]) -> bool:
    """What the vIOMMU remembers of a device is what the kernel has attached to it.

    Bound by pass-through, that is the stage-2; by first stage, a nested HWPT of the cached table
    over it, the device's own. Not bound, the device is on VFIO's HWPT or blocked.
    """
    x = s.address_spaces[vtd_as]
    device = s.devices[x.hiod]
    if x.hiod_set != (device.object != NONE):
        return False
    if x.pgtt == Pgtt.NONE:
        return (
            x.hwpt_id == NONE
            and x.s2_hwpt == NONE
            and x.did == NULL
            and x.flpt == NULL
            and device.attached in (NONE, s.iommufds[device.fd].vfio_hwpt)
        )
    if x.hwpt_id == NONE or x.s2_hwpt == NONE or device.attached != x.hwpt_id:
        return False
    stage2 = s.s2_hwpts[x.s2_hwpt].hwpt_id
    if x.pgtt == Pgtt.PT:
        return x.hwpt_id == stage2 and x.flpt == NULL
    return (
        x.pgtt == Pgtt.FLT
        and s.objects[x.hwpt_id].kind == Kind.HWPT_NESTED
        and s.objects[x.hwpt_id].parent == stage2
        and s.objects[x.hwpt_id].table == x.flpt
        and all(y.id == vtd_as or y.hwpt_id != x.hwpt_id for y in s.address_spaces)
        and x.hwpt_id not in s.deferred
    )


@invariant(witness=destroy_was_refused)
def deferred_ids_are_live(s: IntelIOMMUState, obj: Id[Object]) -> bool:
    """An id that waits to be destroyed names an object, which is neither a device nor VFIO's."""
    return obj not in s.deferred or (
        s.objects[obj].kind not in (Kind.FREE, Kind.DEVICE, Kind.ACCESS) and not vfio_owns(s, obj)
    )

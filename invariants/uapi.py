"""The objects of the uAPI: their counts, what is made on what, and who may destroy them."""

from __future__ import annotations

from invariants.attachments import (
    a_group_has_one_owner,
    an_hwpt_is_used,
    attached_hwpts_fit,
    groups_agree,
    hardware_does_what_is_recorded,
    hardware_uses_a_live_hwpt,
    nothing_is_mapped_where_it_is_reserved,
    pasids_need_their_flag,
    reserved_while_attached,
)
from invariants.events import events_carry_the_id_of_the_attach, what_waits_can_be_answered
from spec.iommufd.calls import held
from spec.iommufd.objects import Device, Kind, Object
from spec.iommufd.uapi.reserved import ioas_of
from spec.iommufd.uapi.state import Driver, Uapi, tombstone
from spec.language import NONE, NULL, Id, count, invariant, on_failure, sometimes


@sometimes
def a_tombstone(s: Uapi) -> bool:
    """A device was unbound while it had a vDEVICE."""
    return any(tombstone(s, o.id) for o in s.objects)


@sometimes
def a_vdevice(s: Uapi) -> bool:
    """A device is known to a vIOMMU."""
    return any(o.device != NONE for o in s.objects)


@sometimes
def an_automatic_hwpt(s: Uapi) -> bool:
    """An HWPT was made by an attach to an IOAS."""
    return any(o.auto for o in s.objects)


@sometimes
def hwpt_with_a_queue(s: Uapi) -> bool:
    """An HWPT's faults go to a queue whose file is closed."""
    return any(o.fault != NONE and not s.objects[o.fault].open for o in s.objects)


@sometimes
def a_section_is_pinned(s: Uapi) -> bool:
    """A hardware queue is in a section of memory."""
    return any(o.access != NONE for o in s.objects)


def before(s: Uapi, queue: Id[Object], obj: Id[Object]) -> bool:
    """Whether an object is the hardware queue before another one of a vIOMMU, which holds it."""
    o, other = s.objects[obj], s.objects[queue]
    return (
        o.kind == Kind.HW_QUEUE
        and other.kind == Kind.HW_QUEUE
        and o.parent == other.parent
        and o.index < other.index
    )


@invariant(witness=an_hwpt_is_used)
def uapi_refs_equal_referrers(s: Uapi, obj: Id[Object]) -> bool:
    """A count is 1 and what is made on this one, attachments, faulting HWPTs, files, a later queue.

    Of a device object it is VFIO, what is attached and its vDEVICE; of a free id and a tombstone 0.
    """
    o = s.objects[obj]
    if o.kind == Kind.FREE or tombstone(s, obj):
        return o.refs == 0
    if o.kind in (Kind.DEVICE, Kind.ACCESS):
        return o.refs == 2 + count(d.object == obj and d.attached != NONE for d in s.devices) + (
            count(d.object == obj and d.pasid_attached != NONE for d in s.devices)
        ) + count(x.device != NONE and s.devices[x.device].object == obj for x in s.objects)
    return o.refs == 1 + count(x.parent == obj for x in s.objects) + count(
        x.fault == obj for x in s.objects
    ) + count(d.attached == obj for d in s.devices) + count(
        d.pasid_attached == obj for d in s.devices
    ) + (1 if o.open else 0) + count(before(s, x.id, obj) for x in s.objects)


@invariant(witness=an_hwpt_is_used)
def destroy_is_ebusy_while_held(s: Uapi, obj: Id[Object]) -> bool:
    """DESTROY is refused exactly if something is made on the object, uses it or has it open."""
    o = s.objects[obj]
    if o.kind in (Kind.FREE, Kind.DEVICE, Kind.ACCESS) or tombstone(s, obj):
        return True
    return held(s, obj) == (
        o.open
        or any(x.parent == obj or x.fault == obj for x in s.objects)
        or any(obj in (d.attached, d.pasid_attached) for d in s.devices)
        or any(before(s, x.id, obj) for x in s.objects)
    )


@invariant(witness=a_section_is_pinned)
def a_queue_stays_mapped(s: Uapi, obj: Id[Object]) -> bool:
    """The section that a hardware queue is in is mapped where its vIOMMU translates to."""
    o = s.objects[obj]
    if o.kind != Kind.HW_QUEUE:
        return o.access == NONE
    access = s.objects[o.access]
    return (
        access.kind == Kind.ACCESS
        and access.parent == ioas_of(s, s.objects[o.parent].parent)
        and access.pinned in s.objects[access.parent].areas
    )


@invariant(witness=a_section_is_pinned)
def queues_are_numbered_in_order(s: Uapi, obj: Id[Object]) -> bool:
    """The second hardware queue of a vIOMMU is there only beside the first, and each but once."""
    o = s.objects[obj]
    return o.kind != Kind.HW_QUEUE or (
        (o.index == 0 or any(before(s, obj, x.id) for x in s.objects))
        and not any(
            x.id != obj and x.kind == Kind.HW_QUEUE and x.parent == o.parent and x.index == o.index
            for x in s.objects
        )
    )


@invariant(witness=an_hwpt_is_used)
def made_on_what_is_there(s: Uapi, obj: Id[Object]) -> bool:
    """What an object is made on is there, of the right kind, and not yet gone.

    An access is on an IOAS, if on anything.
    """
    o = s.objects[obj]
    if o.parent == NONE:
        return tombstone(s, obj) or (
            o.kind in (Kind.FREE, Kind.DEVICE, Kind.ACCESS, Kind.IOAS, Kind.EVENTQ)
        )
    parent = s.objects[o.parent]
    if o.kind in (Kind.HWPT_PAGING, Kind.ACCESS):
        return parent.kind == Kind.IOAS
    if o.kind == Kind.HWPT_NESTED and parent.kind == Kind.HWPT_PAGING:
        return parent.nest_parent and o.table != NULL
    if o.kind == Kind.VIOMMU:
        return parent.kind == Kind.HWPT_PAGING and parent.nest_parent and (
            parent.second == o.second
        )
    return o.kind in (Kind.HWPT_NESTED, Kind.VDEVICE, Kind.EVENTQ, Kind.HW_QUEUE) and (
        parent.kind == Kind.VIOMMU
    )


@invariant(witness=an_hwpt_is_used)
def some_are_made_on_nothing(s: Uapi, obj: Id[Object]) -> bool:
    """A device object and a tombstone are made on nothing.

    Nor does a tombstone keep the guest's id.
    """
    o = s.objects[obj]
    return (o.kind != Kind.DEVICE or o.parent == NONE) and (
        not tombstone(s, obj) or (o.parent == NONE and o.virt_id == NULL)
    )


@invariant(witness=an_hwpt_is_used)
def nothing_is_left_in_a_reused_id(s: Uapi, obj: Id[Object]) -> bool:
    """An object has only what its kind has, nothing of what had its id before."""
    o = s.objects[obj]
    paging = o.kind == Kind.HWPT_PAGING
    hwpt = paging or o.kind == Kind.HWPT_NESTED
    return (
        (paging or not (o.nest_parent or o.enforced or o.auto or o.dirty or o.writeable_only))
        and (hwpt or (not o.pasid and o.fault == NONE))
        and (o.kind == Kind.HWPT_NESTED or o.table == NULL)
        and (paging or o.kind == Kind.VIOMMU or not o.second)
        and (o.kind == Kind.VDEVICE or (o.device == NONE and o.virt_id == NULL))
        and (o.kind in (Kind.EVENTQ, Kind.VIOMMU) or not o.open)
        and (o.kind == Kind.IOAS or not o.allowed)
        and (o.kind == Kind.HW_QUEUE or (o.access == NONE and o.index == 0))
        and (o.kind == Kind.ACCESS or o.pinned == NONE)
        and not (o.auto and (o.nest_parent or o.pasid or o.dirty or o.fault != NONE))
    )


@invariant(witness=hwpt_with_a_queue)
def faults_go_to_a_queue(s: Uapi, obj: Id[Object]) -> bool:
    """The queue of an HWPT is a fault queue that is there; a nesting parent has none."""
    fault = s.objects[obj].fault
    return fault == NONE or (
        s.objects[fault].kind == Kind.EVENTQ
        and s.objects[fault].parent == NONE
        and not s.objects[obj].nest_parent
    )


@invariant(witness=an_hwpt_is_used)
def bound_devices_have_their_object(s: Uapi, dev: Id[Device]) -> bool:
    """A bound device has a device object of its own; one that is not is attached to nothing."""
    d = s.devices[dev]
    if d.object == NONE:
        return d.attached == NONE and d.pasid_attached == NONE
    return s.objects[d.object].kind == (Kind.ACCESS if d.mdev else Kind.DEVICE) and not any(
        x.id != dev and x.object == d.object for x in s.devices
    )


@invariant()
def device_objects_have_their_device(s: Uapi, obj: Id[Object]) -> bool:
    """A device object is that of a bound device."""
    return s.objects[obj].kind not in (Kind.DEVICE, Kind.ACCESS) or any(
        d.object == obj for d in s.devices
    ) or any(o.access == obj for o in s.objects)


@invariant(witness=a_vdevice)
def one_vdevice_each(s: Uapi, a: Id[Object], b: Id[Object]) -> bool:
    """A device has one vDEVICE at most, and a vIOMMU one for each guest's id."""
    one, other = s.objects[a], s.objects[b]
    return a == b or one.device == NONE or other.device == NONE or (
        one.device != other.device
        and (one.parent != other.parent or one.virt_id != other.virt_id)
    )


@invariant(witness=a_tombstone)
def vdevices_have_a_bound_device(s: Uapi, obj: Id[Object]) -> bool:
    """The device of a vDEVICE is bound, and behind the IOMMU of its vIOMMU."""
    o = s.objects[obj]
    return o.device == NONE or (
        s.devices[o.device].object != NONE
        and s.objects[o.parent].second == s.devices[o.device].on_second_iommu
    )


@invariant(witness=an_automatic_hwpt)
def automatic_hwpts_are_in_use(s: Uapi, obj: Id[Object]) -> bool:
    """An automatic HWPT has a device, and its IOAS no other that would do as well.

    That is one of the same coherency, and of the same IOMMU where that matters.
    """
    o = s.objects[obj]
    return not o.auto or (
        any(d.attached == obj for d in s.devices)
        and not any(
            x.id != obj
            and x.auto
            and x.parent == o.parent
            and x.enforced == o.enforced
            and (s.driver == Driver.INTEL or x.second == o.second)
            for x in s.objects
        )
    )


@invariant()
def closed_after_everybody_left(s: Uapi) -> bool:
    """The objects go with the last file only: no device is bound then and no queue is open."""
    return not s.closing or (
        all(d.object == NONE for d in s.devices)
        and not any(o.open for o in s.objects)
        and any(o.kind != Kind.FREE for o in s.objects)
    )


@on_failure(witness=an_hwpt_is_used)
def a_refused_call_changes_nothing(before: Uapi, s: Uapi) -> bool:
    """No object came or went, no count moved, and what was attached is attached."""
    return (
        all(
            o.kind == before.objects[o.id].kind
            and o.refs == before.objects[o.id].refs
            and o.parent == before.objects[o.id].parent
            for o in s.objects
        )
        and all(
            d.object == before.devices[d.id].object
            and d.attached == before.devices[d.id].attached
            and d.pasid_attached == before.devices[d.id].pasid_attached
            and d.through == before.devices[d.id].through
            and d.reserved_in == before.devices[d.id].reserved_in
            and d.vsid == before.devices[d.id].vsid
            and d.waits == before.devices[d.id].waits
            and d.pasid_waits == before.devices[d.id].pasid_waits
            for d in s.devices
        )
        and all(
            g.hwpt == before.groups[g.id].hwpt and g.pasid_hwpt == before.groups[g.id].pasid_hwpt
            for g in s.groups
        )
    )


RULES = (
    uapi_refs_equal_referrers,
    destroy_is_ebusy_while_held,
    made_on_what_is_there,
    some_are_made_on_nothing,
    nothing_is_left_in_a_reused_id,
    faults_go_to_a_queue,
    bound_devices_have_their_object,
    device_objects_have_their_device,
    groups_agree,
    hardware_does_what_is_recorded,
    a_group_has_one_owner,
    a_queue_stays_mapped,
    queues_are_numbered_in_order,
    reserved_while_attached,
    nothing_is_mapped_where_it_is_reserved,
    hardware_uses_a_live_hwpt,
    attached_hwpts_fit,
    pasids_need_their_flag,
    one_vdevice_each,
    vdevices_have_a_bound_device,
    automatic_hwpts_are_in_use,
    closed_after_everybody_left,
    events_carry_the_id_of_the_attach,
    what_waits_can_be_answered,
    a_refused_call_changes_nothing,
)

SHARED = (
    uapi_refs_equal_referrers,
    destroy_is_ebusy_while_held,
    made_on_what_is_there,
    nothing_is_left_in_a_reused_id,
    bound_devices_have_their_object,
    device_objects_have_their_device,
    groups_agree,
    hardware_uses_a_live_hwpt,
    attached_hwpts_fit,
)
"""What holds too where QEMU is the only user, and makes neither vDEVICEs nor event queues."""

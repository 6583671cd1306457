"""What kernels did before they were mended, and small breaches of rules that no kernel had."""

from __future__ import annotations

from functools import partial

from spec.iommufd.calls import iommufd_cdev_unbind, put_parent
from spec.iommufd.objects import Device, Errno, Kernel, Kind, Object
from spec.iommufd.uapi.alloc import (
    Data,
    hold_device,
    hwpt_alloc_paging,
    names_fault_queue,
    open_file,
    paging_refusal,
    vdevice_of,
)
from spec.iommufd.uapi.attach import (
    domain_alloc,
    first_auto,
    iommufd_device_auto_get_domain,
    iommufd_device_detach,
    iommufd_device_do,
    move_members,
    put_auto,
    set_attached,
    unwind,
    vfio_detach,
)
from spec.iommufd.uapi.device import bury, take_group
from spec.iommufd.uapi.hw_queue import index_refusal, is_pinned, put_queue_before
from spec.iommufd.uapi.invalidate import Entry, entries_said, invalidate_one
from spec.iommufd.uapi.lifetime import close, put_device, put_fault
from spec.iommufd.uapi.refusals import (
    asks_for_pri,
    attach_refusal,
    being_reset,
    fits,
    member_refusal,
    pasid_refusal,
    replace_refusal,
)
from spec.iommufd.uapi.reserved import ioas_of, reserve, unreserve
from spec.iommufd.uapi.state import (
    Group,
    Uapi,
    VirtId,
    absent,
    answer_waiting,
    attached_to,
    group_hwpt,
    ioctl,
    room,
    routed,
    viommu_of,
)
from spec.language import (
    MUTANT,
    NONE,
    NULL,
    Fault,
    Id,
    Seen,
    fresh,
    mirrors,
    overrides,
    released,
    require,
    variant_of,
)
from spec.memory.section import Section
from spec.variants.kernel import (
    everything_fits,
    nothing_is_forgotten,
    nothing_is_held,
    parent_is_kept,
)


@overrides(bury)
@mirrors("kernel R6.3", "defects K-07")
def vdevice_outlives(s: Uapi, vdevice: Id[Object]) -> None:
    """A vDEVICE is left as it is when its device goes."""


@overrides(hold_device)
@mirrors("kernel R3.2", "defects K-07")
def vdevice_holds_nothing(s: Uapi, dev: Id[Device]) -> None:
    """A vDEVICE does not hold its device."""


@overrides(put_device)
@mirrors("kernel R3.2", "defects K-07")
def vdevice_puts_nothing(s: Uapi, dev: Id[Device]) -> None:
    """A vDEVICE that goes has no device to let go of."""


@overrides(vfio_detach)
@mirrors("kernel R7.7", "defects K-29")
def detach_of_a_stranger(s: Uapi, dev: Id[Device], pasid: bool) -> None:
    """A user of the core detaches a device that was never attached, while its group is."""
    if s.devices[dev].object != NONE and group_hwpt(s, dev, pasid) != NONE:
        iommufd_device_detach(s, dev, pasid)


@overrides(replace_refusal)
@mirrors("kernel R7.6", "defects K-01")
def a_stranger_replaces(s: Uapi, dev: Id[Device], pasid: bool) -> Errno:
    """A device that is not attached may replace what others of its group have (before 6.15)."""
    return Errno.EINVAL if group_hwpt(s, dev, pasid) == NONE else Errno.OK


@overrides(unwind)
@mirrors("kernel R7.8", "kernel R7.20", "defects K-28")
def blocked_first(s: Uapi, dev: Id[Device], pasid: bool, hwpt: Id[Object], replace: bool) -> None:
    """Intel's driver blocks a device before it asks whether the HWPT will do: blocked it stays.

    The core goes through the group up to the one that is refused, and takes those before it back.
    What fails without a reason fails at the last. A bridge is found before what is behind it, and
    has no PRI either.
    """
    if pasid or pasid_refusal(s, dev, pasid, hwpt) != Errno.OK or being_reset(s, dev):
        return
    if s.groups[s.devices[dev].group].bridge and asks_for_pri(s, hwpt):
        return
    refused, last = False, dev
    for d in s.devices:
        if d.group == s.devices[dev].group and not refused:
            refused, last = not fits(s, d.id, hwpt), d.id
            d.through = group_hwpt(s, dev, pasid)
    if refused or not s.groups[s.devices[dev].group].bridge:
        s.devices[last].through = NONE


@overrides(first_auto)
@mirrors("kernel R7.8", "kernel R7.16")
def each_refusal_is_unwound(
    s: Uapi, dev: Id[Device], pasid: bool, ioas: Id[Object], replace: bool
) -> Id[Object]:
    """Of the automatic HWPTs those that are asked in vain before are refusals, too."""
    found = first_auto(s, dev, pasid, ioas, replace)
    if found == NONE or not s.objects[found].enforced:
        unwind_auto(s, dev, pasid, ioas, replace, True)
    if found == NONE:
        unwind_auto(s, dev, pasid, ioas, replace, False)
    return found


def unwind_auto(
    s: Uapi, dev: Id[Device], pasid: bool, ioas: Id[Object], replace: bool, enforced: bool
) -> None:
    """An automatic HWPT of an IOAS, if there is such a one, was asked, and refused the device."""
    auto = fresh(
        o.id
        for o in s.objects
        if o.kind == Kind.HWPT_PAGING
        and o.auto
        and o.parent == ioas
        and o.enforced == enforced
        and member_refusal(s, dev, pasid, o.id, replace) == Errno.OK
    )
    if auto != NONE:
        unwind(s, dev, pasid, auto, replace)


@overrides(unwind)
@mirrors("kernel R7.13", "defects K-03")
def nothing_is_reserved_any_more(
    s: Uapi, dev: Id[Device], pasid: bool, hwpt: Id[Object], replace: bool
) -> None:
    """A refused replacement takes back what is reserved where it would go, if that is here, too."""
    if replace:
        for d in s.devices:
            if d.group == s.devices[dev].group and d.reserved_in == ioas_of(s, hwpt):
                unreserve(s, d.id, pasid)


@overrides(move_members)
@mirrors("kernel R7.6", "kernel R7.13", "defects K-03")
def the_same_ioas_is_not_asked(
    s: Uapi, dev: Id[Device], pasid: bool, old: Id[Object], hwpt: Id[Object]
) -> None:
    """A replacement within an IOAS reserves nothing, also where nothing is reserved any more."""
    within = ioas_of(s, old) == ioas_of(s, hwpt)
    for d in s.devices:
        if d.group == s.devices[dev].group and attached_to(s, d.id, pasid) != NONE:
            s.objects[old].refs -= 1
            s.objects[hwpt].refs += 1
            set_attached(s, d.id, pasid, hwpt)
            if not within:
                reserve(s, d.id, pasid, hwpt)


@overrides(unwind)
@mirrors("kernel R7.13", "defects K-02")
def the_other_ioas_is_unwound(
    s: Uapi, dev: Id[Device], pasid: bool, hwpt: Id[Object], replace: bool
) -> None:
    """A refused replacement leaves addresses reserved where it would go, none where it is."""
    if replace:
        for d in s.devices:
            if d.group == s.devices[dev].group and d.attached != NONE:
                reserve(s, d.id, pasid, hwpt)


@overrides(reserve)
@mirrors("kernel R7.13", "defects K-04")
def nested_reserves_nothing(s: Uapi, dev: Id[Device], pasid: bool, hwpt: Id[Object]) -> None:
    """An attach to a nested HWPT reserves nothing in the IOAS that it translates to."""
    if s.objects[hwpt].kind == Kind.HWPT_PAGING:
        reserve(s, dev, pasid, hwpt)


@overrides(paging_refusal)
@mirrors("kernel R2.2", "defects K-06")
def parents_take_a_queue(
    s: Uapi,
    dev: Id[Device],
    ioas: Id[Object],
    nest_parent: bool,
    dirty: bool,
    pasid: bool,
    unknown: bool,
    fault_id: Id[Object],
    data: Data,
) -> Errno:
    """A nesting parent is made with a queue for its faults, which nobody serves (before 6.15)."""
    return paging_refusal(s, dev, ioas, nest_parent, dirty, pasid, unknown, NONE, data)


@overrides(entries_said)
@mirrors("kernel R4.5", "defects K-11")
def pending_entries_are_said(done: int) -> int:
    """On a bad entry, those before it that were converted but never issued count as done."""
    return done + 1


@overrides(attach_refusal)
@mirrors("kernel R7.5")
def groups_may_differ(s: Uapi, dev: Id[Device], pasid: bool, hwpt: Id[Object]) -> Errno:
    """A device may attach to another HWPT than its group is on."""
    return Errno.OK if attached_to(s, dev, pasid) == NONE else Errno.EBUSY


@overrides(move_members)
@mirrors("kernel R7.6")
def only_the_caller_moves(
    s: Uapi, dev: Id[Device], pasid: bool, old: Id[Object], hwpt: Id[Object]
) -> None:
    """A replacement takes the hardware of all, and the references of one device."""
    s.objects[old].refs -= 1
    s.objects[hwpt].refs += 1
    set_attached(s, dev, pasid, hwpt)


@overrides(put_fault)
@mirrors("kernel R0.7")
def queue_is_kept(s: Uapi, fault: Id[Object]) -> None:
    """An HWPT that goes keeps its reference on the queue of its faults."""


@overrides(pasid_refusal)
@mirrors("kernel R7.11")
def flags_do_not_matter(s: Uapi, dev: Id[Device], pasid: bool, hwpt: Id[Object]) -> Errno:
    """Any HWPT takes a PASID."""
    return Errno.OK


@overrides(vdevice_of)
@mirrors("kernel R3.2")
def nobody_has_a_vdevice(s: Uapi, dev: Id[Device]) -> Id[Object]:
    """A device gets as many vDEVICEs as are asked for, and leaves them behind (before 6.17)."""
    return NONE


@overrides(put_auto)
@mirrors("kernel R7.7")
def automatic_hwpts_stay(s: Uapi, hwpt: Id[Object]) -> None:
    """An automatic HWPT stays when its last device has left."""


@overrides(names_fault_queue)
@mirrors("kernel R0.5", "kernel R2.6")
def any_object_will_do(s: Uapi, obj: Id[Object]) -> bool:
    """Faults of an HWPT may go to an object of any type."""
    return not absent(s, obj)


@overrides(iommufd_cdev_unbind)
@mirrors("kernel R0.10", "kernel R6.3", "defects K-19")
def half_dead_object(s: Kernel, dev: Id[Device]) -> None:
    """An ioctl outlasts the wait of an unbind, which goes on: the object is never freed."""
    s.objects[s.devices[dev].object].refs = 0
    s.devices[dev].object = NONE


@overrides(iommufd_device_auto_get_domain)
@mirrors("kernel R7.8", "kernel R7.16")
def automatic_hwpt_of_nobody(
    s: Uapi, dev: Id[Device], pasid: bool, ioas: Id[Object], replace: bool, fault: Fault
) -> tuple[Errno, Id[Object]]:
    """An automatic HWPT stays when the attach that it was made for is refused."""
    hwpt = first_auto(s, dev, pasid, ioas, replace)
    if hwpt == NONE:
        err = domain_alloc(s, dev, fault)
        if err != Errno.OK:
            return err, NONE
        room(s)
        hwpt = hwpt_alloc_paging(s, dev, ioas, False)
        s.objects[hwpt].auto = True
    return iommufd_device_do(s, dev, pasid, hwpt, replace, fault), hwpt


@overrides(bury)
@mirrors("kernel R0.3", "kernel R6.3")
def tombstones_remember(s: Uapi, vdevice: Id[Object]) -> None:
    """A tombstone keeps the guest's id, and what it was made on."""
    put_parent(s, vdevice)
    s.objects[vdevice].refs = 0
    s.objects[vdevice].device = NONE


@overrides(take_group)
@mirrors("kernel R6.1")
def owners_do_not_ask(s: Uapi, group: Id[Group]) -> None:
    """Another comes to own a group whose devices are bound."""
    require(s.groups[group].rival and not s.groups[group].taken)
    s.groups[group].taken = True


@overrides(is_pinned)
@mirrors("kernel R1.10")
def queues_pin_nothing(s: Uapi, ioas: Id[Object], section: Id[Section]) -> bool:
    """What a hardware queue is in can be unmapped."""
    return False


@overrides(put_queue_before)
@mirrors("kernel R0.8")
def queue_before_is_kept(s: Uapi, viommu: Id[Object]) -> None:
    """A hardware queue that goes keeps its reference on the one before."""


@overrides(index_refusal)
@mirrors("kernel R3.5")
def any_index_will_do(s: Uapi, viommu: Id[Object], index: int) -> Errno:
    """Hardware queues may be made in any order, and twice."""
    return Errno.EINVAL if index > 1 else Errno.OK


@overrides(put_device)
@mirrors("kernel R7.18")
def ids_go_with_their_vdevice(s: Uapi, dev: Id[Device]) -> None:
    """A vDEVICE that goes takes the id from the events of its device, which is still attached."""
    if dev != NONE:
        s.devices[dev].vsid = NULL
    put_device(s, dev)


@overrides(routed)
@mirrors("kernel R7.18")
def ids_stay(s: Uapi, dev: Id[Device], hwpt: Id[Object]) -> VirtId:
    """The id that events carry stays when the device leaves the vIOMMU."""
    return s.devices[dev].vsid if viommu_of(s, hwpt) == NONE else routed(s, dev, hwpt)


@overrides(invalidate_one)
@mirrors("kernel R4.4")
def entries_are_only_counted(
    s: Uapi, target: Id[Object], entry: Entry, virt_id: VirtId
) -> None:
    """Entries count as done that nobody does."""


@overrides(answer_waiting)
@mirrors("kernel R7.14", "defects K-14")
def replaced_and_waiting(s: Uapi, dev: Id[Device], pasid: bool, hwpt: Id[Object]) -> None:
    """A replacement leaves requests in the queue of the HWPT before, which may go with them."""
    if hwpt == NONE:
        answer_waiting(s, dev, pasid, hwpt)


@overrides(open_file)
@mirrors("kernel R0.7")
def windows_hold_nothing(s: Uapi, queue: Id[Object]) -> None:
    """A vIOMMU can go while its window is mapped."""
    s.objects[queue].open = True


@overrides(close)
@mirrors("kernel R0.9")
def close_does_not_wait(s: Uapi) -> None:
    """The objects are released while devices are bound to them."""
    ioctl(s)
    require(any(o.kind != Kind.FREE for o in s.objects))
    s.closing = True


variant = partial(variant_of, "iommufd-objects", standing=MUTANT)
DRIVEN = "`viommu-spec drive iommufd-objects --kernel"

VARIANTS = (
    variant(
        "uapi-stranger-replaces", a_stranger_replaces, bounds="groups",
        standing=released("Linux up to 6.14", "defects K-01", "fixed in Linux 6.15"),
        no_failed_check=5,
    ),
    variant(
        "uapi-parent-takes-queue", parents_take_a_queue, bounds="queues",
        standing=released("Linux up to 6.14", "defects K-06", "fixed in Linux 6.15"),
        faults_go_to_a_queue=4,
    ),
    variant(
        "linux-7.3-blocked-first", blocked_first, each_refusal_is_unwound, bounds="groups",
        standing=released(
            "Linux 7.3", "defects K-28, of Intel's driver", "reachable", Seen(
                "Linux 7.3.4", "2026-11-24", f"{DRIVEN} --by vfio --bounds vt-d-queues`",
            ),
        ), hardware_does_what_is_recorded=5, a_refused_call_changes_nothing=5,
    ),
    variant(
        "linux-7.3-unreserved", nothing_is_reserved_any_more, the_same_ioas_is_not_asked,
        each_refusal_is_unwound, bounds="reserved", standing=released(
            "Linux 7.3", "defects K-03", "reachable",
            Seen("Linux 7.3.4", "2026-11-24", f"{DRIVEN} --bounds reserved`"),
        ), reserved_while_attached=5, a_refused_call_changes_nothing=5,
        nothing_is_mapped_where_it_is_reserved=6,
    ),
    variant(
        "linux-6.10-other-ioas", the_other_ioas_is_unwound, bounds="reserved",
        standing=released("Linux up to 6.10", "defects K-02", "fixed in Linux 6.11"),
        reserved_while_attached=5, a_refused_call_changes_nothing=5,
        nothing_is_mapped_where_it_is_reserved=6,
    ),
    variant(
        "linux-6.11-nested", nested_reserves_nothing, bounds="reserved",
        standing=released("Linux up to 6.11", "defects K-04", "fixed in Linux 6.12"),
        reserved_while_attached=5,
        nothing_is_mapped_where_it_is_reserved=6,
    ),
    variant(
        "uapi-vdevice-outlives", vdevice_outlives, vdevice_holds_nothing, vdevice_puts_nothing,
        bounds="arm-6.15",
        standing=released("Linux up to 6.16", "defects K-07", "fixed in Linux 6.17"),
        uapi_refs_equal_referrers=5, vdevices_have_a_bound_device=6,
    ),
    variant(
        "uapi-pending-said", pending_entries_are_said, bounds="arm",
        standing=released("Linux 7.1", "defects K-11", "latent: QEMU asks for one entry in a call"),
        no_failed_check=5,
    ),
    variant(
        "uapi-half-dead", half_dead_object, bounds="arm",
        standing=released(
            "Linux 7.1", "defects K-19", "reachable: a patch was posted, and not seen applied"
        ),
        device_objects_have_their_device=2, uapi_refs_equal_referrers=2, teardown_reachable=1,
    ),
    variant(
        "uapi-stranger-detached", detach_of_a_stranger, bounds="groups",
        standing=released(
            "Linux 7.1", "defects K-29", "latent: VFIO detaches only what it has attached"
        ),
        uapi_refs_equal_referrers=5, hardware_uses_a_live_hwpt=5, attached_hwpts_fit=5,
    ),
    variant(
        "uapi-groups-differ", groups_may_differ, bounds="groups",
        groups_agree=6, uapi_refs_equal_referrers=7, destroy_is_ebusy_while_held=7,
        hardware_uses_a_live_hwpt=7, attached_hwpts_fit=7, automatic_hwpts_are_in_use=7,
    ),
    variant(
        "uapi-caller-moves", only_the_caller_moves, bounds="groups",
        groups_agree=7, uapi_refs_equal_referrers=8, destroy_is_ebusy_while_held=8,
        hardware_uses_a_live_hwpt=8, attached_hwpts_fit=8, automatic_hwpts_are_in_use=8,
    ),
    variant(
        "uapi-destroy-while-held", nothing_is_held, bounds="arm",
        destroy_is_ebusy_while_held=3, bound_devices_have_their_object=2, made_on_what_is_there=4,
        hardware_uses_a_live_hwpt=4, uapi_refs_equal_referrers=4, attached_hwpts_fit=4,
    ),
    variant(
        "uapi-parent-kept", parent_is_kept, bounds="arm",
        uapi_refs_equal_referrers=3, destroy_is_ebusy_while_held=3,
        a_refused_call_changes_nothing=3,
    ),
    variant("uapi-queue-kept", queue_is_kept, bounds="queues", uapi_refs_equal_referrers=5),
    variant(
        "uapi-nothing-forgotten", nothing_is_forgotten, bounds="arm",
        nothing_is_left_in_a_reused_id=3, automatic_hwpts_are_in_use=3,
    ),
    variant(
        "uapi-tombstones-remember", tombstones_remember, bounds="arm",
        some_are_made_on_nothing=6, uapi_refs_equal_referrers=6, destroy_is_ebusy_while_held=6,
    ),
    variant("uapi-everything-fits", everything_fits, bounds="intel", attached_hwpts_fit=5),
    variant(
        "uapi-flags-ignored", flags_do_not_matter, pasids_need_their_flag=3,
        automatic_hwpts_are_in_use=3,
    ),
    variant(
        "uapi-many-vdevices", nobody_has_a_vdevice, vdevice_holds_nothing, vdevice_puts_nothing,
        bounds="vdevices", uapi_refs_equal_referrers=5, one_vdevice_each=6,
        vdevices_have_a_bound_device=6,
    ),
    variant(
        "uapi-automatic-stay", automatic_hwpts_stay, bounds="arm",
        automatic_hwpts_are_in_use=4,
    ),
    variant(
        "uapi-automatic-of-nobody", automatic_hwpt_of_nobody, bounds="arm",
        a_refused_call_changes_nothing=3, automatic_hwpts_are_in_use=3,
    ),
    variant(
        "uapi-any-object", any_object_will_do, bounds="queues", faults_go_to_a_queue=3,
        uapi_refs_equal_referrers=3,
    ),
    variant(
        "uapi-two-owners", owners_do_not_ask, bounds="host", a_group_has_one_owner=2,
    ),
    variant(
        "uapi-nothing-pinned", queues_pin_nothing, bounds="hw-queue", a_queue_stays_mapped=7,
    ),
    variant(
        "uapi-queue-before-kept", queue_before_is_kept, bounds="hw-queues",
        uapi_refs_equal_referrers=8, destroy_is_ebusy_while_held=8,
    ),
    variant(
        "uapi-any-index", any_index_will_do, bounds="hw-queue", queues_are_numbered_in_order=6,
    ),
    variant(
        "uapi-id-goes", ids_go_with_their_vdevice, bounds="events",
        events_carry_the_id_of_the_attach=8,
    ),
    variant("uapi-id-stays", ids_stay, bounds="events", events_carry_the_id_of_the_attach=8),
    variant(
        "uapi-entries-counted", entries_are_only_counted, bounds="events", no_failed_check=9,
    ),
    variant(
        "uapi-left-waiting", replaced_and_waiting, bounds="page-requests",
        standing=released("Linux 7.1", "defects K-14", "fixed in Linux 7.3"),
        what_waits_can_be_answered=7,
    ),
    variant(
        "uapi-window-unheld", windows_hold_nothing, bounds="rare", uapi_refs_equal_referrers=5,
        destroy_is_ebusy_while_held=5, nothing_is_left_in_a_reused_id=6,
    ),
    variant(
        "uapi-close-does-not-wait", close_does_not_wait, bounds="arm",
        closed_after_everybody_left=2,
    ),
)

"""What releases of Linux do otherwise than the reference."""

from __future__ import annotations

from functools import partial

from spec.iommufd.calls import iommufd_cdev_unbind
from spec.iommufd.objects import Device, Errno, Kernel, Kind, Object
from spec.iommufd.uapi.alloc import (
    Data,
    hold_device,
    paging_refusal,
)
from spec.iommufd.uapi.attach import (
    first_auto,
    iommufd_device_detach,
    move_members,
    set_attached,
    unwind,
    vfio_detach,
)
from spec.iommufd.uapi.device import bury
from spec.iommufd.uapi.invalidate import entries_said
from spec.iommufd.uapi.lifetime import put_device
from spec.iommufd.uapi.refusals import (
    asks_for_pri,
    being_reset,
    fits,
    member_refusal,
    pasid_refusal,
    replace_refusal,
)
from spec.iommufd.uapi.reserved import ioas_of, reserve, unreserve
from spec.iommufd.uapi.state import (
    Uapi,
    answer_waiting,
    attached_to,
    group_hwpt,
)
from spec.language import (
    MUTANT,
    NONE,
    Id,
    Seen,
    fresh,
    mirrors,
    overrides,
    released,
    variant_of,
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


@overrides(iommufd_cdev_unbind)
@mirrors("kernel R0.10", "kernel R6.3", "defects K-19")
def half_dead_object(s: Kernel, dev: Id[Device]) -> None:
    """An ioctl outlasts the wait of an unbind, which goes on: the object is never freed."""
    s.objects[s.devices[dev].object].refs = 0
    s.devices[dev].object = NONE


@overrides(answer_waiting)
@mirrors("kernel R7.14", "defects K-14")
def replaced_and_waiting(s: Uapi, dev: Id[Device], pasid: bool, hwpt: Id[Object]) -> None:
    """A replacement leaves requests in the queue of the HWPT before, which may go with them."""
    if hwpt == NONE:
        answer_waiting(s, dev, pasid, hwpt)


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
        "uapi-left-waiting", replaced_and_waiting, bounds="page-requests",
        standing=released("Linux 7.1", "defects K-14", "fixed in Linux 7.3"),
        what_waits_can_be_answered=7,
    ),
)

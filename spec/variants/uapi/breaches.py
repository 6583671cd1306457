"""Breaches of the rules of iommufd that nobody made: each shows that a rule can be broken."""

from __future__ import annotations

from functools import partial

from spec.iommufd.calls import put_parent
from spec.iommufd.objects import Device, Errno, Kind, Object
from spec.iommufd.uapi.alloc import (
    hwpt_alloc_paging,
    names_fault_queue,
    open_file,
    vdevice_of,
)
from spec.iommufd.uapi.attach import (
    domain_alloc,
    first_auto,
    iommufd_device_auto_get_domain,
    iommufd_device_do,
    move_members,
    put_auto,
    set_attached,
)
from spec.iommufd.uapi.device import bury, take_group
from spec.iommufd.uapi.hw_queue import index_refusal, is_pinned, put_queue_before
from spec.iommufd.uapi.invalidate import Entry, invalidate_one
from spec.iommufd.uapi.lifetime import close, put_device, put_fault
from spec.iommufd.uapi.refusals import (
    attach_refusal,
    pasid_refusal,
)
from spec.iommufd.uapi.state import (
    Group,
    Uapi,
    VirtId,
    absent,
    attached_to,
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
    mirrors,
    overrides,
    require,
    variant_of,
)
from spec.memory.section import Section
from spec.variants.uapi.kernel import (
    everything_fits,
    nothing_is_forgotten,
    nothing_is_held,
    parent_is_kept,
)
from spec.variants.uapi.released import vdevice_holds_nothing, vdevice_puts_nothing


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

VARIANTS = (
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
        "uapi-window-unheld", windows_hold_nothing, bounds="rare", uapi_refs_equal_referrers=5,
        destroy_is_ebusy_while_held=5, nothing_is_left_in_a_reused_id=6,
    ),
    variant(
        "uapi-close-does-not-wait", close_does_not_wait, bounds="arm",
        closed_after_everybody_left=2,
    ),
)

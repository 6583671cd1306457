"""What kernels did before they were mended, and small breaches of rules that no kernel had."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from spec.iommufd.calls import held, put_parent, suits
from spec.iommufd.objects import Device, Errno, Kernel, Kind, Object
from spec.iommufd.uapi.alloc import names_fault_queue, vdevice_of
from spec.iommufd.uapi.attach import (
    attach_refusal,
    iommufd_device_detach,
    move_members,
    pasid_refusal,
    put_auto,
    vfio_detach,
)
from spec.iommufd.uapi.device import bury
from spec.iommufd.uapi.invalidate import entries_said
from spec.iommufd.uapi.lifetime import close, forget, put_fault
from spec.iommufd.uapi.state import (
    Uapi,
    attached_to,
    group_hwpt,
    ioctl,
)
from spec.language import NONE, Id, Variant, mirrors, overrides, overriding, require


@overrides(bury)
@mirrors("kernel R6.3", "defects K-07")
def vdevice_outlives(s: Uapi, vdevice: Id[Object]) -> None:
    """A vDEVICE is left as it is when its device goes."""


@overrides(vfio_detach)
@mirrors("kernel R7.7", "defects K-29")
def detach_of_a_stranger(s: Uapi, dev: Id[Device], pasid: bool) -> None:
    """A user of the core detaches a device that was never attached, while its group is."""
    if s.devices[dev].object != NONE and group_hwpt(s, dev, pasid) != NONE:
        iommufd_device_detach(s, dev, pasid)


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
    for d in s.devices:
        if d.id == dev:
            s.objects[old].refs -= 1
            s.objects[hwpt].refs += 1
            d.attached = hwpt


@overrides(held)
@mirrors("kernel R0.6")
def nothing_is_held(s: Kernel, obj: Id[Object]) -> bool:
    """DESTROY no longer answers EBUSY."""
    return False


@overrides(put_parent)
@mirrors("kernel R0.7")
def parent_is_kept(s: Kernel, obj: Id[Object]) -> None:
    """An object that goes keeps its reference on what it was made on."""


@overrides(put_fault)
@mirrors("kernel R0.7")
def queue_is_kept(s: Uapi, fault: Id[Object]) -> None:
    """An HWPT that goes keeps its reference on the queue of its faults."""


@overrides(forget)
@mirrors("kernel R0.2")
def nothing_is_forgotten(s: Uapi, obj: Id[Object]) -> None:
    """What an object was is still there when its id names another."""


@overrides(suits)
@mirrors("kernel R7.10")
def everything_suits(s: Kernel, dev: Id[Device], hwpt: Id[Object]) -> bool:
    """A device that does not enforce coherency may use an HWPT that needs it."""
    return True


@overrides(pasid_refusal)
@mirrors("kernel R7.11")
def flags_do_not_matter(s: Uapi, dev: Id[Device], pasid: bool, hwpt: Id[Object]) -> Errno:
    """Any HWPT takes a PASID."""
    return Errno.OK


@overrides(vdevice_of)
@mirrors("kernel R3.2")
def nobody_has_a_vdevice(s: Uapi, dev: Id[Device]) -> Id[Object]:
    """A device gets as many vDEVICEs as it is asked for, and leaves them when it is unbound."""
    return NONE


@overrides(put_auto)
@mirrors("kernel R7.7")
def automatic_hwpts_stay(s: Uapi, hwpt: Id[Object]) -> None:
    """An automatic HWPT stays when its last device has left."""


@overrides(names_fault_queue)
@mirrors("kernel R2.6")
def any_queue_will_do(s: Uapi, obj: Id[Object]) -> bool:
    """Faults of an HWPT may go to the queue of a vIOMMU's events."""
    return s.objects[obj].kind == Kind.EVENTQ


@overrides(close)
@mirrors("kernel R0.9")
def close_does_not_wait(s: Uapi) -> None:
    """The objects are released while devices are bound to them."""
    ioctl(s)
    require(any(o.kind != Kind.FREE for o in s.objects))
    s.closing = True


def _variant(
    name: str, function: Callable[..., Any], bounds: str, source: str = "no series", **expects: int
) -> Variant:
    return Variant(
        name=f"uapi-{name}",
        machine="iommufd-objects",
        overrides=overriding(function),
        expects={rule.replace("_", "-"): length for rule, length in expects.items()},
        bounds=bounds,
        source=source,
        about=(function.__doc__ or "").split("\n")[0],
    )


VARIANTS: tuple[Variant, ...] = (
    _variant("stranger-detached", detach_of_a_stranger, "small", "defects K-29"),
    _variant("vdevice-outlives", vdevice_outlives, "arm", "defects K-07"),
    _variant("pending-said", pending_entries_are_said, "small", "defects K-11"),
    _variant("groups-differ", groups_may_differ, "small"),
    _variant("caller-moves", only_the_caller_moves, "small"),
    _variant("destroy-while-held", nothing_is_held, "small"),
    _variant("parent-kept", parent_is_kept, "small"),
    _variant("nothing-forgotten", nothing_is_forgotten, "small"),
    _variant("everything-suits", everything_suits, "incoherent"),
    _variant("flags-ignored", flags_do_not_matter, "small"),
    _variant("many-vdevices", nobody_has_a_vdevice, "arm"),
    _variant("automatic-stay", automatic_hwpts_stay, "small"),
    _variant("queue-kept", queue_is_kept, "queues"),
    _variant("any-queue", any_queue_will_do, "queues"),
    _variant("close-does-not-wait", close_does_not_wait, "small"),
)

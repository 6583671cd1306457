"""Attach, replace and detach: the devices of one group share one HWPT for each PASID."""

from __future__ import annotations

from spec.iommufd.calls import held
from spec.iommufd.objects import Device, Errno, Kind, Object
from spec.iommufd.uapi.access import iommufd_access_attach, iommufd_access_detach
from spec.iommufd.uapi.alloc import hwpt_alloc_paging
from spec.iommufd.uapi.lifetime import destroy_object
from spec.iommufd.uapi.refusals import early_refusal, late_refusal, member_refusal, refusal
from spec.iommufd.uapi.reserved import reserve, reserved_refusal, unreserve
from spec.iommufd.uapi.state import (
    Uapi,
    absent,
    attached_to,
    group_hwpt,
    ioctl,
    room,
    set_group_hwpt,
)
from spec.language import NONE, Fault, Id, check, fresh, host_call, mirrors, require


@host_call("iommu_domain_alloc {dev} ({ret})", fails=Errno.ENOMEM)
def domain_alloc(s: Uapi, dev: Id[Device], fault: Fault) -> Errno:
    """The driver makes a domain for a device."""
    return Errno.OK


@mirrors("kernel R7.4")
@host_call("iommu_attach_group {dev} id={hwpt} ({ret})", fails=Errno.ENOMEM)
def attach_group(
    s: Uapi, dev: Id[Device], pasid: bool, hwpt: Id[Object], fault: Fault
) -> Errno:
    """The driver programs the hardware of every device of the group, or of none."""
    set_group_hwpt(s, dev, pasid, hwpt)
    return Errno.OK


@mirrors("kernel R7.2", "kernel R7.3")
def iommufd_device_change_pt(
    s: Uapi, dev: Id[Device], pasid: bool, pt: Id[Object], replace: bool, fault: Fault
) -> tuple[Errno, Id[Object]]:
    """Attach a device or replace what it has: an HWPT, or one that is found or made for an IOAS."""
    if s.devices[dev].object == NONE:
        return Errno.EINVAL, NONE
    if absent(s, pt):
        return Errno.ENOENT, NONE
    if s.objects[pt].kind == Kind.IOAS:
        return iommufd_device_auto_get_domain(s, dev, pasid, pt, replace, fault)
    if s.objects[pt].kind not in (Kind.HWPT_PAGING, Kind.HWPT_NESTED):
        return Errno.EINVAL, NONE
    return iommufd_device_do(s, dev, pasid, pt, replace, fault), pt


@mirrors("kernel R7.16")
def iommufd_device_auto_get_domain(
    s: Uapi, dev: Id[Device], pasid: bool, ioas: Id[Object], replace: bool, fault: Fault
) -> tuple[Errno, Id[Object]]:
    """Use the first automatic HWPT of an IOAS that is not answered with EINVAL, else a new one."""
    hwpt = first_auto(s, dev, pasid, ioas, replace)
    if hwpt != NONE:
        return iommufd_device_do(s, dev, pasid, hwpt, replace, fault), hwpt
    err = domain_alloc(s, dev, fault)
    if err != Errno.OK:
        return err, NONE
    room(s)
    hwpt = hwpt_alloc_paging(s, dev, ioas, False)
    s.objects[hwpt].auto = True
    err = iommufd_device_do(s, dev, pasid, hwpt, replace, fault)
    if err != Errno.OK:
        destroy_object(s, hwpt)
        return err, NONE
    return err, hwpt


@mirrors("kernel R7.16")
def first_auto(
    s: Uapi, dev: Id[Device], pasid: bool, ioas: Id[Object], replace: bool
) -> Id[Object]:
    """The automatic HWPT that a walk ends at, in the order in which they were made.

    The one that enforces coherency, if there is one, is the older: once there is one that does
    not, it takes every device.
    """
    used = not pasid and reserved_refusal(s, dev, ioas, replace) != Errno.OK
    enforced = fresh(
        o.id
        for o in s.objects
        if o.kind == Kind.HWPT_PAGING
        and o.auto
        and o.parent == ioas
        and o.enforced
        and ends_walk(s, dev, pasid, o.id, replace, used)
    )
    if enforced != NONE:
        return enforced
    return fresh(
        o.id
        for o in s.objects
        if o.kind == Kind.HWPT_PAGING
        and o.auto
        and o.parent == ioas
        and not o.enforced
        and ends_walk(s, dev, pasid, o.id, replace, used)
    )


@mirrors("kernel R7.16")
def ends_walk(
    s: Uapi, dev: Id[Device], pasid: bool, hwpt: Id[Object], replace: bool, used: bool
) -> bool:
    """Whether an automatic HWPT answers anything but EINVAL; so it does if addresses are `used`."""
    err = member_refusal(s, dev, pasid, hwpt, replace)
    if err != Errno.OK or group_hwpt(s, dev, pasid) == hwpt:
        return err != Errno.EINVAL
    return used or late_refusal(s, dev, pasid, hwpt) != Errno.EINVAL


@mirrors("kernel R7.5", "kernel R7.6", "kernel R7.8")
def iommufd_device_do(
    s: Uapi, dev: Id[Device], pasid: bool, hwpt: Id[Object], replace: bool, fault: Fault
) -> Errno:
    """The first member programs the hardware, others join; a replacement takes all members."""
    err = early_refusal(s, dev, pasid, hwpt, replace)
    if err != Errno.OK:
        return err
    old = group_hwpt(s, dev, pasid)
    if old != hwpt:
        err = late_refusal(s, dev, pasid, hwpt)
        if err == Errno.OK:
            err = attach_group(s, dev, pasid, hwpt, fault)
        if err != Errno.OK:
            unwind(s, dev, pasid, hwpt, replace)
            return err
    take_over(s, dev, pasid, old, hwpt, replace)
    return Errno.OK


@mirrors("kernel R7.8", "kernel R7.13")
def unwind(s: Uapi, dev: Id[Device], pasid: bool, hwpt: Id[Object], replace: bool) -> None:
    """Of an attach that is refused late nothing is left: not in the IOAS, not in the hardware."""


@mirrors("kernel R7.5", "kernel R7.6")
def take_over(
    s: Uapi, dev: Id[Device], pasid: bool, old: Id[Object], hwpt: Id[Object], replace: bool
) -> None:
    """The hardware goes through an HWPT; now those attached hold it, and what they had is free."""
    if replace:
        move_members(s, dev, pasid, old, hwpt)
        put_auto(s, old)
    else:
        join(s, dev, pasid, hwpt)


@mirrors("kernel R7.5")
def join(s: Uapi, dev: Id[Device], pasid: bool, hwpt: Id[Object]) -> None:
    """A device is among those attached, and holds the HWPT and its own object."""
    set_attached(s, dev, pasid, hwpt)
    reserve(s, dev, pasid, hwpt)
    s.objects[hwpt].refs += 1
    s.objects[s.devices[dev].object].refs += 1


def set_attached(s: Uapi, dev: Id[Device], pasid: bool, hwpt: Id[Object]) -> None:
    """Remember what a device, or its PASID, is attached to."""
    if pasid:
        s.devices[dev].pasid_attached = hwpt
    else:
        s.devices[dev].attached = hwpt


@mirrors("kernel R7.6")
def move_members(
    s: Uapi, dev: Id[Device], pasid: bool, old: Id[Object], hwpt: Id[Object]
) -> None:
    """The references of all members of the group go over to the new HWPT."""
    for d in s.devices:
        if d.group == s.devices[dev].group and attached_to(s, d.id, pasid) != NONE:
            s.objects[old].refs -= 1
            s.objects[hwpt].refs += 1
            set_attached(s, d.id, pasid, hwpt)
            reserve(s, d.id, pasid, hwpt)


@mirrors("kernel R7.7")
def put_auto(s: Uapi, hwpt: Id[Object]) -> None:
    """An automatic HWPT goes with its last device."""
    if s.objects[hwpt].auto and not held(s, hwpt):
        destroy_object(s, hwpt)


@mirrors("kernel R7.7")
def iommufd_device_detach(s: Uapi, dev: Id[Device], pasid: bool) -> None:
    """A device leaves the HWPT of its group; the last one leaves the hardware blocked."""
    hwpt = group_hwpt(s, dev, pasid)
    set_attached(s, dev, pasid, NONE)
    unreserve(s, dev, pasid)
    group = s.devices[dev].group
    if not any(d.group == group and attached_to(s, d.id, pasid) != NONE for d in s.devices):
        set_group_hwpt(s, dev, pasid, NONE)
    s.objects[hwpt].refs -= 1
    s.objects[s.devices[dev].object].refs -= 1
    put_auto(s, hwpt)


@mirrors("kernel R7.7")
def vfio_detach(s: Uapi, dev: Id[Device], pasid: bool) -> None:
    """VFIO detaches what it has attached, else does nothing."""
    if attached_to(s, dev, pasid) != NONE:
        iommufd_device_detach(s, dev, pasid)


@mirrors("kernel R7.2", "kernel R7.3")
def vfio_attach_hwpt(s: Uapi, dev: Id[Device], pasid: bool, hwpt: Id[Object]) -> Errno:
    """VFIO attaches a device, or its PASID, to an HWPT: at first, and replaces from then on."""
    if s.devices[dev].object == NONE:
        return Errno.EINVAL
    if absent(s, hwpt):
        return Errno.ENOENT
    if s.objects[hwpt].kind not in (Kind.HWPT_PAGING, Kind.HWPT_NESTED):
        return Errno.EINVAL
    replace = attached_to(s, dev, pasid) != NONE
    err = refusal(s, dev, pasid, hwpt, replace)
    if err != Errno.OK:
        return err
    old = group_hwpt(s, dev, pasid)
    set_group_hwpt(s, dev, pasid, hwpt)
    take_over(s, dev, pasid, old, hwpt, replace)
    return Errno.OK


@mirrors("kernel R7.3", "kernel R7.5")
def attach(
    s: Uapi, dev: Id[Device], pasid: bool, pt: Id[Object], fault: Fault
) -> Errno:
    """Attach a device, or its PASID, as VFIO asks the first time."""
    ioctl(s)
    if s.devices[dev].mdev:
        return access_attach(s, dev, pasid, pt)
    err, hwpt = iommufd_device_change_pt(s, dev, pasid, pt, False, fault)
    check(err != Errno.OK or attached_to(s, dev, pasid) == hwpt, "success, and not attached")
    return err


@mirrors("kernel R7.3", "kernel R7.6")
def replace(
    s: Uapi, dev: Id[Device], pasid: bool, pt: Id[Object], fault: Fault
) -> Errno:
    """Replace what a device, or its PASID, is attached to, as VFIO asks from then on."""
    ioctl(s)
    require(not s.devices[dev].mdev)
    err, hwpt = iommufd_device_change_pt(s, dev, pasid, pt, True, fault)
    check(err != Errno.OK or attached_to(s, dev, pasid) == hwpt, "success, and not attached")
    return err


@mirrors("kernel R7.7")
def detach(s: Uapi, dev: Id[Device], pasid: bool) -> Errno:
    """VFIO_DEVICE_DETACH_IOMMUFD_PT."""
    ioctl(s)
    if s.devices[dev].object == NONE:
        return Errno.EINVAL
    if s.devices[dev].mdev:
        return access_detach(s, dev, pasid)
    vfio_detach(s, dev, pasid)
    return Errno.OK


@mirrors("kernel R7.1", "kernel R7.3")
def access_attach(s: Uapi, dev: Id[Device], pasid: bool, pt: Id[Object]) -> Errno:
    """Attach an mdev, the first time or anew: it has no PASIDs."""
    if s.devices[dev].object == NONE:
        return Errno.EINVAL
    return Errno.EOPNOTSUPP if pasid else iommufd_access_attach(s, dev, pt)


@mirrors("kernel R7.1", "kernel R7.7")
def access_detach(s: Uapi, dev: Id[Device], pasid: bool) -> Errno:
    """Detach an mdev, which is nothing if it is not attached."""
    if pasid:
        return Errno.EOPNOTSUPP
    iommufd_access_detach(s, dev)
    return Errno.OK

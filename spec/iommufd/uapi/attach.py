"""Attach, replace and detach: the devices of one group share one HWPT for each PASID."""

from __future__ import annotations

from spec.iommufd.calls import held, suits_stage2
from spec.iommufd.objects import Device, Errno, Kind, Object
from spec.iommufd.uapi.alloc import hwpt_alloc_paging
from spec.iommufd.uapi.lifetime import destroy_object
from spec.iommufd.uapi.state import (
    Driver,
    Uapi,
    Version,
    absent,
    attached_to,
    group_hwpt,
    ioctl,
    room,
    second_stage,
    set_group_hwpt,
)
from spec.language import NONE, NULL, Fault, Id, check, fresh, host_call, mirrors


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


@mirrors("kernel R7.5", "kernel R7.6")
def refusal(
    s: Uapi, dev: Id[Device], pasid: bool, hwpt: Id[Object], replace: bool
) -> Errno:
    """Why a device cannot be attached, or its HWPT be replaced, if it cannot."""
    current = group_hwpt(s, dev, pasid)
    err = replace_refusal(s, dev, pasid) if replace else attach_refusal(s, dev, pasid, hwpt)
    if err != Errno.OK or current == hwpt:
        return err
    err = pasid_refusal(s, dev, pasid, hwpt)
    return driver_refusal(s, dev, pasid, hwpt) if err == Errno.OK else err


@mirrors("kernel R7.5")
def attach_refusal(s: Uapi, dev: Id[Device], pasid: bool, hwpt: Id[Object]) -> Errno:
    """A device attaches once, and only to the HWPT that its group has already, if any."""
    if attached_to(s, dev, pasid) != NONE:
        return Errno.EBUSY
    if pasid and not s.devices[dev].can_pasid:
        return Errno.EINVAL
    current = group_hwpt(s, dev, pasid)
    return Errno.OK if current in (NONE, hwpt) else Errno.EINVAL


@mirrors("kernel R7.6")
def replace_refusal(s: Uapi, dev: Id[Device], pasid: bool) -> Errno:
    """Only a device that is attached may replace, whoever of its group it is."""
    return Errno.EINVAL if attached_to(s, dev, pasid) == NONE else Errno.OK


@mirrors("kernel R7.11")
def pasid_refusal(s: Uapi, dev: Id[Device], pasid: bool, hwpt: Id[Object]) -> Errno:
    """While a PASID is attached, it and the device itself are on HWPTs made for PASIDs."""
    other = group_hwpt(s, dev, not pasid)
    if other == NONE:
        return Errno.EINVAL if pasid and not s.objects[hwpt].pasid else Errno.OK
    if not s.objects[hwpt].pasid or not s.objects[other].pasid:
        return Errno.EINVAL
    return Errno.OK


@mirrors("kernel R7.10", "kernel R7.15", "kernel R7.17", "kernel R7.18")
def driver_refusal(s: Uapi, dev: Id[Device], pasid: bool, hwpt: Id[Object]) -> Errno:
    """What the driver says of an HWPT for all devices of a group, or those that can do PASIDs."""
    group = s.devices[dev].group
    if any(
        d.group == group and (d.can_pasid or not pasid) and not fits(s, d.id, hwpt)
        for d in s.devices
    ):
        return Errno.EINVAL
    if needs_vdevice(s, hwpt) and vdevice_missing(s, dev, hwpt):
        return Errno.ENOENT
    return Errno.OK


@mirrors("kernel R7.10", "kernel R7.15", "kernel R7.17")
def fits(s: Uapi, dev: Id[Device], hwpt: Id[Object]) -> bool:
    """Whether a device's IOMMU can use an HWPT: coherency, dirty tracking, and whose it is."""
    stage2 = second_stage(s, hwpt)
    return (
        suits_stage2(s, dev, stage2)
        and (s.devices[dev].can_dirty or not s.objects[stage2].dirty)
        and (
            s.driver == Driver.INTEL
            or s.objects[stage2].second == s.devices[dev].on_second_iommu
        )
    )


@mirrors("kernel R7.18")
def needs_vdevice(s: Uapi, hwpt: Id[Object]) -> bool:
    """Whether events and invalidations of an HWPT need to know each device's guest id.

    An SMMU's abort and bypass have neither; 6.15 to 6.18 ask for it all the same, 6.14 never does.
    """
    parent = s.objects[hwpt].parent
    if s.objects[hwpt].kind != Kind.HWPT_NESTED or s.objects[parent].kind != Kind.VIOMMU:
        return False
    if s.driver == Driver.MOCK or s.version == Version.V6_15:
        return True
    return s.version == Version.V6_19 and s.objects[hwpt].table != NULL


@mirrors("kernel R7.18")
def vdevice_missing(s: Uapi, dev: Id[Device], hwpt: Id[Object]) -> bool:
    """Whether a device of the group, a bridge among them, has no vDEVICE in the HWPT's vIOMMU."""
    group = s.devices[dev].group
    viommu = s.objects[hwpt].parent
    return s.groups[group].bridge or any(
        d.group == group
        and not any(
            o.kind == Kind.VDEVICE and o.device == d.id and o.parent == viommu for o in s.objects
        )
        for d in s.devices
    )


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
    enforced = fresh(
        o.id
        for o in s.objects
        if o.kind == Kind.HWPT_PAGING
        and o.auto
        and o.parent == ioas
        and o.enforced
        and refusal(s, dev, pasid, o.id, replace) != Errno.EINVAL
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
        and refusal(s, dev, pasid, o.id, replace) != Errno.EINVAL
    )


@mirrors("kernel R7.5", "kernel R7.6", "kernel R7.8")
def iommufd_device_do(
    s: Uapi, dev: Id[Device], pasid: bool, hwpt: Id[Object], replace: bool, fault: Fault
) -> Errno:
    """The first member programs the hardware, others join; a replacement takes all members."""
    err = refusal(s, dev, pasid, hwpt, replace)
    if err != Errno.OK:
        return err
    old = group_hwpt(s, dev, pasid)
    if old != hwpt:
        err = attach_group(s, dev, pasid, hwpt, fault)
        if err != Errno.OK:
            return err
    take_over(s, dev, pasid, old, hwpt, replace)
    return Errno.OK


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


@mirrors("kernel R7.3", "kernel R7.5")
def attach(
    s: Uapi, dev: Id[Device], pasid: bool, pt: Id[Object], fault: Fault
) -> Errno:
    """Attach a device, or its PASID, as VFIO asks the first time."""
    ioctl(s)
    err, hwpt = iommufd_device_change_pt(s, dev, pasid, pt, False, fault)
    check(err != Errno.OK or attached_to(s, dev, pasid) == hwpt, "success, and not attached")
    return err


@mirrors("kernel R7.3", "kernel R7.6")
def replace(
    s: Uapi, dev: Id[Device], pasid: bool, pt: Id[Object], fault: Fault
) -> Errno:
    """Replace what a device, or its PASID, is attached to, as VFIO asks from then on."""
    ioctl(s)
    err, hwpt = iommufd_device_change_pt(s, dev, pasid, pt, True, fault)
    check(err != Errno.OK or attached_to(s, dev, pasid) == hwpt, "success, and not attached")
    return err


@mirrors("kernel R7.7")
def detach(s: Uapi, dev: Id[Device], pasid: bool) -> None:
    """VFIO_DEVICE_DETACH_IOMMUFD_PT."""
    ioctl(s)
    vfio_detach(s, dev, pasid)

"""Why a device cannot be attached to an HWPT: iommufd asks first, the driver of the IOMMU last."""

from __future__ import annotations

from spec.iommufd.calls import suits_coherency
from spec.iommufd.objects import Device, Errno, Kind, Object
from spec.iommufd.uapi.reserved import ioas_of, reserved_refusal
from spec.iommufd.uapi.state import (
    Driver,
    Uapi,
    Version,
    attached_to,
    group_hwpt,
    second_stage,
)
from spec.language import NONE, NULL, Id, mirrors


@mirrors("kernel R7.5", "kernel R7.6")
def refusal(
    s: Uapi, dev: Id[Device], pasid: bool, hwpt: Id[Object], replace: bool
) -> Errno:
    """Why a device cannot be attached, or its HWPT be replaced, if it cannot."""
    err = early_refusal(s, dev, pasid, hwpt, replace)
    if err != Errno.OK or group_hwpt(s, dev, pasid) == hwpt:
        return err
    return late_refusal(s, dev, pasid, hwpt)


@mirrors("kernel R7.5", "kernel R7.6", "kernel R7.13")
def early_refusal(
    s: Uapi, dev: Id[Device], pasid: bool, hwpt: Id[Object], replace: bool
) -> Errno:
    """What is asked first: who is attached, and what is mapped at addresses of the device."""
    err = member_refusal(s, dev, pasid, hwpt, replace)
    if err != Errno.OK or pasid or (replace and group_hwpt(s, dev, pasid) == hwpt):
        return err
    return reserved_refusal(s, dev, ioas_of(s, hwpt), replace)


@mirrors("kernel R7.5", "kernel R7.6")
def member_refusal(
    s: Uapi, dev: Id[Device], pasid: bool, hwpt: Id[Object], replace: bool
) -> Errno:
    """Whether a device is, or may be, among those of its group that are attached."""
    return replace_refusal(s, dev, pasid) if replace else attach_refusal(s, dev, pasid, hwpt)


@mirrors("kernel R7.11", "kernel R7.18")
def late_refusal(s: Uapi, dev: Id[Device], pasid: bool, hwpt: Id[Object]) -> Errno:
    """What is asked before the hardware goes over to another HWPT, the driver last."""
    err = pasid_refusal(s, dev, pasid, hwpt)
    if err != Errno.OK:
        return err
    return Errno.EBUSY if being_reset(s, dev) else driver_refusal(s, dev, pasid, hwpt)


@mirrors("kernel R7.9")
def being_reset(s: Uapi, dev: Id[Device]) -> bool:
    """Whether a device of the group is being reset: its hardware is not to be touched then."""
    return any(
        d.group == s.devices[dev].group and d.resets and d.resetting for d in s.devices
    )


@mirrors("kernel R7.5")
def attach_refusal(s: Uapi, dev: Id[Device], pasid: bool, hwpt: Id[Object]) -> Errno:
    """A device attaches once, and only to the HWPT that its group has already, if any."""
    if attached_to(s, dev, pasid) != NONE:
        return Errno.EBUSY
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


@mirrors("kernel R7.12", "kernel R7.18")
def driver_refusal(s: Uapi, dev: Id[Device], pasid: bool, hwpt: Id[Object]) -> Errno:
    """The driver is asked for each device of the group; who it is comes before what it can do.

    Here for the whole group: Linux ends at the first no, so where devices of one group differ in
    coherency an earlier one's EINVAL comes before a later one's ENOENT. For a PASID it is asked for
    those that can do PASIDs.
    """
    group = s.devices[dev].group
    stage2 = second_stage(s, hwpt)
    if not of_its_iommu(s, dev, stage2):
        return Errno.EINVAL
    asks = needs_vdevice(s, hwpt, pasid)
    if s.groups[group].bridge and asks:
        return Errno.ENOENT
    enforced, dirty, viommu = enforces(s, stage2), tracks_dirty(s, hwpt), s.objects[hwpt].parent
    if asks and any(d.group == group and vdevice_missing(s, d.id, viommu) for d in s.devices):
        return Errno.ENOENT
    if any(
        d.group == group and (d.can_pasid or not pasid) and not suits(s, d.id, enforced, dirty)
        for d in s.devices
    ):
        return Errno.EINVAL
    if asks_for_pri(s, hwpt) and (
        (s.groups[group].bridge and not pasid)
        or any(
            d.group == group and (d.can_pasid or not pasid) and not d.can_pri for d in s.devices
        )
    ):
        return Errno.ENODEV
    return Errno.OK


@mirrors("kernel R7.14")
def asks_for_pri(s: Uapi, hwpt: Id[Object]) -> bool:
    """Whether Intel's driver asks for PRI: where the faults of an HWPT go to a queue."""
    return s.queues and s.driver == Driver.INTEL and s.objects[hwpt].fault != NONE


@mirrors("kernel R7.17", "kernel R7.18")
def of_its_iommu(s: Uapi, dev: Id[Device], stage2: Id[Object]) -> bool:
    """Whether a paging HWPT is of the IOMMU that a device is behind; Intel's are of all of them."""
    return s.driver == Driver.INTEL or (
        s.objects[stage2].second == s.devices[dev].on_second_iommu
    )


@mirrors("kernel R7.10", "kernel R7.17")
def fits(s: Uapi, dev: Id[Device], hwpt: Id[Object]) -> bool:
    """Whether a device's IOMMU can use an HWPT."""
    stage2 = second_stage(s, hwpt)
    return (
        of_its_iommu(s, dev, stage2)
        and suits(s, dev, enforces(s, stage2), tracks_dirty(s, hwpt))
        and (s.devices[dev].can_pri or not asks_for_pri(s, hwpt))
    )


@mirrors("kernel R7.10", "kernel R7.15")
def suits(s: Uapi, dev: Id[Device], enforced: bool, dirty: bool) -> bool:
    """Whether a device can be where coherency is enforced, or dirty pages are tracked."""
    return suits_coherency(s, dev, enforced) and (s.devices[dev].can_dirty or not dirty)


@mirrors("kernel R2.3", "kernel R2.7")
def enforces(s: Uapi, stage2: Id[Object]) -> bool:
    """Whether a paging HWPT is for devices alone that enforce coherency.

    Not so if Intel's driver made it in the first stage's format, as it does if nothing is to be
    nested in it and no dirty pages are tracked.
    """
    o = s.objects[stage2]
    return o.enforced and (s.driver != Driver.INTEL or o.nest_parent or o.dirty)


@mirrors("kernel R7.15")
def tracks_dirty(s: Uapi, hwpt: Id[Object]) -> bool:
    """Whether an HWPT is for devices that track dirty pages; the mock asks not of what is below."""
    return s.objects[hwpt if s.driver == Driver.MOCK else second_stage(s, hwpt)].dirty


@mirrors("kernel R7.18")
def needs_vdevice(s: Uapi, hwpt: Id[Object], pasid: bool) -> bool:
    """Whether events and invalidations of an HWPT need to know each device's guest id.

    An SMMU's abort and bypass have neither; 6.15 to 6.18 ask for it all the same, 6.14 never does.
    The mock asks for it for the device, not for a PASID.
    """
    parent = s.objects[hwpt].parent
    if s.objects[hwpt].kind != Kind.HWPT_NESTED or s.objects[parent].kind != Kind.VIOMMU:
        return False
    if s.driver == Driver.MOCK:
        return not pasid
    if s.version in (Version.V6_15, Version.V6_17):
        return True
    return s.version == Version.V6_19 and s.objects[hwpt].table != NULL


@mirrors("kernel R7.18")
def vdevice_missing(s: Uapi, dev: Id[Device], viommu: Id[Object]) -> bool:
    """Whether a device has no vDEVICE in a vIOMMU."""
    return not any(
        o.kind == Kind.VDEVICE and o.device == dev and o.parent == viommu for o in s.objects
    )

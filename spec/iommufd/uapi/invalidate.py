"""IOMMU_HWPT_INVALIDATE: entries are done in order, and how many were done is always said."""

from __future__ import annotations

from enum import IntEnum

from spec.iommufd.objects import Errno, Kind, Object
from spec.iommufd.uapi.alloc import virt_id_taken
from spec.iommufd.uapi.state import Driver, Uapi, VirtId, absent, ioctl
from spec.language import NONE, NULL, Id, check, fresh, mirrors, require


class Entry(IntEnum):
    """One entry of an array of invalidations; NONE where the array has ended.

    OF_DEVICE names a device by the id that the guest knows it by, and is for a vIOMMU.
    """

    NONE = 0
    GOOD = 1
    BAD_FLAG = 2
    BAD_TARGET = 3
    OF_DEVICE = 4


@mirrors("kernel R4.1", "kernel R4.3")
def invalidate_refusal(s: Uapi, target: Id[Object], its_type: bool) -> Errno:
    """Why nothing at all is invalidated: a nested HWPT's entries are taken, or a vIOMMU's."""
    if absent(s, target):
        return Errno.ENOENT
    nested = s.objects[target].kind == Kind.HWPT_NESTED
    if not nested and s.objects[target].kind != Kind.VIOMMU:
        return Errno.EINVAL
    if nested and s.driver == Driver.ARM:
        return Errno.EOPNOTSUPP
    return Errno.OK if its_type else Errno.EINVAL


@mirrors("kernel R4.4", "kernel R4.5")
def entry_refusal(s: Uapi, target: Id[Object], entry: Entry, virt_id: VirtId) -> Errno:
    """Why one entry cannot be done: an SMMU's driver has one word for all that it cannot do."""
    if entry == Entry.GOOD or (
        entry == Entry.OF_DEVICE and virt_id_taken(s, target, virt_id)
    ):
        return Errno.OK
    if s.driver == Driver.ARM:
        return Errno.EIO
    return Errno.EOPNOTSUPP if entry == Entry.BAD_FLAG else Errno.EINVAL


@mirrors("kernel R4.2", "kernel R4.4")
def iommufd_hwpt_invalidate(
    s: Uapi,
    target: Id[Object],
    its_type: bool,
    one: Entry,
    one_id: VirtId,
    two: Entry,
    two_id: VirtId,
) -> tuple[Errno, int, int]:
    """Do entries up to the first bad one; how many are said to be done, and how many are.

    Each entry may name a device. What was done stays done if the next one is bad.
    """
    err = invalidate_refusal(s, target, its_type)
    if err != Errno.OK:
        return err, 0, 0
    if one == Entry.NONE:
        return answer_to_nothing(s), 0, 0
    err = entry_refusal(s, target, one, one_id)
    if err != Errno.OK:
        return err, 0, 0
    invalidate_one(s, target, one, one_id)
    if two == Entry.NONE:
        return Errno.OK, 1, 1
    err = entry_refusal(s, target, two, two_id)
    if err != Errno.OK:
        return err, entries_said(1), 1
    invalidate_one(s, target, two, two_id)
    return Errno.OK, 2, 2


@mirrors("kernel R4.4", "kernel R4.5")
def invalidate_one(s: Uapi, target: Id[Object], entry: Entry, virt_id: VirtId) -> None:
    """The ATC of a device that an entry names by its guest's id is emptied."""
    if s.events and entry == Entry.OF_DEVICE:
        vdevice = vdevice_with(s, target, virt_id)
        s.devices[s.objects[vdevice].device].cached = False


@mirrors("kernel R3.2")
def vdevice_with(s: Uapi, viommu: Id[Object], virt_id: VirtId) -> Id[Object]:
    """The vDEVICE that a vIOMMU knows by an id, if any."""
    return fresh(
        o.id
        for o in s.objects
        if o.kind == Kind.VDEVICE and o.parent == viommu and o.virt_id == virt_id
    )


@mirrors("kernel R4.2")
def answer_to_nothing(s: Uapi) -> Errno:
    """An array without entries asks whether its type is known; an SMMU's driver refuses it."""
    return Errno.EINVAL if s.driver == Driver.ARM else Errno.OK


@mirrors("kernel R4.2")
def entries_said(done: int) -> int:
    """How many entries are said to be done, if a later one is bad: those that are."""
    return done


@mirrors("kernel R4.1", "kernel R4.2")
def hwpt_invalidate(s: Uapi, target: Id[Object], last: Entry, virt_id: VirtId) -> Errno:
    """IOMMU_HWPT_INVALIDATE of a good entry and, if it is not NONE, another."""
    ioctl(s)
    err, said, done = iommufd_hwpt_invalidate(
        s, target, True, Entry.GOOD, NULL, last, virt_id
    )
    check(said == done, "entry_num counts an entry that was not done")
    return err


@mirrors("kernel R4.2")
def hwpt_invalidate_nothing(s: Uapi, target: Id[Object]) -> Errno:
    """IOMMU_HWPT_INVALIDATE of no entry."""
    ioctl(s)
    err, _, _ = iommufd_hwpt_invalidate(
        s, target, True, Entry.NONE, NULL, Entry.NONE, NULL
    )
    return err


@mirrors("kernel R4.2", "kernel R4.5")
def hwpt_invalidate_devices(s: Uapi, target: Id[Object], one: VirtId, two: VirtId) -> Errno:
    """IOMMU_HWPT_INVALIDATE of two entries, which name devices."""
    ioctl(s)
    require(s.events)
    err, said, done = iommufd_hwpt_invalidate(
        s, target, True, Entry.OF_DEVICE, one, Entry.OF_DEVICE, two
    )
    check(said == done, "entry_num counts an entry that was not done")
    check(said == 0 or not is_cached(s, target, one), "an entry is said to be done, and is not")
    check(said < 2 or not is_cached(s, target, two), "an entry is said to be done, and is not")
    return err


@mirrors("kernel R4.5")
def is_cached(s: Uapi, viommu: Id[Object], virt_id: VirtId) -> bool:
    """Whether the device that a vIOMMU knows by an id has anything in its ATC."""
    vdevice = vdevice_with(s, viommu, virt_id)
    return vdevice != NONE and s.devices[s.objects[vdevice].device].cached

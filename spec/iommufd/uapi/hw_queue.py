"""Hardware queues: a guest's queue that the hardware reads by itself, and so must stay mapped."""

from __future__ import annotations

from enum import IntEnum
from typing import Annotated

from spec.iommufd.calls import put_parent
from spec.iommufd.objects import Errno, Kind, Object, free_object, new_object, object_over
from spec.iommufd.uapi.reserved import ioas_of
from spec.iommufd.uapi.state import Driver, Uapi, ioctl, names, room_for_two
from spec.language import NONE, Id, Range, fresh, mirrors, require
from spec.memory.section import Section


class Asked(IntEnum):
    """What is asked for: a queue, one of no type, of no length, or past the last address."""

    QUEUE = 0
    NO_TYPE = 1
    NO_LENGTH = 2
    PAST_THE_END = 3


@mirrors("kernel R3.5")
def queue_at(s: Uapi, viommu: Id[Object], index: int) -> Id[Object]:
    """The hardware queue of a vIOMMU with this index."""
    return fresh(
        o.id
        for o in s.objects
        if o.kind == Kind.HW_QUEUE and o.parent == viommu and o.index == index
    )


@mirrors("kernel R3.5")
def asked_refusal(s: Uapi, asked: Asked) -> Errno:
    """What is wrong with a request whatever it is for."""
    if asked == Asked.NO_TYPE:
        return Errno.EOPNOTSUPP
    if asked == Asked.NO_LENGTH:
        return Errno.EINVAL
    return Errno.EOVERFLOW if asked == Asked.PAST_THE_END else Errno.OK


@mirrors("kernel R3.5")
def index_refusal(s: Uapi, viommu: Id[Object], index: int) -> Errno:
    """What the selftest's driver says of an index: there are two, given out in order."""
    if index > 1:
        return Errno.EINVAL
    if queue_at(s, viommu, index) != NONE:
        return Errno.EEXIST
    return Errno.EIO if index == 1 and queue_at(s, viommu, 0) == NONE else Errno.OK


@mirrors("kernel R3.5")
def iommufd_hw_queue_alloc(
    s: Uapi, viommu: Id[Object], asked: Asked, index: int, section: Id[Section]
) -> tuple[Errno, Id[Object]]:
    """A new queue in a section that the vIOMMU's stage 2 maps, and an access that pins it there."""
    err = asked_refusal(s, asked)
    if err != Errno.OK:
        return err, NONE
    if not names(s, viommu, Kind.VIOMMU):
        return Errno.ENOENT, NONE
    if s.driver != Driver.MOCK:
        return Errno.EOPNOTSUPP, NONE
    room_for_two(s)
    ioas = ioas_of(s, s.objects[viommu].parent)
    if section not in s.objects[ioas].areas:
        return Errno.ENOENT, NONE
    err = index_refusal(s, viommu, index)
    if err != Errno.OK:
        return err, NONE
    before = queue_at(s, viommu, 0)
    queue = object_over(s, s.objects[viommu].fd, viommu, Kind.HW_QUEUE)
    s.objects[queue].index = index
    access = pin(s, ioas, section)
    s.objects[queue].access = access
    if before != NONE:
        s.objects[before].refs += 1
    return Errno.OK, queue


@mirrors("kernel R3.5")
def pin(s: Uapi, ioas: Id[Object], section: Id[Section]) -> Id[Object]:
    """An access of the kernel's own, which it holds itself, pins a section of an IOAS."""
    access = new_object(s, s.objects[ioas].fd, Kind.ACCESS)
    s.objects[access].refs = 2
    s.objects[access].parent = ioas
    s.objects[access].pinned = section
    s.objects[ioas].refs += 1
    return access


@mirrors("kernel R3.5")
def unpin(s: Uapi, access: Id[Object]) -> None:
    """The access of a queue that goes is detached, and goes too."""
    put_parent(s, access)
    free_object(s, access)
    s.objects[access].pinned = NONE


@mirrors("kernel R0.8", "kernel R3.5")
def put_queue_before(s: Uapi, viommu: Id[Object]) -> None:
    """The second queue of a vIOMMU lets go of the first, which it holds."""
    before = queue_at(s, viommu, 0)
    if before != NONE:
        s.objects[before].refs -= 1


@mirrors("kernel R1.10")
def is_pinned(s: Uapi, ioas: Id[Object], section: Id[Section]) -> bool:
    """Whether a queue's access pins a section of an IOAS."""
    return any(o.parent == ioas and o.pinned == section for o in s.objects)


@mirrors("kernel R3.5")
def hw_queue_alloc(
    s: Uapi,
    viommu: Id[Object],
    asked: Asked,
    index: Annotated[int, Range(0, 2)],
    section: Id[Section],
) -> Errno:
    """IOMMU_HW_QUEUE_ALLOC."""
    ioctl(s)
    require(s.hw_queues)
    err, _ = iommufd_hw_queue_alloc(s, viommu, asked, index, section)
    return err

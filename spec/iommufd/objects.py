"""The kernel's objects: one table, one id space per file descriptor, counted references."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Annotated

from spec.language import (
    CONST,
    NONE,
    NULL,
    Id,
    IdSet,
    Range,
    Record,
    Sort,
    Table,
    fresh,
    limit,
    mirrors,
)
from spec.memory.section import Memory, Section


class Errno(IntEnum):
    """What a call of the kernel, or a function of QEMU, answers."""

    OK = 0
    EPERM = 1
    ENOENT = 2
    EIO = 5
    ENXIO = 6
    ENOMEM = 12
    EACCES = 13
    EBUSY = 16
    EEXIST = 17
    ENODEV = 19
    EINVAL = 22
    ENOSPC = 28
    EOVERFLOW = 75
    EOPNOTSUPP = 95
    EADDRINUSE = 98


class Kind(IntEnum):
    """What an id names; FREE if nothing."""

    FREE = 0
    DEVICE = 1
    IOAS = 2
    HWPT_PAGING = 3
    HWPT_NESTED = 4
    VIOMMU = 5
    VDEVICE = 6
    EVENTQ = 7
    ACCESS = 8
    HW_QUEUE = 9


class PgTable(Sort):
    """The address of a guest's first-stage page table."""


class Iommufd(Record):
    """One open /dev/iommu. VFIO's own IOAS and HWPT on it are there as long as it is open."""

    vfio_hwpt: Annotated[Id[Object], CONST]


class Object(Record):
    """One id of an iommufd and the object it names, if any.

    `refs` counts users as DESTROY sees them: 1 if only the id table holds it. `parent` is the IOAS
    of a paging HWPT, the nesting parent of a nested one. `enforced` HWPTs have enforced cache
    coherency, `writeable_only` ones refuse read-only mappings (erratum 772415), `table` is the
    stage-1 table of a nested one, `areas` is what an IOAS maps.
    """

    fd: Annotated[Id[Iommufd], CONST]
    number: Annotated[int, Range(1, 31), CONST]
    kind: Kind
    refs: Annotated[int, Range(0, 31)]
    parent: Id[Object]
    nest_parent: bool
    enforced: bool
    writeable_only: bool
    table: PgTable
    areas: IdSet[Section]

    if TYPE_CHECKING:

        @property
        def id(self) -> Id[Object]:
            """The id of this row, by which derived states know it too."""
            raise NotImplementedError

    def label(self) -> str:
        """The id as the kernel gave it."""
        return str(self.number)

    def live(self) -> bool:
        """Whether the id names an object."""
        return self.kind != Kind.FREE


class Device(Record):
    """A device as the kernel sees it: its iommufd, its object while bound, what it is attached to.

    `coherent` devices enforce cache coherency; `erratum` ones write through read-only stage-2
    mappings (SPR17, 772415). Not attached means that its DMA is blocked.
    """

    fd: Annotated[Id[Iommufd], CONST]
    coherent: Annotated[bool, CONST]
    erratum: Annotated[bool, CONST]
    object: Id[Object]
    attached: Id[Object]

    if TYPE_CHECKING:

        @property
        def id(self) -> Id[Device]:
            """The id of this row, by which derived states know it too."""
            raise NotImplementedError

    def label(self) -> str:
        """A name such as QEMU gives to a device."""
        return f"dev{int(self.id)}"


class Kernel(Memory):
    """What the kernel holds for one virtual machine."""

    iommufds: Table[Iommufd]
    objects: Table[Object]
    devices: Table[Device]


@mirrors("kernel R0.1")
def new_object(s: Kernel, fd: Id[Iommufd], kind: Kind) -> Id[Object]:
    """Give the lowest free id of a file descriptor to a new object that nobody uses yet."""
    free = fresh(o.id for o in s.objects if o.fd == fd and o.kind == Kind.FREE)
    limit(free != NONE, "objects")
    s.objects[free].kind = kind
    s.objects[free].refs = 1
    return free


@mirrors("kernel R0.7")
def object_over(s: Kernel, fd: Id[Iommufd], parent: Id[Object], kind: Kind) -> Id[Object]:
    """A new object of a file descriptor that is made on another one, and holds it."""
    obj = new_object(s, fd, kind)
    s.objects[obj].parent = parent
    s.objects[parent].refs += 1
    return obj


@mirrors("kernel R0.2")
def free_object(s: Kernel, obj: Id[Object]) -> None:
    """The id is free at once, and nothing is left of the object."""
    o = s.objects[obj]
    o.kind = Kind.FREE
    o.refs = 0
    o.parent = NONE
    o.nest_parent = False
    o.enforced = False
    o.writeable_only = False
    o.table = NULL
    clear_areas(s, obj)


@mirrors("kernel R0.2")
def clear_areas(s: Kernel, obj: Id[Object]) -> None:
    """What an IOAS has mapped goes with it."""
    s.objects[obj].areas.clear()


@mirrors("kernel R2.3", "kernel R2.7")
def stage2_of(s: Kernel, hwpt: Id[Object]) -> Id[Object]:
    """The paging HWPT that translates guest-physical addresses for users of `hwpt`."""
    return s.objects[hwpt].parent if s.objects[hwpt].kind == Kind.HWPT_NESTED else hwpt

"""As posted, what the vIOMMU remembers: containers, stage-2 tables, the binding of each device."""

from __future__ import annotations

from enum import IntEnum
from typing import Annotated

from spec.iommufd.objects import Device, Iommufd, Kernel, Object, PgTable
from spec.language import CONST, Id, IdSet, Range, Record, Sort, Table


class Pgtt(IntEnum):
    """The translation type of a PASID entry as the architecture encodes it; NONE if not present."""

    NONE = 0
    FLT = 1
    SLT = 2
    PT = 4


class DomainId(Sort):
    """The domain id that a guest writes into a PASID entry."""


class VTDIOASContainer(Record):
    """An IOAS that follows the guest's memory map, for the devices of one iommufd.

    A row is free while `iommufd` is none. `errata` containers hold no read-only mapping.
    `listening`: its memory listener is registered.
    """

    iommufd: Id[Iommufd]
    ioas_id: Id[Object]
    errata: bool
    listening: bool

    def live(self) -> bool:
        """Whether the row is a container, or a listener that outlives it."""
        return self.iommufd != 0 or self.listening


class VTDS2Hwpt(Record):
    """A nesting parent over a container's IOAS and how many devices use it.

    A row is free while `container` is none.
    """

    container: Id[VTDIOASContainer]
    hwpt_id: Id[Object]
    users: Annotated[int, Range(0, 7)]


class VTDAddressSpace(Record):
    """A device of the guest: its host IOMMU device, its cached PASID entry, its host page table.

    `hiod_set`: set_iommu_device has been called for it. The cache is filled unless `pgtt` is NONE.
    `hwpt_id` and `s2_hwpt` are what the vIOMMU has attached; none if it has not.
    """

    hiod: Annotated[Id[Device], CONST]
    hiod_set: bool
    pgtt: Pgtt
    did: DomainId
    flpt: PgTable
    hwpt_id: Id[Object]
    s2_hwpt: Id[VTDS2Hwpt]

    def label(self) -> str:
        """The device's name."""
        return f"dev{int(self.id)}"


class IntelIOMMUState(Kernel):
    """The vIOMMU and the host below it.

    `deferred` are ids whose DESTROY was refused and that are to be destroyed later. `running` is
    false once QEMU has stopped because it could not keep the host's map of the guest's memory.
    """

    running: bool
    dmar_enabled: bool
    iommu_lock: bool
    deferred: IdSet[Object]
    max_deferred: Annotated[int, Range(0, 15), CONST]
    containers: Table[VTDIOASContainer]
    s2_hwpts: Table[VTDS2Hwpt]
    address_spaces: Table[VTDAddressSpace]

"""What the guest asks of remapping, and through which region each address space goes."""

from __future__ import annotations

from enum import IntEnum
from typing import Annotated

from spec.language import CONST, Id, IdSet, Range, Record, Table
from spec.memory.section import Section
from spec.vfio.state import Containers, VFIOAddressSpace, VFIOIOMMUFDContainer


class Asks(IntEnum):
    """What the guest's entry of a requester asks for: nothing, pass-through, or its table."""

    NOTHING = 0
    PASS_THROUGH = 1
    TABLE = 2


class VTDAddressSpace(Record):
    """The address space of one requester. It has two regions, of which one is on.

    `nodmar` is all memory, `dmar` what the guest's tables translate to (`use_iommu`: that one is
    on). `container` is VFIO's, with a passthrough device. `first_stage`: the vIOMMU nests, in
    scalable mode. `there`: it is made, and stays.

    `asks` is the guest's entry in memory, `table` what its second-level table there maps; `due`:
    the context cache has been invalidated since the entry was written, and `unsynced` are those
    sections whose mapping has been written since an invalidation covered it.
    """

    nodmar: Annotated[Id[VFIOAddressSpace], CONST]
    dmar: Annotated[Id[VFIOAddressSpace], CONST]
    container: Annotated[Id[VFIOIOMMUFDContainer], CONST]
    first_stage: Annotated[bool, CONST]
    there: bool
    use_iommu: bool
    asks: Asks
    due: bool
    table: IdSet[Section]
    unsynced: IdSet[Section]


class VTDDevice(Record):
    """A PCI device behind the vIOMMU, emulated or passed through; `bridge`: behind a PCI bridge.

    `slot` is where it goes: devices of one slot take turns. `hiod`: the vIOMMU knows its host IOMMU
    device.
    """

    vtd_as: Annotated[Id[VTDAddressSpace], CONST]
    slot: Annotated[int, Range(1, 15), CONST]
    emulated: Annotated[bool, CONST]
    bridge: Annotated[bool, CONST]
    there: bool
    hiod: bool


class VTDRegions(Containers):
    """The vIOMMU's registers, its address spaces, and the containers that listen to them.

    `dmar_enabled`: GSTS.TES. `root_scalable`: the root table is of scalable mode.
    """

    dmar_enabled: bool
    root_scalable: bool
    address_spaces: Table[VTDAddressSpace]
    pci_devices: Table[VTDDevice]


def passed_through(s: VTDRegions, vtd_as: Id[VTDAddressSpace]) -> bool:
    """Whether a passthrough device is in an address space."""
    return any(d.there and not d.emulated and d.vtd_as == vtd_as for d in s.pci_devices)


def inhabited(s: VTDRegions, vtd_as: Id[VTDAddressSpace]) -> bool:
    """Whether any device is in an address space."""
    return any(d.there and d.vtd_as == vtd_as for d in s.pci_devices)

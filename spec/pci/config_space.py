"""The extended configuration space of a device: capabilities that are linked by their offsets.

Offsets and sizes count dwords; what is not aligned to them is refused before it gets here.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Annotated

from spec.language import (
    CONST,
    NONE,
    Id,
    Range,
    Record,
    State,
    Table,
    first,
    fresh,
    limit,
    mirrors,
)

PCI_CONFIG_SPACE_SIZE = 2
"""Where the first extended capability is. Of the space below it one dword is enough: 1."""

PCI_EXT_CAP_PASID_SIZEOF = 2
"""A header, and a dword with the capability and control registers."""

PCI_EXT_CAP_MIN_SIZE = 2
"""No capability is a header alone."""


class CapId(IntEnum):
    """What a header says; FREE if the row is not in use.

    A STUB stands at the head of the list where the device's own first capability is hidden.
    """

    FREE = 0
    STUB = 1
    OTHER = 2
    PASID = 3


class ExtCap(Record):
    """One capability that was written: its header at `offset`, its registers up to `size`.

    `next` is where the header says that the list goes on, 0 at its end. `overwritten` once
    something else was written over the header.
    """

    cap: CapId
    offset: Annotated[int, Range(0, "dwords")]
    size: Annotated[int, Range(0, "dwords")]
    next: Annotated[int, Range(0, "dwords")]
    overwritten: bool

    def label(self) -> str:
        """What it is and where."""
        return f"{self.cap.name}@{int(self.offset)}"


class HostIOMMUDevice(Record):
    """The host IOMMU device behind a passthrough device; `pasid`: the host supports PASIDs."""

    pasid: bool


class Phase(IntEnum):
    """How far a device has come: REFUSED if its realize has failed."""

    ABSENT = 0
    ADDING = 1
    READY = 2
    REFUSED = 3


class PCIDevice(State):
    """A passthrough device, what the guest sees of its capabilities, and the vIOMMU before it.

    `hiod` is none for an mdev. `pasid_cap_added`: the device has shown a PASID capability of its
    own. `pasid_cap` is where QEMU finds the capability that it emulates, 0 if nowhere.
    """

    phase: Phase
    hiod: Id[HostIOMMUDevice]
    viommu_pasid: bool
    pasid_cap_added: bool
    pasid_cap: Annotated[int, Range(0, "dwords")]
    config_size: Annotated[int, Range(0, "dwords"), CONST]
    hiods: Table[HostIOMMUDevice]
    caps: Table[ExtCap]


@mirrors("001 34/37 pci_get_long")
def pci_header_at(s: PCIDevice, offset: int) -> Id[ExtCap]:
    """The header that one reads at an offset, if there is one."""
    return first(
        x.id for x in s.caps if x.cap != CapId.FREE and not x.overwritten and x.offset == offset
    )


@mirrors("001 34/37 pci_set_long")
def pci_write_capability(s: PCIDevice, cap: CapId, offset: int, size: int, following: int) -> None:
    """Write a header and its registers, over whatever is there; a stub is meant to be replaced."""
    for x in s.caps:
        if x.cap != CapId.FREE and offset <= x.offset and x.offset < offset + size:
            if x.cap == CapId.STUB:
                pci_forget_capability(s, x.id)
            else:
                x.overwritten = True
    row = fresh(x.id for x in s.caps if x.cap == CapId.FREE)
    limit(row != NONE, "caps")
    s.caps[row].cap = cap
    s.caps[row].offset = offset
    s.caps[row].size = size
    s.caps[row].next = following
    s.caps[row].overwritten = False


def pci_forget_capability(s: PCIDevice, row: Id[ExtCap]) -> None:
    """A row is free again."""
    s.caps[row].cap = CapId.FREE
    s.caps[row].offset = 0
    s.caps[row].size = 0
    s.caps[row].next = 0
    s.caps[row].overwritten = False

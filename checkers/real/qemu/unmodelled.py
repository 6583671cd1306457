"""What the specification does not model, and what is answered instead: all of it is here.

- what an IOAS maps, page by page: areas are kept here, and the specification hears of the first and
  the last that may be written, and of the first and the last that may only be read;
- which addresses a device can reach: all of 48 bits but the window of interrupts;
- what an IOMMU says of itself: all that a vIOMMU asks for;
- what an invalidation says: an entry is good, or of a device if it names one by its stream;
- data of an SMMU's stream table entry beside its context table: abort and bypass are kept here;
- the owner of the memory may change: always; dirty pages: there are none;
- interrupts, resets and the regions of a device: `device_file`.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping
from typing import Final

from checkers.real.qemu.structures import DATA

RANGES: Final = ((0, 0xFEDF_FFFF), (0xFEF0_0000, (1 << 48) - 1))
"""Addresses that may be mapped."""

ALIGNMENT: Final = 0x1000
WRITEABLE: Final = 2

VTD: Final = 1
SMMUV3: Final = 2
ERRATUM: Final = 1

INFO: Final[Mapping[int, Mapping[str, int]]] = {
    VTD: {
        # 64 domains of each kind, 4 levels, 1 GiB pages of the first stage
        "cap_reg": 1 << 59 | 1 << 56 | 0xF << 34 | 0x2F << 16 | 0x4 << 8 | 0x6,
        # scalable mode, first stage, second stage, nesting, PASIDs of 20 bits, and coherent
        "ecap_reg": 1 << 48 | 1 << 47 | 1 << 46 | 1 << 43 | 1 << 40 | 19 << 35 | 1 << 26 | 0xF,
    },
    SMMUV3: {
        "idr0": 1 << 27 | 2 << 21 | 1 << 18 | 1 << 12 | 1 << 10 | 1 << 4 | 2 << 2 | 3,
        "idr1": 20 << 6 | 16,
        "idr3": 1 << 10,
        "idr5": 5 | 7 << 4,
    },
}
"""What the registers of each kind of IOMMU have."""

OF_STREAM: Final = frozenset((0x03, 0x04, 0x05, 0x06, 0x40))
"""Commands of an SMMU that name a device by its stream."""

OF_ADDRESSES: Final = frozenset((0x10, 0x11, 0x12, 0x13, 0x30))
"""Commands that name none."""


def info(kind: int, erratum: bool, otherwise: Mapping[str, int]) -> bytes:
    """What IOMMU_GET_HW_INFO copies to the user; a scenario may have some registers otherwise."""
    name = {VTD: "vtd_info", SMMUV3: "arm_info"}[kind]
    return DATA[name].written({**INFO[kind], **otherwise, "flags": ERRATUM if erratum else 0})


class Areas:
    """What one IOAS maps: its areas by their first address, with size and whether writeable."""

    def __init__(self) -> None:
        self.areas: dict[int, tuple[int, bool]] = {}

    def map_refusal(self, start: int, size: int) -> int:
        """Why an area cannot be mapped: another is there, or the device cannot reach it."""
        last = start + size - 1
        if size == 0 or (start | size) % ALIGNMENT:
            return errno.EINVAL
        if not any(low <= start and last <= high for low, high in RANGES):
            return errno.EINVAL
        if any(a <= last and start <= a + n - 1 for a, (n, _) in self.areas.items()):
            return errno.EEXIST
        return 0

    def within(self, start: int, size: int) -> list[int] | None:
        """The areas that lie in a range; None if one lies there in part."""
        last = start + size - 1
        touched = [a for a, (n, _) in self.areas.items() if a <= last and start <= a + n - 1]
        if any(a < start or last < a + self.areas[a][0] - 1 for a in touched):
            return None
        return sorted(touched)

    def any(self, writeable: bool) -> bool:
        """Whether it maps anything of that kind."""
        return any(kind == writeable for _, kind in self.areas.values())


def is_abort(entry: int) -> bool:
    """Whether a stream table entry aborts, by its first word."""
    return not entry & 1 or entry >> 1 & 7 == 0


def context_of(entry: int) -> int:
    """Where a stream table entry that translates has its context table; 0 of one that does not."""
    return entry & ((1 << 52) - 1) & ~0x3F if entry & 1 and entry >> 1 & 7 == 5 else 0


def path_of(entry: int) -> str:
    """What a stream table entry does."""
    if context_of(entry):
        return "translate"
    return "abort" if is_abort(entry) else "bypass"


def spelt(form: str, data: Mapping[str, int]) -> str:
    """What an HWPT is made with, in words."""
    if form == "arm_ste":
        return f"ste:{data['ste']:#x},{data['ste1']:#x}({path_of(data['ste'])})"
    flags, table, width = data["flags"], data["pgtbl_addr"], data["addr_width"]
    return f"flags:{flags:#x},pgtbl:{table:#x},aw:{width}"

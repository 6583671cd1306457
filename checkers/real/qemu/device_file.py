"""The file of a device: its configuration space, its regions and its interrupts."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Final

REGIONS: Final = 9
CONFIG: Final = 7
"""The region that is the configuration space."""

INTERRUPTS: Final = 5
SHIFT: Final = 40
"""A region begins in the file at its index times two to this power."""

READ_WRITE: Final = 3
RESET_AND_PCI: Final = 3
BAR_SIZE: Final = 0x10000
CONFIG_SIZE: Final = 0x1000
ALONE: Final = {3: 1, 4: 1}
"""How many interrupts there are by each index: one for errors, one for requests to leave."""

EVENTFD_NO_RESIZE: Final = 9
COMMAND: Final = range(4, 6)


def config_space() -> bytearray:
    """A network card with one BAR, no interrupts, that can be reset by a function-level reset."""
    space = bytearray(CONFIG_SIZE)

    def put(place: int, form: str, *values: int) -> None:
        struct.pack_into("<" + form, space, place, *values)

    put(0x00, "HHHH", 0x8086, 0x10FB, 0, 0x0010)
    put(0x08, "BBBB", 1, 0, 0, 2)
    put(0x10, "I", 0)
    put(0x2C, "HH", 0x8086, 0x000C)
    put(0x34, "B", 0x40)
    put(0x40, "BBH", 0x10, 0, 0x0002)
    put(0x44, "I", 1 << 28 | 0x8000)
    put(0x4C, "I", 0x11)
    put(0x52, "H", 0x11)
    put(0x100, "I", 0x00010003)
    return space


class DeviceFile:
    """What a file of VFIO says beside what iommufd says."""

    def __init__(self) -> None:
        self.config = config_space()
        self.regions = {0: bytearray(BAR_SIZE), CONFIG: self.config}

    def info(self) -> Mapping[str, int]:
        """VFIO_DEVICE_GET_INFO."""
        return {"flags": RESET_AND_PCI, "num_regions": REGIONS, "num_irqs": INTERRUPTS,
                "cap_offset": 0}  # fmt: skip

    def region(self, index: int) -> Mapping[str, int] | None:
        """VFIO_DEVICE_GET_REGION_INFO; None if there is no such region."""
        if index >= REGIONS - 1:
            return None
        size = len(self.regions.get(index, b""))
        flags = READ_WRITE if size else 0
        return {"flags": flags, "cap_offset": 0, "size": size, "offset": index << SHIFT}

    def interrupt(self, index: int) -> Mapping[str, int] | None:
        """VFIO_DEVICE_GET_IRQ_INFO; None if there is no such index."""
        if index >= INTERRUPTS:
            return None
        count = ALONE.get(index, 0)
        return {"flags": EVENTFD_NO_RESIZE if count else 0, "count": count}

    def read(self, place: int, size: int) -> bytes:
        """A read of the file; ones where there is nothing."""
        region = self.regions.get(place >> SHIFT, bytearray())
        start = place & (1 << SHIFT) - 1
        return bytes(region[start : start + size]).ljust(size, b"\xff")

    def write(self, place: int, content: bytes) -> None:
        """A write to the file: of the configuration the command alone, of the BAR all."""
        index, start = place >> SHIFT, place & (1 << SHIFT) - 1
        region = self.regions.get(index, bytearray())
        for number, byte in enumerate(content, start):
            if number < len(region) and (index != CONFIG or number in COMMAND):
                region[number] = byte

"""A guest's driver of QEMU's emulated `edu` device, which copies memory by DMA."""

from __future__ import annotations

from typing import Final

from checkers.real.qemu.slots import Slot
from checkers.real.qemu.talk import Processor

COMMAND, BAR, WINDOW = 0x04, 0x10, 0x20
MEMORY_AND_MASTER: Final = 6
REGISTERS: Final = 0xE000_0000
"""Where the guest puts the device's registers, and the window of the bridge before it."""

SOURCE, TARGET, LENGTH, GO = 0x80, 0x88, 0x90, 0x98
BUFFER: Final = 0x4_0000
FROM_MEMORY, TO_MEMORY = 1, 3
LATER: Final = 1_000_000_000
"""So many nanoseconds of the guest's are enough for a copy."""


class Edu:
    """The device in a slot; its driver turns it on."""

    def __init__(self, processor: Processor, slot: Slot) -> None:
        self.processor = processor
        write = slot.configuration.write
        write(0, slot.devfn, WINDOW, REGISTERS >> 16 & 0xFFF0 | REGISTERS & 0xFFF0_0000)
        write(0, slot.devfn, COMMAND, MEMORY_AND_MASTER)
        write(slot.bus, 0, BAR, REGISTERS)
        write(slot.bus, 0, COMMAND, MEMORY_AND_MASTER)

    def copy(self, source: int, target: int, size: int) -> None:
        """Copy memory by way of the device's buffer; what it is refused it does not say."""
        self._move(source, BUFFER, size, FROM_MEMORY)
        self._move(BUFFER, target, size, TO_MEMORY)

    def _move(self, source: int, target: int, size: int, how: int) -> None:
        for register, value in ((SOURCE, source), (TARGET, target), (LENGTH, size), (GO, how)):
            self.processor.write(REGISTERS + register, value)
        self.processor.ask(f"clock_step {LATER}")

"""A guest's driver of PCI: configuration space, numbers of buses, and the power of slots."""

from __future__ import annotations

from typing import Final, Protocol

from checkers.real.qemu.talk import Processor

ECAM: Final = 0x40_1000_0000
"""Where the virt machine has the configuration space of each function."""

ADDRESS_PORT, DATA_PORT = 0xCF8, 0xCFC
BUSES, CAPABILITIES, EXPRESS, SLOT_CONTROL = 0x18, 0x34, 0x10, 0x18
OFF: Final = 0x400 | 0x300
"""Power and its indicator are off."""

ON: Final = 0x100


class Configuration(Protocol):
    """How the guest reads and writes the configuration space, by 4 bytes."""

    def read(self, bus: int, devfn: int, place: int) -> int:
        """Four bytes."""

    def write(self, bus: int, devfn: int, place: int, value: int) -> None:
        """Four bytes."""


class Ports:
    """By ports, as x86 does."""

    def __init__(self, processor: Processor) -> None:
        self.processor = processor

    def read(self, bus: int, devfn: int, place: int) -> int:
        """Four bytes."""
        self._select(bus, devfn, place)
        return int(self.processor.ask(f"inl {DATA_PORT:#x}"), 16)

    def write(self, bus: int, devfn: int, place: int, value: int) -> None:
        """Four bytes."""
        self._select(bus, devfn, place)
        self.processor.ask(f"outl {DATA_PORT:#x} {value:#x}")

    def _select(self, bus: int, devfn: int, place: int) -> None:
        address = 1 << 31 | bus << 16 | devfn << 8 | place
        self.processor.ask(f"outl {ADDRESS_PORT:#x} {address:#x}")


class Memory:
    """By memory, as Arm does."""

    def __init__(self, processor: Processor) -> None:
        self.processor = processor

    def read(self, bus: int, devfn: int, place: int) -> int:
        """Four bytes."""
        return self.processor.read(ECAM | bus << 20 | devfn << 12 | place, 4)

    def write(self, bus: int, devfn: int, place: int, value: int) -> None:
        """Four bytes."""
        self.processor.write(ECAM | bus << 20 | devfn << 12 | place, value, 4)


class Slot:
    """The slot of a root port, whose only device is function 0 of a bus of its own."""

    def __init__(self, configuration: Configuration, devfn: int, bus: int) -> None:
        self.configuration, self.devfn, self.bus = configuration, devfn, bus

    def number(self) -> None:
        """The guest gives the bus its number; it forgets it at a reset."""
        self.configuration.write(0, self.devfn, BUSES, self.bus << 16 | self.bus << 8)

    def power(self, on: bool) -> None:
        """The guest turns the slot on, or off: then a device that was asked for leaves."""
        place = self._express() + SLOT_CONTROL
        self.configuration.write(0, self.devfn, place, ON if on else OFF)

    def _express(self) -> int:
        read = self.configuration.read
        place = read(0, self.devfn, CAPABILITIES) & 0xFC
        while place:
            head = read(0, self.devfn, place)
            if head & 0xFF == EXPRESS:
                return place
            place = head >> 8 & 0xFC
        raise RuntimeError(f"the port at {self.devfn:#x} has no slot")

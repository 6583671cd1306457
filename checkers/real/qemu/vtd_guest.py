"""A guest's driver of the emulated VT-d: tables in memory, the invalidation queue, GCMD."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from checkers.real.qemu.talk import Processor

BASE: Final = 0xFED9_0000
CAP, ECAP = 0x08, 0x10
GCMD, GSTS, RTADDR, FSTS, IQH, IQT, IQA = 0x18, 0x1C, 0x20, 0x34, 0x80, 0x88, 0x90

ROOT: Final = 0x100_0000
CONTEXTS: Final = 0x101_0000
"""Two context tables for each bus."""

DIRECTORIES: Final = 0x110_0000
PASID_TABLES: Final = 0x118_0000
QUEUE: Final = 0x130_0000
FIRST_TABLE: Final = 0x200_0000
TABLE_SIZE: Final = 0x1_0000

FAR: Final = 0x2000
"""From here on so many PASIDs have a table too, which a directory of the smallest size lacks."""

LEGACY_ROOT: Final = 0x500_0000
"""The tables of legacy mode: root, contexts of a bus each, and a second-level table."""

LEGACY_CONTEXTS: Final = 0x501_0000
SECOND_LEVEL: Final = 0x520_0000
LEGACY_PAGE: Final = 0x4000
"""What that table maps, to itself."""

SCALABLE: Final = 1 << 10
WIDE: Final = 1 << 11
DESCRIPTORS: Final = 128
DESCRIPTOR: Final = 32
FOUR_LEVELS: Final = 2
STALL: Final = 0x70
"""What FSTS says of the invalidation queue."""


class Gcmd(IntEnum):
    """Bits of the global command."""

    TE = 31
    SRTP = 30
    QIE = 26


class Pgtt(IntEnum):
    """What a PASID entry translates with."""

    FIRST_STAGE = 1
    SECOND_STAGE = 2
    NESTED = 3
    PASS_THROUGH = 4


class Granularity(IntEnum):
    """What a PASID-cache invalidation is for."""

    DOMAIN = 0
    PASID = 1
    GLOBAL = 3


class QueueError(Exception):
    """The invalidation queue stands still; the message says where and why."""


def table_of(number: int) -> int:
    """Where the guest's first-stage table of a number is."""
    return FIRST_TABLE + number * TABLE_SIZE


class VtdGuest:
    """The guest's driver. A device is named by its bus and its device and function number."""

    def __init__(self, processor: Processor) -> None:
        self.processor = processor
        self.command = 0
        self.tail = 0
        self._rows: dict[tuple[int, int], int] = {}

    def start(self, *devices: tuple[int, int], pasids: bool = False) -> None:
        """Queue on, root table and the tables of some devices in place, translation still off.

        At first, and after each reset.
        """
        p = self.processor
        p.fill(ROOT, 0x1000)
        for bus, devfn in devices:
            self._place(bus, devfn, pasids)
        self.queue()
        self.root()

    def queue(self) -> None:
        """The invalidation queue is turned on, and is empty."""
        self.command = self.tail = 0
        self.processor.write(BASE + IQA, QUEUE | WIDE)
        self.processor.write(BASE + IQT, 0)
        self.set(Gcmd.QIE, True)

    def root(self, scalable: bool = True) -> None:
        """The root table is told again (SRTP)."""
        self.processor.write(BASE + RTADDR, ROOT | (SCALABLE if scalable else 0))
        self._command(self.command | 1 << Gcmd.SRTP)

    def legacy_root(self, *devices: tuple[int, int]) -> None:
        """A root table of legacy mode is told (SRTP): devices have one table, which maps a page."""
        p = self.processor
        p.fill(LEGACY_ROOT, 0x1000)
        for bus, devfn in devices:
            contexts = LEGACY_CONTEXTS + 0x1000 * bus
            p.write(LEGACY_ROOT + 16 * bus, contexts | 1)
            p.put(contexts + 16 * devfn, SECOND_LEVEL | 1, 1 << 8 | FOUR_LEVELS)
        p.fill(SECOND_LEVEL, 0x4000)
        for level in range(3):
            p.write(SECOND_LEVEL + 0x1000 * level, SECOND_LEVEL + 0x1000 * (level + 1) | 3)
        p.write(SECOND_LEVEL + 0x3000 + 8 * (LEGACY_PAGE >> 12), LEGACY_PAGE | 3)
        p.write(BASE + RTADDR, LEGACY_ROOT)
        self._command(self.command | 1 << Gcmd.SRTP)

    def set(self, bit: Gcmd, on: bool) -> None:
        """Translation, or the queue, is turned on or off."""
        self.command = self.command & ~(1 << bit) | on << bit
        self._command(self.command)
        status = self.processor.read(BASE + GSTS, 4)
        if (status >> bit & 1) != on:
            raise QueueError(f"GSTS is {status:#x} after GCMD {self.command:#x}")

    def context(self, bus: int, devfn: int, size: int | None) -> None:
        """The context entry is not present, or its directory reaches so many times 8192 PASIDs."""
        word = 0 if size is None else self._directory(bus, devfn) | (size - 1) << 9 | 1 << 3 | 1
        self.processor.write(self._context(bus, devfn), word)

    def entry(
        self, bus: int, devfn: int, table: int, pasid: int = 0,
        kind: Pgtt = Pgtt.FIRST_STAGE, did: int = 1,
    ) -> None:
        """The PASID entry is for a first-stage table (by number), or passes through."""
        first = kind is Pgtt.FIRST_STAGE
        place = self._entry(bus, devfn, pasid)
        words = (kind << 6 | 2 << 2 | 1, did, table_of(table) if first else 0)
        self.processor.put(place, *words, 0, 0, 0, 0, 0)

    def remove(self, bus: int, devfn: int, pasid: int = 0) -> None:
        """The PASID entry is not present."""
        self.processor.fill(self._entry(bus, devfn, pasid), 64)

    def invalidate_pasid_cache(
        self, granularity: Granularity, did: int = 1, pasid: int = 0
    ) -> None:
        """One PASID-cache invalidation."""
        self.submit(pasid << 32 | did << 16 | granularity << 4 | 7, 0)

    def invalidate_context_cache(self, did: int = 0, source: int | None = None) -> None:
        """A context-cache invalidation: global, or of one device."""
        low = 1 | 1 << 4 if source is None else 1 | 3 << 4 | source << 32
        self.submit(low | did << 16, 0)

    def invalidate_iotlb(self, did: int = 1, pasid: int = 0, page: int | None = None) -> None:
        """A PASID-based IOTLB invalidation: of a PASID, or of one page of it."""
        low = pasid << 32 | did << 16 | (2 if page is None else 3) << 4 | 6
        self.submit(low, page or 0)

    def submit(self, low: int, high: int) -> None:
        """Put a descriptor into the queue; return when the head has passed it."""
        p = self.processor
        p.put(QUEUE + self.tail * DESCRIPTOR, low, high, 0, 0)
        self.tail = (self.tail + 1) % DESCRIPTORS
        p.write(BASE + IQT, self.tail * DESCRIPTOR)
        while p.read(BASE + IQH) != self.tail * DESCRIPTOR:
            faults = p.read(BASE + FSTS, 4)
            if faults & STALL:
                raise QueueError(f"descriptor {low:#x} {high:#x}: FSTS is {faults:#x}")

    def _command(self, value: int) -> None:
        self.processor.write(BASE + GCMD, value, 4)

    def _place(self, bus: int, devfn: int, pasids: bool) -> None:
        """The context entry of a device, with a PASID directory of its own."""
        p = self.processor
        row = self._rows.setdefault((bus, devfn), len(self._rows))
        place, pasid_tables = self._context(bus, devfn), PASID_TABLES + 0x2000 * row
        p.write(ROOT + 16 * bus + 8 * (devfn >> 7), place & ~0xFFF | 1)
        p.fill(place, 32)
        directory = self._directory(bus, devfn)
        p.fill(directory, 0x1000)
        p.fill(pasid_tables, 0x2000)
        p.write(directory, pasid_tables | 1)
        p.write(directory + 8 * (FAR >> 6), pasid_tables + 0x1000 | 1)
        p.write(place, directory | 1 | pasids << 3)

    def _context(self, bus: int, devfn: int) -> int:
        return CONTEXTS + 0x2000 * bus + 0x1000 * (devfn >> 7) + 32 * (devfn & 0x7F)

    def _directory(self, bus: int, devfn: int) -> int:
        return DIRECTORIES + 0x1000 * self._rows[bus, devfn]

    def _entry(self, bus: int, devfn: int, pasid: int) -> int:
        tables = PASID_TABLES + 0x2000 * self._rows[bus, devfn]
        return tables + 0x1000 * (pasid >= FAR) + 64 * (pasid & 0x3F)

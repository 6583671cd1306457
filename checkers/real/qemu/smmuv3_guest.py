"""A guest's driver of the emulated SMMUv3: registers, stream table, command queue."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from checkers.real.qemu.talk import Processor

BASE: Final = 0x0C00_0000
"""Where the virt machine puts the first one that is given on the command line."""

CR0, CR0ACK, GBPA, GERROR, GERRORN = 0x20, 0x24, 0x44, 0x60, 0x64
STRTAB_BASE, STRTAB_BASE_CFG = 0x80, 0x88
CMDQ_BASE, CMDQ_PROD, CMDQ_CONS = 0x90, 0x98, 0x9C
EVENTQ_BASE, EVENTQ_PROD = 0xA0, 0x100A8

STREAM_TABLE: Final = 0x4100_0000
COMMANDS: Final = 0x4200_0000
EVENTS: Final = 0x4300_0000
FIRST_CONTEXT: Final = 0x4400_0000
STREAMS: Final = 10
"""Stream ids of so many bits have an entry."""

QUEUE_BITS: Final = 8
EVENT_BITS: Final = 7
UPDATE: Final = 1 << 31
SHAREABLE: Final = 1 << 12
ABORT: Final = 1 << 20
SMMUEN, EVENTQEN, CMDQEN = 1, 4, 8
ERROR: Final = 24
"""Where CMDQ_CONS has the reason why the queue stands still."""


class Config(IntEnum):
    """What a stream table entry does."""

    ABORT = 0
    BYPASS = 4
    TRANSLATE = 5


class Command(IntEnum):
    """Commands by their number."""

    CFGI_STE = 0x03
    CFGI_STE_RANGE = 0x04
    CFGI_CD = 0x05
    CFGI_CD_ALL = 0x06
    TLBI_NH_ALL = 0x10
    TLBI_NH_ASID = 0x11
    TLBI_NH_VA = 0x12
    TLBI_NSNH_ALL = 0x30
    ATC_INV = 0x40
    SYNC = 0x46


def context_of(number: int) -> int:
    """Where the guest's context table of a number is."""
    return FIRST_CONTEXT + 0x1000 * number


class SmmuGuest:
    """The guest's driver. A device is named by its stream."""

    def __init__(self, processor: Processor, base: int = BASE) -> None:
        self.processor, self.base = processor, base
        self.producer = 0
        self.enabled = 0

    def start(self, events: bool = True) -> None:
        """Tables and queues in place, commands on, translation still off: also after a reset."""
        self.processor.fill(STREAM_TABLE, 64 << STREAMS)
        self.queues(events)

    def queues(self, events: bool = True) -> None:
        """The stream table is told as it is, and queues are on and empty."""
        p = self.processor
        p.write(self.base + STRTAB_BASE, STREAM_TABLE)
        p.write(self.base + STRTAB_BASE_CFG, STREAMS, 4)
        p.write(self.base + CMDQ_BASE, COMMANDS | QUEUE_BITS)
        p.write(self.base + CMDQ_PROD, 0, 4)
        p.write(self.base + CMDQ_CONS, 0, 4)
        p.write(self.base + EVENTQ_BASE, EVENTS | EVENT_BITS)
        self.producer = 0
        self._control(CMDQEN | (EVENTQEN if events else 0))

    def enable(self, on: bool) -> None:
        """SMMUEN."""
        self._control(self.enabled & ~SMMUEN | (SMMUEN if on else 0))

    def bypass(self, abort: bool) -> None:
        """GBPA: what is done with requests while translation is off."""
        value = UPDATE | SHAREABLE | (ABORT if abort else 0)
        self.processor.write(self.base + GBPA, value, 4)
        while self.processor.read(self.base + GBPA, 4) & UPDATE:
            pass

    def entry(self, stream: int, config: Config, context: int = 0) -> None:
        """Write the stream table entry; a translating one names a context table by number."""
        place = STREAM_TABLE + 64 * stream
        first = context_of(context) if config is Config.TRANSLATE else 0
        self.processor.put(place, first | config << 1 | 1, 0, 0, 0, 0, 0, 0, 0)

    def remove(self, stream: int) -> None:
        """The stream table entry is not valid."""
        self.processor.fill(STREAM_TABLE + 64 * stream, 64)

    def install(self, stream: int) -> int:
        """CFGI_STE."""
        return self.submit(Command.CFGI_STE | stream << 32, 1)

    def submit(self, low: int, high: int = 0) -> int:
        """Put a command into the queue; 0 when it was consumed, or why the queue stands still.

        Where it stands still the guest acknowledges, and puts SYNC in the command's place.
        """
        self._put(self.producer, low, high)
        self.producer = (self.producer + 1) % (2 << QUEUE_BITS)
        self.processor.write(self.base + CMDQ_PROD, self.producer, 4)
        error = self._consumed()
        if error:
            self._put(self.producer - 1, Command.SYNC, 0)
            self.processor.write(self.base + GERRORN, self.processor.read(self.base + GERROR, 4), 4)
            self._consumed()
        return error

    def events(self) -> int:
        """How far the producer of the event queue is."""
        return self.processor.read(self.base + EVENTQ_PROD, 4)

    def _consumed(self) -> int:
        """Wait for the consumer to have all, or for an error that the guest has not seen."""
        p, base = self.processor, self.base
        while (consumer := p.read(base + CMDQ_CONS, 4)) & 0xFFFFF != self.producer:
            if (p.read(base + GERROR, 4) ^ p.read(base + GERRORN, 4)) & 1:
                return consumer >> ERROR & 0x7F
        return 0

    def _put(self, turn: int, low: int, high: int) -> None:
        place = COMMANDS + 16 * (turn % (1 << QUEUE_BITS))
        self.processor.put(place, low, high)

    def _control(self, value: int) -> None:
        self.enabled = value
        self.processor.write(self.base + CR0, value, 4)
        while self.processor.read(self.base + CR0ACK, 4) != value:
            pass

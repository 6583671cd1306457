"""A batch of calls as bytes, as guest/batch.h describes it."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import IntEnum, IntFlag
from typing import Final, NamedTuple

MAGIC: Final = b"viommu04"
OBJECTS: Final = 15
DEVICES: Final = 8
"""How many ids and devices the guest can look at."""


class Op(IntEnum):
    """What a record of a batch does."""

    GO = 0
    LOOK = 1
    BIND = 2
    UNBIND = 3
    INFO = 4
    IOAS = 5
    HWPT = 6
    VIOMMU = 7
    VDEVICE = 8
    VEVENTQ = 9
    FAULTQ = 10
    CLOSE_QUEUE = 11
    INVALIDATE = 12
    MAP = 13
    UNMAP = 14
    ALLOW = 15
    ATTACH = 16
    REPLACE = 17
    DETACH = 18
    DESTROY = 19
    CLOSE = 20
    TAKE = 21
    LEAVE = 22
    HW_QUEUE = 23
    HWPT_UNKNOWN = 24
    TRACK_DIRTY = 25
    MMAP = 26
    COPY = 27
    EVENT = 28
    PAGE_REQUEST = 29
    PAGE_RESPONSE = 30


class Flag(IntFlag):
    """What a record says besides; a bit may mean another thing for another operation."""

    NOTHING = 1
    ANOTHER = 1
    EVERYTHING = 1
    NEST_PARENT = 1
    DIRTY = 2
    PASID = 4
    FAULT_ID = 8
    DATA = 16
    ITS_TYPE = 32
    RUN = 64
    CHANGES = 128


class Trait(IntFlag):
    """What a device of the mock driver is."""

    COHERENT = 1
    PASIDS = 2
    DIRTY = 4
    SECOND_IOMMU = 8
    RESERVES = 16
    MDEV = 32
    RESERVES_ALL = 64


class Failing(IntEnum):
    """The call of the driver that fails, or an allocation of the kernel."""

    NONE = 0
    DOMAIN = 1
    ATTACH = 2
    INFO = 3
    ALLOCATION = 0x80


EACH_ALLOCATION: Final = 0xFF


class Way(IntEnum):
    """How the guest reaches devices: those of the module's driver, real ones, the selftest's."""

    MODULE = 0
    VFIO = 1
    SELFTEST = 2


class Call(NamedTuple):
    """One call, and what it is to answer."""

    op: Op
    device: int = 0
    id: int = 0
    flags: int = 0
    more: int = 0
    fault: int = 0
    error: int = 0
    answer: int = 0

    def packed(self) -> bytes:
        """The record's eight bytes."""
        return bytes(self)

    def question(self) -> Call:
        """The call without its answer."""
        return self._replace(error=0, answer=0, flags=self.flags & ~Flag.CHANGES)


@dataclass(frozen=True)
class Machine:
    """The devices: of each its group and its traits; those after `bound` are bound by nobody."""

    driver: int
    slots: int
    bound: int
    devices: tuple[tuple[int, Trait], ...]
    blocks_first: bool = False
    way: Way = Way.MODULE


@dataclass
class Batch:
    """Nodes with the calls that lead to them, looks at them, and visits."""

    machine: Machine
    nodes: bytearray = field(default_factory=bytearray)
    looks: bytearray = field(default_factory=bytearray)
    records: bytearray = field(default_factory=bytearray)

    def node(self, parent: int, call: Call, look: bytes) -> int:
        """A new node: the state after a call in that of a node before it."""
        self.nodes += struct.pack("<I", parent) + call.packed()
        self.looks += look
        return len(self.nodes) // 12 - 1

    def go(self, node: int, run: bool = False) -> int:
        """Visit a node; the index of the record."""
        return self._record(struct.pack("<BxxBI", Op.GO, Flag.RUN if run else 0, node))

    def look(self, node: int) -> int:
        """What is to be seen is what that node's look shows."""
        return self._record(struct.pack("<BxxBI", Op.LOOK, 0, node))

    def call(self, call: Call) -> int:
        """Make a call."""
        return self._record(call.packed())

    def _record(self, record: bytes) -> int:
        self.records += record
        return len(self.records) // 8 - 1

    def packed(self) -> bytes:
        """The bytes of the batch."""
        devices = b"".join(struct.pack("<BB", *device) for device in self.machine.devices)
        machine = struct.pack(
            f"<BBB{2 * DEVICES}s",
            self.machine.driver, self.machine.blocks_first, len(self.machine.devices), devices,
        )  # fmt: skip
        header = struct.pack(
            "<8sIIBB19sB2x",
            MAGIC, len(self.nodes) // 12, len(self.records) // 8,
            self.machine.slots, self.machine.bound, machine, self.machine.way,
        )  # fmt: skip
        padding = bytes(-len(self.looks) % 4)
        return b"".join((header, self.nodes, self.looks, padding, self.records))

    def calls(self) -> Iterator[tuple[Call, int]]:
        """The records: each as a call, and the node that it names if it is a GO or a LOOK."""
        for place in range(0, len(self.records), 8):
            call = Call(Op(self.records[place]), *self.records[place + 1 : place + 8])
            yield call, int.from_bytes(self.records[place + 4 : place + 8], "little")

    def look_of(self, node: int) -> bytes:
        """What is to be seen at a node."""
        size = len(self.looks) * 12 // len(self.nodes)
        return bytes(self.looks[size * node : size * (node + 1)])

    def blocks_first(self, so: bool) -> None:
        """Whether the driver blocks a device before it looks at what it is to be attached to."""
        self.machine = replace(self.machine, blocks_first=so)

    def came(self, node: int) -> tuple[int, Call]:
        """The parent of a node, and the call from there."""
        raw = self.nodes[12 * node : 12 * (node + 1)]
        return int.from_bytes(raw[:4], "little"), Call(Op(raw[4]), *raw[5:])

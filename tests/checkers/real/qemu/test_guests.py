"""The guests' drivers, on memory and registers of our own."""

from __future__ import annotations

import re

import pytest

from checkers.real.qemu import smmuv3_guest, vtd_guest
from checkers.real.qemu.slots import Ports, Slot
from checkers.real.qemu.smmuv3_guest import Config, SmmuGuest
from checkers.real.qemu.talk import Processor
from checkers.real.qemu.vtd_guest import Gcmd, Granularity, Pgtt, QueueError, VtdGuest


class Machine(Processor):
    """Memory by bytes; an IOMMU that takes all that it is told."""

    def __init__(self) -> None:
        self.memory: dict[int, int] = {}
        self.stuck = 0
        self.said: list[str] = []

    def ask(self, line: str) -> str:
        self.said.append(line)
        verb, _, rest = line.partition(" ")
        place, *more = (int(word, 0) for word in rest.split())
        if verb == "write":
            text = more[1].to_bytes(more[0], "big")
            self.memory |= dict(enumerate(text, place))
        elif verb == "memset":
            self.memory |= dict.fromkeys(range(place, place + more[0]), 0)
        elif found := re.fullmatch("(write|read)([bwlq])", verb):
            size = {"b": 1, "w": 2, "l": 4, "q": 8}[found[2]]
            if found[1] == "read":
                return hex(self.at(place, size))
            self.memory |= dict(enumerate(more[0].to_bytes(size, "little"), place))
            self.react(place, more[0])
        return "0x0"

    def at(self, place: int, size: int = 8) -> int:
        return int.from_bytes((self.memory.get(place + n, 0) for n in range(size)), "little")

    def set(self, place: int, value: int, size: int = 4) -> None:
        self.memory |= dict(enumerate(value.to_bytes(size, "little"), place))

    def react(self, place: int, value: int) -> None:
        vtd, smmu = place - vtd_guest.BASE, place - smmuv3_guest.BASE
        if vtd == vtd_guest.GCMD:
            self.set(vtd_guest.BASE + vtd_guest.GSTS, value)
        elif vtd == vtd_guest.IQT:
            name = vtd_guest.FSTS if self.stuck else vtd_guest.IQH
            self.set(vtd_guest.BASE + name, self.stuck or value, 8)
        elif smmu == smmuv3_guest.CR0:
            self.set(smmuv3_guest.BASE + smmuv3_guest.CR0ACK, value)
        elif smmu == smmuv3_guest.GBPA:
            self.set(place, value & ~smmuv3_guest.UPDATE)
        elif smmu == smmuv3_guest.CMDQ_PROD and self.stuck:
            self.set(smmuv3_guest.BASE + smmuv3_guest.CMDQ_CONS, self.stuck << 24 | value - 1)
            self.set(smmuv3_guest.BASE + smmuv3_guest.GERROR, 1)
        elif smmu in (smmuv3_guest.CMDQ_PROD, smmuv3_guest.GERRORN):
            producer = self.at(smmuv3_guest.BASE + smmuv3_guest.CMDQ_PROD, 4)
            self.set(smmuv3_guest.BASE + smmuv3_guest.CMDQ_CONS, producer)


def vtd() -> tuple[Machine, VtdGuest]:
    machine = Machine()
    guest = VtdGuest(machine)
    guest.start((0, 0x28), (1, 0x80))
    return machine, guest


def test_the_tables_lead_to_each_device() -> None:
    machine, guest = vtd()
    guest.entry(1, 0x80, 3, pasid=2, did=7)
    assert machine.at(vtd_guest.BASE + vtd_guest.RTADDR) == vtd_guest.ROOT | vtd_guest.SCALABLE
    context = machine.at(vtd_guest.ROOT + 16 * 1 + 8)
    entry = machine.at((context & ~0xFFF) + 32 * 0)
    pasids = machine.at(entry & ~0xFFF)
    place = (pasids & ~0xFFF) + 64 * 2
    assert context & entry & pasids & 1
    assert machine.at(place) & 1
    assert machine.at(place) >> 6 & 7 == Pgtt.FIRST_STAGE
    assert (machine.at(place + 8), machine.at(place + 16)) == (7, vtd_guest.table_of(3))
    guest.remove(1, 0x80, pasid=2)
    assert machine.at(place) == 0


def test_descriptors_come_one_after_the_other_and_around() -> None:
    machine, guest = vtd()
    for _ in range(vtd_guest.DESCRIPTORS):
        guest.invalidate_pasid_cache(Granularity.PASID, did=1, pasid=5)
    assert guest.tail == 0
    assert machine.at(vtd_guest.QUEUE + 32) == 5 << 32 | 0x10017
    guest.invalidate_iotlb(page=0x5000)
    assert (machine.at(vtd_guest.QUEUE), machine.at(vtd_guest.QUEUE + 8)) == (0x10036, 0x5000)


def test_a_queue_that_stands_still_is_told() -> None:
    machine, guest = vtd()
    machine.stuck = 0x10
    with pytest.raises(QueueError, match="FSTS is 0x10"):
        guest.invalidate_pasid_cache(Granularity.GLOBAL)


def test_translation_is_on_when_the_status_says_so() -> None:
    machine, guest = vtd()
    guest.set(Gcmd.TE, True)
    assert machine.at(vtd_guest.BASE + vtd_guest.GCMD, 4) == 1 << 31 | 1 << 26


def smmu() -> tuple[Machine, SmmuGuest]:
    machine = Machine()
    guest = SmmuGuest(machine)
    guest.start()
    return machine, guest


def test_an_entry_says_what_it_does() -> None:
    machine, guest = smmu()
    place = smmuv3_guest.STREAM_TABLE + 64 * 0x28
    guest.entry(0x28, Config.TRANSLATE, 1)
    assert machine.at(place) == 0x4400100B
    guest.entry(0x28, Config.BYPASS)
    assert machine.at(place) == 9
    guest.remove(0x28)
    assert machine.at(place) == 0


def test_commands_are_consumed() -> None:
    machine, guest = smmu()
    guest.enable(True)
    guest.bypass(abort=True)
    assert guest.enabled == 0xD
    assert guest.install(0x28) == 0
    assert machine.at(smmuv3_guest.COMMANDS) == 0x28_0000_0003


def test_an_error_is_told_and_a_sync_put_in_its_place() -> None:
    machine, guest = smmu()
    machine.stuck = 1
    assert guest.install(0x28) == 1
    assert machine.at(smmuv3_guest.COMMANDS) == smmuv3_guest.Command.SYNC
    machine.stuck = 0
    assert guest.install(0x28) == 0


def test_a_slot_is_turned_off_where_the_port_has_its_capability() -> None:
    space = {0x34: 0x50, 0x50: 0x5801, 0x58: 0x0010}
    written: list[tuple[int, int]] = []

    class Port(Ports):
        def read(self, bus: int, devfn: int, place: int) -> int:
            return space[place]

        def write(self, bus: int, devfn: int, place: int, value: int) -> None:
            written.append((place, value))

    slot = Slot(Port(Machine()), 0x80, 2)
    slot.number()
    slot.power(False)
    assert written == [(0x18, 0x20200), (0x58 + 0x18, 0x700)]

"""The file of a device: what QEMU reads of it at start."""

from __future__ import annotations

from checkers.real.qemu.device_file import CONFIG, SHIFT, DeviceFile

AT = CONFIG << SHIFT


def number(file: DeviceFile, place: int, size: int) -> int:
    return int.from_bytes(file.read(AT + place, size), "little")


def test_its_configuration_leads_from_capability_to_capability() -> None:
    file = DeviceFile()
    assert number(file, 0, 4) == 0x10FB8086
    assert number(file, 6, 2) & 0x10
    express = number(file, 0x34, 1)
    assert number(file, express, 1) == 0x10
    assert number(file, express + 1, 1) == 0
    assert number(file, express + 4, 4) >> 28 & 1, "it can be reset by itself"
    assert number(file, 0x100, 4) == 0x00010003


def test_the_guest_writes_the_command_alone() -> None:
    file = DeviceFile()
    file.write(AT, b"\xff" * 8)
    assert file.read(AT, 8) == b"\x86\x80\xfb\x10\xff\xff\x10\x00"


def test_a_bar_is_memory_and_what_is_not_there_reads_as_ones() -> None:
    file = DeviceFile()
    file.write(8, b"\x01\x02")
    assert file.read(8, 2) == b"\x01\x02"
    assert file.read(2 << SHIFT, 2) == b"\xff\xff"


def test_regions_and_interrupts_end() -> None:
    file = DeviceFile()
    assert file.info()["num_regions"] == 9
    sizes = [(file.region(index) or {"size": -1})["size"] for index in range(10)]
    assert sizes == [0x10000, 0, 0, 0, 0, 0, 0, 0x1000, -1, -1]
    counts = [(file.interrupt(index) or {"count": -1})["count"] for index in range(6)]
    assert counts == [0, 0, 0, 1, 1, -1]

"""The branches to a message are found in a program, and pass in a process that runs it."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from checkers.real.qemu.kvm_check import MESSAGE, NOTHING, branches, pass_over
from checkers.real.qemu.remote import Memory
from checkers.userfiles import InputError

TEXT, DATA, BASE = 0x1000, 0x2000, 0x400000


def elf(folder: Path, text: bytes, machine: int = 62) -> Path:
    """A program with one segment of text at 0x1000 and one of data at 0x2000."""
    head = struct.pack("<4sB11xHHIQQQIHHHHHH", b"\x7fELF", 2, 3, machine, 1, 0, 64, 0,
                       0, 64, 56, 2, 0, 0, 0)  # fmt: skip
    table = struct.pack("<IIQQQQQQ", 1, 5, TEXT, TEXT, TEXT, 0x1000, 0x1000, 0x1000)
    table += struct.pack("<IIQQQQQQ", 1, 4, DATA, DATA, DATA, 0x1000, 0x1000, 0x1000)
    file = folder / "qemu"
    file.write_bytes((head + table).ljust(TEXT, b"\0") + text.ljust(0x1000, b"\x90") + MESSAGE)
    return file


def code() -> bytes:
    """Two branches to what takes the message's address, and one elsewhere."""
    lea = 0x100
    one = b"\x0f\x84" + struct.pack("<i", lea - 6)
    two = b"\x0f\x85" + struct.pack("<i", lea - 12)
    other = b"\x0f\x84" + struct.pack("<i", 7)
    taken = b"\x4c\x8d\x05" + struct.pack("<i", DATA - TEXT - lea - 7)
    return (one + two + other).ljust(lea, b"\x90") + taken


class Process:
    """A process's memory, as a test has it."""

    def __init__(self, content: bytes) -> None:
        self.content = bytearray(content)

    def mapped(self, file: Path) -> int:
        return BASE

    def read(self, address: int, size: int) -> bytes:
        return bytes(self.content[address - BASE : address - BASE + size])

    def write(self, address: int, content: bytes) -> None:
        self.content[address - BASE : address - BASE + len(content)] = content


def test_the_branches_are_those_that_lead_to_the_message(tmp_path: Path) -> None:
    found = branches(elf(tmp_path, code()))
    assert found == {TEXT: code()[:6], TEXT + 6: code()[6:12]}


def test_they_pass_and_nothing_else_changes(tmp_path: Path) -> None:
    file = elf(tmp_path, code())
    process = Process(file.read_bytes())
    memory: Memory = process  # type: ignore[assignment]
    pass_over(memory, file)
    before = file.read_bytes()
    assert process.content == before[:TEXT] + NOTHING * 2 + before[TEXT + 12 :]


def test_a_program_that_is_not_as_its_file_is_left(tmp_path: Path) -> None:
    file = elf(tmp_path, code())
    memory: Memory = Process(bytes(0x4000))  # type: ignore[assignment]
    with pytest.raises(InputError, match="at 0x1000 is not the check of KVM"):
        pass_over(memory, file)


@pytest.mark.parametrize(
    ("machine", "text", "why"),
    [(62, b"\x90", "no check of KVM is found"), (183, b"\x90", "programs for x86-64 alone")],
)
def test_where_there_is_none_it_is_told(
    tmp_path: Path, machine: int, text: bytes, why: str
) -> None:
    with pytest.raises(InputError, match=why):
        branches(elf(tmp_path, text, machine))


def test_a_script_is_no_program(tmp_path: Path) -> None:
    file = tmp_path / "qemu"
    file.write_text("#!/bin/sh\n")
    with pytest.raises(InputError, match="is no program of 64 bits"):
        branches(file)

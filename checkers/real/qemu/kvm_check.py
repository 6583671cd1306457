"""Passes over the one check by which QEMU wants KVM for an accelerated SMMUv3.

Nothing else of KVM is used for what is looked at here; still every result that rests on it says so.
The branches are found in the program by the message that they lead to, and are made to fall through
in the memory of the process that runs it. The file is left as it is.
"""

from __future__ import annotations

import functools
import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from checkers.real.qemu.remote import Memory
from checkers.userfiles import InputError

MESSAGE: Final = b"SMMUv3 accel=on requires KVM with kernel-irqchip=on support\0"
TAKES_ADDRESS: Final = re.compile(rb"[\x48\x4c]\x8d[\x05\x0d\x15\x1d\x25\x2d\x35\x3d]", re.DOTALL)
"""The beginning of an instruction that takes an address near itself (lea)."""

BRANCHES: Final = re.compile(rb"\x0f[\x80-\x8f]", re.DOTALL)
"""The beginning of a conditional branch that is six bytes long."""

NOTHING: Final = bytes.fromhex("660f1f440000")
"""An instruction of six bytes that does nothing."""

MOST: Final = 4
EXECUTABLE: Final = 1
X86_64: Final = 62


@functools.cache
def branches(program: Path) -> dict[int, bytes]:
    """Where the branches to the message are, from where the program is loaded, and their bytes."""
    content = program.read_bytes()
    segments = list(_segments(program, content))
    message = content.find(MESSAGE)
    wanted = _address(segments, message)
    texts = [(address, content[place : place + size])
             for flags, place, address, size in segments if flags & EXECUTABLE]  # fmt: skip
    uses = {
        address + found.start()
        for address, text in texts
        for found in TAKES_ADDRESS.finditer(text)
        if _target(text, address, found.start(), 7) == wanted
    }
    branching = {
        address + found.start(): text[found.start() : found.start() + 6]
        for address, text in texts
        for found in BRANCHES.finditer(text)
        if _target(text, address, found.start(), 6) in uses
    }
    if message < 0 or not 0 < len(branching) <= MOST:
        raise InputError(f"{program}: no check of KVM is found that could be passed over")
    return branching


def pass_over(memory: Memory, program: Path) -> None:
    """Make the branches of a program that runs fall through; InputError if they are not there."""
    base = memory.mapped(program)
    if not base:
        raise InputError(f"{program}: is not what runs; its check of KVM cannot be passed over")
    for address, expected in branches(program).items():
        if memory.read(base + address, len(expected)) != expected:
            raise InputError(f"{program}: at {address:#x} is not the check of KVM")
        memory.write(base + address, NOTHING)


def _segments(program: Path, content: bytes) -> Iterator[tuple[int, int, int, int]]:
    """What of an ELF file is loaded: flags, place in the file, address, size."""
    head = struct.Struct("<4s12xHHIQQQIHHH")
    if len(content) < head.size or content[:5] != b"\x7fELF\x02":
        raise InputError(f"{program}: is no program of 64 bits")
    _, _, machine, _, _, table, _, _, _, size, count = head.unpack_from(content)
    if machine != X86_64:
        raise InputError(f"{program}: the check of KVM is known in programs for x86-64 alone")
    for row in range(count):
        kind, flags, place, address, _, length = struct.unpack_from(
            "<IIQQQQ", content, table + row * size
        )
        if kind == 1:
            yield flags, place, address, length


def _address(segments: list[tuple[int, int, int, int]], place: int) -> int:
    found = (address + place - start for _, start, address, size in segments
             if start <= place < start + size)  # fmt: skip
    return next(found, -1)


def _target(text: bytes, address: int, start: int, length: int) -> int:
    """What the last four bytes of an instruction point to, from its end."""
    if start + length > len(text):
        return -2
    offset: int = struct.unpack_from("<i", text, start + length - 4)[0]
    return address + start + length + offset

"""A program written by hand in C for one machine: how fast it can be done on one processor."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from pathlib import Path

from benchmarks.figures import Figures, rates
from benchmarks.peers.process import ROOM, make, need, run, second_from

COMPILER = ("cc", "-O2", "-Wall", "-Wextra", "-Werror")

NARROW = 63
"""Bits of a state in one machine word; one more tells an empty entry of the table."""


def measure(bounds: Mapping[str, int]) -> Figures:
    """Compile the program for these bounds, and run it."""
    need("cc")
    with tempfile.TemporaryDirectory() as name:
        room = Path(name)
        options = [f"-D{key}={value}" for key, value in numbers(bounds).items()]
        options += ["-DWIDE"] if width(bounds) > NARROW else []
        source = str(ROOM / "object_lifetime.c")
        make([*COMPILER, *options, source, "-o", "search"], room)
        ran = run(["./search"], room)
    found = re.fullmatch(r"(\d+) states, (\d+) transitions, depth (\d+)\n", ran.text)
    if found is None:
        raise RuntimeError(f"object_lifetime.c: {ran.text.strip()[-500:]}")
    states, transitions, depth = map(int, found.groups())
    return rates({
        "states": states,
        "transitions": transitions,
        "depth": depth,
        "seconds": ran.seconds,
        "cpu s": ran.cpu,
        "bytes/state": ran.peak / states,
        "peak MiB": ran.peak / (1 << 20),
    })  # fmt: skip


def numbers(bounds: Mapping[str, int]) -> dict[str, int]:
    """The bounds as the program has them."""
    return {
        "FDS": bounds["iommufds"],
        "SLOTS": bounds["slots"],
        "DEVICES": bounds["devices"],
        "SECOND": second_from(bounds["devices"], bounds["on_second_fd"]),
    }


def width(bounds: Mapping[str, int]) -> int:
    """Bits of a state: of each slot a kind, a parent and a count, of each device a slot."""
    slots = bounds["iommufds"] * bounds["slots"]
    link = slots.bit_length()
    count = (bounds["slots"] + bounds["devices"] - 1).bit_length()
    return slots * (2 + link + count) + bounds["devices"] * link

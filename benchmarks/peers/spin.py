"""Spin: breadth first and depth first."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from pathlib import Path

from benchmarks.figures import Figures, rates
from benchmarks.peers.process import ROOM, compiler, make, need, run, second_from

DEPTH = 5_000_000
"""The longest path that a depth-first search may take: more than there are states in any bounds."""

SLOTS, DEVICES = 8, (2, 3)
"""What the model is written for: slots in all at most, and numbers of devices."""


def measure(bounds: Mapping[str, int], breadth: bool) -> Figures:
    """Generate a searcher for these bounds, compile it, and run it."""
    need("spin", "gcc")
    file, numbers = _sharing(bounds) if "tables" in bounds else _lifetime(bounds)
    with tempfile.TemporaryDirectory() as name:
        room = Path(name)
        defined = [f"-D{key}={value}" for key, value in numbers.items()]
        make(["spin", *defined, "-a", str(ROOM / file)], room)
        options = ["-DSAFETY", *(["-DBFS"] if breadth else [])]
        make([*compiler(*options), "-o", "pan", "pan.c"], room)
        return _figures(room, [] if breadth else [f"-m{DEPTH}"], breadth)


def _lifetime(bounds: Mapping[str, int]) -> tuple[str, dict[str, int]]:
    """The model of object-lifetime, and what it is to be compiled with."""
    if bounds["iommufds"] * bounds["slots"] > SLOTS or bounds["devices"] not in DEVICES:
        raise ValueError("the Promela model is not written for bounds of this size")
    return "object_lifetime.pml", {
        "FDS": bounds["iommufds"],
        "SLOTS": bounds["slots"],
        "DEVICES": bounds["devices"],
        "SECOND": second_from(bounds["devices"], bounds["on_second_fd"]),
    }


def _sharing(bounds: Mapping[str, int]) -> tuple[str, dict[str, int]]:
    """The same of the core of hwpt-sharing."""
    names = {"devices": "DEVICES", "coherent": "COHERENT", "errata": "ERRATA", "tables": "TABLES"}
    return "sharing_core.pml", {word: bounds[key] for key, word in names.items()}


def _figures(room: Path, options: list[str], breadth: bool) -> Figures:
    ran = run(["./pan", *options], room)
    states = re.search(r"(\d+) states, stored", ran.text)
    steps = re.search(r"(\d+) transitions", ran.text)
    depth = re.search(r"depth reached (\d+), errors: 0", ran.text)
    if not (states and steps and depth):
        raise RuntimeError(f"pan: {ran.text.strip()[-500:]}")
    found: Figures = {
        "states": int(states[1]),
        "transitions": int(steps[1]) - 1,  # spin has one that leads to the initial state
        "seconds": ran.seconds,
        "cpu s": ran.cpu,
        "bytes/state": ran.peak / int(states[1]),
        "peak MiB": ran.peak / (1 << 20),
    }
    return rates(found | ({"depth": int(depth[1])} if breadth else {}))

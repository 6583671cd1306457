"""Rumur, with two threads."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from pathlib import Path

from benchmarks.figures import Figures, rates
from benchmarks.peers.process import ROOM, compiler, make, need, run, second_from

THREADS = 2

GENERATE = (
    "rumur", "--deadlock-detection", "off", "--symmetry-reduction", "off",
    "--threads", str(THREADS),
)  # fmt: skip


def measure(bounds: Mapping[str, int]) -> Figures:
    """Generate a checker for these bounds, compile it, and run it."""
    need("rumur", "gcc")
    with tempfile.TemporaryDirectory() as name:
        room = Path(name)
        (room / "model.m").write_text(model(bounds), encoding="utf-8")
        make([*GENERATE, "model.m", "--output", "model.c"], room)
        make([*compiler("-pthread"), "model.c", "-o", "model", "-latomic"], room)
        ran = run(["./model"], room)
    found = re.search(r"(\d+) states, (\d+) rules fired", ran.text)
    if found is None or "No error found" not in ran.text:
        raise RuntimeError(f"rumur: {ran.text.strip()[-500:]}")
    return rates({
        "states": int(found[1]),
        "transitions": int(found[2]),
        "seconds": ran.seconds,
        "cpu s": ran.cpu,
        "bytes/state": ran.peak / int(found[1]),
        "peak MiB": ran.peak / (1 << 20),
    })  # fmt: skip


def model(bounds: Mapping[str, int]) -> str:
    """The model with the constants of these bounds."""
    text = (ROOM / "object_lifetime.m").read_text(encoding="utf-8")
    numbers = {
        "Fds": bounds["iommufds"],
        "Slots": bounds["slots"],
        "Devices": bounds["devices"],
        "Second": second_from(bounds["devices"], bounds["on_second_fd"]) + 1,
    }
    for key, value in numbers.items():
        text, count = re.subn(rf"^  {key}: \d+;$", f"  {key}: {value};", text, flags=re.M)
        if count != 1:
            raise ValueError(f"the model has not one constant {key}")
    return text

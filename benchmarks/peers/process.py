"""Running other programs: what they say, and what their search took."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOM = Path(__file__).parent


class AbsentError(Exception):
    """A program that is not installed; `str()` of it says which."""


@dataclass(frozen=True)
class Ran:
    """What a program said, and the seconds, processor seconds and bytes that it took."""

    text: str
    seconds: float
    cpu: float
    peak: int


def need(*programs: str) -> None:
    """Refuse to go on without these."""
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        raise AbsentError(f"{', '.join(missing)} not installed")


def make(words: Sequence[str], room: Path) -> None:
    """Run a step of a build; what it says is shown if it fails."""
    done = subprocess.run(words, cwd=room, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{words[0]} failed: {(done.stderr or done.stdout).strip()[-500:]}")


def compiler(*options: str) -> list[str]:
    """The words that compile for this processor."""
    wide = ["-mcx16"] if platform.machine() in ("x86_64", "AMD64") else []
    return ["gcc", "-O3", "-march=native", "-w", *wide, *options]


def run(words: Sequence[str], room: Path) -> Ran:
    """Run a search and measure it alone."""
    started = time.monotonic()
    with (room / "said").open("w+", encoding="utf-8") as said:
        child = subprocess.Popen(words, cwd=room, stdout=said, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.monotonic() - started
        child.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        text = said.read()
    return Ran(text, seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)


def second_from(devices: int, mask: int) -> int:
    """The first device (from 0) on the second iommufd; those of the mask are the last ones."""
    first = next((device for device in range(devices) if mask >> device & 1), devices)
    if mask != (1 << devices) - (1 << first):
        raise ValueError(f"the devices of the mask {mask:b} are not the last ones")
    return first

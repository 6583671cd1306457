"""What was measured on: processor and versions, no names of machines."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from pathlib import Path

PROGRAMS = {
    "gcc": ("gcc", "--version"),
    "spin": ("spin", "-V"),
    "rumur": ("rumur", "--version"),
}

Facts = dict[str, str | int]


def facts() -> Facts:
    """The processor, the system, and the version of everything that has to do with speed."""
    found: Facts = {
        "processor": _processor(),
        "cores": os.cpu_count() or 1,
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "python": platform.python_version(),
    }
    return found | {name: _version(words) for name, words in PROGRAMS.items()}


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.machine()
    found = re.search(r"^model name\s*: (.+)$", text, re.M)
    return found[1] if found else platform.machine()


def _version(words: tuple[str, ...]) -> str:
    if shutil.which(words[0]) is None:
        return "not installed"
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    found = re.search(r"\d+\.\d+(\.\d+)?", re.sub(r"\(.*?\)", "", done.stdout + done.stderr))
    return found[0] if found else "unknown"

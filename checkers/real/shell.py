"""Programs of others that are run: what is missing, and what they say when they fail."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from checkers.userfiles import InputError


def cache(of: str) -> Path:
    """The folder in which what was fetched and built of a system is kept."""
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "viommu-spec" / of


def need(programs: Mapping[str, str]) -> None:
    """`InputError` that names all programs that are not there, and the packages that have them."""
    missing = [name for name in programs if shutil.which(name) is None]
    if missing:
        packages = " ".join(dict.fromkeys(programs[name] for name in missing))
        raise InputError(f"{', '.join(missing)} not found; on Debian: apt-get install {packages}")


def run(command: Sequence[str | Path], log: Path, folder: Path | None = None) -> None:
    """Run a program gently, with all that it says in a file; `InputError` if it fails."""
    with log.open("ab") as out:
        done = subprocess.run(
            ["nice", "-n", "19", *map(str, command)], cwd=folder, stdin=subprocess.DEVNULL,
            stdout=out, stderr=subprocess.STDOUT, check=False,
        )  # fmt: skip
    if done.returncode:
        said = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
        wrong = next((line for line in said if "error" in line.lower()), said[-1] if said else "")
        raise InputError(f"{Path(command[0]).name} fails: {wrong.strip()}; see {log}")


def answer(command: Sequence[str | Path]) -> str:
    """What a program writes; empty if it fails."""
    done = subprocess.run(
        list(map(str, command)), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, check=False,
    )  # fmt: skip
    return done.stdout.decode(errors="replace") if done.returncode == 0 else ""

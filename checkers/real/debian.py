"""Packages of a Debian newer than the machine's, from the mirror that the machine has."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from checkers.userfiles import InputError

APT: Final = {"apt-get": "apt", "apt-cache": "apt", "dpkg-deb": "dpkg"}
"""Programs that are needed, and the packages that have them."""

LISTS: Final = (Path("/etc/apt/sources.list"), Path("/etc/apt/sources.list.d"))


def options(folder: Path, suites: Sequence[str]) -> list[str]:
    """Options by which the package tools look at these suites and leave the machine's lists.

    No package counts as installed, so that all that one depends on is named with it.
    """
    (folder / "lists/partial").mkdir(parents=True, exist_ok=True)
    host = mirror(_texts())
    (folder / "sources.list").write_text("".join(f"deb {host} {suite} main\n" for suite in suites))
    (folder / "status").touch()
    settings = {
        "Dir::Etc::sourcelist": folder / "sources.list", "Dir::Etc::sourceparts": "-",
        "Dir::State::Lists": folder / "lists", "Dir::State::status": folder / "status",
        "Dir::Cache::pkgcache": "", "Dir::Cache::srcpkgcache": "",
        "APT::Sandbox::User": "root", "Debug::NoLocking": "1",
    }  # fmt: skip
    return [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]


def mirror(lists: Iterable[str]) -> str:
    """The mirror of Debian that the machine's own packages come from."""
    for text in lists:
        for line in text.splitlines():
            found = re.match(r"(?:deb(?: \[[^]]*\])?|URIs:)\s+(\S*/debian/?)(?:\s|$)", line)
            if found:
                return found[1]
    raise InputError(
        "the machine's lists of packages name no mirror of Debian; give --source DIR or --qemu PATH"
    )


def _texts() -> Iterable[str]:
    files = [LISTS[0], *sorted(LISTS[1].glob("*"))] if LISTS[1].is_dir() else [LISTS[0]]
    return [file.read_text() for file in files if file.is_file()]

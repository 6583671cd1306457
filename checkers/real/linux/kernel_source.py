"""The kernel's source: the user's own tree, or that of a Debian newer than the machine's."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from checkers.real.debian import APT, options
from checkers.real.shell import answer, cache, need, run
from checkers.userfiles import InputError

SUITES: Final = ("trixie-backports", "sid")
OLDEST: Final = (7, 2)
PACKAGE: Final = re.compile(r"^linux-source-(\d+)\.(\d+) ", re.MULTILINE)
NUMBERS: Final = re.compile(
    r"^(VERSION|PATCHLEVEL|SUBLEVEL|EXTRAVERSION) =[ ]*(.*)$", re.MULTILINE
)
PROGRAMS: Final = {**APT, "tar": "tar", "xz": "xz-utils"}


@dataclass(frozen=True)
class Source:
    """A kernel's tree. `fixed`: it is what was unpacked, and nobody works on it."""

    folder: Path
    version: str
    fixed: bool


def source(given: Path | None) -> Source:
    """The tree that the user gave; else the newest that was fetched; else one that is fetched."""
    if given is not None:
        return Source(given.resolve(), _version(given), fixed=False)
    kept = cache("linux") / "source"
    trees = sorted(kept.glob("linux-source-*/Makefile"), key=lambda file: _numbers(file.parent))
    folder = trees[-1].parent if trees else _fetched(kept)
    return Source(folder, _version(folder), fixed=True)


def _version(folder: Path) -> str:
    try:
        text = (folder / "Makefile").read_text()
    except OSError as error:
        raise InputError(f"--source {folder}: no kernel's source: {error.strerror}") from error
    found: dict[str, str] = dict(NUMBERS.findall(text))
    if not {"VERSION", "PATCHLEVEL", "SUBLEVEL"} <= set(found):
        raise InputError(f"--source {folder}: its Makefile names no version of the kernel")
    numbers = ".".join(found[name] for name in ("VERSION", "PATCHLEVEL", "SUBLEVEL"))
    return f"{numbers}{found.get('EXTRAVERSION', '')}"


def _numbers(folder: Path) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", folder.name)))


def _fetched(kept: Path) -> Path:
    """Fetch the newest package of the suites that has the source, and unpack it."""
    need(PROGRAMS)
    kept.mkdir(parents=True, exist_ok=True)
    apt, log = options(kept / "apt", SUITES), kept / "fetch.log"
    run(["apt-get", *apt, "-q", "update"], log)
    listed = answer(["apt-cache", *apt, "search", "--names-only", r"^linux-source-[0-9.]+$"])
    newest = max(((int(a), int(b)) for a, b in PACKAGE.findall(listed)), default=(0, 0))
    if newest < OLDEST:
        raise InputError(f"no linux-source-7.2 or newer in {' or '.join(SUITES)}; see {log}")
    name = "linux-source-{}.{}".format(*newest)
    run(["apt-get", *apt, "-q", "download", name], log, kept)
    (package,) = kept.glob(f"{name}_*.deb")
    unpacked = kept / "package"
    run(["dpkg-deb", "-x", package, unpacked], log)
    run(["tar", "-xf", unpacked / "usr/src" / f"{name}.tar.xz", "-C", unpacked], log)
    (unpacked / name).rename(kept / name)
    run(["rm", "-r", package, unpacked], log)
    return kept / name

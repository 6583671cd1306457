"""The kernel's source: the user's own tree, or that of a Debian newer than the machine's."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from checkers.real.linux.shell import answer, cache, need, run
from checkers.userfiles import InputError

SUITES: Final = ("trixie-backports", "sid")
OLDEST: Final = (7, 2)
PACKAGE: Final = re.compile(r"^linux-source-(\d+)\.(\d+) ", re.MULTILINE)
NUMBERS: Final = re.compile(
    r"^(VERSION|PATCHLEVEL|SUBLEVEL|EXTRAVERSION) =[ ]*(.*)$", re.MULTILINE
)
PROGRAMS: Final = {"apt-get": "apt", "apt-cache": "apt", "dpkg-deb": "dpkg", "tar": "tar",
                   "xz": "xz-utils"}  # fmt: skip
LISTS: Final = (Path("/etc/apt/sources.list"), Path("/etc/apt/sources.list.d"))


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
    kept = cache() / "source"
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
    options, log = _apt(kept / "apt"), kept / "fetch.log"
    run(["apt-get", *options, "-q", "update"], log)
    listed = answer(["apt-cache", *options, "search", "--names-only", r"^linux-source-[0-9.]+$"])
    newest = max(((int(a), int(b)) for a, b in PACKAGE.findall(listed)), default=(0, 0))
    if newest < OLDEST:
        raise InputError(f"no linux-source-7.2 or newer in {' or '.join(SUITES)}; see {log}")
    name = "linux-source-{}.{}".format(*newest)
    run(["apt-get", *options, "-q", "download", name], log, kept)
    (package,) = kept.glob(f"{name}_*.deb")
    unpacked = kept / "package"
    run(["dpkg-deb", "-x", package, unpacked], log)
    run(["tar", "-xf", unpacked / "usr/src" / f"{name}.tar.xz", "-C", unpacked], log)
    (unpacked / name).rename(kept / name)
    run(["rm", "-r", package, unpacked], log)
    return kept / name


def _apt(folder: Path) -> list[str]:
    """Options by which the package tools look at these suites and leave the machine's lists."""
    (folder / "lists/partial").mkdir(parents=True, exist_ok=True)
    mirror = _mirror(_texts())
    lines = [f"deb {mirror} {suite} main\n" for suite in SUITES]
    (folder / "sources.list").write_text("".join(lines))
    settings = {
        "Dir::Etc::sourcelist": folder / "sources.list", "Dir::Etc::sourceparts": "-",
        "Dir::State::Lists": folder / "lists", "Dir::Cache::pkgcache": "",
        "Dir::Cache::srcpkgcache": "", "APT::Sandbox::User": "root",
    }  # fmt: skip
    return [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]


def _texts() -> Iterable[str]:
    files = [LISTS[0], *sorted(LISTS[1].glob("*"))] if LISTS[1].is_dir() else [LISTS[0]]
    return [file.read_text() for file in files if file.is_file()]


def _mirror(lists: Iterable[str]) -> str:
    """The mirror of Debian that the machine's own packages come from."""
    for text in lists:
        for line in text.splitlines():
            found = re.match(r"(?:deb(?: \[[^]]*\])?|URIs:)\s+(\S*/debian/?)(?:\s|$)", line)
            if found:
                return found[1]
    raise InputError("the machine's lists of packages name no mirror of Debian; give --source DIR")

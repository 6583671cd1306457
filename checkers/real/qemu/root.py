"""A QEMU of 11.1 or later: the user's own, the machine's, or one that is fetched and unpacked."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from checkers.real.debian import APT, options
from checkers.real.shell import answer, cache, need, run
from checkers.userfiles import InputError

OLDEST: Final = (11, 1)
SUITES: Final = (("trixie", "trixie-backports"), ("sid",))
"""Where it is looked for; the last of a row is preferred."""

PACKAGES: Final = ("qemu-system-x86", "qemu-system-arm")
QEMU_IN: Final = re.compile(r"^Inst qemu-system-x86 \((?:\d+:)?(\d+)\.(\d+)", re.MULTILINE)
VERSION: Final = re.compile(r"version (\d+)\.(\d+)\S*(?: \(.*\))?")
LOADERS: Final = {"x86_64": "ld-linux-x86-64.so.2", "aarch64": "ld-linux-aarch64.so.1"}


@dataclass(frozen=True)
class Binary:
    """A program of QEMU: its file, how and where it is started, what its version is called."""

    program: Path
    command: tuple[str, ...]
    environment: Mapping[str, str]
    version: str
    folder: Path | None


def binary(name: str, given: Path | None) -> Binary:
    """`qemu-system-x86_64`, or another: of the user's file or folder, the machine's, or fetched."""
    if given is not None:
        return _users(name, given)
    installed = shutil.which(name)
    if installed is not None:
        try:
            return _checked(Path(installed).resolve(), (installed,), {})
        except InputError:
            pass  # too old
    return _unpacked(name)


def _users(name: str, given: Path) -> Binary:
    program = (given / name if given.is_dir() else given).resolve()
    if not os.access(program, os.X_OK) or program.is_dir():
        raise InputError(f"{program}: no program; give {name} or the folder that it is in")
    if not program.name.startswith(name):
        raise InputError(f"{given}: {name} is wanted here; give the folder that has both")
    return _checked(program, (str(program),), {})


def _checked(
    program: Path, command: tuple[str, ...], environment: Mapping[str, str],
    folder: Path | None = None,
) -> Binary:
    """The program, if it runs and is new enough."""
    try:
        done = subprocess.run(
            [*command, "--version"], env={**os.environ, **environment}, check=False,
            stdin=subprocess.DEVNULL, capture_output=True, cwd=folder,
        )  # fmt: skip
    except OSError as error:
        raise InputError(f"{program}: does not run: {error.strerror}") from error
    said = (done.stdout + done.stderr).decode(errors="replace")
    found = VERSION.search(said)
    if found is None:
        raise InputError(f"{program}: says no version: {said.strip()[:200]}")
    if (int(found[1]), int(found[2])) < OLDEST:
        wanted = ".".join(map(str, OLDEST))
        raise InputError(f"{program}: is {found[0]}; {wanted} or later is wanted")
    return Binary(program, command, environment, found[0].removeprefix("version "), folder)


def _unpacked(name: str) -> Binary:
    """The program of the packages in the cache, started by their own loader and libraries.

    Paths are from the root, and so the same for everyone: QEMU keeps them among what it walks.
    """
    root = cache("qemu") / "root"
    if not root.is_dir():
        _fetch(root)
    libraries = f"usr/lib/{platform.machine()}-linux-gnu"
    command = (
        f"{libraries}/{LOADERS[platform.machine()]}", "--library-path", libraries,
        "--argv0", name, f"usr/bin/{name}", "-L", "usr/share/qemu", "-L", "usr/share/seabios",
    )  # fmt: skip
    environment = {"QEMU_MODULE_DIR": f"{libraries}/qemu"}
    return _checked(root / "usr/bin" / name, command, environment, root)


def _fetch(root: Path) -> None:
    """Fetch the packages and all that they depend on, and unpack them: nothing is installed."""
    need(APT)
    if platform.machine() not in LOADERS:
        raise InputError(f"no packages for {platform.machine()} are known; give --qemu PATH")
    kept = root.parent
    kept.mkdir(parents=True, exist_ok=True)
    log = kept / "fetch.log"
    for suites in SUITES:
        apt = [*options(kept / "apt", suites), "-o", f"APT::Default-Release={suites[-1]}"]
        run(["apt-get", *apt, "-q", "update"], log)
        wanted = _wanted(apt)
        if wanted:
            break
    else:
        raise InputError(f"no QEMU {'.'.join(map(str, OLDEST))} in {SUITES}; see {log}")
    parts, fetched = kept / "unpacking", kept / "packages"
    for folder in (parts, fetched):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
    run(["apt-get", *apt, "-q", "download", *wanted], log, fetched)
    for package in sorted(fetched.glob("*.deb")):
        run(["dpkg-deb", "-x", package, parts], log)
    shutil.rmtree(fetched)
    parts.rename(root)


def _wanted(apt: Sequence[str]) -> list[str]:
    """The packages to fetch, none if QEMU is too old there."""
    command = ["apt-get", *apt, "-s", "--no-install-recommends", "install", *PACKAGES]
    said = answer(command)
    found = QEMU_IN.search(said)
    new = found is not None and (int(found[1]), int(found[2])) >= OLDEST
    return re.findall(r"^Inst (\S+)", said, re.MULTILINE) if new else []

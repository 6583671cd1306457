"""Makes a library of a C program, once: compiled ones are kept under the user's cache folder.

An entry is named by a digest of the program, the compiler and its options, and is loaded only if it
is the user's own and is what was written there.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import hashlib
import importlib.util
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from checkers.userfiles import InputError

OPTIONS: Final = (
    "-std=gnu11", "-fno-strict-aliasing", "-fPIC", "-shared", "-pthread", "-fvisibility=hidden",
    "-Wall", "-Wextra", "-Werror", "-Wno-unused-function", "-Wno-unused-variable",
    "-Wno-unused-const-variable", "-Wno-unused-value", "-Wno-unused-parameter",
    "-Wno-unused-but-set-variable", "-Wno-unknown-warning-option", "-Wno-parentheses-equality",
    "-Wno-int-in-bool-context", "-fno-sanitize=undefined", "-Wno-tautological-compare",
    "-Wno-type-limits", "-Wno-unknown-pragmas",
)  # fmt: skip


class NoCompilerError(Exception):
    """There is no C compiler; `str()` is one line that says what to install."""


@functools.cache
def compiler() -> tuple[str, ...]:
    """The command of the C compiler; `NoCompilerError` without one."""
    for name in (os.environ.get("CC", ""), "cc", "gcc", "clang"):
        found = shutil.which(name) if name else None
        if found:
            return (found,)
    if importlib.util.find_spec("ziglang"):
        return (sys.executable, "-m", "ziglang", "cc")
    raise NoCompilerError(
        "no C compiler: install one (cc), or the extra [compiler]; the reference explorer needs "
        "none, and is slow"
    )


def load(text: str, *options: str) -> ctypes.CDLL:
    """The library of a program, compiled now if it was not before."""
    command = [*compiler(), *OPTIONS, *options]
    digest = hashlib.sha256("\0".join([_version(), *command, text]).encode()).hexdigest()
    folder = cache_folder()
    data = _kept(folder, digest) if folder else None
    try:
        if data is None:
            data = _compiled(command, text)
            if folder:
                _keep(folder, digest, data)
        return _loaded(data)
    except OSError as error:
        why = f"the compiled machine cannot be written and loaded: {error}"
        raise InputError(f"{why}; TMPDIR names another folder for that") from error


def cache_folder() -> Path | None:
    """Where compiled machines are kept; nowhere if the user has no place for that."""
    base = os.path.expanduser(os.environ.get("XDG_CACHE_HOME") or "~/.cache")
    return Path(base, "viommu-spec", "compiled") if os.path.isabs(base) else None


@functools.cache
def _version() -> str:
    done = subprocess.run([*compiler(), "--version"], capture_output=True, text=True, check=False)
    return done.stdout


def _compiled(command: list[str], text: str) -> bytes:
    with tempfile.TemporaryDirectory(prefix="viommu-spec-") as folder:
        source, library = Path(folder, "machine.c"), Path(folder, "machine.so")
        source.write_text(text, encoding="utf-8")
        done = subprocess.run(
            [*command, "-o", str(library), str(source)], capture_output=True, text=True, check=False
        )
        if done.returncode:
            lines = done.stderr.splitlines()
            first = next((line for line in lines if "error" in line), "no message")
            raise RuntimeError(f"{' '.join(command[:3])} does not compile the machine: {first}")
        return library.read_bytes()


def _kept(folder: Path, digest: str) -> bytes | None:
    """What is kept under a digest, if it is the user's own and what was written there."""
    try:
        with open(folder / digest, "rb", opener=_at_once) as opened:
            status = os.fstat(opened.fileno())
            data = opened.read()
    except OSError:
        return None
    own = status.st_uid == os.getuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    if not own or not stat.S_ISREG(status.st_mode) or len(data) < 32:
        return None
    return data[32:] if _seal(digest, data[32:]) == data[:32] else None


def _at_once(place: str, flags: int) -> int:
    """Open a file; of a fifo nobody is waited for."""
    return os.open(place, flags | os.O_NONBLOCK)


def _seal(digest: str, data: bytes) -> bytes:
    """What says that a library is whole, and that of this digest."""
    return hashlib.sha256(digest.encode() + data).digest()


def _keep(folder: Path, digest: str, data: bytes) -> None:
    """Keep a library under a digest; where nothing can be kept it is compiled each time."""
    with contextlib.suppress(OSError):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        number, name = tempfile.mkstemp(dir=folder)
        try:
            with os.fdopen(number, "wb") as file:
                file.write(_seal(digest, data) + data)
            os.replace(name, folder / digest)
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name)


def _loaded(data: bytes) -> ctypes.CDLL:
    """Load exactly these bytes."""
    with tempfile.NamedTemporaryFile(prefix="viommu-spec-", suffix=".so") as file:
        file.write(data)
        file.flush()
        return ctypes.CDLL(file.name)

"""What a search knows at the end of a level, on disk, so that a killed one can go on from there.

A file for each level, then a manifest that names them all. Each is written under another name and
renamed when it is complete, so at any moment the manifest is that of the last complete level.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO, Final

import msgspec
import numpy as np

from checkers.columns.packing import Rows
from checkers.machines import InputError
from spec.language.program import Program

MANIFEST: Final = "manifest.json"


class SavedStep(msgspec.Struct):
    """A step that breaks a rule."""

    action: str
    values: list[int]
    fault: int


class SavedBreach(msgspec.Struct):
    """Where a rule is broken."""

    rule: str
    level: int
    rows: list[list[int]]
    steps: list[SavedStep]
    whys: list[str]


class Manifest(msgspec.Struct):
    """What is known besides the states; `sizes` has the states of each level.

    All levels are judged, all but the last are expanded.
    """

    subject: str
    sources: str
    sizes: list[int]
    depth: int
    fired: dict[str, int]
    crashed: dict[str, int]
    cuts: dict[str, int]
    witnessed: list[str]
    breaches: list[SavedBreach]
    descends: bool


class Checkpoint:
    """A directory with the levels of one search."""

    def __init__(self, directory: Path, program: Program, rules: Sequence[str], up_to: str) -> None:
        self.directory = directory
        self.subject = _subject(program, rules, up_to)
        self.sources = _sources(program)

    def begin(self) -> None:
        """Refuse a directory that cannot be written to or that has another search."""
        if (self.directory / MANIFEST).exists():
            raise InputError(f"{self.directory}: has a checkpoint; --resume it, or name another")
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{self.directory}: {error.strerror}") from error

    def manifest(self) -> Manifest:
        """The manifest of a search of this program; `InputError` if it is none."""
        place = self.directory / MANIFEST
        try:
            found = msgspec.json.decode(place.read_bytes(), type=Manifest)
        except FileNotFoundError as error:
            raise InputError(f"{self.directory}: has no checkpoint to resume") from error
        except (OSError, msgspec.MsgspecError) as error:
            raise InputError(f"{place}: cannot be read: {error}") from error
        if found.subject != self.subject:
            raise InputError(
                f"{self.directory}: is a checkpoint of {found.subject}; this is {self.subject}"
            )
        if found.sources != self.sources:
            raise InputError(f"{self.directory}: the specification has changed since it was saved")
        return found

    def level(self, number: int, size: int) -> Rows:
        """The states of a level, in memory only as far as they are looked at."""
        place = self.directory / _name(number)
        try:
            rows: Rows = np.load(place, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError) as error:
            raise InputError(f"{place}: cannot be read: {error}") from error
        if len(rows) != size:
            raise InputError(f"{place}: has {len(rows)} states, not {size}")
        return rows

    def save(self, number: int, rows: Rows, manifest: Manifest) -> None:
        """Add a level."""
        self._write(_name(number), lambda file: np.save(file, rows))
        text = msgspec.json.encode(manifest)
        self._write(MANIFEST, lambda file: file.write(text))

    def _write(self, name: str, put: Callable[[BinaryIO], object]) -> None:
        unfinished = self.directory / f"{name}.unfinished"
        try:
            with unfinished.open("wb") as file:
                put(file)
                file.flush()
                os.fsync(file.fileno())
            unfinished.rename(self.directory / name)
        except OSError as error:
            raise InputError(f"{unfinished}: {error.strerror}") from error


def _name(number: int) -> str:
    return f"level-{number:05}.npy"


def _subject(program: Program, rules: Sequence[str], up_to: str) -> str:
    """What is searched, in one line."""
    values = ",".join(f"{key}={value}" for key, value in sorted(program.bounds.values.items()))
    variant = f"/{program.variant.name}" if program.variant else ""
    renaming = f" up to {up_to}" if up_to else ""
    return f"{program.machine.name}{variant} {values}{renaming} rules {','.join(rules)}"


def _sources(program: Program) -> str:
    """A digest of all text that the specification is made of."""
    machine, variant = program.machine, program.variant
    functions = [machine.init, *machine.actions, *(variant.overrides.values() if variant else ())]
    names = {function.__module__ for function in functions}
    names |= {name for name in sys.modules if name.split(".")[0] in ("spec", "invariants")}
    digest = hashlib.sha256()
    for name in sorted(names):
        file = getattr(sys.modules.get(name), "__file__", None)
        if file is not None:
            digest.update(name.encode() + Path(file).read_bytes())
    return digest.hexdigest()

"""What a search knows at the end of a level, on disk, so that a killed one can go on from there.

A file for each level, then a manifest that names them all, with a checksum of each and of itself,
and a digest of the program that made them and of its initial states: all text that it rests on.
Each file is written under another name and renamed when it is complete, so at any moment the
manifest is that of the last complete level. Whoever uses a folder has it alone.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from checkers.explore.native.library import Figures
from checkers.userfiles import InputError
from spec.language.program import Program

MANIFEST: Final = "manifest.json"
LOCK: Final = "lock"
PIECE: Final = 1 << 20


class Manifest(msgspec.Struct):
    """What is known besides the states: of each level how many, and the checksum of its file.

    All levels are judged, all but the last are expanded.
    """

    subject: str
    program: str
    sizes: list[int]
    checksums: list[str]
    figures: Figures
    first: dict[str, int]


class Sealed(msgspec.Struct):
    """A manifest and its own checksum."""

    checksum: str
    manifest: msgspec.Raw


@dataclass(frozen=True)
class Saved:
    """A checkpoint that is to be resumed."""

    folder: Path
    manifest: Manifest
    state_bytes: int

    @property
    def sizes(self) -> Sequence[int]:
        """How many states each level has."""
        return self.manifest.sizes

    @property
    def figures(self) -> Figures:
        """What was counted."""
        return self.manifest.figures

    @property
    def first(self) -> Mapping[str, int]:
        """The rules that are broken, with the length of the shortest trace."""
        return self.manifest.first

    def levels(self) -> Iterator[Iterable[bytes]]:
        """The states of each level in pieces; refused if a file is not what was written."""
        for number, checksum in enumerate(self.manifest.checksums):
            yield self._level(number, checksum)

    def _level(self, number: int, checksum: str) -> Iterator[bytes]:
        place = self.folder / _name(number)
        try:
            with place.open("rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() != checksum:
                    raise self.wrong(number, "is damaged")
                file.seek(0)
                piece = PIECE // self.state_bytes * self.state_bytes or self.state_bytes
                while data := file.read(piece):
                    yield data
        except OSError as error:
            raise self.wrong(number, f"cannot be read: {error.strerror}") from error

    def wrong(self, number: int, why: str) -> InputError:
        """The error for a level."""
        return InputError(f"{self.folder / _name(number)}: {why}; explore anew")


class Checkpoint:
    """A folder with the levels of one search."""

    def __init__(self, folder: Path, program: Program, text: str) -> None:
        self.folder = folder
        self.subject = _subject(program)
        initial = b"".join(sorted(program.initial()))
        self.program = hashlib.sha256(text.encode() + b"\0" + initial).hexdigest()
        self.state_bytes = max(1, program.layout.size)
        self.checksums: list[str] = []

    @contextmanager
    def opened(self, resume: bool) -> Iterator[Saved | None]:
        """Have the folder alone: empty, or with a search of this program if it is to go on."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = (self.folder / LOCK).open("a")
        except OSError as error:
            raise InputError(f"{self.folder}: {error.strerror}") from error
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise InputError(f"{self.folder}: another search uses this folder") from error
            if not resume and (self.folder / MANIFEST).exists():
                raise InputError(f"{self.folder}: has a checkpoint; --resume it, or name another")
            yield self._saved() if resume else None

    def _saved(self) -> Saved:
        place = self.folder / MANIFEST
        try:
            sealed = msgspec.json.decode(place.read_bytes(), type=Sealed)
            if hashlib.sha256(bytes(sealed.manifest)).hexdigest() != sealed.checksum:
                raise InputError(f"{place}: is damaged; explore anew")
            found = msgspec.json.decode(sealed.manifest, type=Manifest)
        except FileNotFoundError as error:
            raise InputError(f"{self.folder}: has no checkpoint to resume") from error
        except (OSError, msgspec.MsgspecError) as error:
            raise InputError(f"{place}: cannot be read: {error}") from error
        if found.subject != self.subject:
            raise InputError(
                f"{self.folder}: is a checkpoint of {found.subject}; this is {self.subject}"
            )
        if found.program != self.program:
            raise InputError(
                f"{self.folder}: the specification, its rules or what is renamed have changed "
                "since it was saved"
            )
        self.checksums = list(found.checksums)
        return Saved(self.folder, found, self.state_bytes)

    def save(
        self, states: Iterable[bytes], sizes: Sequence[int], figures: Figures,
        first: Mapping[str, int],
    ) -> None:
        """Add a level, the last of those whose sizes are given."""
        digest = hashlib.sha256()

        def put(file: BinaryIO) -> None:
            for piece in states:
                digest.update(piece)
                file.write(piece)

        self._write(_name(len(sizes) - 1), put)
        self.checksums.append(digest.hexdigest())
        manifest = Manifest(
            self.subject, self.program, list(sizes), self.checksums, figures, dict(first)
        )
        text = msgspec.json.encode(manifest)
        sealed = Sealed(hashlib.sha256(text).hexdigest(), msgspec.Raw(text))
        self._write(MANIFEST, lambda file: file.write(msgspec.json.encode(sealed)))

    def _write(self, name: str, put: object) -> None:
        assert callable(put)
        unfinished = self.folder / f"{name}.unfinished"
        try:
            with unfinished.open("wb") as file:
                put(file)
                file.flush()
                os.fsync(file.fileno())
            unfinished.rename(self.folder / name)
        except OSError as error:
            raise InputError(f"{unfinished}: {error.strerror}") from error


def _name(number: int) -> str:
    return f"level-{number:05}"


def _subject(program: Program) -> str:
    """What is searched, in one line."""
    values = ",".join(f"{key}={value}" for key, value in sorted(program.bounds.values.items()))
    variant = f"/{program.variant.name}" if program.variant else ""
    return f"{program.machine.name}{variant} {values}"

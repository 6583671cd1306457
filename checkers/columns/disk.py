"""Packed states in a file without a name: however the process ends, nothing of it is left."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import numpy as np

from checkers.columns.packing import WORD, Rows
from checkers.machines import InputError


class RowFile:
    """Rows one after the other, numbered from 0.

    They are read at given places, without a position that forked processes would share.
    """

    def __init__(self, directory: Path, words: int) -> None:
        self.directory, self.words, self.size = directory, words, 0
        try:
            directory.mkdir(parents=True, exist_ok=True)
            self._file = tempfile.TemporaryFile(dir=directory)  # noqa: SIM115 (closed by close)
        except OSError as error:
            raise InputError(f"{directory}: {error.strerror}") from error

    def append(self, rows: Rows) -> None:
        """Add rows at the end."""
        try:
            self._file.write(np.ascontiguousarray(rows).data)
            self._file.flush()
        except OSError as error:
            raise InputError(f"{self.directory}: {error.strerror}") from error
        self.size += len(rows)

    def read(self, first: int, behind: int) -> Rows:
        """The rows from number `first` to before `behind`."""
        rows: Rows = np.empty((behind - first, self.words), dtype=np.uint64)
        left, place = rows.reshape(-1).view(np.uint8).data, first * self.words * WORD
        while left:
            count = os.preadv(self._file.fileno(), [left], place)
            if not count:
                raise InputError(f"{self.directory}: a file there has become shorter")
            left, place = left[count:], place + count
        return rows

    def mapped(self) -> Rows:
        """All rows, in memory only as far as they are looked at."""
        if not self.size:
            return np.empty((0, self.words), dtype=np.uint64)
        return np.memmap(self._file, np.uint64, "r", shape=(self.size, self.words))

    def clear(self) -> None:
        """No rows."""
        self._file.seek(0)
        self._file.truncate()
        self.size = 0

    def close(self) -> None:
        """Give the space back."""
        self._file.close()

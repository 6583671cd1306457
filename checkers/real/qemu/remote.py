"""The memory of another process, a child of this one."""

from __future__ import annotations

import os
from pathlib import Path


class Memory:
    """What a process has at its addresses; it may be written even where the process may not."""

    def __init__(self, process: int) -> None:
        self.process = process
        self.file = os.open(f"/proc/{process}/mem", os.O_RDWR | os.O_CLOEXEC)

    def read(self, address: int, size: int) -> bytes:
        """So many bytes; OSError (EFAULT) where there is no memory."""
        found = os.pread(self.file, size, address) if size else b""
        if len(found) != size:
            raise OSError(14, "memory ends")
        return found

    def write(self, address: int, content: bytes) -> None:
        """Bytes come to be there."""
        os.pwrite(self.file, content, address)

    def mapped(self, file: Path) -> int:
        """The address at which the beginning of a file is mapped; 0 if it is not."""
        for line in Path(f"/proc/{self.process}/maps").read_text().splitlines():
            words = line.split(maxsplit=5)
            if len(words) == 6 and words[5] == str(file.resolve()) and int(words[2], 16) == 0:
                return int(words[0].partition("-")[0], 16)
        return 0

    def close(self) -> None:
        """Look no more."""
        os.close(self.file)

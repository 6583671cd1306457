"""Runs a kernel with a batch, under QEMU without any help of the processor."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from checkers.real.linux.hardware import Hardware

QEMU: Final = "qemu-system-x86_64"
MEMORY: Final = 256
"""MiB for the guest, the batch apart, which it has twice while it starts."""

NOTHING: Final = Hardware()
FOLDER, FILE = 0o040755, 0o100755


def boot(
    vmlinux: Path, files: Mapping[str, bytes], seconds: float,
    memory: int = MEMORY, beside: Hardware = NOTHING,
) -> list[str]:  # fmt: skip
    """What the guest says until it restarts, which is its end; TimeoutExpired if it does not."""
    size = sum(map(len, files.values()))
    with tempfile.TemporaryDirectory(prefix="viommu-spec-") as folder:
        initrd = Path(folder, "initrd")
        initrd.write_bytes(archive(files))
        command = [
            QEMU, "-accel", "tcg", "-machine", "q35", "-cpu", "qemu64", "-nodefaults",
            "-display", "none", "-no-reboot", "-serial", "stdio",
            "-m", str(memory + 3 * (size >> 20)),
            "-kernel", str(vmlinux), "-initrd", str(initrd),
            "-append", f"console=ttyS0 loglevel=2 panic=-1 oops=panic {beside.words}",
            *beside.options,
        ]  # fmt: skip
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            timeout=seconds, check=False,
        )  # fmt: skip
    return done.stdout.decode(errors="replace").splitlines()


def archive(files: Mapping[str, bytes]) -> bytes:
    """A cpio archive that the kernel unpacks: folders to mount on, and files."""
    entries = [(name, FOLDER, b"") for name in ("dev", "proc", "sys")]
    entries += [(name, FILE, content) for name, content in files.items()]
    return b"".join(_packed(entries))


def _packed(entries: Iterable[tuple[str, int, bytes]]) -> Iterable[bytes]:
    for number, (name, mode, content) in enumerate([*entries, ("TRAILER!!!", 0, b"")], 1):
        path = name.encode() + b"\0"
        fields = (number, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(path), 0)
        head = b"070701" + b"".join(b"%08x" % field for field in fields) + path
        yield head + bytes(-len(head) % 4)
        yield content + bytes(-len(content) % 4)

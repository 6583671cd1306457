"""Run as a program: becomes another whose calls of the files of iommufd and VFIO are handed over.

    python confined.py SOCKET FROM=TO[,FROM=TO...] PROGRAM ARGUMENT...

The files FROM become the files TO. A filter of system calls is set, whose listener goes to whoever
holds the other end of the socket; then the program is executed, with addresses that are the same at
each run. It imports nothing of this project, so that it starts in no time.
"""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import socket
import struct
import sys
from typing import Final

FIRST: Final = 200
LAST: Final = 263
"""Files by these numbers are not the host's: every use of them is handed over."""

TYPE: Final = ord(";")
"""The type of the requests of iommufd and of VFIO."""

SYSTEM_CALLS: Final = {
    "x86_64": {"arch": 0xC000003E, "seccomp": 317, "ioctl": 16, "close": 3, "pread64": 17,
               "pwrite64": 18, "signalfd": 282, "signalfd4": 289},
    "aarch64": {"arch": 0xC00000B7, "seccomp": 277, "ioctl": 29, "close": 57, "pread64": 67,
                "pwrite64": 68, "signalfd4": 74},
}  # fmt: skip

NO_NEW_PRIVS: Final = 38
END_WITH_PARENT: Final = 1
ADDR_NO_RANDOMIZE: Final = 0x0040000
SET_MODE_FILTER: Final = 1
NEW_LISTENER: Final = 8
ALLOW: Final = 0x7FFF0000
HAND_OVER: Final = 0x7FC00000
KILL: Final = 9

LOAD: Final = 0x20
AND: Final = 0x54
EQUAL: Final = 0x15
AT_LEAST: Final = 0x35
ABOVE: Final = 0x25
RETURN: Final = 0x06
NUMBER: Final = 0
ARCH: Final = 4
FILE: Final = 16
REQUEST: Final = 24


def program(calls: dict[str, int]) -> bytes:
    """The filter: ioctl by its type, reads, writes and closes by file, and a look at signalfd."""
    others = [calls[name] for name in ("pread64", "pwrite64", "close")]
    looks = [number for name, number in calls.items() if name.startswith("signalfd")]
    checks = [calls["ioctl"], *others, *looks]
    give, allow = "give", "allow"
    lines: list[tuple[int, int, str, str]] = [
        (LOAD, ARCH, "", ""), (EQUAL, calls["arch"], "", allow), (LOAD, NUMBER, "", ""),
    ]  # fmt: skip
    for number in checks:
        target = "ioctl" if number == calls["ioctl"] else "file" if number in others else give
        lines.append((EQUAL, number, target, ""))
    lines.append((RETURN, ALLOW, "", ""))
    ioctl = len(lines)
    lines += [(LOAD, REQUEST, "", ""), (AND, 0xFF00, "", ""), (EQUAL, TYPE << 8, give, allow)]
    file = len(lines)
    lines += [
        (LOAD, FILE, "", ""), (AT_LEAST, FIRST, "", allow), (ABOVE, LAST, allow, give),
        (RETURN, ALLOW, "", ""), (RETURN, HAND_OVER, "", ""),
    ]  # fmt: skip
    places = {"ioctl": ioctl, "file": file, allow: len(lines) - 2, give: len(lines) - 1}

    def step(row: int, target: str) -> int:
        return places[target] - row - 1 if target else 0

    return b"".join(
        struct.pack("=HBBI", code, step(row, yes), step(row, no), value)
        for row, (code, value, yes, no) in enumerate(lines)
    )


def confine(calls: dict[str, int]) -> int:
    """Set the filter on this process; the file by which its calls are heard."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    libc = ctypes.CDLL(None, use_errno=True)
    text = program(calls)
    buffer = ctypes.create_string_buffer(text, len(text))
    head = struct.pack("=H6xQ", len(text) // 8, ctypes.addressof(buffer))
    libc.prctl(END_WITH_PARENT, KILL, 0, 0, 0)
    libc.prctl(NO_NEW_PRIVS, 1, 0, 0, 0)
    libc.personality(ctypes.c_ulong(ADDR_NO_RANDOMIZE))
    listener = int(
        libc.syscall(calls["seccomp"], SET_MODE_FILTER, NEW_LISTENER, ctypes.c_char_p(head))
    )
    if listener < 0:
        raise OSError(ctypes.get_errno(), "the kernel hands no system calls over")
    return listener


def main(arguments: list[str]) -> None:
    """Move the files, set the filter, hand the listener over, be the program."""
    end = socket.socket(fileno=int(arguments[0]))
    for pair in filter(None, arguments[1].split(",")):
        source, target = map(int, pair.split("="))
        os.dup2(source, target, inheritable=True)
    try:
        listener = confine(SYSTEM_CALLS[platform.machine()])
    except (KeyError, OSError) as error:
        end.sendall(f"user notification: {error}".encode())
        sys.exit(1)
    socket.send_fds(end, [b"listener"], [listener])
    os.set_inheritable(listener, False)
    end.close()
    os.close(listener)
    os.execv(arguments[2], arguments[2:])


if __name__ == "__main__":
    main(sys.argv[1:])

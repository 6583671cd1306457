"""Calls of a child process are heard, answered, or made."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

import pytest

from checkers.real.qemu import supervisor
from checkers.real.qemu.supervisor import LET, Supervised, SystemCall
from checkers.userfiles import InputError
from tests.checkers.real.qemu.heard import Listening, child


def test_a_request_of_the_type_is_answered_with_what_is_in_memory() -> None:
    def answer(call: SystemCall) -> int:
        address = call.arguments[2]
        assert call.memory.read(address, 4) == b"\x08\0\0\0"
        call.memory.write(address + 4, b"\x07\0\0\0")
        return 3

    found = child(
        "import fcntl; b = bytearray(b'\\x08\\0\\0\\0\\0\\0\\0\\0');"
        "print(fcntl.ioctl(200, 0x3b81, b), b[4])",
        answer,
    )
    assert (found.status, found.said) == (0, "3 7\n")
    assert found.heard == [("ioctl", 200)]


def test_an_errno_is_one() -> None:
    found = child(
        "import fcntl, errno\n"
        "try: fcntl.ioctl(200, 0x3b80, bytearray(8))\n"
        "except OSError as e: print(errno.errorcode[e.errno])",
        lambda call: -errno.EBUSY,
    )
    assert found.said == "EBUSY\n"


def test_reads_writes_and_closes_of_other_files_are_not_heard() -> None:
    found = child(
        "import os; f = os.memfd_create('x'); os.pwrite(f, b'abc', 0);"
        "print(os.pread(f, 3, 0)); os.close(f)",
        lambda call: -errno.EIO,
    )
    assert (found.said, found.heard) == ("b'abc'\n", [])


def test_requests_of_another_type_are_not_heard() -> None:
    found = child(
        "import fcntl\ntry: fcntl.ioctl(200, 0x5401, bytearray(64))\n"
        "except OSError as e: print(e.errno)",
        lambda call: 0,
    )
    assert (found.said, found.heard) == (f"{errno.ENOTTY}\n", [])


def test_a_call_may_be_let_through() -> None:
    found = child(
        "import os; os.pwrite(200, b'abc', 0); print(os.pread(200, 9, 0)); os.close(200)\n"
        "try: os.fstat(200)\nexcept OSError as e: print(e.errno)",
        lambda call: LET,
    )
    assert found.said == f"b'abc'\n{errno.EBADF}\n"
    assert found.heard == [("pwrite64", 200), ("pread64", 200), ("close", 200)]


def test_a_close_may_be_kept_from_the_kernel() -> None:
    found = child("import os; os.close(200); print(os.fstat(200).st_size)", lambda call: 0)
    assert found.said == "0\n"


def test_a_file_may_come_with_an_answer() -> None:
    ours = os.memfd_create("event queue")
    os.write(ours, b"event")

    def answer(call: SystemCall) -> int:
        call.give(ours, 240)
        return 240

    found = child(
        "import fcntl, os; n = fcntl.ioctl(200, 0x3b93);os.lseek(n, 0, 0); print(os.read(n, 9))",
        answer,
    )
    os.close(ours)
    assert found.said == "b'event'\n"


def test_how_a_program_ends_is_known() -> None:
    assert child("raise SystemExit(7)", lambda call: 0).status == 7
    assert child("import os; os.abort()", lambda call: 0).status == -6


def test_where_the_kernel_hands_nothing_over_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "confined.py"
    script.write_text(
        "import socket, sys\n"
        "socket.socket(fileno=int(sys.argv[1])).sendall(b'user notification: not permitted')\n"
    )
    monkeypatch.setattr(supervisor, "SCRIPT", script)
    with pytest.raises(InputError, match="user notification: not permitted"):
        Supervised([sys.executable], Listening(lambda call: 0), {}, {}, 2)


def test_addresses_are_the_same_at_each_run() -> None:
    maps = "print([l.split()[0] for l in open('/proc/self/maps') if 'libc' in l])"
    runs = {child(maps, lambda call: 0).said for _ in range(3)}
    assert len(runs) == 1

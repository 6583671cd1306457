"""A child of our own makes QEMU's calls, and the specification answers them."""

from __future__ import annotations

from checkers.real.qemu.host import Host
from checkers.real.qemu.refusing import Refusal
from checkers.real.qemu.spec_kernel import Hardware, SpecKernel
from spec.iommufd.uapi.state import Driver
from tests.checkers.real.qemu.heard import child

CALLS = """
import fcntl, os, struct
def call(file, number, form, *values):
    head = struct.calcsize("=I" + form)
    b = bytearray(struct.pack("=I" + form, head, *values))
    try:
        fcntl.ioctl(file, 0x3b00 | number, b)
    except OSError as e:
        print(end=errno.errorcode[e.errno] + " ")
    return struct.unpack("=I" + form, b)[1:]
import errno
os.dup2(200, 201)
print(call(201, 0x76, "IiIQ", 0, 200, 0, 0)[2])
print(call(200, 0x81, "II", 0, 0)[1])
"""


def run(host: Host, program: str) -> list[str]:
    found = child(CALLS + program, host.system_call)
    assert found.status == 0, found.said
    return found.said.splitlines()[2:]


def host(driver: Driver = Driver.INTEL) -> Host:
    return Host(SpecKernel(Hardware(driver)))


ALLOC = """
import ctypes
def alloc(pt, flags, *data):
    b = ctypes.create_string_buffer(struct.pack("=3Q", *data)) if data else None
    kind, size, at = (1, 24, ctypes.addressof(b)) if data else (0, 0, 0)
    return call(200, 0x89, "IIIIIIIQII", flags, 1, pt, 0, 0, kind, size, at, 0, 0)[3]
print(alloc(2, 1))
print(call(201, 0x77, "III", 0, 3, 0)[1])
"""


def test_objects_are_made_and_attached() -> None:
    found = host()
    said = run(found, ALLOC + "print(alloc(3, 0, 0, 0x2010000, 48))")
    assert said == ["3", "3", "4"]
    assert [call.text() for call in found.calls] == [
        "BIND_IOMMUFD flags=0 iommufd=200 out_devid=1 dev1 -> 0",
        "IOAS_ALLOC flags=0 out_ioas_id=2 -> 0",
        "HWPT_ALLOC flags=1 dev_id=1 pt_id=2 out_hwpt_id=3 data_type=0 data_len=0 fault_id=0 -> 0",
        "ATTACH_PT flags=0 pt_id=3 pasid=0 dev1 -> 0",
        "HWPT_ALLOC flags=0 dev_id=1 pt_id=3 out_hwpt_id=4 data_type=1 data_len=24 fault_id=0 "
        "data=flags:0x0,pgtbl:0x2010000,aw:48 -> 0",
    ]
    assert found.calls[-1].data == (0x2010000,)
    assert found.path(1) == "stage 2"


def test_a_call_can_be_refused_once_and_then_leaves_nothing() -> None:
    found = host()
    found.refuses = Refusal(("HWPT_ALLOC",), turn=2)
    said = run(found, ALLOC + "print(alloc(2, 1)); print(alloc(2, 1))")
    assert said == ["3", "3", "ENOMEM 0", "4"]
    assert [call.injected for call in found.calls[-2:]] == [True, False]


def test_a_close_unbinds_and_the_file_can_be_bound_again() -> None:
    found = host()
    said = run(found, "os.close(201); print(call(201, 0x6b, 'IIIII', 0, 0, 0, 0, 0));"
                      "print(call(201, 0x76, 'IiIQ', 0, 200, 0, 0)[2])")  # fmt: skip
    assert said == ["EINVAL (0, 0, 0, 0, 0)", "1"]
    assert [call.name for call in found.calls[2:]] == ["close", "GET_INFO", "BIND_IOMMUFD"]


def test_the_configuration_is_read_and_written() -> None:
    said = run(host(), "at = 7 << 40; os.pwrite(201, b'\\6', at + 4); print(os.pread(201, 8, at))")
    assert said == [str(b"\x86\x80\xfb\x10\x06\x00\x10\x00")]


def test_addresses_are_told_where_there_is_room() -> None:
    program = (
        "import ctypes; b = ctypes.create_string_buffer(32)\n"
        "print(call(200, 0x84, 'IIIQQ', 2, 0, 0, 0, 0)[1])\n"
        "call(200, 0x84, 'IIIQQ', 2, 2, 0, ctypes.addressof(b), 0)\n"
        "print(struct.unpack('4Q', b.raw) == (0, 0xfedfffff, 0xfef00000, (1 << 48) - 1))"
    )
    assert run(host(), program) == ["EMSGSIZE 2", "True"]


def test_what_an_iommu_says_is_cut_to_the_users_size() -> None:
    program = (
        "import ctypes; b = ctypes.create_string_buffer(b'x' * 32)\n"
        "print(call(200, 0x8a, 'IIIQIIQ', 0, 1, 8, ctypes.addressof(b), 0, 0, 0)[2:5:2])\n"
        "print(b.raw[:8] == bytes(8), b.raw[8:10])"
    )
    assert run(host(), program) == ["(24, 1)", "True b'xx'"]


def test_an_event_of_the_host_is_read_from_the_queues_file() -> None:
    found = host(Driver.ARM)
    program = (
        ALLOC + "print(call(200, 0x90, 'IIIIIIIQ', 0, 1, 1, 3, 0, 0, 0, 0)[4])\n"
        "fd = call(200, 0x93, 'IIIIIII', 0, 4, 1, 8, 0, 0, 0)[5]; print(fd)\n"
        "call(200, 0x80, 'I', 5)\n"
        "os.close(fd); print(call(200, 0x80, 'I', 5))"
    )
    assert run(found, program) == ["3", "3", "4", "240", "EBUSY (5,)"]
    assert [call.name for call in found.calls[-3:]] == ["DESTROY", "close", "DESTROY"]


def test_a_request_that_nobody_knows_is_refused() -> None:
    assert run(host(), "call(200, 0xff, 'I', 0); print()") == ["ENOTTY "]

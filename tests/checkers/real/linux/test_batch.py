"""A batch is to the guest what it was meant to be, and what is none is refused."""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from checkers.machines import machine, program
from checkers.real.linux.batch import Batch, Call, Flag, Machine, Op, Trait, Way
from checkers.real.linux.calls import Kernel
from checkers.real.linux.cdev import Cdev
from checkers.real.linux.image import GUEST, compile_guest
from checkers.real.linux.mocked import Mocked

HEADER = 40


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("cc") is None:
        pytest.skip("no C compiler")
    folder = tmp_path_factory.mktemp("guest")
    shutil.copytree(GUEST, folder, dirs_exist_ok=True)
    shutil.copy(Path(__file__).with_name("show_batch.c"), folder)
    program = folder / "show_batch"
    compile_guest(folder, ("show_batch.c", "batch.c"), program, folder / "log")
    return program


def read(reader: Path, batch: bytes) -> list[str]:
    done = subprocess.run([reader], input=batch, capture_output=True, check=False)
    return done.stdout.decode().splitlines()


def small() -> Batch:
    devices = ((0, Trait.COHERENT | Trait.PASIDS), (1, Trait.DIRTY), (1, Trait.COHERENT))
    batch = Batch(Machine(2, 3, 2, devices, blocks_first=True))
    batch.node(0, Call(Op.GO), bytes(20))
    batch.node(0, Call(Op.IOAS, answer=1, flags=Flag.CHANGES), bytes(range(20)))
    batch.go(1)
    batch.call(Call(Op.HWPT, 2, 1, Flag.NEST_PARENT | Flag.DATA, 5, 0x21, 95))
    batch.look(1)
    batch.go(0, run=True)
    return batch


def test_the_guest_reads_what_was_written(reader: Path) -> None:
    assert read(reader, small().packed()) == [
        "driver=2 blocks_first=1 slots=3 bound=2",
        "device group=0 traits=3",
        "device group=1 traits=4",
        "device group=1 traits=1",
        f"node parent=0 look={'00' * 20} 0 flags=0 node=0",
        f"node parent=0 look={bytes(range(20)).hex()} "
        "5 0 0 flags=128 more=0 fault=0 error=0 answer=1",
        "0 flags=0 node=1",
        "6 2 1 flags=17 more=5 fault=33 error=95 answer=0",
        "1 flags=0 node=1",
        "0 flags=64 node=0",
    ]


def test_by_vfio_a_look_has_a_byte_for_each_device_that_is_bound(reader: Path) -> None:
    devices = ((0, Trait.COHERENT), (0, Trait.COHERENT), (0, Trait.COHERENT | Trait.DIRTY))
    batch = Batch(Machine(0, 5, 2, devices, way=Way.VFIO))
    batch.node(0, Call(Op.GO), bytes((3, 0)))
    batch.go(0)
    assert "node parent=0 look=0300 0 flags=0 node=0" in read(reader, batch.packed())


@pytest.mark.parametrize(
    ("kind", "bounds"), [(Kernel, "small"), (Cdev, "vt-d-large"), (Mocked, "small,groups=2")]
)
def test_what_is_to_be_seen_in_each_way_is_as_long_as_the_guest_has_it(
    reader: Path, kind: type[Kernel], bounds: str
) -> None:
    batch = kind(program(machine("iommufd-objects"), bounds)).batch()
    batch.go(0)
    *_, node, record = read(reader, batch.packed())
    assert node == f"node parent=0 look={batch.look_of(0).hex()} 0 flags=0 node=0"
    assert record == "0 flags=0 node=0"


@pytest.mark.parametrize(
    ("place", "value", "why"),
    [
        (0, b"viommu02", "this is no batch"),
        (8, struct.pack("<I", 3), "the batch is not as long as its header says"),
        (12, struct.pack("<I", 5), "the batch is not as long as its header says"),
        (17, b"\4", "the batch is not as long as its header says"),
        (20, b"\1", "the header has a number out of range"),
        (37, b"\3", "the header has a number out of range"),
        (HEADER + 12, struct.pack("<I", 1), "a node comes before its parent"),
        (HEADER + 24 + 40, b"\6", "the first record goes nowhere"),
        (HEADER + 24 + 40 + 4, b"\2", "a record names a node that is not there"),
        (HEADER + 24 + 40 + 8, b"\x63", "a record has an unknown operation"),
    ],
)
def test_what_is_no_batch_is_refused(reader: Path, place: int, value: bytes, why: str) -> None:
    whole = bytearray(small().packed())
    whole[place : place + len(value)] = value
    assert read(reader, bytes(whole)) == [why]


def test_what_is_cut_off_is_refused(reader: Path) -> None:
    whole = small().packed()
    for size in (0, HEADER - 1, HEADER, len(whole) - 1):
        assert read(reader, whole[:size]) != read(reader, whole)


def test_operations_and_flags_are_those_of_the_guest() -> None:
    text = (GUEST / "batch.h").read_text()
    names = [line.strip(" \t,") for line in text.partition("enum batch_op {")[2].splitlines()[1:]]
    ops = [name.removeprefix("BATCH_") for name in names[: names.index("BATCH_OPS")]]
    assert ops == [op.name for op in Op]

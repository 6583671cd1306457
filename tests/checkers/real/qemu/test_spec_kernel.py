"""Requests with ids, answered by the specification."""

from __future__ import annotations

import errno
import random

import pytest

from checkers.real.qemu.spec_kernel import SLOTS, Hardware, NotModelledError, SpecKernel
from spec.iommufd.objects import Kind
from spec.iommufd.uapi.state import Driver, Version

READ_WRITE, READ = 7, 5


def kernel(driver: Driver = Driver.INTEL, **more: int) -> SpecKernel:
    """A kernel with a bound device, 1, and an IOAS, 2."""
    found = SpecKernel(Hardware(driver, **more))  # type: ignore[arg-type]
    assert found.bind(1) == (0, {"out_devid": 1})
    assert found.ioas_alloc() == (0, {"out_ioas_id": 2})
    return found


def nested(driver: Driver = Driver.INTEL) -> SpecKernel:
    found = kernel(driver)
    assert found.hwpt_alloc(1, 2, 1, 0, ()) == (0, {"out_hwpt_id": 3})
    assert found.attach(1, 3, 0) == (0, {"pt_id": 3})
    return found


def test_ids_are_the_lowest_free() -> None:
    k = nested()
    assert k.destroy(2) == errno.EBUSY
    assert k.hwpt_alloc(1, 3, 0, 0, (0x2010000,)) == (0, {"out_hwpt_id": 4})
    assert k.attach(1, 4, 0) == (0, {"pt_id": 4})
    assert k.destroy(4) == errno.EBUSY
    assert k.attach(1, 3, 0) == (0, {"pt_id": 3})
    assert k.destroy(4) == 0
    assert k.destroy(4) == errno.ENOENT
    assert k.ioas_alloc() == (0, {"out_ioas_id": 4})


def test_an_unknown_id_is_absent() -> None:
    k = nested()
    assert k.hwpt_alloc(9, 2, 0, 0, ())[0] == errno.ENOENT
    assert k.hwpt_alloc(1, 99, 0, 0, ())[0] == errno.EINVAL
    assert k.attach(1, 99, 0)[0] == errno.ENOENT
    assert k.destroy(99) == errno.ENOENT
    assert k.invalidate(0, (0,)) == (errno.ENOENT, {"entry_num": 0})


def test_a_table_that_is_not_used_makes_room_for_another() -> None:
    k = nested()
    for table in range(1, 40):
        assert k.hwpt_alloc(1, 3, 0, 0, (table << 12,)) == (0, {"out_hwpt_id": 4})
        assert k.data[4] == table << 12
        assert k.destroy(4) == 0


def test_too_many_objects_are_told() -> None:
    k = nested()
    for _ in range(4, SLOTS + 1):
        k.ioas_alloc()
    with pytest.raises(NotModelledError, match="ioas_alloc"):
        k.ioas_alloc()


def test_areas_are_mapped_once_and_unmapped_whole() -> None:
    k = nested()
    assert k.map(2, 0, 0x10000, READ_WRITE) == 0
    assert k.map(2, 0x8000, 0x10000, READ_WRITE) == errno.EEXIST
    assert k.map(2, 0xFEE00000, 0x1000, READ_WRITE) == errno.EINVAL
    assert k.map(3, 0, 0x1000, READ_WRITE) == errno.ENOENT
    assert k.unmap(2, 0, 0x8000) == (errno.ENOENT, {})
    assert k.unmap(2, 0, 0x20000) == (0, {"length": 0x10000})
    assert k.unmap(2, 0, 0x20000) == (errno.ENOENT, {})


def test_the_erratum_is_the_specifications() -> None:
    k = kernel(errata=1)
    assert k.map(2, 0, 0x1000, READ) == 0
    assert k.hwpt_alloc(1, 2, 1, 0, ())[0] == errno.EINVAL
    assert k.unmap(2, 0, 0x1000)[0] == 0
    assert k.hwpt_alloc(1, 2, 1, 0, ())[0] == 0
    assert k.map(2, 0, 0x1000, READ_WRITE) == 0
    assert k.map(2, 0x1000, 0x1000, READ) == errno.EINVAL
    _, answer, content = k.hw_info(1, 0)
    assert (answer["out_data_type"], content[0]) == (1, 1)


def test_a_pasid_stands_for_all_but_is_one() -> None:
    k = kernel(can_pasid=1)
    assert k.hwpt_alloc(1, 2, 9, 0, ()) == (0, {"out_hwpt_id": 3})
    assert k.attach(1, 3, 0)[0] == 0
    assert k.hwpt_alloc(1, 3, 8, 0, (0x1000,)) == (0, {"out_hwpt_id": 4})
    assert k.attach(1, 4, 5) == (0, {"pt_id": 4})
    with pytest.raises(NotModelledError, match="a second PASID, 6 beside 5"):
        k.attach(1, 4, 6)
    assert k.detach(1, 5) == 0
    assert k.attach(1, 4, 6)[0] == 0


def test_an_smmu_is_asked_for_its_own_information() -> None:
    k = kernel(Driver.ARM)
    error, answer, content = k.hw_info(1, 0)
    assert (error, answer["out_data_type"], len(content)) == (0, 2, 40)
    assert k.hw_info(1, 3)[0] == errno.EOPNOTSUPP


@pytest.mark.parametrize(
    ("version", "error"), [(Version.V6_14, 0), (Version.V6_17, errno.ENOENT), (Version.V6_19, 0)]
)
def test_which_kernel_it_is_decides_on_bypass_without_a_vdevice(
    version: Version, error: int
) -> None:
    k = SpecKernel(Hardware(Driver.ARM, version=version))
    k.bind(1)
    k.ioas_alloc()
    k.hwpt_alloc(1, 2, 1, 0, ())
    assert k.viommu_alloc(1, 3) == (0, {"out_viommu_id": 4})
    assert k.hwpt_alloc(1, 4, 0, 0, (9,)) == (0, {"out_hwpt_id": 5})
    assert k.attach(1, 5, 0)[0] == error


def test_invalidations_are_done_up_to_the_first_that_is_bad() -> None:
    k = nested(Driver.ARM)
    assert k.viommu_alloc(1, 3) == (0, {"out_viommu_id": 4})
    of_stream, all_, unknown = 0x10 << 32 | 5, 0x30, 0x77
    assert k.invalidate(4, (all_, of_stream, all_)) == (errno.EIO, {"entry_num": 1})
    assert k.vdevice_alloc(1, 4, 0x10) == (0, {"out_vdevice_id": 5})
    assert k.invalidate(4, (all_, of_stream, all_)) == (0, {"entry_num": 3})
    assert k.invalidate(4, (unknown,)) == (errno.EIO, {"entry_num": 0})


@pytest.mark.parametrize("driver", [Driver.INTEL, Driver.ARM])
def test_whatever_is_asked_the_rules_hold(driver: Driver) -> None:
    k = kernel(driver, devices=3, groups=2, errata=1, can_pasid=0b11)
    chosen = random.Random(1)

    def some(*values: int) -> int:
        return chosen.choice(values)

    for _ in range(80):
        a, b, dev = some(*range(9)), some(*range(9)), some(1, 2, 3)
        some_call = chosen.choice((
            lambda a=a: k.ioas_alloc() if a < 2 else None,
            lambda dev=dev: None if k.bound(dev) else k.bind(dev),
            lambda a=a, b=b: k.hwpt_alloc(a, b, some(0, 1, 9), 0, (some(9, 0x100B),) * some(0, 1)),
            lambda a=a, b=b: k.viommu_alloc(a, b),
            lambda a=a, b=b: k.vdevice_alloc(a, b, some(0x10, 0x28)),
            lambda a=a, dev=dev: k.attach(dev, a, some(0, 0, 5)),
            lambda dev=dev: k.detach(dev, some(0, 5)),
            lambda a=a: k.destroy(a),
            lambda a=a: k.invalidate(a, (0x10 << 32 | 5,)),
            lambda a=a: k.map(a, some(0, 0x1000), 0x1000, some(5, 7)),
            lambda a=a: k.unmap(a, 0, some(0x1000, 0x2000)),
            lambda dev=dev: k.unbind(dev) if some(0, 0, 1) and k.bound(dev) else None,
        ))  # fmt: skip
        some_call()
        assert k.broken() == []
    assert len(k.objects().split(";")) > 5


def test_a_vdevice_leaves_a_tombstone() -> None:
    k = nested(Driver.ARM)
    k.viommu_alloc(1, 3)
    k.vdevice_alloc(1, 4, 0x10)
    k.unbind(1)
    assert k.kind(5) == Kind.FREE
    assert "5:tombstone" in k.objects()
    assert k.destroy(5) == errno.ENOENT

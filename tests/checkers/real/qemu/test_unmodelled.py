"""What is answered without the specification."""

from __future__ import annotations

import errno

import pytest

from checkers.real.qemu.structures import DATA
from checkers.real.qemu.unmodelled import SMMUV3, VTD, Areas, context_of, info, path_of


def test_areas_do_not_overlap_and_are_not_split() -> None:
    areas = Areas()
    areas.areas = {0x1000: (0x2000, True), 0x4000: (0x1000, False)}
    assert areas.map_refusal(0x2000, 0x1000) == errno.EEXIST
    assert areas.map_refusal(0x3000, 0x1000) == 0
    assert areas.within(0, 0x10000) == [0x1000, 0x4000]
    assert areas.within(0x1000, 0x1000) is None
    assert areas.within(0x8000, 0x1000) == []
    assert (areas.any(True), areas.any(False), Areas().any(True)) == (True, True, False)


@pytest.mark.parametrize(("start", "size"), [(0, 0), (0x10, 0x1000), (1 << 48, 0x1000)])
def test_an_area_is_of_pages_that_the_device_reaches(start: int, size: int) -> None:
    assert Areas().map_refusal(start, size) == errno.EINVAL


@pytest.mark.parametrize(
    ("entry", "path", "context"),
    [(0, "abort", 0), (0x1, "abort", 0), (0x9, "bypass", 0), (0x4400100B, "translate", 0x44001000)],
)
def test_what_a_stream_table_entry_does(entry: int, path: str, context: int) -> None:
    assert (path_of(entry), context_of(entry)) == (path, context)


def test_what_hardware_says_of_itself() -> None:
    vtd = DATA["vtd_info"].read(info(VTD, erratum=True, otherwise={}))
    assert vtd["flags"] == 1
    assert vtd["ecap_reg"] >> 47 & 1, "it has the first stage"
    assert vtd["cap_reg"] >> 56 & 1, "and pages of 1 GiB in it"
    smmu = DATA["arm_info"].read(info(SMMUV3, erratum=False, otherwise={}))
    assert (smmu["idr0"] & 3, smmu["idr1"] & 0x3F) == (3, 16)

"""Which device is behind which VT-d, and what the user hears of one that is refused."""

from __future__ import annotations

from typing import Any

import pytest

from spec.iommufd.objects import Errno
from spec.language import Variant
from spec.language.program import Kind
from spec.variants import VARIANTS
from spec.vtd.capabilities.state import Backend, HwInfoType, Mismatch, Phase, Width
from tests.spec.running import Run, assert_figures_are_exact

MACHINE = "vtd-capabilities"

LINE = {
    "scalable_mode": 1, "fsts": 1, "fs1gp": 1, "aw_bits": Width.BITS_48, "pasid_bits": 2,
    "snoop_control": 0, "caching_mode": 1,
}  # fmt: skip
LEGACY_MODE = {"scalable_mode": 0, "fsts": 0, "pasid_bits": 0}
DEVICE = {
    "backend": Backend.IOMMUFD, "type": HwInfoType.INTEL_VTD, "aw_bits": Width.BITS_48, "nest": 1,
    "fs1gp": 1, "pss": 2, "erratum": 0, "pasid": 1, "bridge": 0,
}  # fmt: skip
NOTHING = {"nest": 0, "fs1gp": 0, "pss": 0, "pasid": 0}
MDEV = {**NOTHING, "backend": Backend.MDEV, "type": HwInfoType.NONE, "aw_bits": Width.LESS}
LEGACY = {**NOTHING, "backend": Backend.LEGACY, "type": HwInfoType.NONE}


def start(variant: Variant | None = None, **line: int) -> Run:
    """A QEMU with a command line like `LINE`."""
    run = Run(MACHINE, variant=variant)
    run.take("vtd_realize", *{**LINE, **line}.values())
    return run


def plug(run: Run, fault: int = 0, **device: int) -> Any:
    """A device like `DEVICE` comes; how it is then."""
    run.take("plug", 1, *{**DEVICE, **device}.values(), fault=fault)
    return run.s.hiods[1]


def test_figures_are_exact() -> None:
    assert_figures_are_exact(MACHINE, "small")


def test_a_device_that_can_do_all_of_it_has_a_nesting_parent_and_shows_its_pasids() -> None:
    found = plug(start())
    assert (found.phase, found.nesting_parent, found.shows_pasid) == (Phase.PLUGGED, True, True)


@pytest.mark.parametrize(
    ("line", "device", "why"),
    [
        ({"caching_mode": 0}, {}, Mismatch.CACHING_MODE),
        ({"snoop_control": 1}, {}, Mismatch.SNOOP_CONTROL),
        ({}, MDEV, Mismatch.NO_HOST_IOMMU_DEVICE),
        ({}, {"aw_bits": Width.BITS_39}, Mismatch.AW_BITS),
        (LEGACY_MODE, {**LEGACY, "aw_bits": Width.BITS_39}, Mismatch.AW_BITS),
        ({}, LEGACY, Mismatch.NO_IOMMUFD),
        ({}, {**NOTHING, "type": HwInfoType.ARM_SMMUV3}, Mismatch.TYPE),
        ({}, {"nest": 0}, Mismatch.NESTING),
        ({}, {"fs1gp": 0}, Mismatch.LARGE_PAGES),
        ({}, {"pss": 1}, Mismatch.PASID_BITS),
        ({}, {"bridge": 1}, Mismatch.BRIDGE),
    ],
)
def test_a_device_is_refused_for_what_it_lacks(
    line: dict[str, int], device: dict[str, int], why: Mismatch
) -> None:
    run = start(**line)
    found = plug(run, **device)
    assert (run.results[-1], found.phase, found.why) == (Errno.EINVAL, Phase.REFUSED, why)
    assert (found.set, found.nesting_parent) == (False, False)


@pytest.mark.parametrize(
    ("line", "device"),
    [
        (LEGACY_MODE, LEGACY),
        (LEGACY_MODE, MDEV),
        (LEGACY_MODE, {**NOTHING, "bridge": 1}),
        ({"fs1gp": 0}, {"fs1gp": 0}),
        ({"pasid_bits": 1}, {"pss": 1}),
        ({}, {"pss": 0, "pasid": 0}),
        ({"fsts": 0}, {"nest": 0, "pss": 1}),
        ({**LEGACY_MODE, "aw_bits": Width.BITS_39}, {"aw_bits": Width.BITS_39}),
    ],
)
def test_what_the_guest_is_not_told_of_a_device_may_lack(
    line: dict[str, int], device: dict[str, int]
) -> None:
    assert plug(start(**line), **device).phase == Phase.PLUGGED


@pytest.mark.parametrize("call", [1, 2, 3, 4])
def test_a_call_that_fails_is_said_and_leaves_nothing(call: int) -> None:
    found = plug(start(), fault=call)
    assert (found.phase, found.why) == (Phase.REFUSED, Mismatch.CALL)
    assert (found.set, found.nesting_parent) == (False, False)


@pytest.mark.parametrize(
    "line",
    [
        {"scalable_mode": 0}, {"scalable_mode": 0, "fsts": 0}, {"aw_bits": Width.BITS_39},
        {"aw_bits": Width.BITS_57}, {"fsts": 0, "aw_bits": Width.BITS_57}, {"pasid_bits": 3},
    ],
)  # fmt: skip
def test_what_does_not_go_together_ends_qemu(line: dict[str, int]) -> None:
    run = start(**line)
    assert (run.results, run.s.realized) == ([Errno.EINVAL], False)


def test_the_erratum_keeps_read_only_memory_out_below_a_nesting_parent_alone() -> None:
    assert plug(start(), erratum=1).bypass_ro
    assert not plug(start(fsts=0), erratum=1).bypass_ro


def test_as_released_a_guest_that_turns_remapping_on_ends_qemu_over_snoop_control() -> None:
    for variant, ends in ((None, Kind.DONE), (VARIANTS["vtd-cap-snoop-control-late"], Kind.CRASH)):
        run = start(variant, snoop_control=1)
        plug(run)
        assert run.outcome("gcmd", 1, 0).kind is ends
        assert run.outcome("gcmd", 1, 1).kind is Kind.DONE


def test_as_released_the_same_device_is_refused_while_remapping_is_on() -> None:
    run = start(VARIANTS["vtd-cap-snoop-control-late"], snoop_control=1)
    run.take("gcmd", 1, 1)
    assert plug(run).why == Mismatch.SNOOP_CONTROL


def test_as_released_a_host_that_cannot_nest_is_not_named() -> None:
    assert plug(start(VARIANTS["vtd-cap-nesting-unnamed"]), nest=0).why == Mismatch.UNNAMED

"""Which region is on as devices come and go and the guest turns remapping on and off."""

from __future__ import annotations

import pytest

from spec.iommufd.objects import Errno, Kind
from spec.variants import VARIANTS
from spec.vtd.regions.state import Asks
from tests.spec.running import Run, assert_figures_are_exact

PASSED, EMULATED = 1, 2
MEMORY, PAGE = 1, 2
SCALABLE, LEGACY = 1, 0


@pytest.mark.parametrize("bounds", ["small", "shadow", "bridge"])
def test_figures(bounds: str) -> None:
    assert_figures_are_exact("vtd-address-space", bounds)


def mapped(run: Run) -> list[int]:
    """Which sections IOASes map."""
    return [int(x.id) for x in run.s.sections
            if any(o.kind == Kind.IOAS and x.id in o.areas for o in run.s.objects)]  # fmt: skip


def shadowed() -> Run:
    """A passthrough device that goes through a table of legacy mode."""
    run = Run("vtd-address-space")
    run.take("plug", PASSED)
    run.take("guest_writes_context", 1, Asks.TABLE)
    run.take("guest_writes_table", 1, PAGE, 1)
    run.take("gcmd_translation_enable", 1)
    return run


def test_without_remapping_all_memory_is_mapped() -> None:
    run = Run("vtd-address-space")
    run.take("plug", PASSED)
    assert mapped(run) == [MEMORY]


def test_a_table_of_legacy_mode_is_shadowed_and_memory_is_not_mapped() -> None:
    assert mapped(shadowed()) == [PAGE]


def test_a_page_that_is_removed_goes_at_the_invalidation() -> None:
    run = shadowed()
    run.take("guest_writes_table", 1, PAGE, 0)
    assert mapped(run) == [PAGE]
    run.take("iotlb_invalidate", 1)
    assert mapped(run) == []


def test_from_legacy_to_scalable_mode_and_back() -> None:
    run = shadowed()
    run.take("gcmd_set_root_table", SCALABLE)
    assert mapped(run) == [MEMORY]
    run.take("gcmd_set_root_table", LEGACY)
    assert mapped(run) == [PAGE]
    run.take("system_reset")
    assert mapped(run) == [MEMORY]


def test_a_device_that_is_plugged_while_the_host_translates_is_over_all_memory() -> None:
    run = Run("vtd-address-space")
    run.take("gcmd_set_root_table", SCALABLE)
    run.take("gcmd_translation_enable", 1)
    run.take("plug", PASSED)
    assert mapped(run) == [MEMORY]


def test_an_emulated_device_is_translated_wherever_it_is_plugged() -> None:
    run = Run("vtd-address-space")
    run.take("plug", PASSED)
    run.take("gcmd_set_root_table", SCALABLE)
    run.take("gcmd_translation_enable", 1)
    run.take("unplug", PASSED)
    run.take("plug", EMULATED)
    assert run.s.address_spaces[1].use_iommu


def test_behind_a_bridge_first_stage_takes_no_device() -> None:
    run = Run("vtd-address-space", "bridge")
    assert run.take("plug", PASSED).result == Errno.EINVAL
    assert not any(o.kind != Kind.FREE for o in run.s.objects)


@pytest.mark.parametrize("call", [1, 2])
def test_a_refused_plug_leaves_nothing(call: int) -> None:
    run = Run("vtd-address-space")
    assert run.take("plug", PASSED, fault=call).result == Errno.ENOMEM
    assert not any(o.kind != Kind.FREE for o in run.s.objects)


def test_what_cannot_be_unmapped_is_unmapped_before_the_next_event() -> None:
    run = Run("vtd-address-space")
    run.take("plug", PASSED)
    run.take("gcmd_translation_enable", 1, fault=1)
    assert mapped(run) == [MEMORY]
    run.take("listener_bh", 1, MEMORY)
    assert mapped(run) == []


def test_released_memory_that_cannot_be_unmapped_is_reached() -> None:
    run = Run("vtd-address-space", variant=VARIANTS["vtd-region-unmap-over"])
    run.take("plug", PASSED)
    run.take("gcmd_translation_enable", 1, fault=1)
    assert mapped(run) == [MEMORY]

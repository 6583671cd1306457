"""Good orders of events, and beside each the bad one that lacks a step or meets a refusal."""

from __future__ import annotations

import pytest

from spec.iommufd.objects import Errno, Kind
from tests.spec.vtd.scenario import FLT, GONE, PT, SLT, A, B, Scenario, bound

STACK = {"DEVICE": 1, "IOAS": 1, "HWPT_PAGING": 1, "HWPT_NESTED": 1}


def test_a_bound_device_has_a_nested_hwpt_over_a_stage2_over_a_container() -> None:
    found = bound(A)
    assert found.kinds() == STACK
    assert found.broken() == []


def test_replacing_an_entry_leaves_one_stack() -> None:
    found = bound(A)
    assert found.entry(A, FLT, 2) == Errno.OK
    assert found.kinds() == STACK
    assert found.events[-1] == "iommufd_backend_free_id"
    assert [row.users for row in found.rows("s2_hwpts")] == [1, 0, 0]


@pytest.mark.parametrize("fault", [1, 2])
def test_a_refused_replace_leaves_what_was_attached(fault: int) -> None:
    found = bound(A)
    before = found.state
    assert found.entry(A, FLT, 2, fault=fault) == Errno.ENOMEM
    assert found.state == before


def test_an_unchanged_entry_makes_no_call() -> None:
    found = bound(A)
    found.entry(A, FLT, 1)
    assert found.events == []


@pytest.mark.parametrize(("pgtt", "table"), [(SLT, 0), (FLT, 0)])
def test_what_the_host_cannot_do_is_refused_without_a_call(pgtt: int, table: int) -> None:
    found = bound(A)
    before = found.state
    assert found.entry(A, pgtt, table) == Errno.EINVAL  # type: ignore[arg-type]
    assert (found.state, found.events) == (before, [])


def test_pass_through_uses_the_stage2_itself() -> None:
    found = bound(A)
    assert found.entry(A, PT) == Errno.OK
    assert found.kinds() == {"DEVICE": 1, "IOAS": 1, "HWPT_PAGING": 1}


def test_removing_the_last_entry_frees_everything() -> None:
    found = bound(A)
    assert found.entry(A, GONE) == Errno.OK
    assert found.kinds() == {"DEVICE": 1}
    (device, _) = found.rows("devices")
    assert device.attached == 0


def test_a_refused_detach_keeps_the_binding_and_is_told() -> None:
    found = bound(A)
    before = found.state
    assert found.entry(A, GONE, fault=1) == Errno.EBUSY
    assert found.state == before


def test_a_refused_destroy_is_tried_again_before_the_next_event() -> None:
    found = bound(A)
    assert found.entry(A, FLT, 2, fault=3) == Errno.OK
    assert found.kinds() == {**STACK, "HWPT_NESTED": 2}
    with pytest.raises(AssertionError, match="DISABLED"):
        found.entry(A, PT)
    (old,) = (o.id for o in found.rows("objects") if o.kind == Kind.HWPT_NESTED and o.refs == 1)
    found.take("destroy_deferred", old)
    assert found.kinds() == STACK


def test_a_stage2_of_a_coherent_device_does_not_take_another() -> None:
    """A came first: B is refused with EINVAL and gets a stage-2 of its own, over the same IOAS."""
    found = bound(A, B)
    assert found.kinds() == {"DEVICE": 2, "IOAS": 1, "HWPT_PAGING": 2, "HWPT_NESTED": 2}


def test_a_stage2_of_a_device_that_is_not_coherent_takes_all() -> None:
    found = bound(B, A)
    assert found.kinds() == {"DEVICE": 2, "IOAS": 1, "HWPT_PAGING": 1, "HWPT_NESTED": 2}


def test_a_stage2_lives_as_long_as_one_of_its_users() -> None:
    found = bound(B, A)
    found.take("unplug", B)
    assert found.kinds() == STACK
    found.take("unplug", A)
    assert found.kinds() == {}


@pytest.mark.parametrize("fault", range(1, 6))
def test_unplug_while_bound_leaves_nothing_or_remembers_it(fault: int) -> None:
    """Whatever call is refused, the bottom half gets the host empty."""
    found = bound(A)
    found.take("unplug", A, fault=fault)
    assert found.broken() == []
    for _ in range(4):
        for obj in found.deferred():
            found.take("destroy_deferred", obj)
    assert found.kinds() == {}


def test_turning_remapping_off_puts_devices_back_on_vfio() -> None:
    found = bound(A, B)
    found.take("gcmd_translation_enable", 0)
    assert found.kinds() == {"DEVICE": 2}
    assert [device.attached for device in found.rows("devices")] == [2, 2]


def test_the_erratum_keeps_read_only_sections_out_and_nothing_else() -> None:
    found = Scenario("errata")
    for dev in (A, B):
        found.plug(dev)
    found.take("gcmd_translation_enable", 1)
    found.entry(A, FLT, 1)
    found.entry(B, FLT, 1)
    readonly = [row.id for row in found.rows("sections") if row.readonly]
    mapped = [
        any(section in found.rows("objects")[x.ioas_id - 1].areas for section in readonly)
        for x in found.rows("containers")
    ]
    assert [x.errata for x in found.rows("containers")] == [True, False]
    assert mapped == [False, True]


def test_containers_follow_a_change_of_the_map() -> None:
    found = bound(A)
    found.take("memory_map_change")
    assert found.broken() == []
    assert "iommufd_backend_map_dma" in found.events


def test_a_map_that_cannot_be_followed_stops_qemu_and_frees_the_host() -> None:
    found = bound(A)
    found.take("memory_map_change", fault=1)
    assert found.kinds() == {}
    assert found.broken() == []
    with pytest.raises(AssertionError, match="DISABLED"):
        found.plug(A)


@pytest.mark.parametrize("fault", [1, 2, 3])
def test_a_refused_plug_leaves_no_trace(fault: int) -> None:
    found = Scenario()
    before = found.state
    assert found.plug(A, fault=fault) == Errno.ENOMEM
    assert found.state == before

"""A guest and its vIOMMU: what devices make of it, and whether the guest may leave with it."""

from __future__ import annotations

from typing import Any

import pytest

from spec.iommufd.objects import Errno
from spec.variants import VARIANTS
from tests.spec.running import Run, Step, assert_figures_are_exact

MACHINE = "migration-blocker"

SOURCE, DESTINATION = 1, 2
FULL, NARROW, FULL_THERE, NARROW_THERE = 1, 2, 3, 4
ALL, LITTLE = (2, {1, 2}), (1, set[int]())
MIGRATE: Step = ("migrate",)
RESET: Step = ("system_reset",)
BOOT: Step = ("machine_ready", SOURCE)
WAIT: Step = ("machine_ready", DESTINATION)


def realize(qemu: int = SOURCE, fits: int = 1, fault: int = 0) -> Step:
    return ("viommu_realize", qemu, fits, fault)


def plug(dev: int, host: int, fault: int = 0) -> Step:
    return ("vtd_dev_set_iommu_device", dev, host, fault)


def unplug(dev: int) -> Step:
    return ("vtd_dev_unset_iommu_device", dev)


BOTH = (realize(SOURCE), realize(DESTINATION))
COME = (*BOTH, plug(1, FULL), plug(3, FULL_THERE), BOOT, WAIT, MIGRATE)


def run(
    *steps: Step,
    asked: tuple[int, set[int]] = ALL,
    there: tuple[int, set[int]] | None = None,
    accel: int = 0,
    only_migratable: int = 0,
    variant: str | None = None,
) -> tuple[list[int], dict[str, Any]]:
    """The answer of each step, and what is then to be seen; both command lines ask for the same."""
    taken = Run(
        MACHINE,
        variant=VARIANTS[variant] if variant else None,
        wanted=lambda s: chosen(s) == ([asked, there or asked], accel, only_migratable),
    )
    taken.follow(*steps)
    s = taken.s
    return taken.results, {
        "guest": int(s.guest),
        "in force": bool(s.in_force),
        "seen": capabilities(s, s.seen),
        "caps": [capabilities(s, x.cap) for x in s.qemus],
        "blockers": [int(x.blockers) for x in s.qemus],
        "realized": [bool(x.realized) for x in s.qemus],
        "hosts": [int(x.host) for x in s.devices],
    }


def capabilities(s: Any, cap: Any) -> tuple[int, set[int]]:
    """A width, and the numbers of the features."""
    found = s.capabilities[cap]
    return int(found.aw_bits), {int(f.id) for f in s.feature_bits if f.id in found.features}


def chosen(s: Any) -> tuple[list[tuple[int, set[int]]], int, int]:
    """What the command lines say: capabilities, acceleration, -only-migratable."""
    asked = [capabilities(s, x.user) for x in s.qemus]
    return asked, int(s.accel), int(s.only_migratable)


@pytest.mark.parametrize("bounds", ["small", "standard"])
def test_figures_are_exact(bounds: str) -> None:
    assert_figures_are_exact(MACHINE, bounds)


def test_a_guest_migrates_and_sees_the_same_also_after_a_reset() -> None:
    results, found = run(*COME, RESET)
    assert not any(results)
    assert (found["guest"], found["in force"]) == (DESTINATION, True)
    assert found["seen"] == found["caps"][1] == ALL


@pytest.mark.parametrize("hot", [False, True])
def test_a_device_whose_host_has_less_is_refused_and_ends_qemu_if_cold(hot: bool) -> None:
    before = (realize(), plug(2, FULL), *([BOOT] if hot else []))
    results, found = run(*before, plug(1, NARROW))
    assert results[-1] == Errno.EINVAL
    assert found == (run(*before)[1] if hot else run()[1])


def test_it_is_taken_where_the_command_line_asks_for_no_more() -> None:
    results, found = run(realize(), plug(1, NARROW), BOOT, plug(2, NARROW), asked=LITTLE)
    assert not any(results)
    assert (found["caps"][0], found["blockers"][0]) == (LITTLE, 0)


def test_a_destination_that_was_asked_for_something_else_ends() -> None:
    steps = (*BOTH, BOOT, WAIT, MIGRATE)
    results, found = run(*steps, there=LITTLE)
    assert results[-1] == Errno.EINVAL
    assert (found["guest"], found["realized"]) == (SOURCE, [True, False])


def test_released_it_takes_the_guest_and_shows_something_else_after_a_reset() -> None:
    steps = (*BOTH, plug(3, NARROW_THERE), BOOT, WAIT, MIGRATE)
    released = "migration-blocker-not-compared"
    results, found = run(*steps, there=LITTLE, variant=released)
    assert results[-1] == 0
    assert (found["seen"], found["caps"][1]) == (ALL, ALL)
    assert found["hosts"][2] == NARROW_THERE
    _, found = run(*steps, RESET, there=LITTLE, variant=released)
    assert (found["seen"], found["caps"][1]) == (ALL, LITTLE)


def test_without_a_viommu_there_it_does_not_migrate_released_or_not() -> None:
    for variant in (None, "migration-blocker-11.1"):
        results, _ = run(realize(), BOOT, WAIT, MIGRATE, variant=variant)
        assert results[-1] == Errno.EINVAL


def test_what_cannot_be_put_in_force_there_ends_the_migration_but_not_in_11_1() -> None:
    refused = (*COME[:-1], ("migrate", 1))
    results, found = run(*refused)
    assert (results[-1], found["guest"], found["in force"]) == (Errno.EIO, SOURCE, True)
    results, found = run(*refused, variant="migration-blocker-replay-ignored")
    assert (results[-1], found["guest"], found["in force"]) == (0, DESTINATION, False)


def test_a_kernel_that_does_not_tell_what_its_iommu_can_do() -> None:
    results, found = run(realize(), BOOT, plug(1, FULL, 1))
    assert results[-1] == Errno.EIO
    assert found == run(realize(), BOOT)[1]


def test_acceleration_blocks_migration_until_the_viommu_goes() -> None:
    assert run(realize(), accel=1)[1]["blockers"] == [1, 0]
    results, found = run(*BOTH, BOOT, WAIT, MIGRATE, accel=1)
    assert results[-1] == Errno.EBUSY
    assert (found["guest"], found["realized"]) == (SOURCE, [True, True])
    assert run(realize(), BOOT, ("qemu_exit", SOURCE), accel=1)[1]["blockers"] == [0, 0]


@pytest.mark.parametrize(
    ("step", "only_migratable", "err"),
    [
        (realize(fits=0), 0, Errno.EINVAL),
        (realize(fault=1), 0, Errno.EBUSY),
        (realize(), 1, Errno.EACCES),
    ],
)
def test_a_viommu_that_cannot_be_made_ends_its_qemu(
    step: Step, only_migratable: int, err: Errno
) -> None:
    results, found = run(step, accel=1, only_migratable=only_migratable)
    assert results == [err]
    assert found == run(accel=1, only_migratable=only_migratable)[1]


def test_vtd_needs_no_blocker_under_only_migratable() -> None:
    assert run(realize(), plug(1, FULL), BOOT, only_migratable=1)[0] == [0, 0, 0]


def test_003_follows_its_hosts_and_a_reset_undoes_it() -> None:
    steps = (realize(), plug(1, NARROW), BOOT)
    _, found = run(*steps, variant="migration-blocker-003")
    assert (found["caps"][0], found["blockers"][0]) == ((1, {2}), 1)
    _, found = run(*steps, RESET, variant="migration-blocker-003")
    assert (found["seen"], found["caps"][0], found["hosts"][0]) == ((1, {2}), ALL, NARROW)

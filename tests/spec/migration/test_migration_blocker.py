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
WANTED = (2, {1, 2})
LESS = (1, {2})
MIGRATE: Step = ("migrate",)
BOOT: Step = ("machine_ready", SOURCE)
WAIT: Step = ("machine_ready", DESTINATION)


def realize(qemu: int = SOURCE, fits: int = 1, fault: int = 0) -> Step:
    return ("viommu_realize", qemu, fits, fault)


def plug(dev: int, host: int, fault: int = 0) -> Step:
    return ("vtd_dev_set_iommu_device", dev, host, fault)


def unplug(dev: int) -> Step:
    return ("vtd_dev_unset_iommu_device", dev)


BOTH = (realize(SOURCE), realize(DESTINATION))


def run(
    *steps: Step,
    asked: tuple[int, int] = (2, 1),
    accel: int = 0,
    only_migratable: int = 0,
    variant: str | None = None,
) -> tuple[list[int], dict[str, Any]]:
    """The answer of each step, and what is then to be seen."""
    taken = Run(
        MACHINE,
        variant=VARIANTS[variant] if variant else None,
        wanted=lambda s: chosen(s) == (*asked, accel, only_migratable),
    )
    taken.follow(*steps)
    s = taken.s
    return taken.results, {
        "guest": int(s.guest),
        "seen": capabilities(s, s.seen),
        "caps": [capabilities(s, x.cap) for x in s.qemus],
        "blockers": [int(x.blockers) for x in s.qemus],
        "notifiers": [bool(x.notifier) for x in s.qemus],
        "hosts": [int(x.host) for x in s.devices],
    }


def capabilities(s: Any, cap: Any) -> tuple[int, set[int]]:
    """A width, and the numbers of the features."""
    found = s.capabilities[cap]
    return int(found.aw_bits), {int(f.id) for f in s.feature_bits if f.id in found.features}


def chosen(s: Any) -> tuple[int, int, int, int]:
    """What the command line says: width, all features or none, acceleration, -only-migratable."""
    width, features = capabilities(s, s.user)
    return width, int(bool(features)), int(s.accel), int(s.only_migratable)


@pytest.mark.parametrize("bounds", ["small", "standard"])
def test_figures_are_exact(bounds: str) -> None:
    assert_figures_are_exact(MACHINE, bounds)


def test_a_guest_without_narrow_devices_migrates_and_sees_the_same() -> None:
    steps = (*BOTH, plug(1, FULL), plug(3, FULL_THERE), BOOT, WAIT, unplug(1), MIGRATE)
    results, found = run(*steps)
    assert not any(results)
    assert found["guest"] == DESTINATION
    assert found["seen"] == found["caps"][1] == WANTED


def test_a_cold_plugged_device_narrows_the_viommu_and_blocks_migration_for_good() -> None:
    results, found = run(*BOTH, plug(1, NARROW), BOOT, WAIT, unplug(1), MIGRATE)
    assert results == [0, 0, 0, 0, 0, 0, Errno.EBUSY]
    assert found["caps"] == [LESS, WANTED]
    assert found["blockers"] == [1, 0]


def test_a_second_narrow_device_adds_no_second_blocker() -> None:
    assert run(realize(), plug(1, NARROW), plug(2, NARROW))[1]["blockers"] == [1, 0]


def test_a_hot_plugged_device_is_refused_where_the_viommu_would_have_to_give_way() -> None:
    results, found = run(realize(), BOOT, plug(1, NARROW))
    assert results[-1] == Errno.EINVAL
    assert found == run(realize(), BOOT)[1]
    assert run(realize(), BOOT, plug(1, FULL))[0] == [0, 0, 0]


def test_a_hot_plugged_narrow_device_fits_behind_what_another_has_narrowed() -> None:
    results, found = run(realize(), plug(1, NARROW), BOOT, plug(2, NARROW))
    assert not any(results)
    assert found["hosts"] == [NARROW, NARROW, 0]


def test_a_viommu_that_was_asked_for_little_gives_nothing_away() -> None:
    _, found = run(realize(), plug(1, NARROW), asked=(1, 0))
    assert (found["caps"][0], found["blockers"][0]) == ((1, set()), 0)


def test_the_destination_gives_way_and_the_guest_stays_where_it_is() -> None:
    steps = (*BOTH, plug(3, NARROW_THERE), BOOT, WAIT, MIGRATE)
    results, found = run(*steps)
    assert results[-1] == Errno.EINVAL
    assert found["guest"] == SOURCE
    results, found = run(*steps, variant="migration-blocker-incoming")
    assert results[-1] == 0
    assert (found["seen"], found["caps"][1]) == (WANTED, LESS)


def test_only_migratable_refuses_the_device_and_changes_nothing() -> None:
    results, found = run(realize(), plug(1, NARROW), only_migratable=1)
    assert results == [0, Errno.EACCES]
    assert found == run(realize(), only_migratable=1)[1]
    assert run(realize(), plug(1, FULL), only_migratable=1)[0] == [0, 0]


@pytest.mark.parametrize(("fault", "err"), [(1, Errno.EIO), (2, Errno.EBUSY)])
def test_each_call_that_fails_leaves_all_as_it_was(fault: int, err: Errno) -> None:
    results, found = run(realize(), plug(1, NARROW, fault))
    assert results[-1] == err
    assert found == run(realize())[1]


def test_acceleration_blocks_migration_until_the_viommu_goes() -> None:
    assert run(realize(), accel=1)[1]["blockers"] == [1, 0]
    results, found = run(*BOTH, BOOT, WAIT, MIGRATE, accel=1)
    assert results[-1] == Errno.EBUSY
    assert found["guest"] == SOURCE
    assert run(realize(), BOOT, ("qemu_exit", SOURCE), accel=1)[1]["blockers"] == [0, 0]


@pytest.mark.parametrize(
    ("step", "only_migratable", "err"),
    [
        (realize(fits=0), 0, Errno.EINVAL),
        (realize(fault=1), 0, Errno.EBUSY),
        (realize(), 1, Errno.EACCES),
    ],
)
def test_a_viommu_that_cannot_be_made_leaves_nothing(
    step: Step, only_migratable: int, err: Errno
) -> None:
    results, found = run(step, accel=1, only_migratable=only_migratable)
    assert results == [err]
    assert (found["blockers"], found["notifiers"]) == ([0, 0], [False, False])
    _, posted = run(
        step, accel=1, only_migratable=only_migratable, variant="migration-blocker-realize"
    )
    assert posted["notifiers"] == [True, False]
    assert posted["blockers"] == [1 if err == Errno.EINVAL else 0, 0]


def test_what_the_guest_has_read_stays_when_the_devices_go() -> None:
    steps = (realize(), plug(1, NARROW), BOOT, unplug(1))
    assert run(*steps)[1]["caps"][0] == LESS
    assert run(*steps, variant="migration-blocker-restored")[1]["caps"][0] == WANTED

"""Exact figures, and orders of events: the good one, and beside it the one that lacks a step."""

from __future__ import annotations

from math import comb, factorial

import pytest

from spec.iommufd.object_lifetime import OBJECT_LIFETIME, Kind
from spec.language import Bounds
from spec.language.program import Kind as Ended
from tests.spec.running import Run, Step, assert_figures_are_exact

MACHINE = OBJECT_LIFETIME.name
STACK = (("alloc_ioas", 1), ("alloc_s2", 1), ("alloc_nested", 2))
TWO = (*STACK[:2], ("alloc_ioas", 2), ("alloc_s2", 5))
"""A stage-2 over an IOAS on each of two iommufds, of which the second has the slots 5 to 8."""


def ends(run: Run, *steps: Step) -> Ended:
    """How the last of these steps ends, the others being enabled."""
    *before, (action, *values) = steps
    run.follow(*before)
    return run.outcome(action, *values).kind


def one() -> Run:
    return Run(MACHINE)


def two() -> Run:
    return Run(MACHINE, "B")


@pytest.mark.parametrize("bounds", ["small", "S"])
def test_figures_are_exact(bounds: str) -> None:
    assert_figures_are_exact(MACHINE, bounds)


def each_somewhere(places: int, devices: int) -> int:
    """In how many ways devices can be in so many places."""
    return int(places**devices)


def states(slots: int, devices: int) -> int:
    """The states of one iommufd: who is what, over which parent, and where each device is."""
    return sum(
        comb(slots, a + b + c) * factorial(a + b + c)
        // (factorial(a) * factorial(b) * factorial(c))
        * a**b * b**c * each_somewhere(1 + b + c, devices)
        for a in range(slots + 1)
        for b in range(slots + 1 - a)
        for c in range(slots + 1 - a - b)
    )


def fits(item: tuple[str, Bounds]) -> bool:
    return item[1].values["iommufds"] == 1 and item[1].states is not None


@pytest.mark.parametrize("name", dict(filter(fits, OBJECT_LIFETIME.bounds.items())))
def test_the_declared_states_are_those_one_can_calculate(name: str) -> None:
    bounds = OBJECT_LIFETIME.bounds[name]
    assert states(bounds.values["slots"], bounds.values["devices"]) == bounds.states


def test_two_iommufds_multiply() -> None:
    assert states(4, 2) * states(4, 1) == OBJECT_LIFETIME.bounds["B"].states


def test_an_hwpt_is_destroyed_once_the_device_has_left() -> None:
    assert ends(one(), *STACK, ("attach", 1, 3), ("detach", 1), ("destroy", 3)) is Ended.DONE
    assert ends(one(), *STACK, ("attach", 1, 3), ("destroy", 3)) is Ended.DISABLED


def test_a_parent_is_destroyed_after_its_child() -> None:
    assert ends(one(), *STACK, ("destroy", 3), ("destroy", 2), ("destroy", 1)) is Ended.DONE
    assert ends(one(), *STACK, ("destroy", 2)) is Ended.DISABLED


def test_a_device_is_detached_before_it_is_attached_elsewhere() -> None:
    attached = (*STACK, ("attach", 1, 2))
    assert ends(one(), *attached, ("detach", 1), ("attach", 1, 3)) is Ended.DONE
    assert ends(one(), *attached, ("attach", 1, 3)) is Ended.DISABLED


def test_an_id_is_free_again_once_its_object_is_destroyed() -> None:
    assert ends(one(), *STACK, ("destroy", 3), ("alloc_ioas", 1)) is Ended.DONE
    assert ends(one(), *STACK, ("alloc_ioas", 1)) is Ended.DISABLED


def test_an_ioas_is_nothing_to_attach_to() -> None:
    assert ends(one(), *STACK, ("attach", 1, 2)) is Ended.DONE
    assert ends(one(), *STACK, ("attach", 1, 1)) is Ended.DISABLED


def test_a_device_is_attached_on_its_own_iommufd_only() -> None:
    assert ends(two(), *TWO, ("attach", 3, 6)) is Ended.DONE
    assert ends(two(), *TWO, ("attach", 3, 2)) is Ended.DISABLED


def test_each_iommufd_gives_its_own_lowest_free_id() -> None:
    run = two()
    run.follow(*TWO)
    assert [row.label() for row in run.s.slots if row.kind != Kind.FREE] == ["1", "2", "1", "2"]

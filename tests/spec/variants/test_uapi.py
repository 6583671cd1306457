"""What released kernels do to a group that is refused, order by order of events."""

from __future__ import annotations

from spec.iommufd.objects import Errno
from spec.language import NONE
from spec.variants import VARIANTS
from tests.spec.running import Run, Step

NO_FAULT, RID = 0, 0


def after(variant: str, bounds: str, *steps: Step, **values: int) -> Run:
    """A variant after steps; a device's row is its first id, for devices are bound first."""
    run = Run("iommufd-objects", bounds, VARIANTS[variant], values=values)
    run.follow(*steps)
    return run


def reserved(run: Run) -> list[int]:
    return [d.reserved_in for d in run.s.devices]


def through(run: Run) -> list[int]:
    return [d.through for d in run.s.devices]


HWPT_4_OF_IOAS_3: tuple[Step, ...] = (
    ("bind", 1), ("bind", 2), ("ioas_alloc",), ("hwpt_alloc_on_ioas", 1, 3, 0, 0, 0),
)  # fmt: skip


def test_what_a_refusal_has_taken_back_no_replacement_within_the_ioas_reserves_again() -> None:
    run = after(
        "linux-7.3-unreserved", "reserved", *HWPT_4_OF_IOAS_3,
        ("attach", 1, RID, 3), slots=6,
    )  # fmt: skip
    assert reserved(run)[0] == 3
    run.follow(("replace", 1, RID, 4, 1))
    assert (run.results[-1], reserved(run)[0]) == (Errno.ENOMEM, NONE)
    run.follow(("replace", 1, RID, 4))
    assert (run.results[-1], reserved(run)[0]) == (Errno.OK, NONE)
    run.follow(("ioas_alloc",), ("replace", 1, RID, 5))
    assert reserved(run)[0] == 5


def test_a_refusal_to_go_over_to_another_ioas_takes_nothing_back() -> None:
    run = after(
        "linux-7.3-unreserved", "reserved", *HWPT_4_OF_IOAS_3,
        ("ioas_alloc",), ("attach", 1, RID, 4), ("replace", 1, RID, 5, 1), slots=7,
    )  # fmt: skip
    assert reserved(run)[0] == 3


TWO_HWPTS: tuple[Step, ...] = (
    *HWPT_4_OF_IOAS_3, ("hwpt_alloc_on_ioas", 2, 3, 1, 0, 0), ("attach", 1, RID, 4),
)  # fmt: skip


def test_of_a_group_the_one_that_is_refused_stays_blocked() -> None:
    """One device is not coherent, as the nesting parent that is made for the other asks."""
    run = after("linux-7.3-blocked-first", "groups", *TWO_HWPTS, incoherent=0b01, slots=6)
    assert through(run) == [4, 4]
    run.follow(("replace", 1, RID, 5))
    assert (run.results[-1], through(run)) == (Errno.EINVAL, [NONE, 4])
    run.follow(("replace", 1, RID, 4))
    assert (run.results[-1], through(run)) == (Errno.OK, [NONE, 4])


def test_what_fails_at_the_last_takes_those_before_it_back_to_what_is_recorded() -> None:
    run = after("linux-7.3-blocked-first", "groups", *TWO_HWPTS, incoherent=0b01, slots=6)
    run.follow(("replace", 1, RID, 5))
    assert through(run) == [NONE, 4]
    run.follow(("hwpt_alloc_on_ioas", 1, 3, 0, 0, 0), ("replace", 1, RID, 6, 1))
    assert (run.results[-1], through(run)) == (Errno.ENOMEM, [4, NONE])


def test_the_bridge_of_a_group_is_its_last() -> None:
    run = after(
        "linux-7.3-blocked-first", "groups", *TWO_HWPTS, ("replace", 1, RID, 5, 1), slots=6,
        bridges=1,
    )  # fmt: skip
    assert (run.results[-1], through(run)) == (Errno.ENOMEM, [4, 4])


def test_an_automatic_hwpt_that_is_asked_in_vain_blocks_too() -> None:
    """Devices 2 and 3 are a group; device 3 is not coherent, as the HWPT made for device 1 asks."""
    run = after(
        "linux-7.3-blocked-first", "groups", ("bind", 1), ("bind", 2), ("ioas_alloc",),
        ("attach", 1, RID, 3), ("attach", 2, RID, 3), slots=6, groups=2, incoherent=0b10, driver=2,
    )  # fmt: skip
    assert through(run) == [4, 5]
    run.follow(("replace", 2, RID, 3))
    assert (run.results[-1], through(run)) == (Errno.OK, [4, NONE])


WITH_A_QUEUE: tuple[Step, ...] = (
    ("bind", 1), ("bind", 2), ("ioas_alloc",), ("attach", 1, RID, 3), ("fault_queue_alloc",),
    ("hwpt_alloc_with_fault", 1, 3, 5, 0), ("replace", 1, RID, 6),
)  # fmt: skip


def test_without_pri_the_first_of_a_group_is_refused_a_queue_and_no_one_behind_a_bridge() -> None:
    one = after("linux-7.3-blocked-first", "vt-d", *WITH_A_QUEUE, slots=6, queues=1)
    assert (one.results[-1], through(one)) == (Errno.ENODEV, [NONE, 4])
    one.follow(("replace", 1, RID, 4))
    assert (one.results[-1], through(one)) == (Errno.OK, [NONE, 4])
    bridged = after(
        "linux-7.3-blocked-first", "vt-d", *WITH_A_QUEUE, slots=6, queues=1, bridges=1
    )
    assert (bridged.results[-1], through(bridged)) == (Errno.ENODEV, [4, 4])

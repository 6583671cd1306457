"""Every construct of the language means the same run, merged, and as z3 terms."""

from __future__ import annotations

import pytest

from spec.language import Machine, Variant, build
from spec.language.program import Kind, Linked, Outcome
from spec.machines import MACHINES
from tests.checkers.symbolic.agreement import agree
from tests.toys.mutex import MUTEX
from tests.toys.odd import ODD
from tests.toys.queue import QUEUE, STANDS_STILL
from tests.toys.refcount import FREES_WHILE_HELD, LEAKS_ON_REFUSAL, REFCOUNT


@pytest.mark.parametrize(
    ("machine", "variant"),
    [
        (MUTEX, None), (QUEUE, None), (QUEUE, STANDS_STILL), (REFCOUNT, None),
        (REFCOUNT, FREES_WHILE_HELD), (REFCOUNT, LEAKS_ON_REFUSAL),
    ],
)
def test_toys_agree(machine: Machine, variant: Variant | None) -> None:
    report = agree(build(machine, "small", variant), 600, seed=3)
    assert report.agreed, report.disagreements[:3]


@pytest.mark.parametrize("name", MACHINES)
def test_ten_thousand_samples_of_every_machine_agree(name: str) -> None:
    """Next state, refusal and failed check, by running and by the z3 term of each action."""
    report = agree(build(MACHINES[name], "small"), 10_000, seed=1)
    assert report.samples >= 10_000
    assert report.agreed, report.disagreements[:3]
    ends = {end for end in ("done", "disabled") if f"pasid_cache_invalidate {end}" in report.kinds}
    assert name != "hwpt-sharing" or ends == {"done", "disabled"}


LARGER = [
    ("iommufd-objects", "arm"), ("iommufd-objects", "queues"), ("iommufd-objects", "groups"),
    ("pci-hotplug", "standard"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "bounds"), LARGER)
def test_what_small_bounds_do_not_reach_agrees_too(name: str, bounds: str) -> None:
    """Every action that these bounds are for ends well in some sample."""
    machine = MACHINES[name]
    report = agree(build(machine, bounds), 8000, seed=1)
    assert report.agreed, report.disagreements[:3]
    without = machine.bounds[bounds].without
    names = [rule.__name__ for rule in machine.actions if rule.__name__ not in without]
    assert not [each for each in names if not report.kinds[f"{each} done"]]


def test_every_construct_agrees_and_every_ending_is_met() -> None:
    report = agree(build(ODD, "small"), 2000, seed=2)
    assert report.agreed, report.disagreements[:3]
    assert {name.split()[-1] for name in report.kinds} == {"done", "disabled", "cut", "crash"}


def test_a_reading_that_differs_is_reported() -> None:
    program = build(MUTEX, "small")

    def lazy(rule: Linked, state: bytes, values: tuple[int, ...], fault: int) -> Outcome:
        return Outcome(Kind.DISABLED, state)

    report = agree(program, 100, seed=1, further={"lazy": lazy})
    assert not report.agreed
    assert {item.reading for item in report.disagreements} == {"lazy"}


def test_no_samples_is_no_agreement() -> None:
    assert not agree(build(MUTEX, "small"), 0, seed=1).agreed

"""What exploring the uAPI machine finds: the figures, and how kernels and drivers differ."""

from __future__ import annotations

import pytest

from checkers.explore.verdicts import check
from checkers.result import Limits, Verdict
from invariants import complete
from spec.iommufd.objects import Errno
from spec.iommufd.uapi.iommufd_objects import IOMMUFD_OBJECTS
from spec.language import Variant, build
from spec.language.program import Kind
from spec.variants import VARIANTS
from tests.spec.running import Run, Step

MACHINE = complete(IOMMUFD_OBJECTS)


@pytest.mark.parametrize("bounds", ["small", "groups", "reserved", "arm", "arm-6.17", "arm-6.14"])
def test_everything_holds_and_the_figures_are_those_of_the_manifest(bounds: str) -> None:
    program = build(MACHINE, bounds)
    rows = check(program, frozenset(), Limits())
    assert {row.verdict for row in rows} == {Verdict.HOLDS}
    assert {(row.states, row.transitions, row.depth) for row in rows} == {program.bounds.orbits}


def test_each_kernel_reaches_more_where_it_asks_for_fewer_vdevices() -> None:
    states = [MACHINE.bounds[name].states or 0 for name in ("arm-6.17", "arm", "arm-6.14")]
    assert states == sorted(set(states))


def test_every_action_fires_and_every_witness_is_reached_with_some_bounds() -> None:
    names = {rule.__name__ for rule in MACHINE.actions} | {x.name for x in MACHINE.witnesses()}
    exact = [bounds for bounds in MACHINE.bounds.values() if bounds.orbits is not None]
    assert all(set(bounds.without) <= names for bounds in exact)
    assert not set.intersection(*(set(bounds.without) for bounds in exact))


BOUND = (("bind", 1), ("bind", 2), ("ioas_alloc",))
ATTACHED = (*BOUND, ("attach", 1, 0, 3))
PARENT = (("bind", 1), ("ioas_alloc",))


def last(
    steps: tuple[Step, ...], bounds: str, variant: Variant | None = None
) -> tuple[Kind, int]:
    """How the last step of a run ends, and with which errno; all others succeed."""
    run = Run(MACHINE.name, bounds, variant)
    *before, (action, *values) = steps
    run.follow(*before)
    assert not any(run.results)
    outcome = run.outcome(action, *values)
    return outcome.kind, outcome.result


def test_a_member_replaces_and_a_stranger_does_not() -> None:
    member = (*ATTACHED, ("attach", 2, 0, 3), ("replace", 2, 0, 3))
    stranger = (*ATTACHED, ("replace", 2, 0, 3))
    assert last(member, "groups") == (Kind.DONE, Errno.OK)
    assert last(stranger, "groups") == (Kind.DONE, Errno.EINVAL)
    before = VARIANTS["uapi-stranger-replaces"]
    assert last(member, "groups", before) == (Kind.DONE, Errno.OK)
    assert last(stranger, "groups", before)[0] is Kind.CRASH


def test_a_queue_is_for_an_hwpt_that_is_no_nesting_parent() -> None:
    queue = (*PARENT, ("fault_queue_alloc",))
    alone, parent = ("hwpt_alloc_with_fault", 1, 2, 3, 0), ("hwpt_alloc_with_fault", 1, 2, 3, 1)
    assert last((*queue, alone), "queues") == (Kind.DONE, Errno.OK)
    assert last((*queue, parent), "queues") == (Kind.DONE, Errno.EOPNOTSUPP)
    before = VARIANTS["uapi-parent-takes-queue"]
    assert last((*queue, parent), "queues", before) == (Kind.DONE, Errno.OK)


def test_an_hwpt_is_for_the_smmu_that_it_was_made_for() -> None:
    made = (*BOUND, ("hwpt_alloc_on_ioas", 1, 3, 0, 0, 0))
    assert last((*made, ("attach", 1, 0, 4)), "smmus") == (Kind.DONE, Errno.OK)
    assert last((*made, ("attach", 2, 0, 4)), "smmus") == (Kind.DONE, Errno.EINVAL)


def test_a_device_is_bound_late_only_where_the_bounds_allow_it() -> None:
    assert last((("bind", 1), ("ioas_alloc",), ("bind", 2)), "groups")[0] is Kind.DONE
    late = Run(MACHINE.name, "groups", values={"bound_first": 1})
    late.follow(("ioas_alloc",))
    assert late.outcome("bind", 2).kind is Kind.DISABLED

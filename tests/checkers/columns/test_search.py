"""Exploring by columns gives what exploring a state at a time gives."""

from __future__ import annotations

import pytest

from checkers.columns import levels, search
from checkers.columns.search import explore
from checkers.explicit.paths import violation
from checkers.explicit.search import explore as one_at_a_time
from checkers.result import Limits
from invariants import complete
from spec.language import Machine, Program, Variant, build, overriding
from spec.language.rules import TEARDOWN
from spec.machines import MACHINES
from spec.variants import VARIANTS
from tests.checkers.explicit.test_engine import keep_shared
from tests.toys.mutex import MUTEX
from tests.toys.queue import QUEUE, STANDS_STILL
from tests.toys.refcount import FREES_WHILE_HELD, LEAKS_ON_REFUSAL, REFCOUNT

LIFETIMES = complete(MACHINES["object-lifetime"])


def same(program: Program, symmetry: bool = True) -> None:
    found = explore(program, symmetry=symmetry)
    other = one_at_a_time(program, symmetry=symmetry)
    assert (found.states, found.transitions, found.depth) == (
        other.states, other.transitions, other.depth
    )
    assert found.stopped == other.stopped
    assert found.fired == other.fired
    assert {name: count for name, count in found.crashed.items() if count} == other.crashed
    assert found.cuts == other.cuts
    assert found.witnessed == set(other.witnessed)
    assert set(found.violations) == set(other.first)
    for name, hit in other.first.items():
        assert len(found.violations[name].steps) == len(violation(other, hit).steps)


@pytest.mark.parametrize("symmetry", [True, False])
@pytest.mark.parametrize(
    ("machine", "bounds"),
    [(MUTEX, "small"), (QUEUE, "small"), (REFCOUNT, "small"), (REFCOUNT, "large"),
     (LIFETIMES, "small")],
    ids=lambda item: getattr(item, "name", item),
)
def test_the_figures_are_those_of_the_other_explorer(
    machine: Machine, bounds: str, symmetry: bool
) -> None:
    same(build(machine, bounds), symmetry)


@pytest.mark.parametrize(
    ("machine", "variant"),
    [(QUEUE, STANDS_STILL), (REFCOUNT, FREES_WHILE_HELD), (REFCOUNT, LEAKS_ON_REFUSAL)],
    ids=lambda item: item.name,
)
def test_a_variant_is_violated_in_the_same_lengths(machine: Machine, variant: Variant) -> None:
    same(build(machine, "small", variant))


def test_a_state_that_cannot_be_taken_down() -> None:
    program = build(REFCOUNT, "small", Variant("keeps", "refcount", overriding(keep_shared)))
    same(program)
    assert TEARDOWN in explore(program).violations


@pytest.mark.parametrize("bounds", ["S", "B"])
def test_the_benchmark_has_the_figures_on_which_others_agreed(bounds: str) -> None:
    found = explore(build(LIFETIMES, bounds))
    declared = LIFETIMES.bounds[bounds]
    assert (found.states, found.transitions, found.depth) == (
        declared.states, declared.transitions, declared.depth
    )
    assert found.exhausted
    assert not found.violations


HWPT_SHARING = complete(MACHINES["hwpt-sharing"])
SHOWN = ["vtd-rfcv3", "vtd-rfcv3-update", "vtd-rfcv3-attach-error", "vtd-rfcv3-listener",
         "vtd-rfcv3-any-error"]


@pytest.mark.parametrize("name", SHOWN)
def test_a_posted_design_is_violated_in_the_same_lengths(name: str) -> None:
    variant = VARIANTS[name]
    same(build(HWPT_SHARING, variant.bounds, variant))


def test_a_small_machine_with_faults_and_teardown() -> None:
    same(build(HWPT_SHARING, "fds"))


@pytest.mark.parametrize(
    "program",
    [
        build(LIFETIMES, "S"),
        build(REFCOUNT, "large"),
        build(LIFETIMES, "small", VARIANTS["lifetime-detach-keeps-count"]),
    ],
    ids=lambda program: program.machine.name,
)
def test_levels_divided_among_processes_are_the_same(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = explore(program)
    monkeypatch.setattr(levels, "WIDTH", 100)
    monkeypatch.setattr(search, "DEAR", 0.0)
    found = explore(program, limits=Limits(jobs=2))
    assert (found.states, found.fired, found.crashed, found.cuts, found.depth, found.stopped) == (
        alone.states, alone.fired, alone.crashed, alone.cuts, alone.depth, alone.stopped
    )
    assert found.witnessed == alone.witnessed
    lengths = [{k: len(v.steps) for k, v in x.violations.items()} for x in (found, alone)]
    assert lengths[0] == lengths[1]

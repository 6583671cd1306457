"""The native explorer beside the reference: figures, levels, transitions, verdicts, traces."""

from __future__ import annotations

import functools

import pytest

from checkers.explore import reference
from checkers.explore.explored import Explored
from checkers.explore.native import search
from checkers.explore.native.search import explore
from checkers.result import Limits, Renaming
from invariants import complete
from spec.language import NONE, Id, Program, Variant, build, overrides, overriding, require
from spec.language.rules import CRASH
from spec.machines import MACHINES
from tests.checkers.explore.native.facts import assert_all_shown, facts, figures
from tests.checkers.lifetimes import WRONG, variant
from tests.toys.guards import BACKWARDS, DROPS, GUARDS
from tests.toys.keys import ALONE, COPIES_ITSELF, KEYS
from tests.toys.late import LATE
from tests.toys.mutex import MUTEX
from tests.toys.odd import ODD
from tests.toys.ports import PORTS
from tests.toys.queue import QUEUE, STANDS_STILL
from tests.toys.refcount import (
    FREES_WHILE_HELD,
    LEAKS_ON_REFUSAL,
    REFCOUNT,
    Heap,
    Holder,
    put,
    release,
)

LIFETIME = complete(MACHINES["object-lifetime"])
RENAMINGS = pytest.mark.parametrize("renaming", list(Renaming), ids=lambda item: item.value)


@overrides(put)
def keep_shared(s: Heap, holder: Id[Holder]) -> None:
    """A holder lets go only of what nobody else holds."""
    require(s.holders[holder].holds != NONE)
    require(s.objects[s.holders[holder].holds].references == 1)
    release(s, s.holders[holder].holds)
    s.holders[holder].holds = NONE


KEEPS = Variant("keeps", "refcount", overriding(keep_shared))

PROGRAMS = [
    build(MUTEX, "small"),
    build(LATE, "small"),
    build(QUEUE, "small"),
    build(QUEUE, "small", STANDS_STILL),
    build(REFCOUNT, "small"),
    build(REFCOUNT, "small", FREES_WHILE_HELD),
    build(REFCOUNT, "small", LEAKS_ON_REFUSAL),
    build(REFCOUNT, "small", KEEPS),
    build(KEYS, "small"),
    build(KEYS, "small", COPIES_ITSELF),
    build(ALONE, "small"),
    build(PORTS, "small"),
    build(GUARDS, "small"),
    build(GUARDS, "small", DROPS),
    build(GUARDS, "small", BACKWARDS),
    build(LIFETIME, "small"),
    build(ODD, "small", values={"nodes": 3, "leaves": 3, "Tag": 1}),
]


def name_of(program: Program) -> str:
    return f"{program.machine.name}-{program.variant.name if program.variant else 'good'}"


@functools.cache
def by_reference(program: int, renaming: Renaming) -> Explored:
    """Explored once for all numbers of threads."""
    return reference.explore(PROGRAMS[program], frozenset(), Limits(renaming=renaming))


@RENAMINGS
@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("number", range(len(PROGRAMS)), ids=lambda n: name_of(PROGRAMS[n]))
def test_what_the_reference_finds(number: int, renaming: Renaming, jobs: int) -> None:
    found = explore(PROGRAMS[number], frozenset(), Limits(renaming=renaming, jobs=jobs))
    assert facts(found) == facts(by_reference(number, renaming))
    assert_all_shown(found)


@pytest.mark.parametrize("function", WRONG, ids=lambda item: item.__name__)
def test_what_the_reference_finds_wrong(function: object) -> None:
    program = variant(function)  # type: ignore[arg-type]
    limits = Limits(renaming=Renaming.IDS, jobs=2)
    found = explore(program, frozenset(), limits)
    assert found.violations or found.cuts
    assert facts(found) == facts(reference.explore(program, frozenset(), limits))
    assert_all_shown(found)


def test_a_level_that_threads_share_has_the_same_figures_and_traces() -> None:
    program = build(LIFETIME, "S")
    one, two = (
        explore(program, frozenset(), Limits(renaming=Renaming.NONE, jobs=jobs)) for jobs in (1, 2)
    )
    assert max(one.levels) > 10_000
    assert figures(one) == (77_017, 538_446, 16)
    assert facts(one) == facts(two)


@pytest.mark.parametrize("option", ["-O1", "-O2"])
@pytest.mark.parametrize("program", [PROGRAMS[1], build(KEYS, "small", COPIES_ITSELF)], ids=name_of)
def test_no_rule_is_looked_at(
    program: Program, option: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The compiler has nothing to say of arrays that are empty then."""
    monkeypatch.setattr(search, "optimisation", lambda program, chosen: option)
    found = explore(program, frozenset({CRASH}), Limits())
    assert found.exhausted
    assert found.states == reference.explore(program, frozenset({CRASH}), Limits()).states


def test_more_threads_than_there_can_be() -> None:
    program = build(LIFETIME, "S")
    limits = Limits(renaming=Renaming.IDS, jobs=1000)
    assert explore(program, frozenset({"parents-are-there"}), limits).exhausted

"""What need not be tried leads to what is known, in every state; and nothing is missed by it."""

from __future__ import annotations

import functools
from dataclasses import replace

import pytest

from checkers.columns import search as columns
from checkers.explicit import check
from checkers.frontend.merge import Merger
from checkers.result import Explorer, Limits
from checkers.steps.commuting import After, after, everything
from checkers.steps.deeds import deed
from checkers.steps.ways import ways
from invariants import complete
from spec.language import Program, build
from spec.language.machine import Function
from spec.language.program import Kind, Linked
from spec.machines import MACHINES
from tests.checkers.lifetimes import LIFETIMES, WRONG, only_when_all_are_detached, variant
from tests.checkers.steps.states import reachable
from tests.toys.mutex import MUTEX
from tests.toys.queue import QUEUE

Step = tuple[Linked, tuple[int, ...]]


PROGRAMS = [
    build(LIFETIMES, "small"), build(MUTEX, "small"), build(QUEUE, "small"), *map(variant, WRONG),
]


def learnt(program: Program) -> tuple[list[Step], After]:
    """The steps of a program, and what need be tried after each."""
    merger = Merger(program)
    steps: list[Step] = []
    known = []
    for rule in program.actions:
        for values in rule.instances(merger.layout):
            one = deed(merger, rule, values)
            if one is not None:
                steps.append((rule, values))
                known.append(None if rule.fault else ways(merger.graph, one))
    return steps, after(merger, known)


def named(program: Program) -> str:
    return program.variant.name if program.variant else program.machine.name


@pytest.mark.parametrize("program", PROGRAMS, ids=named)
def test_what_need_not_be_tried_leads_to_what_is_known(program: Program) -> None:
    """In every reachable state, step by step, unless something fails before."""
    steps, found = learnt(program)
    states = reachable(program)

    @functools.cache
    def run(state: bytes, step: int) -> tuple[Kind, bytes | None]:
        outcome = program.run(steps[step][0], state, steps[step][1])
        return outcome.kind, outcome.state if outcome.kind is Kind.DONE else None

    for first, kind in enumerate(found.classes):
        for second in set(range(len(steps))) - found.tried[kind]:
            for state in states:
                _, between = run(state, first)
                if between is None:
                    continue
                ending, end = run(between, second)
                before, other = run(state, second)
                if ending is Kind.DISABLED or end == state or before in FAILED:
                    continue
                assert other is not None, "it could not have been taken before"
                last, same = run(other, first)
                assert same == end if ending is Kind.DONE else last in FAILED


FAILED = (Kind.CRASH, Kind.CUT)


def test_an_attach_needs_little_after_it() -> None:
    steps, found = learnt(build(LIFETIMES, "small"))
    classes = {
        values[0]: kind
        for (rule, values), kind in zip(steps, found.classes, strict=True) if rule.name == "attach"
    }
    assert classes == {1: 1, 2: 2}
    assert not found.tried[1]
    assert {steps[number][0].name for number in found.tried[2]} == {"attach"}
    assert {steps[number][1][0] for number in found.tried[2]} == {1}


def test_a_guard_on_all_devices_makes_a_difference() -> None:
    steps, found = learnt(variant(only_when_all_are_detached))
    for (rule, values), kind in zip(steps, found.classes, strict=True):
        if rule.name == "attach" and values[0] == 1:
            assert kind != 0
        if rule.name == "detach" and values == (1,):
            tried = {steps[number][0].name for number in found.tried[kind]}
            assert "destroy" in tried


def test_of_steps_that_are_not_known_all_are_tried() -> None:
    merger = Merger(build(LIFETIMES, "small"))
    assert after(merger, [None, None]) == everything(2)
    assert everything(2).tried == (frozenset({0, 1}),)


SPACES = [
    ("object-lifetime", "S"), ("pci-hotplug", "small"), ("migration-blocker", "small"),
    ("pasid-capability", "small"),
]  # fmt: skip


@pytest.mark.parametrize(("machine", "bounds"), [("object-lifetime", "small"), *SPACES])
@pytest.mark.parametrize("jobs", [1, 2])
def test_nothing_is_missed(
    monkeypatch: pytest.MonkeyPatch, machine: str, bounds: str, jobs: int
) -> None:
    monkeypatch.setattr(columns, "WORTH", 1)
    monkeypatch.setattr(columns, "DEAR", 0)
    program = build(complete(MACHINES[machine]), bounds)
    taught = columns.explore(program, limits=Limits(jobs=jobs), symmetry=False)
    monkeypatch.setattr(columns, "WORTH", 1 << 60)
    plain = columns.explore(program, symmetry=False)
    assert (taught.states, taught.fired, taught.depth) == (plain.states, plain.fired, plain.depth)
    assert taught.levels == plain.levels
    assert taught.witnessed == plain.witnessed


@pytest.mark.parametrize("function", WRONG, ids=lambda function: function.__name__)
def test_what_is_wrong_is_found_as_soon(
    monkeypatch: pytest.MonkeyPatch, function: Function
) -> None:
    monkeypatch.setattr(columns, "WORTH", 1)
    limits = {item: Limits(explorer=item, renaming=False) for item in Explorer}
    rows = {
        item: [
            (
                replace(row, seconds=0, violation=None, detail=""),
                row.violation and len(row.violation.steps),
            )
            for row in check(variant(function), frozenset(), limits[item])
        ]
        for item in Explorer
    }
    assert rows[Explorer.NUMPY] == rows[Explorer.PLAIN] == rows[Explorer.SPECIALISED]
    assert any(length is not None for _, length in rows[Explorer.NUMPY])

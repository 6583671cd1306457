"""All explorers give the same verdicts, figures and lengths of traces."""

from __future__ import annotations

from dataclasses import replace

import pytest

from checkers.explicit import check
from checkers.explicit.engine import explored
from checkers.result import Explorer, Limits, Verdict
from invariants import complete
from spec.language import Machine, Program, build
from spec.language.program import Kind
from spec.language.rules import CRASH
from spec.machines import MACHINES
from spec.variants import VARIANTS
from tests.toys.late import LATE
from tests.toys.mutex import MUTEX
from tests.toys.queue import QUEUE, STANDS_STILL
from tests.toys.refcount import FREES_WHILE_HELD, LEAKS_ON_REFUSAL, REFCOUNT

HWPT_SHARING = complete(MACHINES["hwpt-sharing"])
LIFETIMES = complete(MACHINES["object-lifetime"])

PROGRAMS = [
    build(MUTEX, "small"),
    build(QUEUE, "small"),
    build(REFCOUNT, "small"),
    build(LATE, "small"),
    build(LIFETIMES, "small"),
    build(HWPT_SHARING, "fds"),
    build(QUEUE, "small", STANDS_STILL),
    build(REFCOUNT, "small", FREES_WHILE_HELD),
    build(REFCOUNT, "small", LEAKS_ON_REFUSAL),
    build(HWPT_SHARING, VARIANTS["vtd-rfcv3"].bounds, VARIANTS["vtd-rfcv3"]),
]


def named(program: Program) -> str:
    variant = f" {program.variant.name}" if program.variant else ""
    return f"{program.machine.name} {program.bounds_name}{variant}"


@pytest.mark.parametrize("program", PROGRAMS, ids=named)
def test_three_explorers_agree(program: Program) -> None:
    answers = []
    for explorer in Explorer:
        rows = check(program, frozenset(), Limits(explorer=explorer))
        for row in rows:
            if row.violation is not None:
                assert replayed(program, row.violation.initial, row.violation.steps)
        answers.append([
            (replace(row, seconds=0, violation=None, detail=""),
             row.violation and len(row.violation.steps))
            for row in rows
        ])
    assert answers[0] == answers[1] == answers[2]


def replayed(program: Program, state: bytes, steps: tuple) -> bool:  # type: ignore[type-arg]
    assert state in program.initial()
    for place, step in enumerate(steps):
        outcome = program.run(program.action(step.action), state, step.values, step.fault)
        if outcome.kind is not Kind.DONE:
            return place == len(steps) - 1 and outcome.kind is Kind.CRASH
        state = outcome.state
    return True


@pytest.mark.parametrize("explorer", list(Explorer))
def test_a_limit_is_never_success(explorer: Explorer) -> None:
    limits = Limits(seconds=1e-9, explorer=explorer)
    rows = {row.rule: row for row in check(build(LIFETIMES, "S"), frozenset(), limits)}
    assert rows[CRASH].verdict is Verdict.BOUNDED
    assert rows[CRASH].detail == "time limit of 1e-09 s met at depth 0"


@pytest.mark.parametrize("machine", [MUTEX, QUEUE, REFCOUNT], ids=lambda machine: machine.name)
def test_without_renaming_they_agree_too(machine: Machine) -> None:
    program = build(machine, "small")
    found = [explored(program, frozenset(), Limits(explorer=x), symmetry=False) for x in Explorer]
    assert len({(x.states, x.transitions, x.depth) for x in found}) == 1


def test_the_engine_takes_columns_for_what_is_large() -> None:
    assert explored(build(LIFETIMES, "S"), frozenset(), Limits()).prepared > 0
    assert not explored(build(LIFETIMES, "small"), frozenset(), Limits()).prepared

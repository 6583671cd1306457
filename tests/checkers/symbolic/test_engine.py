"""Proofs of the toys, shortest counterexamples of their variants, and what is neither."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from checkers.result import Finding, Limits, Progress, Verdict
from checkers.symbolic import check
from checkers.symbolic.induction import POSSIBLE
from spec.language import Id, Machine, Variant, build, invariant, require
from spec.language.program import Kind, Program
from spec.language.rules import CRASH, TEARDOWN
from tests.toys.mutex import MUTEX, Mutex, Process
from tests.toys.queue import QUEUE, STANDS_STILL
from tests.toys.refcount import FREES_WHILE_HELD, LEAKS_ON_REFUSAL, REFCOUNT, Heap


def found(
    program: Program, limits: Limits | None = None, names: frozenset[str] = frozenset()
) -> dict[str, Finding]:
    return {item.rule: item for item in check(program, names, limits or Limits(jobs=2))}


@invariant()
def alive_is_held(s: Heap) -> bool:
    """What lives has a holder: no leak."""
    return all(not o.alive or o.references > 0 for o in s.objects)


def test_counted_references_are_proved_and_so_is_the_teardown() -> None:
    rows = found(build(REFCOUNT.holding(alive_is_held), "small"))
    assert {row.verdict for row in rows.values()} == {Verdict.PROVED}
    assert [name for name, row in rows.items() if row.own_seconds is not None] == [TEARDOWN]
    assert CRASH in rows
    assert rows["no-dangling"].detail == "inductive, 2 conjuncts, 3 actions"


def test_without_the_invariant_about_leaks_the_teardown_is_not_proved() -> None:
    row = found(build(REFCOUNT, "small"))[TEARDOWN]
    assert row.verdict is Verdict.NOT_INDUCTIVE
    assert row.violation is not None
    assert row.violation.induction


def test_an_invariant_may_need_two_steps() -> None:
    row = found(build(MUTEX, "small"))["one-at-a-time"]
    assert row.verdict is Verdict.PROVED
    assert "two steps" in row.detail


def test_an_invariant_that_is_not_inductive_shows_a_state_and_a_step() -> None:
    program = build(QUEUE, "small")
    row = found(program)["fifo"]
    assert row.verdict is Verdict.NOT_INDUCTIVE
    assert "breaks it" in row.detail
    assert row.violation is not None
    path = row.violation
    assert path is not None
    assert path.induction
    rule = program.invariants["fifo"]
    assert all(
        program.evaluate(rule, path.initial, values=values)
        for values in rule.instances(program.layout)
    )
    step = path.steps[0]
    outcome = program.run(program.action(step.action), path.initial, step.values, step.fault)
    assert outcome.kind is Kind.DONE
    assert not program.evaluate(rule, outcome.state, values=path.binding)


@pytest.mark.parametrize(
    ("machine", "variant"),
    [(QUEUE, STANDS_STILL), (REFCOUNT, FREES_WHILE_HELD), (REFCOUNT, LEAKS_ON_REFUSAL)],
)
def test_a_variant_breaks_its_rules_at_the_known_lengths(
    machine: Machine, variant: Variant
) -> None:
    rows = found(build(machine, "small", variant))
    broken = {name: row.depth for name, row in rows.items() if row.verdict is Verdict.VIOLATED}
    assert broken == dict(variant.expects)


def test_what_relies_on_a_broken_rule_is_not_proved() -> None:
    row = found(build(REFCOUNT, "small", FREES_WHILE_HELD))["refusal-changes-nothing"]
    assert row.verdict is Verdict.NOT_INDUCTIVE
    assert "no-dangling" in row.detail


@pytest.mark.parametrize("after", [1, 3, 6])
def test_no_time_is_bounded_and_never_proved(after: int) -> None:
    """The clock stands still until it is read so often; then the time is over."""
    readings = itertools.count()
    limits = Limits(
        seconds=60, jobs=1, since=0.0, clock=lambda: 61.0 if next(readings) >= after else 0.0
    )
    rows = found(build(REFCOUNT, "small"), limits)
    assert {row.verdict for row in rows.values()} == {Verdict.BOUNDED}


def test_without_time_for_two_steps_a_rule_is_not_called_inductive_or_not() -> None:
    """As long as tasks are done the clock stands still; at its end the time is over."""
    program = build(MUTEX, "small")
    done = False

    def progress(now: Progress) -> None:
        nonlocal done
        done = not now.frontier

    limits = Limits(
        seconds=60, jobs=1, since=0.0, progress=progress, clock=lambda: 61.0 if done else 0.0
    )
    row = found(program, limits)["one-at-a-time"]
    assert row.verdict is Verdict.BOUNDED
    assert "over two not decided" in row.detail


def test_only_the_rules_asked_for_are_reported() -> None:
    rows = found(build(REFCOUNT, "small"), names=frozenset({"no-dangling"}))
    assert list(rows) == ["no-dangling"]


def stuck(s: Mutex, process: Id[Process]) -> None:
    """Never enabled where the lock says who is inside."""
    require(s.processes[process].inside and not s.processes[process].inside)


def test_an_action_that_can_never_happen_is_reported() -> None:
    machine = Machine(
        name="stuck", state=Mutex, init=MUTEX.init, actions=(*MUTEX.actions, stuck),
        bounds=MUTEX.bounds, invariants=MUTEX.invariants,
    )
    row = found(build(machine, "small"))[POSSIBLE]
    assert row.verdict is Verdict.VIOLATED
    assert "stuck" in row.detail


@invariant()
def contradiction(s: Mutex) -> bool:
    """Never true."""
    return s.locked and not s.locked


def test_a_contradiction_is_violated_at_once_and_proves_nothing() -> None:
    rows = found(build(MUTEX.holding(contradiction), "small"))
    assert rows["contradiction"].verdict is Verdict.VIOLATED
    assert rows["contradiction"].depth == 0
    assert rows[POSSIBLE].verdict is Verdict.VIOLATED
    assert rows["one-at-a-time"].verdict is Verdict.NOT_INDUCTIVE


def test_an_action_that_the_bounds_are_too_narrow_for_is_not_missed() -> None:
    bounds = {"small": replace(MUTEX.bounds["small"], without=("stuck",))}
    machine = replace(MUTEX, name="stuck", actions=(*MUTEX.actions, stuck), bounds=bounds)
    assert POSSIBLE not in found(build(machine, "small"))

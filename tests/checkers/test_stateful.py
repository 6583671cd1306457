from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import pytest

from checkers import stateful
from checkers.minimise import minimise, replay
from checkers.result import Finding, Limits, Progress, Verdict, Violation
from checkers.stateful import Broken, check, machine_test
from spec.language import Machine, Program, Variant, build
from spec.language.program import Kind
from spec.language.rules import CRASH, TEARDOWN
from spec.language.steps import Step, take
from tests.toys.mutex import MUTEX
from tests.toys.queue import QUEUE, STANDS_STILL
from tests.toys.refcount import FREES_WHILE_HELD, LEAKS_ON_REFUSAL, REFCOUNT

VARIANTS = [(REFCOUNT, FREES_WHILE_HELD), (REFCOUNT, LEAKS_ON_REFUSAL), (QUEUE, STANDS_STILL)]


@pytest.fixture(autouse=True)
def few_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stateful, "EXAMPLES", 60)


def by_rule(program: Program, limits: Limits, *names: str) -> dict[str, Finding]:
    return {row.rule: row for row in check(program, frozenset(names), limits)}


def assert_replays(program: Program, violation: Violation) -> None:
    """Every step is enabled, and the rule is broken at the end and not before."""
    assert violation.initial in program.initial()
    assert replay(program, replace(violation, steps=violation.steps[:-1])) is None
    state = violation.initial
    for index, step in enumerate(violation.steps, start=1):
        outcome = take(program, state, step)
        crash = violation.rule == CRASH and index == len(violation.steps)
        assert outcome.kind is (Kind.CRASH if crash else Kind.DONE)
        state = outcome.state
    rule = program.invariants.get(violation.rule)
    if rule is not None and rule.states == 1:
        assert not program.evaluate(rule, state, values=violation.binding)


@pytest.mark.parametrize("machine", [MUTEX, REFCOUNT, QUEUE], ids=lambda machine: machine.name)
def test_reference_holds_and_says_that_it_is_no_proof(machine: Machine) -> None:
    rows = by_rule(build(machine, "small"), Limits())
    assert set(rows) == {item.name for item in machine.invariants} | {CRASH}
    for row in rows.values():
        assert row.verdict is Verdict.NOT_REFUTED
        assert "runs of 40 steps, random and not exhaustive" in row.detail
        assert row.violation is None


@pytest.mark.parametrize(("machine", "variant"), VARIANTS, ids=lambda item: item.name)
def test_each_rule_a_variant_breaks_has_its_shortest_trace(
    machine: Machine, variant: Variant
) -> None:
    program = build(machine, "small", variant)
    rows = by_rule(program, Limits(seed=3))
    found = {name: row for name, row in rows.items() if row.verdict is Verdict.VIOLATED}
    assert not any("no violation" in row.detail for row in rows.values())
    assert {
        name: len(row.violation.steps) for name, row in found.items() if row.violation
    } == variant.expects
    for row in found.values():
        assert row.violation is not None
        assert_replays(program, row.violation)


def test_larger_bounds_do_not_make_the_trace_longer() -> None:
    rows = by_rule(build(REFCOUNT, "large", FREES_WHILE_HELD), Limits(), "no-dangling")
    violation = rows["no-dangling"].violation
    assert violation is not None
    assert [step.action for step in violation.steps] == ["create", "get", "put"]


def test_one_seed_gives_one_trace() -> None:
    def traces(seed: int) -> list[Violation | None]:
        program = build(REFCOUNT, "large", FREES_WHILE_HELD)
        names = frozenset({"no-dangling"})
        return [row.violation for row in check(program, names, Limits(seed=seed))]

    assert traces(5) == traces(5)


def test_only_the_named_rules_are_looked_at() -> None:
    program = build(REFCOUNT, "small", FREES_WHILE_HELD)
    assert set(by_rule(program, Limits(), CRASH)) == {CRASH}
    assert check(program, frozenset({TEARDOWN}), Limits()) == []


def test_crash_says_which_check_failed() -> None:
    row = by_rule(build(REFCOUNT, "small", FREES_WHILE_HELD), Limits(), CRASH)[CRASH]
    assert row.violation is not None
    assert row.violation.why == "release of a freed object"


def test_a_refused_host_call_is_part_of_the_trace() -> None:
    program = build(REFCOUNT, "small", LEAKS_ON_REFUSAL)
    row = by_rule(program, Limits())["refusal-changes-nothing"]
    assert row.violation is not None
    assert [(step.action, step.fault) for step in row.violation.steps] == [("create", 2)]


def test_most_steps_do_something(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = {"drawn": 0, "taken": 0}
    act = stateful.Walk.act

    def counting(self: stateful.Walk, *args: object) -> None:
        before = len(self.trace)
        act(self, *args)  # type: ignore[arg-type]
        counts["drawn"] += 1
        counts["taken"] += len(self.trace) > before

    monkeypatch.setattr(stateful.Walk, "act", counting)
    check(build(REFCOUNT, "large"), frozenset(), Limits())
    assert counts["taken"] == counts["drawn"]


def test_time_limit_is_bounded_and_never_success() -> None:
    rows = by_rule(build(REFCOUNT, "large"), Limits(seconds=0.01))
    assert {row.verdict for row in rows.values()} == {Verdict.BOUNDED}
    assert all(row.detail.startswith("time limit") for row in rows.values())


@pytest.mark.parametrize("spent", range(100, 1500, 200))
def test_a_limit_met_while_shrinking_keeps_the_violation(
    monkeypatch: pytest.MonkeyPatch, spent: int
) -> None:
    spend = stateful.Search.spend

    def stopping(self: stateful.Search) -> None:
        spend(self)
        if self.steps > spent:
            raise stateful.Stopped("time limit")

    monkeypatch.setattr(stateful.Search, "spend", stopping)
    program = build(REFCOUNT, "large", FREES_WHILE_HELD)
    rows = check(program, frozenset(), Limits())
    assert {row.verdict for row in rows} == {Verdict.VIOLATED, Verdict.BOUNDED}
    for row in rows:
        if row.violation:
            assert_replays(program, row.violation)


def test_a_limit_is_told_though_hypothesis_then_complains_of_a_flaky_run(
    monkeypatch: pytest.MonkeyPatch
) -> None:
    def flaky(machine: type[stateful.Walk], settings: object) -> None:
        with suppress(stateful.Stopped):
            machine.search.spend()
        raise ValueError("data generation behaved differently between test cases")

    monkeypatch.setattr(stateful, "run_state_machine_as_test", flaky)
    rows = check(build(REFCOUNT, "large"), frozenset(), Limits(memory_mib=1))
    assert {row.detail for row in rows} == {"memory limit after 0 runs"}
    with pytest.raises(ValueError, match="data generation"):
        check(build(REFCOUNT, "large"), frozenset(), Limits())


def test_an_error_of_the_machine_itself_is_not_swallowed(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(self: stateful.Walk, *_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(stateful.Walk, "act", failing)
    with pytest.raises(ZeroDivisionError):
        check(build(MUTEX, "small"), frozenset(), Limits())


def test_memory_limit_is_bounded() -> None:
    rows = by_rule(build(REFCOUNT, "large"), Limits(memory_mib=1))
    assert {row.verdict for row in rows.values()} == {Verdict.BOUNDED}


def test_interrupt_keeps_what_is_known() -> None:
    def interrupt(progress: Progress) -> None:
        if progress.states > 50:
            raise KeyboardInterrupt

    limits = Limits(progress=interrupt)
    rows = by_rule(build(REFCOUNT, "large"), limits)
    assert limits.interrupted
    assert {row.verdict for row in rows.values()} == {Verdict.BOUNDED}


def test_the_hypothesis_machine_fails_as_a_test_does() -> None:
    broken = machine_test(build(REFCOUNT, "small", FREES_WHILE_HELD))
    with pytest.raises(Broken, match="no-dangling"):
        broken.TestCase("runTest").debug()


def test_minimise_leaves_out_what_is_not_needed() -> None:
    program = build(REFCOUNT, "small", FREES_WHILE_HELD)
    steps = (
        Step("create", (1,)), Step("put", (1,)), Step("create", (1,)), Step("create", (2,), 1),
        Step("get", (2, 1)), Step("put", (2,)), Step("put", (1,)),
    )  # fmt: skip
    long = Violation("no-dangling", program.initial()[0], steps)
    short = minimise(program, long)
    assert [step.action for step in short.steps] == ["create", "get", "put"]
    assert short.binding == (1,)

"""Runs from promises: the fewest faults, ways that end nowhere, what is no run at all."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from checkers.explore.counterexample import UntoldError, told
from spec.language import build
from spec.language.rules import CRASH
from tests.toys.keys import ALONE
from tests.toys.ports import PORTS
from tests.toys.refcount import FREES_WHILE_HELD, LEAKS_ON_REFUSAL, REFCOUNT


def always(faults: int | None) -> Callable[[bytes, int], int | None]:
    """The same promise for every state."""
    return lambda state, level: faults


def test_a_promise_that_is_not_kept_is_taken_back() -> None:
    """Every state promises; only one order of steps keeps it."""
    program = build(REFCOUNT, "small", FREES_WHILE_HELD)
    violation = told(program, "no-dangling", 3, always(0), breaking=False, relaxed=())
    assert [step.action for step in violation.steps] == ["create", "get", "put"]
    assert violation.binding == (2,)


def test_the_last_step_is_what_breaks_a_rule_about_steps() -> None:
    program = build(REFCOUNT, "small", LEAKS_ON_REFUSAL)
    violation = told(program, "refusal-changes-nothing", 1, always(1), breaking=True, relaxed=())
    assert [(step.action, step.fault) for step in violation.steps] == [("create", 2)]


def test_the_way_with_the_fewest_faults_is_taken() -> None:
    program = build(REFCOUNT, "small", FREES_WHILE_HELD)
    asked: list[int] = []

    def promise(state: bytes, level: int) -> int | None:
        asked.append(level)
        return 0

    violation = told(program, CRASH, 4, promise, breaking=True, relaxed=())
    assert [step.fault for step in violation.steps] == [0, 0, 0, 0]
    assert violation.why == "release of a freed object"
    assert max(asked) == 3


def test_what_is_no_run_is_not_told() -> None:
    program = build(REFCOUNT, "small")
    with pytest.raises(UntoldError, match="no-dangling was found broken in 2 steps, but no run"):
        told(program, "no-dangling", 2, always(0), breaking=False, relaxed=())
    with pytest.raises(UntoldError):
        told(program, "no-dangling", 2, always(None), breaking=False, relaxed=("objects",))


def test_ids_are_chosen_only_if_the_exploration_did_so() -> None:
    program = build(ALONE, "small")
    with pytest.raises(UntoldError):
        told(program, "same-key", 3, always(0), breaking=False, relaxed=())
    violation = told(program, "same-key", 3, always(0), breaking=False, relaxed=("keys",))
    assert [step.ids for step in violation.steps] == [(), (), (2,)]


def test_a_run_starts_where_a_promise_is_made() -> None:
    program = build(PORTS, "small")
    (initial,) = program.initial()

    def promise(state: bytes, level: int) -> int | None:
        return None if state == initial else 0

    with pytest.raises(UntoldError):
        told(program, "at-most-one", 2, promise, breaking=False, relaxed=())

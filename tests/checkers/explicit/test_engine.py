"""Verdicts, exact figures, shortest counterexamples, limits, and renaming of data."""

from __future__ import annotations

from dataclasses import replace

import pytest

from checkers.explicit import check, explore
from checkers.explicit.search import _Search
from checkers.explicit.symmetry import Symmetry, renaming
from checkers.packed import search as packed
from checkers.result import Finding, Limits, Progress, Verdict, Violation
from invariants import complete
from spec.iommufd.object_lifetime import OBJECT_LIFETIME
from spec.language import (
    NONE,
    NULL,
    Bounds,
    Id,
    Machine,
    Program,
    Sort,
    State,
    Variant,
    build,
    invariant,
    limit,
    overrides,
    overriding,
    require,
    sometimes,
)
from spec.language import check as check_it
from spec.language.program import Kind
from spec.language.rules import ACTIONS, CRASH, TEARDOWN, WITNESSES
from spec.machines import MACHINES
from spec.variants import VARIANTS
from tests.checkers.explicit.odd import ODD
from tests.toys.late import LATE
from tests.toys.mutex import MUTEX, Mutex, Process, leave, somebody_inside
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

ALL: frozenset[str] = frozenset()
LIFETIME = complete(OBJECT_LIFETIME)


def rows(program: Program, limits: Limits | None = None, symmetry: bool = True,
         names: frozenset[str] = ALL) -> dict[str, Finding]:
    return {row.rule: row for row in check(program, names, limits or Limits(), symmetry)}


def replayed(program: Program, violation: Violation) -> bool:
    """The steps are a run, and its end breaks the rule."""
    state = violation.initial
    assert state in program.initial()
    before, outcome = state, None
    for place, step in enumerate(violation.steps):
        outcome = program.run(program.action(step.action), state, step.values, step.fault)
        last = place == len(violation.steps) - 1
        if last and violation.rule == CRASH:
            return outcome.kind is Kind.CRASH and outcome.why == violation.why
        assert outcome.kind is Kind.DONE
        before, state = state, outcome.state
    if violation.rule == TEARDOWN:
        return True
    rule = program.invariants[violation.rule]
    if rule.states == 2:
        assert outcome is not None
        assert outcome.result
        return not program.evaluate(rule, before, state, values=violation.binding)
    return not program.evaluate(rule, state, values=violation.binding)


@pytest.mark.parametrize(
    ("machine", "bounds"),
    [(MUTEX, "small"), (QUEUE, "small"), (REFCOUNT, "small")],
    ids=["mutex", "queue", "refcount"],
)
def test_exact_figures(machine: Machine, bounds: str) -> None:
    found = explore(build(machine, bounds), symmetry=False)
    declared = machine.bounds[bounds]
    assert (found.states, found.transitions, found.depth) == (
        declared.states, declared.transitions, declared.depth
    )
    assert found.exhausted


def test_many_holders_have_the_number_of_states_one_can_calculate() -> None:
    assert explore(build(REFCOUNT, "large")).states == 5 ** 5


@pytest.mark.parametrize("machine", [MUTEX, QUEUE, REFCOUNT, LIFETIME], ids=lambda m: m.name)
def test_a_reference_holds(machine: Machine) -> None:
    found = rows(build(machine, "small"))
    assert {row.verdict for row in found.values()} == {Verdict.HOLDS}
    assert all(row.detail.startswith("exhausted") for row in found.values())
    expected = [*(item.name for item in machine.invariants), CRASH]
    expected += [TEARDOWN] if machine.teardown else []
    assert list(found) == [*expected, WITNESSES, ACTIONS]


@pytest.mark.parametrize("symmetry", [True, False])
@pytest.mark.parametrize(
    ("machine", "variant"),
    [(QUEUE, STANDS_STILL), (REFCOUNT, FREES_WHILE_HELD), (REFCOUNT, LEAKS_ON_REFUSAL)],
    ids=lambda item: item.name,
)
def test_a_variant_breaks_its_rules_in_the_declared_lengths(
    machine: Machine, variant: Variant, symmetry: bool
) -> None:
    program = build(machine, "small", variant)
    found = rows(program, symmetry=symmetry)
    for name, length in variant.expects.items():
        assert found[name].verdict is Verdict.VIOLATED
        shown = found[name].violation
        assert shown is not None
        assert len(shown.steps) == length
        assert replayed(program, shown)
    broken = {name for name, row in found.items() if row.verdict is Verdict.VIOLATED}
    assert broken == set(variant.expects)
    assert not {WITNESSES, ACTIONS} & set(found)


def test_only_the_requested_rules() -> None:
    program = build(REFCOUNT, "small")
    names = frozenset({"no-dangling", ACTIONS})
    assert list(rows(program, names=names)) == ["no-dangling", ACTIONS]
    assert list(rows(program, names=frozenset({WITNESSES}))) == [WITNESSES]


def test_a_state_that_cannot_be_taken_down() -> None:
    variant = Variant("keeps", "refcount", overriding(keep_shared), {TEARDOWN: 2})
    program = build(REFCOUNT, "small", variant)
    row = rows(program)[TEARDOWN]
    assert row.verdict is Verdict.VIOLATED
    assert row.violation is not None
    assert len(row.violation.steps) == 2
    assert replayed(program, row.violation)
    assert [step.action for step in row.violation.steps] == ["create", "get"]


def test_a_bound_that_cuts_is_named_and_is_no_success() -> None:
    row = rows(build(CUT_MUTEX, "small"))[CRASH]
    assert row.verdict is Verdict.BOUNDED
    assert row.detail == "exhausted 1 states; cut by patience: 2"


def test_a_witness_that_is_not_reached_and_an_action_that_never_fires() -> None:
    found = rows(build(CUT_MUTEX, "small"))
    assert found[WITNESSES].verdict is Verdict.VIOLATED
    assert "somebody-inside" in found[WITNESSES].detail
    assert found[ACTIONS].verdict is Verdict.VIOLATED
    assert "enter_impatiently, leave" in found[ACTIONS].detail


def never(s: Mutex, process: Id[Process]) -> None:
    """Never enabled."""
    require(s.locked and not s.locked)


def test_bounds_that_are_too_narrow_for_an_action_say_so_and_are_held_to_it() -> None:
    narrow = {"small": replace(MUTEX.bounds["small"], without=("never",))}
    machine = replace(MUTEX, actions=(*MUTEX.actions, never), bounds=narrow)
    assert rows(build(machine, "small"))[ACTIONS].verdict is Verdict.HOLDS
    wrong = {"small": replace(MUTEX.bounds["small"], without=("leave",))}
    found = rows(build(replace(MUTEX, bounds=wrong), "small"))[ACTIONS]
    assert (found.verdict, found.detail.split(";")[0]) == (Verdict.VIOLATED, "never enabled: leave")


def test_a_time_limit_is_never_success() -> None:
    limits = Limits(seconds=1e-9)
    found = rows(build(OBJECT_LIFETIME, "A"), limits)
    assert {row.verdict for row in found.values()} <= {Verdict.BOUNDED, Verdict.HOLDS}
    assert found[CRASH].verdict is Verdict.BOUNDED
    assert found[CRASH].detail == "time limit of 1e-09 s met at depth 0"
    assert found[WITNESSES].verdict is Verdict.BOUNDED


def test_a_memory_limit_is_never_success() -> None:
    found = rows(build(OBJECT_LIFETIME, "small"), Limits(memory_mib=1))
    assert found[CRASH].verdict is Verdict.BOUNDED
    assert found[CRASH].detail == "memory limit of 1 MiB met at depth 0"


def test_what_was_violated_before_the_limit_stays_violated() -> None:
    program = build(REFCOUNT, "small", LEAKS_ON_REFUSAL)
    found = rows(program, Limits(seconds=1e-9))
    assert found["refusal-changes-nothing"].verdict is Verdict.VIOLATED
    assert found[CRASH].verdict is Verdict.BOUNDED


def test_an_interrupt_leaves_what_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr(packed, "explore", lambda *_: None)
    monkeypatch.setattr(_Search, "_limited", interrupt)
    limits = Limits()
    found = rows(build(MUTEX, "small"), limits)
    assert limits.interrupted
    assert found[CRASH].verdict is Verdict.BOUNDED
    assert found[CRASH].states == 3


def test_progress_is_told() -> None:
    told: list[Progress] = []
    explore(build(OBJECT_LIFETIME, "S"), limits=Limits(progress=told.append))
    assert told
    assert told[-1].states <= 77_017
    assert all(item.rate > 0 for item in told)


def test_renaming_leaves_one_of_each_set_of_states_that_differ_in_names() -> None:
    found = explore(build(QUEUE, "small"))
    patterns = {(), (1,), (1, 1), (1, 2), (1, 1, 1), (1, 1, 2), (1, 2, 1), (1, 2, 2)}
    assert found.states == len(patterns)
    three = build(QUEUE, "small", values={"Item": 3})
    assert explore(three).states == len(patterns) + 1
    assert explore(three, symmetry=False).states == 1 + 3 + 9 + 27


def test_the_representative_numbers_values_as_they_occur() -> None:
    symmetry = Symmetry("Item", 3, ((1, 4), (5, 6)))
    assert symmetry.canonical(bytes([3, 0, 3, 1, 3, 2])) == bytes([3, 0, 1, 2, 3, 3])
    assert renaming(bytes([2, 2, 1]))[:4] == bytes([0, 2, 1, 3])


def test_an_unused_machine_of_every_construct_can_be_explored_for_a_while() -> None:
    program = build(ODD, "small")
    found = rows(program, Limits(seconds=1.5))
    for row in found.values():
        if row.violation is not None:
            assert replayed(program, row.violation)
    assert found[CRASH].verdict is Verdict.VIOLATED


class Colour(Sort):
    """Data."""


class Pair(State):
    """Two values."""

    left: Colour
    right: Colour


def swap(s: Pair, new: Colour) -> None:
    """The left one moves to the right, a different one takes its place."""
    require(s.left != NULL and new != s.left)
    s.right = s.left
    s.left = new


@sometimes
def different(s: Pair) -> bool:
    """Two colours."""
    return s.left != s.right


@invariant(witness=different)
def same(s: Pair, colour: Colour) -> bool:
    """What is on the right is on the left."""
    return s.right != colour or s.left == colour


def only_same(s: Pair, left: Colour) -> None:
    """Twice any one."""
    s.left = left
    s.right = left


PAIR = Machine("pair", Pair, only_same, (swap,), {"small": Bounds({"Colour": 3})},
               invariants=(same,))


def test_a_trace_up_to_renaming_is_a_real_run() -> None:
    program = build(PAIR, "small")
    row = rows(program)["same"]
    assert row.violation is not None
    assert replayed(program, row.violation)
    assert row.detail == "in 1 step; up to renaming of Colour"


@overrides(put)
def keep_shared(s: Heap, holder: Id[Holder]) -> None:
    """A holder lets go only of what nobody else holds."""
    require(s.holders[holder].holds != NONE)
    require(s.objects[s.holders[holder].holds].references == 1)
    release(s, s.holders[holder].holds)
    s.holders[holder].holds = NONE


def enter_impatiently(s: Mutex, process: Id[Process]) -> None:
    """No patience at all."""
    limit(s.locked, "patience")
    s.processes[process].inside = True


CUT_MUTEX = Machine(
    "cut-mutex", Mutex, MUTEX.init, (enter_impatiently, leave), MUTEX.bounds,
    sometimes=(somebody_inside,),
)


def test_of_equally_short_traces_the_one_with_fewest_faults_is_shown() -> None:
    variant = VARIANTS["vtd-rfcv3"]
    program = build(complete(MACHINES[variant.machine]), variant.bounds, variant)
    row = rows(program, names=frozenset({"no-leaked-object"}))["no-leaked-object"]
    assert row.violation is not None
    assert replayed(program, row.violation)
    assert [(step.action, step.values, step.fault) for step in row.violation.steps] == [
        ("plug", (1,), 0),
        ("gcmd_translation_enable", (1,), 0),
        ("pasid_cache_invalidate", (1, 1, 1, 1), 0),
        ("pasid_cache_invalidate", (1, 1, 1, 2), 0),
    ]


def risky(s: Mutex, process: Id[Process]) -> None:
    """Crashes whenever it is enabled."""
    check_it(s.processes[process].inside, "nobody is inside")


RISKY_MUTEX = Machine(
    "risky-mutex", Mutex, MUTEX.init, (risky, enter_impatiently), MUTEX.bounds,
    sometimes=(somebody_inside,),
)


def test_an_action_that_only_crashes_does_not_fire() -> None:
    program = build(replace(RISKY_MUTEX, actions=(risky,)), "small")
    found = explore(program, ALL)
    assert found.fired["risky"] == found.crashed["risky"] > 0
    row = rows(program)[ACTIONS]
    assert row.verdict is Verdict.VIOLATED
    assert "risky" in row.detail


def test_a_guard_that_is_false_in_a_helper_leaves_nothing_of_the_step() -> None:
    program = build(LATE, "small")
    found = explore(program)
    bounds = program.bounds
    figures = (found.states, found.transitions, found.depth)
    assert figures == (bounds.states, bounds.transitions, bounds.depth)

"""Which steps a state allows, held against trying everything; and the choices of `fresh`."""

from __future__ import annotations

import itertools
from enum import IntEnum

import pytest

from spec.language import (
    NONE,
    Bounds,
    Fault,
    Id,
    Machine,
    Program,
    Record,
    State,
    Table,
    build,
    check,
    fresh,
    host_call,
    limit,
    require,
)
from spec.language.program import Kind
from spec.language.steps import Step, steps, steps_of, take
from spec.machines import MACHINES
from tests.toys.refcount import LEAKS_ON_REFUSAL, REFCOUNT


class Errno(IntEnum):
    """What the host answers."""

    OK = 0
    EIO = 5


class Cup(Record):
    """A cup is full or not."""

    full: bool


class Bar(State):
    """Some cups, and whether the tap works."""

    tap: bool
    cups: Table[Cup]


def init(s: Bar) -> None:
    """All cups are empty."""


@host_call("open ({ret})", fails=Errno.EIO)
def opened(s: Bar, fault: Fault) -> Errno:
    """The tap is opened."""
    s.tap = True
    return Errno.OK


@host_call("pour {cup} ({ret})", fails=Errno.EIO)
def poured(s: Bar, cup: Id[Cup], fault: Fault) -> Errno:
    """A cup is filled, which must be empty."""
    check(not s.cups[cup].full, "spilt")
    s.cups[cup].full = True
    return Errno.OK


@host_call("wait ({ret})", fails=Errno.EIO)
def waited(s: Bar, fault: Fault) -> Errno:
    """Waits for all cups to be full."""
    require(all(c.full for c in s.cups))
    return Errno.OK


def guard_behind(s: Bar, fault: Fault) -> Errno:
    """A guard stands behind a host call."""
    ret = opened(s, fault)
    require(ret != Errno.OK)
    return ret


def check_inside(s: Bar, cup: Id[Cup], fault: Fault) -> Errno:
    """The second pouring fails a check inside the host call."""
    poured(s, cup, fault)
    return poured(s, cup, fault)


def guard_inside(s: Bar, fault: Fault) -> Errno:
    """A guard is false inside a host call."""
    return waited(s, fault)


def cut_behind(s: Bar, fault: Fault) -> Errno:
    """A bound is met behind a host call."""
    ret = opened(s, fault)
    limit(ret != Errno.OK, "patience")
    return ret


def crash_first(s: Bar, cup: Id[Cup], fault: Fault) -> Errno:
    """A check may fail before any host call."""
    check(cup != 2, "the second cup is broken")
    return poured(s, cup, fault)


def bar(*actions: object) -> Program:
    machine = Machine("bar", Bar, init, actions, {"small": Bounds({"cups": 3})})  # type: ignore[arg-type]
    return build(machine, "small")


def kinds(program: Program) -> list[tuple[Step, Kind]]:
    state = program.initial()[0]
    return [(step, outcome.kind) for step, outcome in steps(program, state)]


def test_a_call_before_a_false_guard_can_fail() -> None:
    assert kinds(bar(guard_behind)) == [(Step("guard_behind", (), 1), Kind.DONE)]


def test_a_call_in_which_a_check_fails_can_fail_itself() -> None:
    found = [kind for step, kind in kinds(bar(check_inside)) if step.values == (1,)]
    assert found == [Kind.CRASH, Kind.DONE, Kind.DONE]


def test_a_call_in_which_a_guard_is_false_can_fail_itself() -> None:
    assert kinds(bar(guard_inside)) == [(Step("guard_inside", (), 1), Kind.DONE)]


def test_a_call_before_a_cut_can_fail() -> None:
    assert [kind for _, kind in kinds(bar(cut_behind))] == [Kind.CUT, Kind.DONE]


def test_a_fault_that_no_call_consumed_disables_whatever_else_happens() -> None:
    program = bar(crash_first)
    state = program.initial()[0]
    assert [step.fault for step, _ in steps(program, state)] == [0, 1, 0, 0, 1]
    assert take(program, state, Step("crash_first", (2,), 1)).kind is Kind.DISABLED


@pytest.mark.parametrize(
    "program",
    [
        bar(guard_behind, check_inside, guard_inside, cut_behind, crash_first),
        build(REFCOUNT, "small", LEAKS_ON_REFUSAL),
        build(MACHINES["object-lifetime"], "small"),
        build(
            MACHINES["iommufd-objects"], "small", values={"slots": 3, "devices": 1, "groups": 1}
        ),
    ],
    ids=["bar", "refcount", "object-lifetime", "iommufd-objects"],
)
def test_the_steps_are_those_that_trying_every_fault_finds(program: Program) -> None:
    for state in some_states(program, 60):
        tried = [
            (Step(rule.name, values, fault), outcome)
            for rule in program.actions
            for values in rule.instances(program.layout)
            for fault in range(20 if rule.fault else 1)
            if (outcome := program.run(rule, state, values, fault)).kind is not Kind.DISABLED
        ]
        found = list(steps(program, state))
        assert [step for step, _ in found] == [step for step, _ in tried]
        for (_, one), (_, other) in zip(found, tried, strict=True):
            told = [(x.kind, x.state, x.result, x.why, x.begun) for x in (one, other)]
            assert told[0] == told[1]


def some_states(program: Program, number: int) -> list[bytes]:
    """The first states that a search by breadth comes to."""
    found = dict.fromkeys(program.initial())
    for state in itertools.islice(iter_growing(program, found), number):
        assert state in found
    return list(found)[:number]


def iter_growing(program: Program, found: dict[bytes, None]) -> list[bytes]:
    waiting = list(found)
    for state in waiting:
        if len(found) > 300:
            break
        for _, outcome in steps(program, state):
            if outcome.kind is Kind.DONE and outcome.state not in found:
                found[outcome.state] = None
                waiting.append(outcome.state)
    return waiting


def fill_two(s: Bar, fault: Fault) -> Errno:
    """Two empty cups are filled."""
    one = fresh(c.id for c in s.cups if not c.full)
    require(one != NONE)
    ret = poured(s, one, fault)
    if ret != Errno.OK:
        return ret
    other = fresh(c.id for c in s.cups if not c.full)
    require(other != NONE)
    return poured(s, other, fault)


def ids_of(found: list[Step], fault: int) -> list[tuple[int, ...]]:
    return [step.ids for step in found if step.fault == fault]


def test_fresh_takes_the_first_and_if_relaxed_each() -> None:
    program = bar(fill_two)
    state = program.initial()[0]
    assert ids_of([step for step, _ in steps(program, state)], 0) == [()]
    every = dict(steps(program, state, relaxed=["cups"]))
    assert ids_of(list(every), 0) == [(), (1, 3), (2, 1), (2, 3), (3, 1), (3, 2)]
    assert ids_of(list(every), 1) == [(), (2,), (3,)]
    assert ids_of(list(every), 2) == ids_of(list(every), 0)
    quiet = [outcome for step, outcome in every.items() if not step.fault]
    assert {outcome.state for outcome in quiet} == {
        bytes([0, *cups]) for cups in ([1, 1, 0], [1, 0, 1], [0, 1, 1])
    }


def test_a_step_with_ids_can_be_taken_again() -> None:
    program = bar(fill_two)
    state = program.initial()[0]
    for step, outcome in steps(program, state, relaxed=["cups"]):
        again = take(program, state, step)
        assert (again.kind, again.state, again.result) == (
            outcome.kind, outcome.state, outcome.result
        )


@pytest.mark.parametrize("ids", [(4,), (1, 1), (2, 3, 1)], ids=["no-row", "taken", "too-many"])
def test_ids_that_no_call_could_take_disable_the_step(ids: tuple[int, ...]) -> None:
    program = bar(fill_two)
    assert take(program, program.initial()[0], Step("fill_two", (), 0, ids)).kind is Kind.DISABLED


def test_where_one_row_is_left_there_is_no_choice() -> None:
    program = bar(fill_two)
    state = bytes([0, 1, 0, 0])
    found = list(steps_of(program, state, program.action("fill_two"), relaxed=["cups"]))
    assert ids_of([step for step, _ in found], 0) == [(), (3,)]


def test_a_rule_evaluated_between_relaxed_runs_sees_the_first_row() -> None:
    program = bar(fill_two)
    state = program.initial()[0]
    assert take(program, state, Step("fill_two", (), 0, (3, 2))).kind is Kind.DONE
    assert take(program, state, Step("fill_two", ())).state == bytes([0, 1, 1, 0])


class Shelf(State):
    """Cups, and others behind glass."""

    cups: Table[Cup]
    behind: Table[Glass]


class Glass(Record):
    """A cup behind glass, beside another."""

    broken: bool
    beside: Id[Cup]


def clear(s: Shelf) -> None:
    """Nothing is full, broken or beside anything."""


def take_both(s: Shelf) -> None:
    """One of each is taken."""
    glass = fresh(g.id for g in s.behind if not g.broken)
    cup = fresh(c.id for c in s.cups if not c.full)
    require(glass != NONE and cup != NONE)
    s.behind[glass].broken = True
    s.behind[glass].beside = cup
    s.cups[cup].full = True


def take_beside(s: Shelf) -> None:
    """A cup behind glass that is beside none that is full; for one beside none a check fails."""
    glass = fresh(g.id for g in s.behind if not s.cups[g.beside].full)
    require(glass != NONE)
    s.behind[glass].broken = True


def shelf() -> Program:
    bounds = {"small": Bounds({"cups": 2, "behind": 2})}
    return build(Machine("shelf", Shelf, clear, (take_both, take_beside), bounds), "small")


@pytest.mark.parametrize(
    ("relaxed", "ids"),
    [
        ((), [()]),
        (("cups",), [(), (1, 2)]),
        (("behind",), [(), (2, 1)]),
        (("cups", "behind"), [(), (1, 2), (2, 1), (2, 2)]),
    ],
)
def test_only_of_relaxed_tables_another_row_is_taken(
    relaxed: tuple[str, ...], ids: list[tuple[int, ...]]
) -> None:
    program = shelf()
    found = steps_of(program, program.initial()[0], program.action("take_both"), relaxed)
    assert [step.ids for step, _ in found] == ids


def test_that_a_later_row_fails_is_seen_by_who_may_take_any() -> None:
    program = shelf()
    action, state = program.action("take_beside"), bytes([0, 0, 0, 0, 1, 0])
    assert [(x.ids, y.kind) for x, y in steps_of(program, state, action)] == [((), Kind.DONE)]
    relaxed = list(steps_of(program, state, action, relaxed=("behind",)))
    assert [(x.ids, y.kind) for x, y in relaxed] == [((), Kind.DONE), ((0,), Kind.CRASH)]
    assert take(program, state, relaxed[1][0]).why == "null dereference: cups"
    for step, outcome in steps_of(program, bytes(6), action, relaxed=("behind",)):
        assert (step.ids, outcome.kind) == ((), Kind.CRASH)

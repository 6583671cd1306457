"""Generated code does what the functions themselves do, in every state."""

from __future__ import annotations

import random
from array import array

import pytest

from checkers.explicit.driver import Expand, Options, expander
from checkers.explicit.instances import Instances
from checkers.explicit.judge import broken_in, failure_judge, judge_of
from checkers.explicit.lower import Lowering
from invariants import complete
from spec.iommufd.object_lifetime import OBJECT_LIFETIME
from spec.language import Machine, Program, Variant, build
from spec.language.control import Crash, Cut, Disabled
from spec.language.program import Kind, Linked
from tests.checkers.explicit.odd import ODD
from tests.checkers.explicit.reading import random_state, runs, successors
from tests.toys.mutex import MUTEX
from tests.toys.queue import QUEUE, STANDS_STILL
from tests.toys.refcount import FREES_WHILE_HELD, LEAKS_ON_REFUSAL, REFCOUNT

PROGRAMS: list[tuple[Machine, Variant | None]] = [
    (MUTEX, None), (QUEUE, None), (QUEUE, STANDS_STILL), (REFCOUNT, None),
    (REFCOUNT, FREES_WHILE_HELD), (REFCOUNT, LEAKS_ON_REFUSAL), (ODD, None),
    (complete(OBJECT_LIFETIME), None),
]
NAMES = [f"{machine.name}-{variant.name if variant else ''}" for machine, variant in PROGRAMS]
STATES = 120


@pytest.fixture(params=PROGRAMS, ids=NAMES)
def program(request: pytest.FixtureRequest) -> Program:
    machine, variant = request.param
    return build(machine, "small", variant)


def lowered_run(
    lowering: Lowering, rule: Linked, state: bytes, values: tuple[int, ...], fault: int
) -> tuple[Kind, bytes, int, str]:
    cells = bytearray(state)
    lowering.fault[:] = [fault]
    try:
        result = lowering.root(rule)(cells, *values)
    except Disabled:
        return Kind.DISABLED, state, 0, ""
    except Cut as cut:
        return Kind.CUT, state, 0, cut.bound
    except Crash as crash:
        return Kind.CRASH, bytes(cells), 0, crash.why
    return Kind.DONE, bytes(cells), int(result or 0), ""


def test_a_lowered_action_ends_as_the_action_does(program: Program) -> None:
    lowering, source, kinds = Lowering(program), random.Random(1), set()
    for _ in range(STATES):
        state = random_state(program, source)
        for rule in program.actions:
            values = source.choice(list(rule.instances(program.layout)))
            for fault, outcome in runs(program, rule, state, values):
                found = lowered_run(lowering, rule, state, values, fault)
                expected = (outcome.kind, outcome.state, outcome.result, outcome.why)
                assert found == expected, (rule.name, state, values, fault)
                kinds.add(outcome.kind)
    if program.machine is ODD:
        assert kinds == set(Kind)


def expanded(
    program: Program, expand: Expand, state: bytes
) -> tuple[list[bytes], int, list[str], list[str], list[tuple[bytes, bytes]]]:
    fired = [0] * len(program.actions)
    fresh: list[bytes] = []
    cuts: list[str] = []
    crashes: list[str] = []
    failures: list[tuple[bytes, bytes]] = []
    expand(
        [state], 0, {state: state}, fresh, array("I"), array("Q"), fired, cuts.append,
        lambda _n, _code, why: crashes.append(why),
        lambda _n, _code, before, after: failures.append((before, after)),
        array("H"), array("Q"),
    )
    return fresh, sum(fired), crashes, cuts, failures


def test_the_loop_makes_exactly_the_successors(program: Program) -> None:
    lowering, source = Lowering(program), random.Random(2)
    rules = [rule for rule in program.invariants.values() if rule.states == 2]
    failure_judge(lowering, rules)
    teardown = frozenset(program.teardown_actions)
    expand = expander(lowering, Instances(program), Options((), bool(rules), teardown))
    for _ in range(STATES // 6):
        state = random_state(program, source)
        fresh, fired, crashes, cuts, failures = expanded(program, expand, state)
        states, steps, expected_crashes, expected_cuts = successors(program, state)
        assert set(fresh) == states - {state}
        assert (fired, sorted(crashes), sorted(cuts)) == (
            steps, sorted(expected_crashes), sorted(expected_cuts)
        )
        names = [name for name, rule in program.invariants.items() if rule.states == 2]
        assert all(broken_in(program, names, before, after) for before, after in failures)


def test_the_judge_finds_the_states_that_break_a_rule(program: Program) -> None:
    lowering, source = Lowering(program), random.Random(3)
    names = [name for name, rule in program.invariants.items() if rule.states == 1]
    states = [random_state(program, source) for _ in range(STATES)]
    judge = judge_of(lowering, [program.invariants[name] for name in names], program.empty)
    empties: list[int] = []
    found, place = [], judge(states, 0, empties)
    while place < len(states):
        found.append(place)
        place = judge(states, place + 1, empties)
    assert found == [n for n, state in enumerate(states) if broken_in(program, names, state)]
    if program.empty is not None:
        expected = [n for n, s in enumerate(states) if program.evaluate(program.empty, s)]
        assert empties == expected


@pytest.mark.parametrize("name", ["calm", "looped"])
def test_each_rule_of_odd_alone(name: str) -> None:
    program = build(ODD, "small")
    lowering, source = Lowering(program), random.Random(4)
    judge = judge_of(lowering, [program.invariants[name]], None)
    states = [random_state(program, source) for _ in range(60)]
    for state in states:
        assert (judge([state], 0, []) == 0) == bool(broken_in(program, [name], state))

"""One block of random states: the same successors, crashes and cuts as running each one."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from checkers.columns.expander import Expander
from checkers.columns.judging import Judge
from checkers.columns.packing import Numbers, Packing, turned
from checkers.columns.taken import Taken
from checkers.frontend.merge import Merger
from invariants import complete
from spec.language import Program, Variant, build, overriding
from spec.machines import MACHINES
from spec.variants import VARIANTS
from tests.checkers.explicit.odd import ODD
from tests.checkers.explicit.reading import random_state, successors
from tests.checkers.explicit.test_engine import keep_shared
from tests.toys.mutex import MUTEX
from tests.toys.queue import QUEUE
from tests.toys.refcount import FREES_WHILE_HELD, REFCOUNT

LIFETIMES = complete(MACHINES["object-lifetime"])
HWPT_SHARING = complete(MACHINES["hwpt-sharing"])
RFC = VARIANTS["vtd-rfcv3"]
KEEPS = Variant("keeps", "refcount", overriding(keep_shared))

PROGRAMS = [
    build(MUTEX, "small"), build(QUEUE, "small"), build(REFCOUNT, "small"),
    build(REFCOUNT, "small", FREES_WHILE_HELD), build(REFCOUNT, "small", KEEPS),
    build(ODD, "small"), build(LIFETIMES, "small"), build(LIFETIMES, "B"),
    build(HWPT_SHARING, "fds"), build(HWPT_SHARING, "small", RFC),
]
STATES = 100


def named(program: Program) -> str:
    variant = f"-{program.variant.name}" if program.variant else ""
    return f"{program.machine.name}-{program.bounds_name}{variant}"


def packed(program: Program) -> Packing:
    return Packing(Merger(program))


@pytest.fixture(params=PROGRAMS, ids=named)
def program(request: pytest.FixtureRequest) -> Program:
    found = request.param
    assert isinstance(found, Program)
    return found


def test_a_packed_state_is_the_same_unpacked(program: Program) -> None:
    packing, source = packed(program), random.Random(3)
    states = [random_state(program, source) for _ in range(STATES)]
    assert packing.states(packing.rows(states)) == states


def test_a_block_goes_where_its_states_go(program: Program) -> None:
    packing, source = packed(program), random.Random(4)
    states = [random_state(program, source) for _ in range(STATES)]
    rows = packing.rows(states)
    after: list[set[bytes]] = [set() for _ in states]
    steps: Counter[int] = Counter()
    ends: list[list[tuple[str, str]]] = [[] for _ in states]

    def note(sources: Numbers) -> None:
        steps.update(sources.tolist())

    expander = Expander(packing, list(enumerate(program.actions)), ())
    for what in expander.expand(rows, turned(rows)):
        if isinstance(what, Taken):
            note(what.sources)
            for place, state in zip(what.sources, packing.states(what.rows), strict=True):
                after[place].add(state)
            for place, run in zip(what.sources[:5], what.runs[:5], strict=True):
                step = what.step(int(run))
                outcome = program.run(
                    program.action(step.action), states[place], step.values, step.fault
                )
                assert outcome.state in after[place]
        else:
            if what.kind == "check":
                note(what.sources)
            for place in what.sources:
                ends[place].append((what.kind, what.why))
    for place, state in enumerate(states):
        expected, count, crashes, cuts = successors(program, state)
        assert after[place] == expected
        assert steps[place] == count
        every = [("check", why) for why in crashes] + [("limit", why) for why in cuts]
        assert sorted(ends[place]) == sorted(every)


def test_a_block_is_judged_as_its_states_are(program: Program) -> None:
    packing, source = packed(program), random.Random(5)
    states = [random_state(program, source) for _ in range(STATES)]
    judge = Judge(program, packing, list(program.invariants))
    broken, seen, ranked = judge.look(turned(packing.rows(states)))
    for name in judge.always:
        rule = program.invariants[name]
        false = [
            place for place, state in enumerate(states)
            if not all(
                program.evaluate(rule, state, values=values)
                for values in rule.instances(program.layout)
            )
        ]
        assert (broken[name].tolist() if name in broken else []) == false
    for name, rule in program.witness_rules.items():
        assert (name in seen) == any(program.evaluate(rule, state) for state in states)
    if program.empty is not None:
        assert ranked[0].tolist() == [bool(program.evaluate(program.empty, x)) for x in states]

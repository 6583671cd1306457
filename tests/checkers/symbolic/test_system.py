"""A proof takes large actions case by case, and leaves out what no state reaches."""

from __future__ import annotations

import itertools
import pickle

import pytest

from checkers.symbolic.cases import Cases
from checkers.symbolic.induction import POSSIBLE, Task, run_task, tasks
from checkers.symbolic.states import Case
from checkers.symbolic.system import Given, System
from invariants import complete
from spec.language import build
from spec.machines import MACHINES
from spec.vtd.state import Pgtt
from tests.checkers.reachable import reachable


@pytest.fixture(scope="module")
def system() -> System:
    return System(build(complete(MACHINES["hwpt-sharing"]), "small"), relaxed=True)


def cases_of(system: System, name: str, given: Given) -> list[Case]:
    """The cases of an action with these parameters."""
    every = Cases(system).of(system.program.action(name))
    return [case for values, case in every if values == given]


def test_an_action_with_many_host_calls_is_taken_in_cases_that_the_invariants_allow(
    system: System,
) -> None:
    """By the kind of the row it is about, and by which containers are in use; SLT never is."""
    cases = cases_of(system, "pasid_cache_invalidate", (2, int(Pgtt.PT), None, None))
    assert [[(node.value, value) for node, value in case] for case in cases] == [
        [("address_spaces[2].pgtt", int(pgtt)), ("containers[1].iommufd", fd)]
        for pgtt in (Pgtt.NONE, Pgtt.FLT, Pgtt.PT) for fd in (0, 1)
    ]


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("plug", (None,)), ("memory_map_change", ()),
        ("gcmd_translation_enable", (None,)), ("pasid_cache_invalidate", (1, 0, None, None)),
    ],
)
def test_an_action_with_few_host_calls_is_taken_whole(
    system: System, name: str, given: Given
) -> None:
    """With all parameters at a time, or, if some values lead to many calls, with the others."""
    assert cases_of(system, name, given) == [()]


def test_every_reachable_state_is_in_one_case(system: System) -> None:
    program = system.program
    cases = cases_of(system, "pasid_cache_invalidate", (1, int(Pgtt.FLT), None, None))
    where = system.merger.where
    for state in itertools.islice(reachable(program), 0, None, 97):
        holding = [
            case for case in cases
            if all(state[where[x][0].offset(where[x][1])] == value for x, value in case)
        ]
        assert len(holding) == 1


def test_a_condition_that_only_a_choice_contradicts_is_impossible(system: System) -> None:
    g = system.graph
    kind = next(x for x in system.state if x.value == "address_spaces[1].pgtt")
    lock = next(x for x in system.state if x.value == "iommu_lock")
    flt, pt = (g.const(int(x), kind.type) for x in (Pgtt.FLT, Pgtt.PT))
    later = g.ite(lock, flt, kind)
    assert system.possible(g.eq(later, pt))
    assert not system.possible(g.and_(lock, g.eq(later, pt)))


def test_what_cannot_be_reached_is_not_merged(system: System) -> None:
    rule = system.program.action("pasid_cache_invalidate")
    node = next(x for x in system.state if x.value == "address_spaces[1].pgtt")
    bound = system.under(((node, int(Pgtt.PT)),))
    given = (1, int(Pgtt.PT), None, None)
    pruned = len(system.merger.action(rule, given, before=bound.state).crashes)
    whole = len(System(system.program).merger.action(rule, given).crashes)
    assert 0 < pruned < whole


def test_a_case_that_comes_from_another_process_is_pruned_as_much(system: System) -> None:
    task = next(item for item in tasks(system) if item.case)
    sent = pickle.loads(pickle.dumps(task))
    rule = system.program.action(task.action)
    steps = [
        system.merger.action(rule, x.given, before=system.under(system.own(x.case)).state)
        for x in (task, sent)
    ]
    assert steps[0].crashes == steps[1].crashes
    assert steps[0].next == steps[1].next


def test_a_task_says_which_case_it_is(system: System) -> None:
    task = next(item for item in tasks(system) if item.case)
    assert str(task) == (
        "pasid_cache_invalidate(1, 1, *, *) if address_spaces[1].pgtt = NONE "
        "and containers[1].iommufd = 0"
    )


def test_every_action_is_asked_whether_it_can_happen_until_it_can(system: System) -> None:
    own = System(system.program, relaxed=True)
    for _ in range(2):
        answers = run_task(own, Task("step", "plug", (None,)), 0.0)
        assert [x.status for x in answers if x.rule == POSSIBLE] == ["holds"]
        assert own.enabled == {"plug"}

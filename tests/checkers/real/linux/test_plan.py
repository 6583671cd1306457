"""Which calls a batch makes, and what its records stand for."""

from __future__ import annotations

from collections import Counter

import pytest

from checkers import machines
from checkers.explore.symmetry import orbit_least, symmetry
from checkers.machines import machine, program
from checkers.real.linux.batch import EACH_ALLOCATION, Call, Flag, Op
from checkers.real.linux.calls import CALLS, NO_CALLS, Kernel
from checkers.real.linux.compare import compared
from checkers.real.linux.plan import (
    Plan,
    begun,
    calls_at,
    every_state,
    for_want_of_memory,
    some_states,
)
from checkers.result import Renaming
from checkers.userfiles import InputError
from spec.iommufd.objects import Errno
from spec.language.steps import Step, take

OBJECTS = machine("iommufd-objects")
SMALL = program(OBJECTS, "small,slots=2,devices=1")


@pytest.fixture(scope="module")
def plan() -> Plan:
    return every_state(Kernel(SMALL))


def state_after(*steps: tuple[str, tuple[int, ...]]) -> bytes:
    (state,) = SMALL.initial()
    for action, values in steps:
        state = take(SMALL, state, Step(action, values)).state
    return state


def asked(state: bytes, op: Op) -> list[Call]:
    return [made.call for made in calls_at(Kernel(SMALL), state, Counter()) if made.call.op is op]


def test_every_action_is_a_call_or_says_why_not() -> None:
    assert {action.name for action in SMALL.actions} == {*CALLS} | {*NO_CALLS}
    assert not {*CALLS} & {*NO_CALLS}


def test_every_state_is_visited_once_and_is_reached(plan: Plan) -> None:
    assert len(plan.visits) == len(plan.states) == len({*plan.states}) > 10
    for node, state in enumerate(plan.states):
        reached = state_after(*((step.action, step.values) for step in plan.path(node)))
        assert reached in (state, state_after())


def test_states_that_differ_in_ids_are_visited_once(plan: Plan) -> None:
    alike = orbit_least(SMALL.layout, symmetry(SMALL, Renaming.IDS))
    fewer = every_state(Kernel(SMALL), alike)
    assert len(fewer.visits) < len(plan.visits)
    assert {alike(fewer.states[node]) for _, node in fewer.visits} <= {*map(alike, plan.states)}


def test_a_record_is_found_again(plan: Plan) -> None:
    made = None
    for place, (call, node) in enumerate(plan.batch.calls()):
        at, found = plan.visited(place)
        if call.op is Op.GO:
            assert found is None
            assert at == node
        elif call.op is Op.LOOK:
            assert found is not None
            assert found.call == made
            assert plan.states[node] == found.after
        else:
            assert found is not None
            assert found.call == call
            made = call


def test_answers_are_errno_and_id() -> None:
    (made,) = asked(state_after(), Op.IOAS)
    assert made == Call(Op.IOAS, flags=Flag.CHANGES, answer=1)
    bound = state_after(("bind", (1,)), ("ioas_alloc", ()))
    assert Call(Op.ATTACH, id=1, error=Errno.EINVAL) in asked(bound, Op.ATTACH)
    assert Call(Op.DESTROY, id=1, error=Errno.EBUSY) in asked(bound, Op.DESTROY)


def test_a_fault_is_one_that_the_kernel_can_have() -> None:
    bound = state_after(("bind", (1,)))
    faults = [call for call in asked(bound, Op.INFO) if call.fault]
    assert [call.error for call in faults] == [Errno.ENOMEM]
    assert not [call for call in asked(bound, Op.BIND) if call.fault]


def test_for_want_of_memory_only_what_succeeds_is_called() -> None:
    plan = some_states(Kernel(SMALL), 3, 10, 0, for_want_of_memory)
    calls = [call for call, _ in plan.batch.calls() if call.op > Op.LOOK]
    assert calls
    assert {(call.fault, call.error) for call in calls} == {(EACH_ALLOCATION, 0)}
    assert Op.CLOSE not in {call.op for call in calls}


def test_random_runs_are_the_same_for_the_same_seed() -> None:
    plans = (some_states(Kernel(SMALL), 3, 10, seed) for seed in (1, 1, 2))
    one, same, other = (plan.batch.packed() for plan in plans)
    assert one == same != other


DONE = "done calls=9 looks=5 differ=1 unreached=0 failed=0 visits=3"


def test_a_difference_is_the_shortest_way_to_it(plan: Plan) -> None:
    places = [i for i, (call, _) in enumerate(plan.batch.calls()) if call.op is Op.IOAS]
    said = [f"call {place} 12 0" for place in reversed(places)]
    found = compared(plan, [*said, DONE])
    (what,) = found.differences
    assert what == "ioas_alloc: ENOMEM, not 0"
    assert len(found.differences[what]) == len(places)
    assert found.differences[what][0].steps == (Step("ioas_alloc", ()),)
    assert found.differences[what][0].linux == "ENOMEM"
    assert found.counts["calls"] == 9


def test_what_is_seen_otherwise_is_named(plan: Plan) -> None:
    place = next(i for i, (call, _) in enumerate(plan.batch.calls()) if call.op is Op.IOAS)
    seen = bytearray(plan.kernel.look(state_after(("ioas_alloc", ()))))
    seen[1] += 1
    found = compared(plan, [f"look {place + 1} {seen.hex()}", f"left {place} 2 {seen.hex()}", DONE])
    assert [*found.differences] == [
        "after ioas_alloc: users of IOAS +1",
        "ioas_alloc with its allocation 2 failing leaves IOAS, not FREE",
    ]


def test_what_a_failing_host_call_leaves_in_a_variant_may_be_left_for_want_of_memory() -> None:
    released = machines.variants()["linux-7.3-unreserved"]
    steps = (
        ("bind", (1,)), ("ioas_alloc", ()), ("hwpt_alloc_on_ioas", (1, 2, 0, 0, 0)),
        ("attach", (1, 0, 3)),
    )  # fmt: skip
    for of, differ in ((None, 1), (released, 0)):
        bounds = "reserved,slots=4,devices=1"
        plan = begun(Kernel(program(OBJECTS, bounds, of)), for_want_of_memory)
        node = 0
        for action, values in steps:
            every = calls_at(plan.kernel, plan.states[node], Counter())
            made = next(made for made in every if made.step == Step(action, values))
            node = plan.after(node, made)
        plan.visit(node)
        replaced = next(
            place
            for place, (call, _) in enumerate(plan.batch.calls())
            if call.op is Op.REPLACE and call.id == 2
        )
        seen = bytearray(plan.kernel.look(plan.states[node]))
        seen[3 * (2 - 1) + 2] = 0
        found = compared(plan, [f"left {replaced} 3 {seen.hex()}", DONE])
        assert sum(map(len, found.differences.values())) == differ


def test_a_warning_says_where(plan: Plan) -> None:
    place = next(i for i, (call, _) in enumerate(plan.batch.calls()) if call.op is Op.IOAS)
    assert compared(plan, [f"warned {place}", DONE]).warnings == ["ioas_alloc()"]


@pytest.mark.parametrize("lines", [[], ["Kernel panic - not syncing"], ["cannot: open /batch: x"]])
def test_a_guest_that_does_not_end_is_no_result(plan: Plan, lines: list[str]) -> None:
    with pytest.raises(InputError, match="did not come to its end"):
        compared(plan, lines)


def test_of_a_group_it_is_the_device_that_asked_whose_request_is_read() -> None:
    kernel = Kernel(program(OBJECTS, "page-requests,devices=2"))
    steps = (
        Step("bind", (1,)), Step("bind", (2,)), Step("ioas_alloc", ()),
        Step("fault_queue_alloc", ()), Step("hwpt_alloc_with_fault", (1, 3, 4, 0)),
        Step("attach", (1, 0, 5)), Step("page_request", (2, 0)),
    )  # fmt: skip
    state = kernel.empty
    for step in steps:
        state = take(kernel.program, state, step).state
    action = [kernel.program.action("page_response")]
    calls = [made.call for made in calls_at(kernel, state, Counter(), action)]
    assert calls == [Call(Op.PAGE_RESPONSE, id=4, flags=Flag.CHANGES, answer=2)]

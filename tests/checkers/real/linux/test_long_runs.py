"""Long random runs, without a kernel."""

from __future__ import annotations

import pytest

from checkers.machines import machine, program
from checkers.real.linux.batch import Flag, Op
from checkers.real.linux.calls import Kernel
from checkers.real.linux.compare import compared
from checkers.real.linux.long_runs import LongRuns, long_runs
from spec.language.steps import take

KERNEL = Kernel(program(machine("iommufd-objects"), "small,slots=8"))
DONE = "done calls=1 looks=1 differ=1 unreached=0 failed=0 visits=1"


@pytest.fixture(scope="module")
def plan() -> LongRuns:
    return long_runs(KERNEL, 2, 600, 0)


def test_calls_are_made_after_each_other(plan: LongRuns) -> None:
    went = [call for call, _ in plan.batch.calls() if call.op is Op.GO]
    assert [call.flags for call in went] == [Flag.RUN, Flag.RUN]
    assert len(plan.made) == 1200
    changing = [made for _, _, made in plan.made if made.changes]
    assert len(changing) > 300
    assert {made.step.action for made in changing} > {"destroy", "attach", "replace", "detach"}
    looks = [node for call, node in plan.batch.calls() if call.op is Op.LOOK]
    after = [made.after for made in changing]
    assert [plan.batch.look_of(node) for node in looks] == [KERNEL.look(state) for state in after]


def test_the_steps_to_a_call_are_those_since_the_last_close(plan: LongRuns) -> None:
    for record, node, made in plan.made:
        assert plan.visited(record) == (node, made)
        state = KERNEL.empty
        for step in plan.path(node):
            state = take(KERNEL.program, state, step).state
        assert state == plan.states[node]


def test_what_differs_has_its_way(plan: LongRuns) -> None:
    record, node, made = next(item for item in plan.made if item[2].step.action == "destroy")
    found = compared(plan, [f"call {record} 77 0", DONE])
    ((one,),) = found.differences.values()
    assert one.steps == (*plan.path(node), made.step)


def test_runs_are_the_same_for_the_same_seed(plan: LongRuns) -> None:
    assert long_runs(KERNEL, 2, 600, 0).batch.packed() == plan.batch.packed()
    assert long_runs(KERNEL, 2, 600, 1).batch.packed() != plan.batch.packed()

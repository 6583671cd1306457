"""What the selftest's operations are asked, and the ids that the kernel has there."""

from __future__ import annotations

from collections import Counter

import pytest

from checkers.machines import machine, program
from checkers.real.linux.batch import EACH_ALLOCATION, Call, Flag, Op, Way
from checkers.real.linux.calls import Kernel
from checkers.real.linux.mocked import (
    BETWEEN,
    DATA,
    HOLDER,
    NO_ENTRY,
    NO_OPERATION,
    OF_THE_DRIVER,
    ONE_PASID,
    Mocked,
)
from checkers.real.linux.plan import (
    NO_ID,
    Made,
    Plan,
    calls_at,
    every_state,
    for_want_of_memory,
    some_states,
)
from checkers.userfiles import InputError
from spec.iommufd.objects import Errno, Kind
from spec.iommufd.uapi.invalidate import Entry
from spec.language.steps import Step, take

OBJECTS = machine("iommufd-objects")
PAIR = program(OBJECTS, "small,groups=2,slots=5")
VIOMMU = program(OBJECTS, "queues,slots=7")

IOAS = Step("ioas_alloc", ())
BOUND = Step("bind", (1,))
ATTACHED = Step("attach", (1, 0, 1))
NESTING = Step("hwpt_alloc_on_ioas", (1, 1, 1, 0, 0))
"""An IOAS, a device, its automatic HWPT, and a nesting parent: 1, 2, 3, 4, and 1, 3, 4, 5 there."""


def reached(kernel: Mocked, *wanted: Step) -> bytes:
    """The state after steps that are calls of the selftest, with the kernel's ids."""
    state = kernel.empty
    for step in wanted:
        state = next(m.after for m in calls_at(kernel, state, Counter()) if m.step == step)
    return state


def asked(kernel: Mocked, *wanted: Step) -> tuple[list[Made], Counter[str]]:
    left_out = Counter[str]()
    return [*calls_at(kernel, reached(kernel, *wanted), left_out)], left_out


def test_between_a_bind_and_its_attach_nothing_else_is_done_or_seen() -> None:
    kernel = Mocked(PAIR)
    made, left_out = asked(kernel, IOAS, BOUND)
    assert {m.call.op for m in made} == {Op.ATTACH}
    assert {(m.call.device, m.call.flags & Flag.PASID, m.call.fault) for m in made} == {(0, 0, 0)}
    assert left_out[BETWEEN]
    assert left_out[OF_THE_DRIVER]
    ioas, bound = reached(kernel, IOAS), reached(kernel, IOAS, BOUND)
    assert kernel.look(ioas) == kernel.look(bound)
    assert kernel.specified(ioas) != kernel.specified(bound)


def test_the_kernel_has_one_object_more_for_a_device() -> None:
    kernel = Mocked(PAIR)
    made, _ = asked(kernel, IOAS, BOUND)
    attach = next(m for m in made if m.step == ATTACHED)
    assert attach.call == Call(Op.ATTACH, 0, 1, Flag.CHANGES, answer=4)
    look = kernel.look(attach.after)
    kinds, paths = look[:21:3], look[21:-1]
    assert [*kinds] == [Kind.IOAS, HOLDER, Kind.DEVICE, Kind.HWPT_PAGING, 0, 0, 0]
    assert [*paths] == [4, 0, 0, 0, 0, 0, 0, 0, 0, 0]
    assert kernel.kind(attach.after, 4) == Kind.HWPT_PAGING
    assert kernel.kind(attach.after, 2) == 0


def test_what_goes_leaves_ids_to_what_comes() -> None:
    kernel = Mocked(PAIR)
    gone = reached(kernel, IOAS, BOUND, ATTACHED, Step("unbind", (1,)), IOAS)
    assert kernel.look(gone)[:6:3] == bytes((Kind.IOAS, Kind.IOAS))
    again = reached(
        kernel, IOAS, BOUND, ATTACHED, Step("unbind", (1,)), IOAS, BOUND, Step("attach", (1, 0, 2))
    )
    assert [*kernel.look(again)[:15:3]] == [
        Kind.IOAS, Kind.IOAS, HOLDER, Kind.DEVICE, Kind.HWPT_PAGING,
    ]  # fmt: skip


def test_calls_name_the_ids_of_the_kernel() -> None:
    kernel = Mocked(PAIR)
    made, left_out = asked(kernel, IOAS, BOUND, ATTACHED)
    calls = {m.step: m.call for m in made if not m.call.flags & Flag.DATA}
    flags = Flag.NEST_PARENT | Flag.CHANGES
    assert calls[NESTING] == Call(Op.HWPT, 3, 1, flags, answer=5)
    assert calls[Step("destroy", (3,))] == Call(Op.DESTROY, id=4, error=Errno.EBUSY)
    nothing = [calls[Step("destroy", (obj,))] for obj in (4, 5)]
    assert [(call.id, call.error) for call in nothing] == [(n, Errno.ENOENT) for n in (5, 6)]
    assert left_out[NO_OPERATION]
    assert Step("detach", (1, 0)) not in calls
    assert calls[Step("detach", (1, 1))] == Call(Op.DETACH, 0, 0, Flag.PASID)


def test_the_habits_of_the_driver_are_asked_for() -> None:
    kernel = Mocked(program(OBJECTS, "small,groups=2,slots=6,can_pasid=2"))
    pasid = Step("hwpt_alloc_on_ioas", (1, 1, 0, 0, 1))
    made, left_out = asked(kernel, IOAS, BOUND, ATTACHED, pasid, Step("replace", (1, 0, 4)))
    attach = next(m for m in made if m.step == Step("attach", (1, 1, 4)))
    assert attach.call == Call(Op.ATTACH, 0, 5, Flag.PASID, error=Errno.EINVAL)
    assert not attach.changes
    assert left_out[ONE_PASID] == 1
    with_data = [m for m in made if m.call.flags & Flag.DATA and m.call.id == 1]
    assert {(m.step.action, m.call.error) for m in with_data} == {
        ("hwpt_alloc_on_ioas", 0), ("hwpt_alloc_nested", Errno.ENOENT),
    }  # fmt: skip
    assert left_out[DATA] == sum(not m.call.error for m in with_data) == 4


def test_an_hwpt_with_data_needs_an_id_as_another_does() -> None:
    small = Mocked(program(OBJECTS, "small,groups=2"))
    full, left_out = asked(small, IOAS, BOUND, ATTACHED, IOAS)
    assert not [m for m in full if m.call.flags & Flag.DATA and not m.call.error]
    assert left_out[NO_ID]


def test_entries_are_those_that_the_driver_has() -> None:
    kernel = Mocked(VIOMMU)
    viommu, vdevice = Step("viommu_alloc", (1, 4)), Step("vdevice_alloc", (5, 1, 1))
    nested = Step("hwpt_alloc_nested", (1, 4, 0, 0, 1))
    before = (IOAS, BOUND, ATTACHED, NESTING, viommu)
    entries: dict[int, set[int]] = {}
    for steps in before, (*before, vdevice), (*before, nested):
        made, left_out = asked(kernel, *steps)
        assert bool(left_out[NO_ENTRY]) is (vdevice not in steps)
        for m in made:
            if m.step.action == "hwpt_invalidate":
                entries.setdefault(m.call.id + 100 * m.call.flags, set()).add(m.call.more)
    of_viommu = 6 + 100 * (2 + 4 * 1)
    assert entries[of_viommu] == {*Entry}
    assert entries[7] >= {*Entry} - {Entry.OF_DEVICE}
    assert 6 not in entries


@pytest.fixture(scope="module")
def plan() -> Plan:
    return every_state(Mocked(program(OBJECTS, "small,devices=1,slots=3")))


def test_every_way_is_one_of_the_specification(plan: Plan) -> None:
    assert plan.batch.machine.way is Way.SELFTEST
    assert plan.batch.machine.slots == 4
    source = plan.kernel.program
    for node, state in enumerate(plan.states):
        (reached,) = source.initial()
        for step in plan.path(node):
            reached = take(source, reached, step).state
        assert plan.kernel.specified(state) in (reached, plan.kernel.specified(plan.kernel.empty))


def test_a_random_run_that_leads_nowhere_begins_again() -> None:
    plan = some_states(Mocked(PAIR), 2, 8, 0, for_want_of_memory)
    calls = [call for call, _ in plan.batch.calls() if call.op > Op.LOOK]
    assert {call.fault for call in calls} == {EACH_ALLOCATION}
    assert len(plan.visits) > 4


@pytest.mark.parametrize(
    "bounds",
    [
        "small", "arm", "small,groups=2,incoherent=1", "hw-queue", "queues,slots=15",
        "queues,mdev=1", "queues,events=1", "page-requests",
    ],
)
def test_devices_that_the_selftest_has_not_are_refused(bounds: str) -> None:
    with pytest.raises(InputError, match="--by selftest: "):
        Mocked(program(OBJECTS, bounds)).machine()
    assert Kernel(program(OBJECTS, bounds)).machine().way is Way.MODULE

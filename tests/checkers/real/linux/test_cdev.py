"""What a user of VFIO asks, and what of the specification there is to be seen that way."""

from __future__ import annotations

from collections import Counter

import pytest

from checkers.machines import machine, program, variant
from checkers.real.linux.batch import Call, Op, Way
from checkers.real.linux.calls import Kernel
from checkers.real.linux.cdev import (
    NO_RIVAL,
    OF_THE_DRIVER,
    OTHER_CALL,
    Cdev,
    where_iommufd_wants_memory,
)
from checkers.real.linux.compare import compared
from checkers.real.linux.plan import begun, calls_at, every_state
from checkers.userfiles import InputError
from spec.iommufd.objects import Errno
from spec.language.program import Program
from spec.language.steps import Step, take

OBJECTS = machine("iommufd-objects")
VT_D = program(OBJECTS, "vt-d,slots=4,rivals=1")
QUEUES = program(OBJECTS, "vt-d-queues")
BOUND = ("bind", (1,))
IOAS = ("ioas_alloc", ())
ATTACHED = ("attach", (1, 0, 2))


def state_after(of: Program, *steps: tuple[str, tuple[int, ...]]) -> bytes:
    (state,) = of.initial()
    for action, values in steps:
        state = take(of, state, Step(action, values)).state
    return state


def asked(of: Program, state: bytes) -> tuple[list[Call], Counter[str]]:
    left_out = Counter[str]()
    return [made.call for made in calls_at(Cdev(of), state, left_out)], left_out


def test_vfio_attaches_what_is_not_attached_and_replaces_what_is() -> None:
    for before, op, other in ((), Op.ATTACH, Op.REPLACE), ((ATTACHED,), Op.REPLACE, Op.ATTACH):
        calls, left_out = asked(VT_D, state_after(VT_D, BOUND, IOAS, *before))
        of_device = [call.op for call in calls if not call.device and not call.flags & 4]
        assert op in of_device
        assert other not in of_device
        assert left_out[OTHER_CALL]


def test_what_a_real_driver_and_a_rival_do_is_left_out() -> None:
    _, left_out = asked(VT_D, state_after(VT_D, BOUND, IOAS))
    assert left_out[OF_THE_DRIVER]
    assert asked(VT_D, state_after(VT_D))[1][NO_RIVAL] == 1


def test_a_look_is_the_ioas_that_each_device_writes_to() -> None:
    kernel = Cdev(VT_D)
    assert kernel.look(kernel.empty) == bytes(2)
    assert kernel.look(state_after(VT_D, BOUND, IOAS, ATTACHED)) == bytes((2, 2))
    left = state_after(VT_D, BOUND, IOAS, ATTACHED, ("detach", (1, 0)))
    assert kernel.look(left) == bytes(2)


def test_a_queue_for_faults_is_refused_without_pri() -> None:
    steps = (BOUND, IOAS, ("fault_queue_alloc", ()), ("hwpt_alloc_with_fault", (1, 2, 3, 0)))
    calls, _ = asked(QUEUES, state_after(QUEUES, *steps))
    assert Call(Op.ATTACH, id=4, error=Errno.ENODEV) in calls


def test_hardware_that_writes_elsewhere_is_a_difference() -> None:
    plan = every_state(Cdev(program(OBJECTS, "vt-d,slots=3,devices=1")))
    records = [*plan.batch.calls()]
    place = next(
        i for i, (call, node) in enumerate(records)
        if call.op is Op.LOOK and any(plan.batch.look_of(node))
    )  # fmt: skip
    done = "done calls=9 looks=5 differ=1 unreached=0 failed=0 visits=3"
    found = compared(plan, [f"look {place} 00", done])
    assert [*found.differences] == ["after attach: hardware: none"]
    assert plan.batch.machine.way is Way.VFIO


@pytest.mark.parametrize(("name", "differ"), [(None, 3), ("linux-7.3-blocked-first", 1)])
def test_a_driver_that_blocks_first_may_have_no_memory_at_any_device(
    name: str | None, differ: int
) -> None:
    of = program(OBJECTS, "vt-d", name and variant(name))
    plan, node = begun(Cdev(of), where_iommufd_wants_memory), 0
    for action, values in (BOUND, IOAS, ATTACHED, IOAS):
        made = plan.visit(node)[action]
        node = plan.after(node, next(m for m in made if m.step == Step(action, values)))
    plan.visit(node)
    replace = Step("replace", (1, 0, 4))
    record = next(
        i for i in range(len(plan.batch.records) // 8)
        if (found := plan.visited(i))[0] == node and found[1] and found[1].step == replace
    )  # fmt: skip
    lines = [f"left {record} 3 0002", f"left {record} 4 0200", f"left {record} 5 0000"]
    done = "done calls=9 looks=5 differ=3 unreached=0 failed=0 visits=3"
    assert sum(map(len, compared(plan, [*lines, done]).differences.values())) == differ


def test_no_allocation_fails_where_a_device_is_enabled_or_disabled() -> None:
    plan = every_state(Cdev(program(OBJECTS, "vt-d,slots=3,devices=1")))
    made = {m.step.action: m for s in plan.states for m in calls_at(plan.kernel, s, Counter())}
    assert where_iommufd_wants_memory(made["bind"]) is None
    assert where_iommufd_wants_memory(made["unbind"]) is None
    assert where_iommufd_wants_memory(made["ioas_alloc"]) is not None


@pytest.mark.parametrize(
    "bounds",
    ["groups", "intel", "vt-d,can_dirty=1", "vt-d,driver=1", "vt-d,incoherent=1", "mdev",
     "vt-d,reserves=2"],
)  # fmt: skip
def test_hardware_that_qemu_does_not_have_is_refused(bounds: str) -> None:
    with pytest.raises(InputError, match="--by vfio: "):
        Cdev(program(OBJECTS, bounds)).machine()
    assert Kernel(program(OBJECTS, bounds)).machine().way is Way.MODULE

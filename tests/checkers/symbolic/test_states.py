"""What is the same in all states of a case is found out, and taken for granted in its proof."""

from __future__ import annotations

import pytest

from checkers.symbolic.induction import Task, run_task
from checkers.symbolic.states import states
from checkers.symbolic.system import System
from invariants import complete
from spec.language import build
from spec.machines import MACHINES
from tests.checkers.reachable import reachable


@pytest.fixture(scope="module")
def system() -> System:
    return System(build(complete(MACHINES["vfio-attach"]), "small"), relaxed=True)


def by_name(system: System, *values: tuple[str, int]) -> tuple[tuple[object, int], ...]:
    nodes = {node.value: node for node in system.state}
    return tuple((nodes[name], value) for name, value in values)


def test_without_a_container_and_with_nothing_waiting_no_object_is_there(system: System) -> None:
    guard = system.merger.guard(system.program.action("vfio_pci_realize"), (1,))
    case = system.own(by_name(system, ("containers[1].space", 0)))  # type: ignore[arg-type]
    forced = {str(node.value): value for node, value in states(system).forced(case, guard)}
    assert all(forced[f"objects[{row}].kind"] == 0 for row in range(1, 8))
    assert forced["vdevs[2].container"] == 0
    assert "gbpa_abort" not in forced


def test_what_is_forced_is_so_in_every_reachable_state_that_the_guard_admits(
    system: System,
) -> None:
    """Of the rows that are alike any order is assumed only where allocation is relaxed."""
    system = System(system.program)
    program, where = system.program, system.merger.where
    rule = program.action("vfio_exitfn")
    guard = system.merger.guard(rule, (2,))
    forced = states(system).forced((), guard)
    assert forced
    seen = 0
    for state in reachable(program):
        if program.run(rule, state, (2,)).kind.value == "disabled":
            continue
        seen += 1
        for node, value in forced:
            column, row, element = where[node]
            cell = state[column.offset(row) + (element - 1 >> 3 if element else 0)]
            assert (cell >> (element - 1 & 7) & 1 if element else cell) == value, node
    assert seen


def test_the_guard_is_what_an_action_asks_first(system: System) -> None:
    program = system.program
    guard = system.merger.guard(program.action("destroy_deferred"), (3,))
    assert str(guard) == "deferred has 3"
    whole = system.merger.guard(program.action("vfio_exitfn"), (2,))
    assert whole is not system.graph.true
    assert system.merger.guard(program.action("guest_maps"), (1, 1)) is system.graph.false


def test_a_case_that_no_state_is_in_is_not_allowed(system: System) -> None:
    assert not states(system).allow(system.own(by_name(  # type: ignore[arg-type]
        system, ("containers[1].space", 0), ("vdevs[1].container", 1),
    )))


def test_large_actions_are_proved_from_what_is_forced(system: System) -> None:
    case = by_name(system, ("containers[1].space", 0), ("containers[1].be", 0))
    task = Task("step", "vfio_pci_realize", (1,), case)  # type: ignore[arg-type]
    assert {answer.status for answer in run_task(system, task, 0.0)} == {"holds"}


def test_what_the_solver_does_not_know_is_not_forced(system: System) -> None:
    """The solver gives up when it is asked for a second state."""
    guard = system.merger.guard(system.program.action("vfio_exitfn"), (2,))
    solver = states(system)._solver((), guard)
    answers = iter(("sat", "unknown"))

    class GivesUp:
        def check(self) -> str:
            solver.check()
            return next(answers)

        def __getattr__(self, name: str) -> object:
            return getattr(solver, name)

    assert states(system)._same(GivesUp()) == ()
    assert states(system).forced((), guard)

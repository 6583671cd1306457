"""The search by memory of slices: when it answers, that it answers as the others, and when not."""

from __future__ import annotations

import os
from array import array
from collections.abc import Callable, Iterable
from dataclasses import replace

import pytest

from checkers.explicit import check, search
from checkers.explicit.engine import explored
from checkers.packed import search as packed
from checkers.packed.aside import Aside
from checkers.packed.classes import classes
from checkers.packed.frontier import Frontier
from checkers.packed.judge import Judge, Judged
from checkers.packed.judging import Judging
from checkers.packed.parts import Ranges, moves
from checkers.packed.search import explore
from checkers.result import Explorer, Limits, Verdict
from invariants import complete
from spec.iommufd.object_lifetime import detach
from spec.language import Machine, Teardown, build
from spec.language.machine import Function
from spec.language.rules import CRASH
from spec.machines import MACHINES
from tests.checkers.lifetimes import LIFETIMES, WRONG, variant
from tests.toys.mutex import MUTEX
from tests.toys.queue import QUEUE
from tests.toys.refcount import REFCOUNT


@pytest.mark.parametrize("bounds", ["small", "S"])
@pytest.mark.parametrize("jobs", [1, 2])
def test_it_answers_as_the_ordinary_search(bounds: str, jobs: int) -> None:
    program = build(LIFETIMES, bounds)
    fast, slow = explore(program, limits=Limits(jobs=jobs)), search.explore(program)
    assert fast is not None
    assert fast.fired == slow.fired
    assert fast.witnessed == set(slow.witnessed)
    assert (fast.states, fast.depth, fast.stopped) == (slow.states, slow.depth, "")


def test_two_iommufds_too() -> None:
    values = {"iommufds": 2, "slots": 2, "devices": 2, "on_second_fd": 2}
    program = build(LIFETIMES, "small", values=values)
    fast, slow = explore(program), search.explore(program)
    assert fast is not None
    assert (fast.fired, fast.states) == (slow.fired, slow.states)


@pytest.mark.parametrize("machine", [MUTEX, QUEUE, REFCOUNT], ids=lambda machine: machine.name)
def test_what_it_answers_of_toys_is_right(machine: Machine) -> None:
    program = build(machine, "small")
    fast = explore(program)
    if fast is not None:
        slow = search.explore(program, symmetry=False)
        assert (fast.fired, fast.states) == (slow.fired, slow.states)


@pytest.mark.parametrize("function", WRONG, ids=lambda function: function.__name__)
def test_what_is_wrong_is_left_to_the_ordinary_search(function: Function) -> None:
    program = variant(function)
    assert explore(program) is None
    rows = [
        [
            (row.rule, row.verdict, row.states, row.transitions, row.depth)
            for row in check(program, frozenset(), Limits(explorer=explorer))
        ]
        for explorer in (Explorer.SPECIALISED, Explorer.PLAIN)
    ]
    assert rows[0] == rows[1]
    assert any(row[1] is Verdict.VIOLATED for row in rows[0])


def test_a_rank_that_does_not_show_the_way_down_is_no_answer() -> None:
    assert LIFETIMES.teardown is not None
    machine = replace(
        LIFETIMES, teardown=Teardown((detach,), LIFETIMES.teardown.empty, LIFETIMES.teardown.rank)
    )
    assert explore(build(machine, "small")) is None


def test_calls_that_fail_are_left_to_the_ordinary_search() -> None:
    assert explore(build(complete(MACHINES["hwpt-sharing"]), "fds")) is None


def test_an_interrupt_leaves_what_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    expand = Frontier.expand

    def interrupt(frontier: Frontier, over: Callable[[int], bool], chunk: int) -> None:
        if len(frontier.known) > 10_000:
            raise KeyboardInterrupt
        expand(frontier, over, chunk)

    monkeypatch.setattr(Frontier, "expand", interrupt)
    limits = Limits(jobs=2)
    found = explore(build(LIFETIMES, "S"), limits=limits)
    assert limits.interrupted
    assert found is not None
    assert 10_000 < found.states < 77_017
    assert found.transitions > 0
    assert found.stopped == f"interrupted at depth {found.depth}"
    assert_no_process_is_left()


def assert_no_process_is_left() -> None:
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def in_the_other(monkeypatch: pytest.MonkeyPatch, done: Callable[[], object]) -> None:
    """Have something done whenever the other process is to judge; it is there from the start."""
    own, look = os.getpid(), Judge.look

    def looked(judge: Judge, level: Iterable[int]) -> Judged:
        if os.getpid() != own:
            done()
        return look(judge, level)

    monkeypatch.setattr(Judge, "look", looked)
    monkeypatch.setattr(packed, "JUDGED", 1000)


@pytest.mark.parametrize("jobs", [1, 2])
def test_another_process_judges_with_several_jobs(
    monkeypatch: pytest.MonkeyPatch, jobs: int
) -> None:
    given: list[int] = []
    give = Aside.give

    def counted(aside: Aside[Judged], batch: array[int]) -> None:
        given.append(len(batch))
        give(aside, batch)

    monkeypatch.setattr(Aside, "give", counted)
    monkeypatch.setattr(packed, "JUDGED", 1000)
    found = explore(build(LIFETIMES, "S"), limits=Limits(jobs=jobs))
    assert found is not None
    assert found.transitions == 538_446
    assert (sum(given) > 0) == (jobs > 1)
    assert_no_process_is_left()


def test_what_is_unusual_in_the_other_process_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    def unusual(judging: Judging, _: array[int]) -> Judged:
        found = judging.judge.nothing()
        found.usual = False
        return found

    monkeypatch.setattr(Judging, "_answer", unusual)
    monkeypatch.setattr(packed, "JUDGED", 1000)
    assert explore(build(LIFETIMES, "S"), limits=Limits(jobs=2)) is None
    assert_no_process_is_left()


def test_a_failure_of_the_other_process_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    in_the_other(monkeypatch, lambda: 1 // 0)
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        explore(build(LIFETIMES, "S"), limits=Limits(jobs=2))
    in_the_other(monkeypatch, lambda: os._exit(1))
    with pytest.raises(RuntimeError, match="ended before its work was done"):
        explore(build(LIFETIMES, "S"), limits=Limits(jobs=2))
    assert_no_process_is_left()


def test_a_limit_met_in_the_middle_of_a_level_is_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    program = build(LIFETIMES, "S")
    full = explore(program)
    over = packed._Search._over

    def met(search: packed._Search, remaining: int) -> bool:
        over(search, remaining)
        if len(search.frontier.known) > 20_000:
            search.found.stopped = "some limit met"
        return bool(search.found.stopped)

    monkeypatch.setattr(packed._Search, "_over", met)
    monkeypatch.setattr(packed, "JUDGED", 1000)
    found = explore(program, limits=Limits(jobs=2))
    assert full is not None
    assert found is not None
    assert found.stopped == "some limit met"
    assert 20_000 < found.states < full.states
    assert 0 < found.transitions < full.transitions
    assert_no_process_is_left()


def test_states_found_by_an_attach_have_little_tried() -> None:
    program = build(LIFETIMES, "S")
    merger = Ranges(program)
    every = [
        move for number, rule in enumerate(program.actions)
        for move in moves(merger, number, rule, None)
    ]
    found = classes(merger, every)
    names = [{program.actions[move.action].name for move in part} for part in found.moves]
    assert names[1:4] == [{"attach"}] * 3
    assert found.tried[1:4] == ((), (1,), (1, 2))
    assert found.tried[0] == tuple(range(len(found.moves)))
    assert sum(map(len, found.moves)) == len(every)


def test_a_limit_is_met_at_a_level() -> None:
    program = build(LIFETIMES, "S")
    found = explored(program, frozenset(), Limits(seconds=1e-9, explorer=Explorer.SPECIALISED))
    assert found.stopped == "time limit of 1e-09 s met at depth 0"
    assert (found.states, found.transitions) == (1, 0)
    rows = check(program, frozenset(), Limits(seconds=1e-9, explorer=Explorer.SPECIALISED))
    assert {row.verdict for row in rows if row.rule == CRASH} == {Verdict.BOUNDED}

"""Several processes find what one finds, and leave nothing behind."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable
from contextlib import closing

import pytest

from checkers.explicit import Exploration, check, explore, search
from checkers.explicit.workers import divided
from checkers.packed import search as packed
from checkers.result import Limits, Verdict
from invariants import complete
from spec.iommufd.object_lifetime import OBJECT_LIFETIME
from spec.language import Machine, Program, Variant, build, overriding
from spec.language.rules import TEARDOWN
from spec.machines import MACHINES
from spec.variants import VARIANTS
from tests.checkers.explicit.odd import ODD
from tests.checkers.explicit.test_engine import PAIR, keep_shared
from tests.toys.queue import QUEUE, STANDS_STILL
from tests.toys.refcount import LEAKS_ON_REFUSAL, REFCOUNT

KEEPS = Variant("keeps", "refcount", overriding(keep_shared), {TEARDOWN: 2})


@pytest.fixture(autouse=True)
def _every_level_is_wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "WIDE", 3)


def _same(one: Exploration, two: Exploration) -> None:
    assert list(one.index) == list(two.index)
    for name in ("parents", "codes", "fired", "crashed", "cuts", "crashes", "first", "witnessed",
                 "depth", "stopped"):
        assert getattr(one, name) == getattr(two, name), name


@pytest.mark.parametrize(
    ("machine", "variant"),
    [(QUEUE, None), (QUEUE, STANDS_STILL), (REFCOUNT, LEAKS_ON_REFUSAL), (REFCOUNT, KEEPS),
     (OBJECT_LIFETIME, None), (PAIR, None)],
    ids=lambda item: item.name if item else "reference",
)
def test_the_outcome_is_the_same_to_the_order_of_states(
    machine: Machine, variant: Variant | None
) -> None:
    program = build(machine, "small", variant)
    _same(explore(program), explore(program, limits=Limits(jobs=3)))


@pytest.mark.parametrize("name", ["vtd-rfcv3"])
def test_a_variant_breaks_its_rules_by_the_same_steps(name: str) -> None:
    variant = VARIANTS[name]
    program = build(complete(MACHINES[variant.machine]), variant.bounds, variant)
    _same(explore(program), explore(program, limits=Limits(jobs=2)))


def test_crashes_are_counted_apart(odd: Program) -> None:
    found = explore(odd, limits=Limits(seconds=1, jobs=2))
    assert found.crashes
    assert sum(found.crashed.values()) <= found.transitions


@pytest.fixture
def odd() -> Program:
    return build(ODD, "small")


def test_a_time_limit_ends_the_processes() -> None:
    found = explore(build(OBJECT_LIFETIME, "A"), limits=Limits(seconds=0.5, jobs=2))
    assert found.stopped.startswith("time limit")
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_an_interrupt_ends_the_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr(packed, "explore", lambda *_: None)
    monkeypatch.setattr(search, "merge", interrupt)
    limits = Limits(jobs=2)
    found = {row.rule: row for row in check(build(OBJECT_LIFETIME, "small"), frozenset(), limits)}
    assert limits.interrupted
    assert found[TEARDOWN].verdict is Verdict.BOUNDED
    assert not multiprocessing.active_children()
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_results_come_in_order() -> None:
    assert list(divided(50, 3, lambda place: place * place)) == [n * n for n in range(50)]


def _fail(place: int) -> int:
    if place == 2:
        raise ValueError("piece 2")
    return place


def _end(place: int) -> int:
    os._exit(7)


@pytest.mark.parametrize(("work", "why"), [(_fail, "piece 2"), (_end, "ended before")])
def test_a_failure_in_a_process_is_told(work: Callable[[int], int], why: str) -> None:
    with pytest.raises(RuntimeError, match=why), closing(divided(5, 2, work)) as results:
        list(results)

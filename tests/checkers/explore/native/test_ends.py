"""A search that ends before its end says why, in its own words, and what it knew."""

from __future__ import annotations

import os
import resource
import signal
import threading
from contextlib import ExitStack
from pathlib import Path

import pytest

from checkers.explore.explored import Explored
from checkers.explore.native import search
from checkers.explore.native.c_program import c_program
from checkers.explore.native.c_state import Renamed
from checkers.explore.native.compiler import load
from checkers.explore.native.library import Space
from checkers.explore.verdicts import said
from checkers.result import Limits, Renaming, Verdict
from spec.language import Program, build
from spec.language.rules import TEARDOWN
from tests.checkers.explore.native.facts import facts
from tests.toys.keys import KEYS
from tests.toys.queue import QUEUE
from tests.toys.refcount import FREES_WHILE_HELD, REFCOUNT

SMALL = build(REFCOUNT, "small")
LARGE = build(REFCOUNT, "large")
BROKEN = build(REFCOUNT, "small", FREES_WHILE_HELD)


def explored(
    program: Program, limits: Limits | None = None, renaming: Renaming = Renaming.NONE
) -> Explored:
    limits = limits or Limits()
    limits.renaming = renaming
    return search.explore(program, frozenset(), limits)


def limited(monkeypatch: pytest.MonkeyPatch, limit: str, value: str) -> None:
    """Compile machines with another limit."""

    def loading(text: str, option: str) -> object:
        assert text.count(limit) == 1
        return load(text.replace(limit, f"{limit.split('=')[0]}= {value}"), "-O0")

    monkeypatch.setattr(search, "load", loading)


def test_more_levels_than_there_can_be(monkeypatch: pytest.MonkeyPatch) -> None:
    limited(monkeypatch, "MOST_LEVELS = 1 << 16", "3")
    found = explored(build(QUEUE, "small"))
    assert found.stopped == "there are more than 3 levels, at depth 2"


def test_more_choices_than_there_can_be(monkeypatch: pytest.MonkeyPatch) -> None:
    limited(monkeypatch, "MOST_CHOICES = 32", "0")
    found = explored(build(KEYS, "small"), renaming=Renaming.IDS)
    assert found.stopped.startswith("more host calls, or choices of rows, than an action may have,")


def test_no_memory_where_there_is_no_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> bool:
        raise MemoryError

    monkeypatch.setattr(Space, "expand", fails)
    assert explored(SMALL).stopped == "no memory for more states at depth 0"
    limits = Limits(memory_mib=7)
    assert explored(SMALL, limits).stopped == "memory limit of 7 MiB met at depth 0"


@pytest.mark.parametrize("room", [1 << 30, 1 << 12, 0])
def test_scratch(room: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With room for all states, for the first of them, for none."""
    before, really = resource.getrlimit(resource.RLIMIT_FSIZE), search._room

    def with_room(limits: Limits, stack: ExitStack) -> tuple[int, int]:
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, before[1]))
        stack.callback(resource.setrlimit, resource.RLIMIT_FSIZE, before)
        return really(limits, stack)

    limited(monkeypatch, "CHUNK_BYTES = 1 << 20", "1 << 12")
    monkeypatch.setattr(search, "LEAST", 1 << 16)
    monkeypatch.setattr(search, "_room", with_room)
    limits = Limits(memory_mib=1, scratch=tmp_path / "new")
    found = explored(LARGE, limits)
    assert not list((tmp_path / "new").iterdir())
    if room < 1 << 30:
        assert found.stopped.startswith("the scratch disk is full, at depth ")
        return
    assert found.spills
    monkeypatch.undo()
    assert facts(found) == facts(explored(LARGE))


def test_interrupted_while_traces_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """What has no trace yet is violated all the same; what has one keeps it."""
    left, really = [1000], Space.cost

    def cost(*given: object) -> int | None:
        left[0] -= 1
        if not left[0]:
            raise KeyboardInterrupt
        return really(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(Space, "cost", cost)
    whole = explored(BROKEN)
    left[0] = 1000 - left[0]
    limits = Limits()
    found = explored(BROKEN, limits)
    assert limits.interrupted
    assert 0 < len(found.violations) < len(whole.violations)
    rows = {row.rule: row for row in said(found, frozenset(), "")}
    for rule in whole.violations:
        assert rows[rule].verdict is Verdict.VIOLATED
        assert rows[rule].violation == found.violations.get(rule)
        shown = "interrupted before it was shown" not in rows[rule].detail
        assert shown == (rule in found.violations)


def test_interrupted_while_the_teardown_is_decided(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Space, "stuck", interrupt)
    limits = Limits()
    rows = {row.rule: row for row in said(explored(SMALL, limits), frozenset(), "")}
    assert limits.interrupted
    assert rows[TEARDOWN].detail.startswith("interrupted before it was decided")
    assert {row.verdict for rule, row in rows.items() if rule != TEARDOWN} == {Verdict.HOLDS}
    assert rows[TEARDOWN].verdict is Verdict.BOUNDED


def space_of(program: Program) -> Space:
    """All states of a program."""
    text = c_program(program, Renamed({}, {}), list(program.invariants))
    space = Space(load(text.text, "-O0"), text)
    space.add(program.initial(), judged=True)
    while space.next_level():
        assert space.expand(1, 0)
    return space


def test_ctrl_c_halts_what_takes_long() -> None:
    """It comes when the function has begun, which goes on until it is halted."""
    halted, space = threading.Event(), space_of(SMALL)

    class Library:
        def space_stuck(self, handle: int, threads: int) -> int:
            os.kill(os.getpid(), signal.SIGINT)
            return -2 if halted.wait() else 0

        def space_halt(self, handle: int) -> None:
            halted.set()

    own, space.library = space.library, Library()  # type: ignore[assignment]
    with pytest.raises(KeyboardInterrupt):
        space.stuck(1)
    assert halted.is_set()
    space.library = own
    space.close()


def test_what_is_halted_has_no_answer() -> None:
    space = space_of(SMALL)
    assert space.stuck(2) is None
    space.library.space_halt(space.handle)
    with pytest.raises(MemoryError):
        space.stuck(2)
    with pytest.raises(MemoryError), space.leading_to(TEARDOWN, 1, 2):
        pass
    space.close()

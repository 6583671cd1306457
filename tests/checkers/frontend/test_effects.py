"""What a function may do is never said too little: writes, guards, checks, calls of the host."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from checkers.frontend import tree as t
from checkers.frontend.effects import Effects
from checkers.frontend.parse import Parser
from invariants import complete
from spec.language import NONE, Fault, Id, Program, build, check, limit, require
from spec.language.layout import Column
from spec.language.program import Kind
from spec.machines import MACHINES
from tests.toys.refcount import REFCOUNT, Errno, Heap, Holder, Object, allocate, create, put

FIRST: Id[Holder] = Id(1)
PARSER = Parser(build(REFCOUNT, "small").layout)


def read(function: Callable[..., Any]) -> t.Function:
    """The tree of a function of the toy."""
    return PARSER.function(function)


def guarded(s: Heap, h: Holder) -> None:
    """A null is looked at before it is followed."""
    if h.holds == NONE:
        return
    s.objects[h.holds].alive = False


def unguarded(s: Heap, holder: Id[Holder]) -> None:
    """What holds was looked at, not who."""
    if s.holders[holder].holds != NONE:
        s.objects[s.holders[holder].holds].alive = False


def written_between(s: Heap, h: Holder) -> None:
    """What was looked at is written before it is followed."""
    require(h.holds != NONE)
    h.holds = NONE if s.objects[h.holds].alive else h.holds
    s.objects[h.holds].alive = False


def assigned_between(s: Heap, item: Id[Object]) -> None:
    """A local that was looked at takes another value in a loop."""
    require(item != NONE)
    held: Id[Object] = item
    for h in s.holders:
        s.objects[held].alive = True
        held = h.holds


def one_branch(s: Heap, item: Id[Object]) -> None:
    """Looked at in a branch that does not leave."""
    if item == NONE:
        for o in s.objects:
            o.alive = False
    s.objects[item].alive = True


def adds(s: Heap, item: Object) -> None:
    """A count that no type keeps in its range."""
    item.references += 1


def hidden(s: Heap) -> bool:
    """The row of a generator has the name of one whose field was looked at."""
    for h in s.holders:
        if h.holds != NONE:
            return any(s.objects[h.holds].alive for h in s.holders)
    return False


def said(s: Heap, item: Id[Object]) -> None:
    """A check that is written."""
    check(item == NONE, "something")


def cut(s: Heap, item: Id[Object]) -> None:
    """A bound of the model, in what it calls."""
    limited(s, item)


def limited(s: Heap, item: Id[Object]) -> None:
    """A bound of the model."""
    limit(item == NONE, "the bound")


def calls(s: Heap, item: Id[Object], fault: Fault) -> Errno:
    """Two calls in one branch, for each holder, and one in the other."""
    for h in s.holders:
        if h.holds == item:
            allocate(s, fault)
        else:
            allocate(s, fault)
            allocate(s, fault)
    return create(s, FIRST, fault)


@pytest.mark.parametrize(
    ("function", "fails"),
    [
        (guarded, False), (unguarded, True), (written_between, True), (assigned_between, True),
        (one_branch, True), (put, True), (adds, True), (hidden, True), (said, True), (cut, False),
        (allocate, False),
    ],
    ids=lambda item: getattr(item, "__name__", ""),
)
def test_a_check_may_fail(function: Callable[..., Any], fails: bool) -> None:
    assert Effects().fails(read(function)) == fails


def test_guards_and_calls_count_through_what_is_called() -> None:
    effects = Effects()
    assert effects.stops(read(cut))
    assert not effects.stops(read(adds))
    assert effects.host_calls(read(calls)) == 2 * 2 + 1
    assert effects.host_calls(read(cut)) == 0


def test_columns_count_through_what_is_called() -> None:
    effects = Effects()
    names = {f"{x.table}.{x.name}" for x in effects.columns_written(read(create))}
    assert names == {"objects.alive", "objects.references", "holders.holds"}
    assert {x.name for x in effects.columns_read(read(create))} == {"alive", "holds"}
    assert not effects.writes(read(hidden))


@pytest.mark.parametrize("name", MACHINES)
def test_what_runs_do_is_among_what_they_may_do(name: str) -> None:
    """Random runs write no other column, make no more calls, and stop and crash only where said."""
    program = build(complete(MACHINES[name]), "small")
    parser, effects, chance = Parser(program.layout), Effects(), random.Random(1)
    state = program.initial()[0]
    for _ in range(600):
        action = chance.choice(program.actions)
        values = chance.choice([*action.instances(program.layout)])
        tree = parser.function(action.function)
        outcome = program.run(action, state, values, chance.randrange(3) if action.fault else 0)
        assert len(outcome.calls) <= effects.host_calls(tree)
        assert changed(program, state, outcome.state) <= effects.columns_written(tree)
        if outcome.kind is Kind.DONE:
            state = outcome.state
        elif outcome.kind is Kind.CRASH:
            assert effects.fails(tree)
        else:
            assert effects.stops(tree) or effects.host_calls(tree)


def changed(program: Program, before: bytes, after: bytes) -> frozenset[Column]:
    """The columns in which two states differ."""
    return frozenset(
        column for column in program.layout.columns()
        if before[column.base : column.base + column.size]
        != after[column.base : column.base + column.size]
    )

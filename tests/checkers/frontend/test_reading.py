"""What the front end refuses when a machine is read, whichever engine runs then: in one line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from enum import IntEnum
from pathlib import Path
from typing import Annotated

import pytest
from click.testing import CliRunner

from checkers.cli import main
from checkers.engines import ENGINES
from checkers.frontend.whole import read
from checkers.machines import program
from checkers.userfiles import InputError
from spec.language import (
    NONE,
    Bounds,
    Fault,
    Id,
    LanguageError,
    Machine,
    Range,
    Record,
    State,
    Table,
    Teardown,
    build,
    host_call,
    invariant,
    limit,
    require,
    sometimes,
)
from tests.spec.language.places import line_of


class Errno(IntEnum):
    """Of a call."""

    OK = 0
    EIO = 5


class Item(Record):
    """Has a number, and names another."""

    f: Annotated[int, Range(0, 9)]
    other: Id[Item]


class Store(State):
    """Items, and which of them it is about."""

    items: Table[Item]
    cur: Id[Item]
    n: Annotated[int, Range(0, 9)]


def init(s: Store) -> None:
    """All is 0."""


def bump(s: Store) -> int:
    s.n = s.n + 1
    return s.n


def move(s: Store) -> int:
    s.cur = NONE
    return 1


def asks(s: Store) -> int:
    require(s.n > 0)
    return s.n


def bounded(s: Store) -> int:
    limit(s.n < 5, "n")
    return s.n


@host_call("tell ({ret})", fails=Errno.EIO)
def tell(s: Store, fault: Fault) -> Errno:
    return Errno.OK


def plus(s: Store, a: int, b: int) -> int:
    return a + b


def fresh_item(s: Store) -> Id[Item]:
    s.n = 1
    return s.cur


# the order of evaluation could matter


def in_a_tuple(s: Store) -> None:
    require(bump(s) in (2, 1))  # refused


def among_those(s: Store, a: Annotated[int, Range(0, 9)]) -> None:
    require(a in (bump(s), 1))  # refused


def beside_a_field(s: Store) -> None:
    require(bump(s) > s.n)  # refused


def behind_a_field(s: Store) -> None:
    require(s.n < bump(s))  # refused


def added_to_a_field(s: Store) -> None:
    s.n += move(s)  # refused


def to_a_moving_place(s: Store) -> None:
    s.items[s.cur].f += move(s)  # refused


def stored_in_a_moving_place(s: Store) -> None:
    s.items[s.cur].f = move(s)  # refused


def twice(s: Store) -> None:
    s.n = bump(s) + bump(s)  # refused


def as_arguments(s: Store) -> None:
    s.n = plus(s, s.n, bump(s))  # refused


def asked_beside_what_may_fail(s: Store, a: Id[Item]) -> None:
    require(asks(s) == s.items[s.items[a].other].f)  # refused


def limited_beside_what_asks(s: Store) -> None:
    require(asks(s) == bounded(s))  # refused


def answers_two(s: Store) -> tuple[int, int]:
    return s.n, bump(s)  # refused


def calls_with_two(s: Store) -> None:
    _, s_n = answers_two(s)
    s.n = s_n


def told_beside_a_field(s: Store, fault: Fault) -> None:
    require(tell(s, fault) == (Errno.OK if s.n > 0 else Errno.EIO))  # refused


def any_that_writes(s: Store) -> None:
    require(any(bump(s) == x.f for x in s.items))  # refused


def any_that_writes_alone(s: Store) -> None:
    require(any(bump(s) == 1 for x in s.items))  # refused


def fails_where_it_looks(s: Store, a: Id[Item]) -> None:
    require(s.n in (1, s.items[s.items[a].other].f))  # refused


ORDER = [
    in_a_tuple, among_those, beside_a_field, behind_a_field, added_to_a_field, to_a_moving_place,
    stored_in_a_moving_place, twice, as_arguments, asked_beside_what_may_fail,
    limited_beside_what_asks, calls_with_two, told_beside_a_field, any_that_writes,
    any_that_writes_alone, fails_where_it_looks,
]  # fmt: skip

# it is clear


def clear(s: Store, a: Annotated[int, Range(0, 9)], fault: Fault) -> Errno:
    """Whole expressions, beside locals and constants, and behind `and` and `or`."""
    n = bump(s)
    require(bump(s) > a or s.n > 5)
    require(s.n < 7 and asks(s) != n)
    s.n = plus(s, 1, bump(s))
    s.cur = fresh_item(s)
    s.n = move(s) if s.n > 3 else 0
    require(all(asks(s) > x.f for x in s.items))
    return Errno.EIO if tell(s, fault) == Errno.EIO else Errno.OK


def beside_what_cannot_fail(s: Store, x: Id[Item]) -> None:
    """A call that only may end the action, and a field that is there in any case."""
    require(asks(s) == s.n)


# an end without an answer, a local without a value


def falls(s: Store) -> bool:
    if s.n > 0:
        return True


def calls_what_falls(s: Store) -> None:
    require(falls(s))


def falls_after_a_loop(s: Store) -> Errno:
    for x in s.items:
        if x.f == 0:
            return Errno.OK


def empty_return(s: Store) -> Errno:
    if s.n > 0:
        return  # type: ignore[return-value]  # refused
    return Errno.OK


def in_one_branch(s: Store) -> None:
    if s.n > 0:
        one = 1
    s.n = one  # refused


def in_a_loop(s: Store) -> None:
    for x in s.items:
        two = x.f
    s.n = two  # refused


def in_a_range(s: Store) -> None:
    for i in range(0):
        s.n = i
    s.n = i  # refused


def bound_before_its_loop(s: Store) -> None:
    i = 5
    for i in range(2):  # refused
        s.n = i
    s.n = i


def added_to_nothing(s: Store) -> None:
    three += 1  # type: ignore[name-defined]  # noqa: F821, F841  # refused
    s.n = 0


def of_what(s: Store) -> None:
    l = NONE  # noqa: E741  # refused
    s.cur = l


def too_large(s: Store) -> None:
    require(s.n != 99999999999999999999999)  # refused


def too_low(s: Store) -> None:
    require(s.n != -99999999999999999999999)  # refused


MANY = 1 << 70


def far_too_many(s: Store) -> None:
    require(s.n != MANY)  # refused


TEXT = [
    empty_return, in_one_branch, in_a_loop, in_a_range, bound_before_its_loop, added_to_nothing,
    of_what, too_large, too_low, far_too_many,
]  # fmt: skip


def bound_where_it_is_read(s: Store) -> int:
    """Each way has a value: a branch that leaves needs none."""
    if s.n > 3:
        n = 1
    elif s.n > 2:
        return 5
    else:
        n = 2
    last = 0
    for x in s.items:
        f = x.f
        if f == 0:
            continue
        last = f
    if n == last:
        return n
    else:
        require(False)


def uses_it(s: Store) -> None:
    s.n = bound_where_it_is_read(s)


def machine(*actions: Callable[..., object]) -> Machine:
    return Machine("store", Store, init, actions, {"small": Bounds({"items": 2})})


def refused(action: Callable[..., object]) -> LanguageError:
    with pytest.raises(LanguageError) as caught:
        read(build(machine(action), "small"))
    return caught.value


def marked(action: Callable[..., object]) -> int:
    """The line of an action, or of what it calls, that is to be refused."""
    lines = Path(__file__).read_text().splitlines()
    start = action.__code__.co_firstlineno
    if action is calls_with_two:
        start = answers_two.__code__.co_firstlineno
    return next(n for n, line in enumerate(lines[start:], start + 1) if line.endswith("# refused"))


@pytest.mark.parametrize("action", [*ORDER, *TEXT])
def test_a_text_that_could_be_read_in_two_ways_is_refused(action: Callable[..., object]) -> None:
    error = refused(action)
    assert (error.file, error.line) == (__file__, marked(action))
    assert "\n" not in str(error)


@pytest.mark.parametrize("action", [clear, beside_what_cannot_fail, uses_it])
def test_what_is_clear_is_read(action: Callable[..., object]) -> None:
    read(build(machine(action), "small"))


@pytest.mark.parametrize(
    ("action", "function"), [(calls_what_falls, falls), (falls_after_a_loop, falls_after_a_loop)]
)
def test_a_function_with_an_answer_ends_with_one(
    action: Callable[..., object], function: Callable[..., object]
) -> None:
    error = refused(action)
    assert error.line == line_of(__file__, f"def {function.__name__}(")
    name = function.__name__
    assert error.message == f"`{name}` may end without an answer; end it with a `return`"


# all of a machine is read


@invariant()
def of_no_kind(s: Store) -> bool:
    l = NONE  # noqa: E741
    return s.cur == l


@sometimes
def seen(s: Store) -> bool:
    l = NONE  # noqa: E741
    return s.cur == l


def begins(s: Store) -> None:
    l = NONE  # noqa: E741
    s.cur = l


def rank(s: Store) -> int:
    l = NONE  # noqa: E741
    return 0 if s.cur == l else 1


@pytest.mark.parametrize(
    "of",
    [
        replace(machine(), invariants=(of_no_kind,)),
        replace(machine(), sometimes=(seen,)),
        replace(machine(), init=begins),
        replace(machine(), teardown=Teardown((), lambda s: True, rank)),
    ],
)
def test_rules_witnesses_init_and_teardown_are_read_too(of: Machine) -> None:
    if of.teardown is not None:
        of = replace(of, teardown=Teardown((), empty, rank))
    with pytest.raises(InputError, match="say of what table `l` is"):
        program(of)


def empty(s: Store) -> bool:
    return True


# from the command line

MACHINE = '''
from typing import Annotated
from spec.language import *


class One(State):
    n: Annotated[int, Range(0, 3)]


def init(s: One, n: Annotated[int, Range(0, 3)]) -> None:
    {init}


def go(s: One) -> None:
    {go}


ONE = Machine("one", One, init, (go,), {{"small": Bounds({{}})}})
'''


def run(tmp_path: Path, *words: str, init: str = "s.n = n", go: str = "s.n = 1") -> tuple[int, str]:
    file = tmp_path / "one.py"
    file.write_text(MACHINE.format(init=init, go=go))
    words = tuple(word.replace("FILE", str(file)) for word in words)
    done = CliRunner().invoke(main, words)
    return done.exit_code, done.stderr


@pytest.mark.parametrize(
    "words",
    [
        *(("check", "FILE", "--engine", name, "--no-progress") for name in ENGINES),
        ("simulate", "FILE"),
        ("export", "FILE", "--murphi"),
    ],
)
def test_every_command_refuses_it_before_anything_runs(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    status, said = run(tmp_path, *words, go="s.n = s.n + (1 << 2)")
    assert status == 2
    assert said.count("\n") == 1
    assert "one.py:15: `1 << 2` is not in the language" in said


@pytest.mark.parametrize("init", ["require(n > 3)", 'limit(n > 3, "n")'])
def test_a_machine_that_cannot_begin_is_no_success(tmp_path: Path, init: str) -> None:
    status, said = run(tmp_path, "check", "FILE", "--no-progress", init=init)
    assert status == 2
    assert "one.py:10: init requires, or is limited to," in said
    assert "there is no initial state" in said


def test_an_action_that_never_fires_is_no_defect_of_the_front_end(tmp_path: Path) -> None:
    read(build(machine(never, uses_it), "small"))


def never(s: Store) -> None:
    require(False)

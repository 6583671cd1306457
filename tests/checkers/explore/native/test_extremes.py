"""As many rows, columns, members of sets and steps as there can be, beside the reference."""

from __future__ import annotations

from typing import Annotated

import pytest

from checkers.explore import reference
from checkers.explore.native.search import explore
from checkers.result import Limits, Renaming
from spec.language import (
    NONE,
    Bounds,
    Id,
    IdSet,
    Machine,
    Range,
    Record,
    State,
    Table,
    build,
    count,
    first,
    fresh,
    invariant,
    require,
)
from tests.checkers.explore.native.facts import assert_all_shown, facts, figures


class Bead(Record):
    """A bead, when it was strung, and those before it."""

    strung: bool
    turn: Annotated[int, Range(0, 255)]
    before: IdSet[Bead]
    last: Id[Bead]


class Chain(State):
    """All beads, the last that was strung, and those strung."""

    beads: Table[Bead]
    last: Id[Bead]
    strung: IdSet[Bead]


def loose(s: Chain) -> None:
    """No bead is strung."""


def string(s: Chain) -> None:
    """The next bead is strung."""
    bead = first(b.id for b in s.beads if not b.strung)
    require(bead != NONE)
    s.beads[bead].strung = True
    s.beads[bead].last = s.last
    if s.last != NONE:
        s.beads[bead].turn = s.beads[s.last].turn + 1
        for other in s.beads:
            if other.id in s.strung:
                s.beads[bead].before.add(other.id)
    s.strung.add(bead)
    s.last = bead


@invariant()
def many_are_before(s: Chain) -> bool:
    """As many are before a bead as its turn says; that of the last is less than 250."""
    if s.last == NONE:
        return True
    bead = s.beads[s.last]
    return count(b.id in bead.before for b in s.beads) == bead.turn and bead.turn < 250


CHAIN = Machine(
    "chain", Chain, loose, (string,), {"small": Bounds({"beads": 255})},
    invariants=(many_are_before,),
)  # fmt: skip


class Any(Record):
    """One of many that are alike."""

    taken: bool


class Heap(State):
    """All of them."""

    heap: Table[Any]


def none_taken(s: Heap) -> None:
    """None is taken."""


def take(s: Heap) -> None:
    """Any is taken."""
    one = fresh(x.id for x in s.heap if not x.taken)
    require(one != NONE)
    s.heap[one].taken = True


HEAP = Machine("heap", Heap, none_taken, (take,), {"small": Bounds({"heap": 255})})

FLAGS = {f"flag{number}": bool for number in range(70)}
Flags = type("Flags", (State,), {"__annotations__": FLAGS, "__doc__": "Seventy flags."})


def no_flag(s: Flags) -> None:  # type: ignore[valid-type]
    """No flag is set."""


def set_one(s: Flags) -> None:  # type: ignore[valid-type]
    """The first and the last but one are of one bit of what a step has written."""
    s.flag0 = True


def set_two(s: Flags) -> None:  # type: ignore[valid-type]
    """One that a rule reads."""
    require(s.flag0)
    s.flag64 = True


def set_three(s: Flags) -> None:  # type: ignore[valid-type]
    """One that another reads."""
    require(s.flag64)
    s.flag69 = True


@invariant()
def not_64(s: Flags) -> bool:  # type: ignore[valid-type]
    """Broken by the second step."""
    return not s.flag64


@invariant()
def not_69(s: Flags) -> bool:  # type: ignore[valid-type]
    """Broken by the third step."""
    return not s.flag69


MANY = Machine(
    "many", Flags, no_flag, (set_one, set_two, set_three), {"small": Bounds({})},
    invariants=(not_64, not_69),
)  # fmt: skip


class Counter(State):
    """Two digits to base 60, and whether they were reached."""

    low: Annotated[int, Range(0, 59)]
    high: Annotated[int, Range(0, 59)]


def zero(s: Counter) -> None:
    """It begins with 0."""


def up(s: Counter) -> None:
    """One more."""
    require(s.high < 20)
    if s.low == 59:
        s.low = 0
        s.high += 1
    else:
        s.low += 1


@invariant()
def never_twenty(s: Counter) -> bool:
    """It is reached after 1200 steps."""
    return s.high < 20


COUNTER = Machine(
    "counter", Counter, zero, (up,), {"small": Bounds({})}, invariants=(never_twenty,)
)  # fmt: skip


@pytest.mark.parametrize(
    ("machine", "expected", "lengths"),
    [
        (CHAIN, (256, 255, 255), {"many-are-before": 251}),
        (MANY, (4, 9, 3), {"not-64": 2, "not-69": 3}),
        (COUNTER, (1201, 1200, 1200), {"never-twenty": 1200}),
    ],
    ids=lambda item: item.name if isinstance(item, Machine) else "",
)
def test_as_the_reference(
    machine: Machine, expected: tuple[int, int, int], lengths: dict[str, int]
) -> None:
    """255 rows and sets of as many, more columns than a word has bits, a trace of many steps."""
    program, limits = build(machine, "small"), Limits(renaming=Renaming.NONE)
    found = explore(program, frozenset(), limits)
    assert figures(found) == expected
    assert facts(found)["lengths"] == lengths
    assert facts(found) == facts(reference.explore(program, frozenset(), limits))
    assert_all_shown(found)


def test_255_rows_that_may_be_renamed() -> None:
    """They are too many for the reference, which would try every permutation."""
    found = explore(build(HEAP, "small"), frozenset(), Limits())
    assert found.renaming is Renaming.IDS
    assert (figures(found), found.levels) == ((256, 255, 255), [1] * 256)

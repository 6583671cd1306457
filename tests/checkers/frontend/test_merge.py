"""The merged form of an action fails as a run of it does, and for the reason that comes first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import pytest

from checkers.symbolic.system import System
from spec.language import Bounds, Id, Machine, Range, Record, Shape, State, Table, build, require


class Cup(Record):
    """Is so full."""

    level: Annotated[int, Range(0, 3)]


class Jug(Record):
    """Is so full."""

    level: Annotated[int, Range(0, 3)]


class Shelf(State):
    """A cup and a jug may be in a hand."""

    cups: Table[Cup]
    jugs: Table[Jug]
    cup: Id[Cup]
    jug: Id[Jug]


def init(s: Shelf) -> None:
    """Nothing is in a hand."""


def more(s: Shelf) -> None:
    """The cup has more."""
    require(s.cups[s.cup].level > s.jugs[s.jug].level)


def as_much(s: Shelf) -> None:
    """The cup has as much or more."""
    require(s.cups[s.cup].level >= s.jugs[s.jug].level)


def less(s: Shelf) -> None:
    """The cup has less."""
    require(s.cups[s.cup].level < s.jugs[s.jug].level)


@pytest.mark.parametrize("action", [more, as_much, less])
def test_operands_fail_in_the_order_of_the_text(action: Callable[[Shelf], None]) -> None:
    machine = Machine(
        "shelf", Shelf, init, (action,), {"small": Bounds({})},
        shape=lambda values: Shape({"cups": 2, "jugs": 2}),
    )  # fmt: skip
    program = build(machine, "small")
    (rule,) = program.actions
    system = System(program)
    reasons = [why for _, why in system.merger.action(rule, (), before=system.state).crashes]
    ran = program.run(rule, program.initial()[0], (), 0)
    assert reasons == [ran.why, "null dereference: jugs"]
    assert ran.why == "null dereference: cups"

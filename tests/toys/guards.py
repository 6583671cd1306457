"""Guards that can be asked only behind others, and rules that no field decides."""

from __future__ import annotations

from typing import Annotated

from spec.language import (
    CONST,
    NONE,
    Bounds,
    Id,
    Machine,
    Range,
    Record,
    Shape,
    State,
    Table,
    Variant,
    invariant,
    overrides,
    overriding,
    require,
)


class Lamp(Record):
    """A lamp, which may be lit, and its place, which the bounds fix."""

    lit: bool
    place: Annotated[int, Range(0, 9), CONST]


class Room(State):
    """All lamps; one of them may be held."""

    held: Id[Lamp]
    lamps: Table[Lamp]


def dark(s: Room) -> None:
    """No lamp is lit."""


def hold(s: Room, lamp: Id[Lamp]) -> None:
    """Somebody takes a lamp in the hand."""
    require(s.held == NONE)
    s.held = lamp


def light(s: Room, lamp: Id[Lamp]) -> None:
    """A lamp is lit."""
    require(not s.lamps[lamp].lit)
    s.lamps[lamp].lit = True


def snuff(s: Room, lamp: Id[Lamp]) -> None:
    """The lamp in the hand goes out if another is lit: a guard is asked behind the first."""
    require(s.lamps[lamp].lit and s.held != NONE)
    require(s.lamps[s.held].lit)
    require(s.held != lamp)
    s.lamps[s.held].lit = False


def let_go(s: Room, lamp: Id[Lamp]) -> None:
    """The lamp in the hand is put down if another is lit; a local is behind a guard, too."""
    require(s.lamps[lamp].lit and s.held != NONE)
    lit = s.lamps[s.held].lit
    require(not lit)
    s.held = NONE


def is_lit(s: Room, lamp: Id[Lamp]) -> None:
    """A guard in a helper, of a parameter that has the name of others."""
    require(s.lamps[lamp].lit)


def is_low(s: Room, lamp: Id[Lamp]) -> bool:
    """Whether a lamp hangs low."""
    return s.lamps[lamp].place < 5


@invariant()
def lamps_hang_low(s: Room, lamp: Id[Lamp]) -> bool:
    """A rule about what the bounds fix."""
    return is_low(s, lamp)


GUARDS = Machine(
    name="guards",
    state=Room,
    init=dark,
    actions=(hold, light, snuff, let_go),
    bounds={"small": Bounds({"lamps": 3})},
    shape=lambda values: Shape(values, {"lamps": {"place": (1,) * values["lamps"]}}),
    invariants=(lamps_hang_low,),
)


@overrides(let_go)
def drop(s: Room, lamp: Id[Lamp]) -> None:
    """The lamp in the hand, or none, is asked for as if there always were one."""
    held = s.held
    is_lit(s, held)
    s.lamps[lamp].lit = False


DROPS = Variant("drops", "guards", overriding(drop))


@overrides(is_low)
def is_high(s: Room, lamp: Id[Lamp]) -> bool:
    """Whether a lamp hangs high: none does in any state, whatever is written."""
    return s.lamps[lamp].place > 5


BACKWARDS = Variant("backwards", "guards", overriding(is_high))

"""A guard that is false only after a helper has been called: nothing of the step may be left."""

from __future__ import annotations

from spec.language import Bounds, Machine, State, invariant, require


class Late(State):
    """Two flags, of which only one is ever set."""

    first: bool
    second: bool


def init(s: Late) -> None:
    """Neither."""


def unless_second(s: Late) -> None:
    """A helper that may end the action that calls it."""
    require(not s.second)


def set_first(s: Late) -> None:
    """Set the first flag, unless the second is set."""
    s.first = True
    unless_second(s)


def set_second(s: Late) -> None:
    """Set the second flag, once."""
    require(not s.second)
    s.second = True


@invariant()
def the_first_was_first(s: Late) -> bool:
    """Anything may be."""
    return s.first or not s.first


LATE = Machine(
    name="late",
    title="A late guard",
    about="A guard in a helper, after a change of the state.",
    state=Late,
    init=init,
    actions=(set_first, set_second),
    invariants=(the_first_was_first,),
    bounds={"small": Bounds({}, "two flags", states=4, transitions=4, depth=2)},
)

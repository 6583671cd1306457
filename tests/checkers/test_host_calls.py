"""The text of a host call is made at the call: what it frees is still spelled by its label."""

from __future__ import annotations

from enum import IntEnum
from typing import Annotated

import pytest

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
    build,
    host_call,
)


class Errno(IntEnum):
    """What the host answers."""

    OK = 0
    EBUSY = 16


class Door(Record):
    """A door with a number, which it loses when it is taken out."""

    number: Annotated[int, Range(0, 9)]

    def label(self) -> str:
        """Its number."""
        return f"no. {self.number}"


class House(State):
    """Some doors."""

    doors: Table[Door]


def init(s: House) -> None:
    """No door has a number."""


@host_call("door_put on={on} {door} out={out} ({ret})", fails=Errno.EBUSY)
def door_put(s: House, door: Id[Door], on: bool, fault: Fault) -> tuple[Errno, Id[Door]]:
    """The door gets a number."""
    s.doors[door].number = 7
    return Errno.OK, door


@host_call("door_take {door} ({ret})", fails=Errno.EBUSY)
def door_take(s: House, door: Id[Door], fault: Fault) -> Errno:
    """The door loses its number."""
    s.doors[door].number = 0
    return Errno.OK


def swing(s: House, door: Id[Door], fault: Fault) -> Errno:
    """A door comes and goes."""
    ret, put = door_put(s, door, True, fault)
    if ret != Errno.OK:
        return ret
    return door_take(s, put, fault)


PROGRAM = build(Machine("house", House, init, (swing,), {"small": Bounds({"doors": 1})}), "small")


@pytest.mark.parametrize(
    ("fault", "texts"),
    [
        (0, ["door_put on=1 no. 0 out=no. 7 (0)", "door_take no. 7 (0)"]),
        (1, ["door_put on=1 no. 0 out=0 (-EBUSY)"]),
        (2, ["door_put on=1 no. 0 out=no. 7 (0)", "door_take no. 7 (-EBUSY)"]),
    ],
)
def test_labels_are_those_at_the_call(fault: int, texts: list[str]) -> None:
    outcome = PROGRAM.run(PROGRAM.action("swing"), PROGRAM.initial()[0], (1,), fault, True)
    assert [call.text() for call in outcome.calls] == texts
    assert [call.injected for call in outcome.calls] == [
        n == fault for n in range(1, len(texts) + 1)
    ]


def test_none_is_zero() -> None:
    fault = Fault()
    store = PROGRAM.store()
    with pytest.raises(Exception, match="null dereference"):
        door_take(store.state, NONE, fault)  # type: ignore[arg-type]
    assert fault.log == []


@pytest.mark.parametrize("event", ["door_open {gate} ({ret})", "door_open {door} {out} ({ret})"])
def test_event_of_an_unknown_argument_is_refused(event: str) -> None:
    def door_open(s: House, door: Id[Door], fault: Fault) -> Errno:
        return Errno.OK

    with pytest.raises(LanguageError, match="which is no argument of the call"):
        host_call(event, fails=Errno.EBUSY)(door_open)

from __future__ import annotations

from enum import IntEnum

import pytest

from spec.language import Fault, Id, LanguageError, Record, State, Table, host_call
from spec.language.control import Crash, Cut, Disabled, check, limit, require
from tests.spec.language.places import assert_place


class Errno(IntEnum):
    OK = 0
    EBUSY = 16
    ENOSPC = 28


class Slot(Record):
    taken: bool


class Host(State):
    slots: Table[Slot]


HOST = Host()


@host_call("slot_take  slot={out} ({ret})", fails=Errno.ENOSPC)
def take(s: Host, fault: Fault) -> tuple[Errno, Id[Slot]]:
    """Take slot 7."""
    return Errno.OK, Id(7)


@host_call("slot_drop  slot={slot} ({ret})", fails=Errno.EBUSY)
def drop(s: Host, slot: int, fault: Fault) -> Errno:
    """Drop a slot."""
    return Errno.OK


@pytest.mark.parametrize(("verb", "arguments", "raised"), [
    (require, (), Disabled),
    (check, ("lock not held",), Crash),
    (limit, ("too many slots",), Cut),
])  # fmt: skip
def test_a_false_condition_ends_the_action(
    verb: object, arguments: tuple[str, ...], raised: type[Exception]
) -> None:
    verb(True, *arguments)  # type: ignore[operator]
    with pytest.raises(raised, match=arguments[0] if arguments else None):
        verb(False, *arguments)  # type: ignore[operator]


def test_without_a_fault_the_body_runs_and_the_call_is_logged() -> None:
    fault = Fault(spelling=True)
    assert take(HOST, fault) == (Errno.OK, 7)
    [call] = fault.log
    assert (call.name, call.injected) == ("slot_take", False)
    assert call.text() == "slot_take  slot=7 (0)"


def test_only_the_nth_call_fails_with_its_errno_and_zeros() -> None:
    fault = Fault(2, spelling=True)
    assert take(HOST, fault) == (Errno.OK, 7)
    assert take(HOST, fault) == (Errno.ENOSPC, 0)
    assert take(HOST, fault) == (Errno.OK, 7)
    assert [call.injected for call in fault.log] == [False, True, False]
    assert fault.log[1].text() == "slot_take  slot=0 (-ENOSPC)"


def test_a_call_with_one_answer_fails_with_the_bare_errno() -> None:
    fault = Fault(1, spelling=True)
    assert drop(HOST, 3, fault) is Errno.EBUSY
    assert fault.log[0].text() == "slot_drop  slot=3 (-EBUSY)"


def test_a_host_call_without_a_fault_is_refused() -> None:
    with pytest.raises(LanguageError, match="takes a parameter `fault: Fault`") as caught:

        @host_call("slot_peek", fails=Errno.EBUSY)
        def peek(s: Host) -> Errno:
            return Errno.OK

    assert_place(caught, __file__, '@host_call("slot_peek"')


def test_an_event_that_names_no_argument_is_refused() -> None:
    with pytest.raises(LanguageError, match=r"the event names \{nobody\}") as caught:

        @host_call("slot_seek {nobody}", fails=Errno.EBUSY)
        def seek(s: Host, fault: Fault) -> Errno:
            return Errno.OK

    assert_place(caught, __file__, '@host_call("slot_seek')

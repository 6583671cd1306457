from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from enum import IntEnum
from typing import Annotated, Any

import pytest

from spec.language import (
    NONE,
    Bounds,
    Fault,
    Id,
    IdSet,
    LanguageError,
    Machine,
    Range,
    Record,
    State,
    Table,
    Variant,
    build,
    check,
    host_call,
    invariant,
    limit,
    overrides,
    overriding,
    require,
)
from spec.language.program import Kind
from tests.spec.language.places import assert_place
from tests.toys.mutex import MUTEX


class Errno(IntEnum):
    OK = 0
    EIO = 5


class Lamp(Record):
    level: Annotated[int, Range(0, 3)]
    linked: Id[Lamp]


class Room(State):
    lamps: Table[Lamp]


def init(s: Room) -> None:
    """All lamps are out."""


def at_most() -> int:
    """The level a lamp is turned up to."""
    return 2


def turned_up(s: Room, lamp: Id[Lamp]) -> None:
    """A lamp is one level brighter."""
    s.lamps[lamp].level += 1


def turn_up(s: Room, lamp: Id[Lamp]) -> None:
    """Somebody turns a lamp up."""
    require(s.lamps[lamp].level < at_most())
    turned_up(s, lamp)


def room(*actions: Callable[..., Any], **changes: Any) -> Machine:
    bounds = {"small": Bounds({"lamps": 2})}
    machine = Machine("room", Room, init, actions or (turn_up,), bounds)
    return replace(machine, **changes)


def run(machine: Machine, *values: int, fault: int = 0, variant: Variant | None = None) -> Any:
    """The outcome of the first action in the first initial state."""
    program = build(machine, "small", variant)
    return program.run(program.actions[0], program.initial()[0], values, fault, spelling=True)


def test_a_reached_level_of_nothing_is_disabled() -> None:
    program = build(room(), "small")
    state = program.initial()[0]
    for _ in range(2):
        outcome = program.run(program.action("turn_up"), state, (1,))
        assert (outcome.kind, outcome.result) == (Kind.DONE, 0)
        state = outcome.state
    assert program.run(program.action("turn_up"), state, (1,)).kind is Kind.DISABLED
    assert program.run(program.action("turn_up"), state, (2,)).kind is Kind.DONE
    with pytest.raises(KeyError):
        program.action("turn_down")


def test_unknown_bounds_are_a_key_error() -> None:
    with pytest.raises(KeyError):
        build(MUTEX, "enormous")


# Endings other than DONE


def cut_off(s: Room, lamp: Id[Lamp]) -> None:
    s.lamps[lamp].level = 1
    limit(lamp == 2, "one lamp only")


def crash(s: Room, lamp: Id[Lamp]) -> None:
    s.lamps[lamp].level = 1
    check(lamp == 2, "wrong lamp")


def follow_nothing(s: Room, lamp: Id[Lamp]) -> None:
    s.lamps[s.lamps[lamp].linked].level = 1


def too_bright(s: Room, lamp: Id[Lamp]) -> None:
    s.lamps[lamp].level = 3
    s.lamps[lamp].level += 1


@pytest.mark.parametrize(("action", "kind", "why"), [
    (cut_off, Kind.CUT, "one lamp only"),
    (crash, Kind.CRASH, "wrong lamp"),
    (follow_nothing, Kind.CRASH, "null dereference: lamps"),
    (too_bright, Kind.CRASH, "lamps.level out of range"),
])  # fmt: skip
def test_each_ending_says_why(action: Callable[..., None], kind: Kind, why: str) -> None:
    outcome = run(room(action), 1)
    assert (outcome.kind, outcome.why) == (kind, why)


def test_a_cut_leaves_the_state_and_a_crash_shows_it() -> None:
    before = build(room(), "small").initial()[0]
    assert run(room(cut_off), 1).state == before
    assert run(room(crash), 1).state != before


def test_an_invariant_that_crashes_is_false() -> None:
    @invariant()
    def linked_is_dark(s: Room, lamp: Id[Lamp]) -> bool:
        return s.lamps[s.lamps[lamp].linked].level == 0

    program = build(room(invariants=(linked_is_dark,)), "small")
    rule = program.invariants["linked-is-dark"]
    assert list(rule.instances(program.layout)) == [(1,), (2,)]
    assert program.evaluate(rule, program.initial()[0], values=(1,)) is False


# The host


@host_call("lamp_switch  lamp={lamp} ({ret})", fails=Errno.EIO)
def switch(s: Room, lamp: Id[Lamp], fault: Fault) -> Errno:
    """The host lights a lamp."""
    s.lamps[lamp].level = 1
    return Errno.OK


def switch_both(s: Room, fault: Fault) -> Errno:
    ret = switch(s, Id(1), fault)
    if ret != Errno.OK:
        return ret
    return switch(s, Id(2), fault)


def test_each_failing_call_is_one_transition() -> None:
    outcomes = [run(room(switch_both), fault=fault) for fault in range(4)]
    assert [outcome.kind for outcome in outcomes] == [*[Kind.DONE] * 3, Kind.DISABLED]
    assert [outcome.result for outcome in outcomes[:3]] == [0, Errno.EIO, Errno.EIO]
    assert [len(outcome.calls) for outcome in outcomes[:3]] == [2, 1, 2]
    assert [call.text() for call in outcomes[2].calls] == [
        "lamp_switch  lamp=1 (0)",
        "lamp_switch  lamp=2 (-EIO)",
    ]
    assert outcomes[0].state != outcomes[2].state != outcomes[1].state


# Initial states


def init_lit(s: Room, lamp: Id[Lamp], level: Annotated[int, Range(0, 3)]) -> None:
    require(level < 2)
    s.lamps[lamp].level = level


def test_initial_states_are_enumerated_guarded_and_each_once() -> None:
    assert len(build(room(init=init_lit), "small").initial()) == 3


def test_an_init_that_crashes_is_refused() -> None:
    program = build(room(init=too_bright), "small")
    with pytest.raises(LanguageError, match=r"init fails a check: lamps\.level") as caught:
        program.initial()
    assert_place(caught, __file__, "def too_bright(")


# Linking of variants


@overrides(at_most)
def at_most_one() -> int:
    return 1


@overrides(turned_up)
def turned_up_twice(s: Room, lamp: Id[Lamp]) -> None:
    turned_up(s, lamp)
    turned_up(s, lamp)


@overrides(turn_up)
def turn_up_freely(s: Room, lamp: Id[Lamp]) -> None:
    turned_up(s, lamp)


@overrides(switch)
@host_call("lamp_toggle  lamp={lamp} ({ret})", fails=Errno.EIO)
def toggle(s: Room, lamp: Id[Lamp], fault: Fault) -> Errno:
    s.lamps[lamp].level = 2
    return Errno.OK


def variant(*functions: Callable[..., Any]) -> Variant:
    return Variant("odd", "room", overriding(*functions))


def level_after(machine: Machine, odd: Variant | None) -> int:
    outcome = run(machine, 1, variant=odd)
    return -1 if outcome.kind is not Kind.DONE else int(outcome.state[0])


def test_a_nested_function_is_replaced_for_every_caller() -> None:
    program = build(room(), "small", variant(at_most_one))
    once = program.run(program.actions[0], program.initial()[0], (1,))
    assert program.run(program.actions[0], once.state, (1,)).kind is Kind.DISABLED


def test_an_override_may_call_its_original() -> None:
    assert level_after(room(), None) == 1
    assert level_after(room(), variant(turned_up_twice)) == 2


def test_overrides_combine() -> None:
    assert level_after(room(), variant(turned_up_twice, turn_up_freely)) == 2


def test_an_overriding_action_keeps_the_name_of_the_reference() -> None:
    program = build(room(), "small", variant(turn_up_freely))
    assert [rule.name for rule in program.actions] == ["turn_up"]


def test_a_host_call_is_replaced_with_its_event() -> None:
    outcome = run(room(switch_both), variant=variant(toggle))
    assert [call.name for call in outcome.calls] == ["lamp_toggle", "lamp_toggle"]


def test_what_no_override_reaches_is_linked_once() -> None:
    machine = room()
    one, other = build(machine, "small"), build(machine, "small")
    changed = build(machine, "small", variant(turned_up_twice))
    assert one.layout is other.layout is changed.layout
    assert one.init.function is other.init.function is changed.init.function
    assert one.actions[0].function is other.actions[0].function
    assert one.actions[0].function is not changed.actions[0].function
    assert one.layout is not build(room(), "small").layout


def test_the_reference_is_left_alone_by_a_variant() -> None:
    build(room(), "small", variant(turned_up_twice))
    assert level_after(room(), None) == 1


def test_an_override_that_nothing_calls_is_refused() -> None:
    with pytest.raises(LanguageError, match="machine room never calls switch") as caught:
        build(room(), "small", variant(toggle))
    assert_place(caught, __file__, "@overrides(switch)")


def down(s: Room, lamp: Id[Lamp]) -> None:
    up(s, lamp)


def up(s: Room, lamp: Id[Lamp]) -> None:
    down(s, lamp)


def test_recursion_is_refused() -> None:
    with pytest.raises(LanguageError, match="calls itself; there is no recursion") as caught:
        build(room(down), "small")
    assert_place(caught, __file__, "def down(")


# Declarations of actions outside the language


def untyped(s: Room, lamp) -> None:  # type: ignore[no-untyped-def]
    """A parameter without a type."""


def texts(s: Room, name: str) -> None:
    """A parameter of no type of the language."""


def of_sets(s: Room, lamps: IdSet[Lamp]) -> None:
    """A set as a parameter."""


def fault_first(s: Room, fault: Fault, lamp: Id[Lamp]) -> None:
    """The fault is not the last."""


def fault_renamed(s: Room, failure: Fault) -> None:
    """The fault has another name."""


@pytest.mark.parametrize(("action", "message"), [
    (untyped, "parameter `lamp` of untyped has no type"),
    (texts, "`name: str` is not a type of the language"),
    (of_sets, "a set is no parameter"),
    (fault_first, "the fault is the last parameter"),
    (fault_renamed, "is called `fault`"),
])  # fmt: skip
def test_a_parameter_outside_the_language_is_refused(
    action: Callable[..., None], message: str
) -> None:
    with pytest.raises(LanguageError) as caught:
        build(room(action), "small")
    assert message in caught.value.message
    assert_place(caught, __file__, f"def {action.__name__}(")


def test_none_is_never_among_the_values_of_a_parameter() -> None:
    program = build(room(), "small")
    assert (NONE,) not in list(program.actions[0].instances(program.layout))

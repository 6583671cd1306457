"""Names are of one thing each: a second of the name is refused, with both places."""

from __future__ import annotations

from dataclasses import replace

import pytest

from spec.language import LanguageError, Machine, build, invariant, overrides, overriding, sometimes
from spec.language.machine import Variant
from tests.spec.language.places import assert_place, line_of
from tests.toys.mutex import MUTEX
from tests.toys.refcount import REFCOUNT, release


def rule(s: object) -> bool:
    return True


def _rule(s: object) -> bool:
    return False


def no_failed_check(s: object) -> bool:
    return True


def every_action_fires(s: object) -> bool:
    return True


def enter(s: object) -> None:
    """Named as an action."""


def refused(machine: Machine) -> pytest.ExceptionInfo[LanguageError]:
    with pytest.raises(LanguageError) as caught:
        build(machine, "small")
    return caught


def test_two_rules_of_one_name_are_refused() -> None:
    caught = refused(MUTEX.holding(invariant()(rule), invariant()(_rule)))
    assert_place(caught, __file__, "def _rule(")
    place = f"{__file__}:{line_of(__file__, 'def rule(')}"
    assert caught.value.message == (
        f"mutex has another invariant called rule: {place}; give one of them another name"
    )


def test_two_witnesses_of_one_name_are_refused_and_one_may_be_of_two_rules() -> None:
    caught = refused(MUTEX.holding(witnesses=(sometimes(rule), sometimes(_rule))))
    assert "mutex has another witness called rule" in caught.value.message
    witness = sometimes(rule)
    build(MUTEX.holding(invariant(witness)(rule), invariant(witness)(enter)), "small")


def test_two_actions_of_one_name_are_refused() -> None:
    (first, *_) = MUTEX.actions
    caught = refused(replace(MUTEX, actions=(*MUTEX.actions, first)))
    assert f"mutex has another action called {first.__name__}" in caught.value.message


@pytest.mark.parametrize("function", [no_failed_check, every_action_fires])
def test_the_names_of_what_every_machine_has_are_taken(function: object) -> None:
    caught = refused(MUTEX.holding(invariant()(function)))  # type: ignore[arg-type]
    assert "is a rule of every machine" in caught.value.message


# overrides


def test_a_name_is_nothing_to_override() -> None:
    with pytest.raises(LanguageError, match="takes a function, not 'release'") as found:

        @overrides("release")  # type: ignore[arg-type]
        def by_name(s: object) -> None:
            """Nothing."""

    assert_place(found, __file__, '@overrides("release")')


@overrides(release)
def without(s: object) -> None:
    """Takes less than what it overrides."""


def test_an_override_takes_the_parameters_of_its_original() -> None:
    variant = Variant("without", "refcount", overriding(without))
    with pytest.raises(LanguageError, match=r"without takes 1 parameters, release \d") as caught:
        build(REFCOUNT, "small", variant)
    assert_place(caught, __file__, "@overrides(release)")

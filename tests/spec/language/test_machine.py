from __future__ import annotations

import pytest

from spec.language import (
    LanguageError,
    Source,
    State,
    Variant,
    bounds_like,
    invariant,
    mirrors,
    on_failure,
    overrides,
    overriding,
    posted,
    sometimes,
    variant_of,
)
from spec.language.machine import sources_of, summary
from tests.spec.language.places import assert_place
from tests.toys.mutex import MUTEX, one_at_a_time, somebody_inside
from tests.toys.refcount import (
    REFCOUNT,
    create_leaking,
    refusal_changes_nothing,
    release,
    release_at_once,
)


def plain(s: State) -> bool:
    """One line.

    And more.
    """
    return True


def test_sources_are_document_patch_and_function() -> None:
    declared = mirrors("002 15/21 vtd_device_attach_hwpt", "kernel R7.5", "defects V-01")(plain)
    assert sources_of(declared) == (
        Source("002", "15/21", "vtd_device_attach_hwpt"),
        Source("kernel", "R7.5", ""),
        Source("defects", "V-01", ""),
    )
    assert [str(source) for source in sources_of(declared)][1] == "kernel R7.5"
    assert sources_of(summary) == ()


@pytest.mark.parametrize("text", ["", "linux 1/2 f", "2 15/21 f", "002 15/21 f g"])
def test_a_source_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(LanguageError, match="is not DOCUMENT PATCH FUNCTION") as caught:
        mirrors(text)(plain)
    assert_place(caught, __file__, "def plain(")


def test_summary_is_the_first_line() -> None:
    assert summary(plain) == "One line."
    assert summary(lambda: None) == ""


def test_declarations_take_dashed_names_from_their_functions() -> None:
    assert (one_at_a_time.name, one_at_a_time.kind) == ("one-at-a-time", "always")
    assert one_at_a_time.witness is somebody_inside
    assert somebody_inside.name == "somebody-inside"
    assert refusal_changes_nothing.kind == "on-failure"
    assert on_failure()(plain).witness is None


def test_witnesses_are_each_listed_once() -> None:
    assert [witness.name for witness in REFCOUNT.witnesses()] == ["shared"]


def test_holding_adds_and_leaves_the_machine_alone() -> None:
    more = invariant()(plain)
    witness = sometimes(plain)
    longer = MUTEX.holding(more, witnesses=(witness,))
    assert longer.invariants == (one_at_a_time, more)
    assert [item.name for item in longer.witnesses()] == ["plain", "somebody-inside"]
    assert MUTEX.invariants == (one_at_a_time,)


def first_override(s: State) -> bool:
    return False


def second_override(s: State) -> bool:
    return True


def test_overriding_needs_each_function_to_say_what() -> None:
    with pytest.raises(LanguageError, match="does not say what it overrides") as caught:
        overriding(first_override)
    assert_place(caught, __file__, "def first_override(")


def test_overriding_twice_is_refused() -> None:
    declared = overrides(plain)(first_override), overrides(plain)(second_override)
    with pytest.raises(LanguageError, match="plain is overridden twice") as caught:
        overriding(*declared)
    assert_place(caught, __file__, "def second_override(")
    assert overriding(declared[0]) == {plain: first_override}
    for function in declared:
        del function.__overrides__  # type: ignore[attr-defined]


def test_bounds_are_like_others_but_for_what_changed() -> None:
    numbers = {"devices": 2, "tables": 1}
    other = bounds_like(numbers, "Why.", (3, 5, 2), (2, 4, 1), ("unplug",), tables=2)
    assert other.values == {"devices": 2, "tables": 2}
    assert (other.states, other.transitions, other.depth) == (3, 5, 2)
    assert other.orbits == (2, 4, 1)
    assert (other.why, other.without) == ("Why.", ("unplug",))
    assert bounds_like({"devices": 2}, "Why.").states is None


def test_a_variant_is_about_what_its_first_override_says() -> None:
    built = variant_of("refcount", "hasty", release_at_once, no_dangling=3, no_failed_check=4)
    assert built == Variant(
        name="hasty",
        machine="refcount",
        overrides={release: release_at_once},
        expects={"no-dangling": 3, "no-failed-check": 4},
        bounds="small",
        about="One holder less; the object is freed, whoever still holds it.",
    )


def test_a_variant_says_what_it_is_told_to() -> None:
    built = variant_of(
        "refcount",
        "both",
        release_at_once,
        create_leaking,
        bounds="large",
        standing=posted("002 rfcv3", "002 15/21", "never merged"),
        about="Nobody counts.",
    )
    assert set(built.overrides.values()) == {release_at_once, create_leaking}
    assert (built.bounds, str(built.standing)) == ("large", "posted, read, never merged")
    assert built.about == "Nobody counts."
    assert built.expects == {}


def test_a_variant_of_a_function_that_overrides_nothing_is_refused() -> None:
    with pytest.raises(LanguageError, match="does not say what it overrides"):
        variant_of("refcount", "odd", plain)

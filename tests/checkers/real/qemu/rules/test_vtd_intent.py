"""What VT-d may do with requests: by tables, registers and invalidations alone."""

from __future__ import annotations

import pytest

from checkers.real.qemu.rules.vtd_intent import (
    BLOCKED,
    BYPASS,
    FAR,
    NEAR,
    NO_ENTRY,
    Entry,
    Reach,
    VtdIntent,
)

FIRST, SECOND, OTHER = Entry("table 1", 1), Entry("table 2", 1), Entry("table 2", 2)


def on(entry: Entry = NO_ENTRY) -> VtdIntent:
    intent = VtdIntent(2)
    intent.enabled = True
    intent.entry(0, NEAR, entry)
    intent.cover(0, None)
    return intent


def test_without_translation_every_device_has_all_memory() -> None:
    intent = on(FIRST)
    intent.enabled = False
    assert intent.may(0, NEAR) == {BYPASS}
    assert intent.due(0, NEAR) == BYPASS


def test_without_an_entry_requests_are_blocked_at_once() -> None:
    assert on().may(0, NEAR) == {BLOCKED}


@pytest.mark.parametrize(
    ("did", "pasid", "covered"),
    [(0, None, True), (1, None, True), (1, NEAR, True), (2, None, False), (1, FAR, False)],
)
def test_what_was_in_memory_is_in_force_until_its_domain_is_named(
    did: int, pasid: int | None, covered: bool
) -> None:
    intent = on(FIRST)
    intent.entry(0, NEAR, SECOND)
    assert intent.may(0, NEAR) == {"table 1", "table 2"}
    intent.cover(did, pasid)
    assert intent.may(0, NEAR) == ({"table 2"} if covered else {"table 1", "table 2"})


def test_a_change_of_domain_is_covered_by_the_old_one() -> None:
    intent = on(FIRST)
    intent.entry(0, NEAR, OTHER)
    intent.cover(2, None)
    assert intent.may(0, NEAR) == {"table 1", "table 2"}
    intent.cover(1, None)
    assert intent.may(0, NEAR) == {"table 2"}


def test_that_there_was_none_is_covered_by_the_new_domain() -> None:
    intent = on()
    intent.entry(0, NEAR, OTHER)
    intent.cover(1, None)
    assert intent.may(0, NEAR) == {BLOCKED, "table 2"}
    intent.cover(2, NEAR)
    assert intent.may(0, NEAR) == {"table 2"}


def test_a_context_entry_needs_its_own_invalidation_first() -> None:
    intent = on(FIRST)
    intent.context(0, Reach.ABSENT)
    intent.cover(0, None)
    assert intent.may(0, NEAR) == {"table 1", BLOCKED}
    intent.cover_contexts(1)
    intent.cover(0, None)
    assert intent.may(0, NEAR) == {"table 1", BLOCKED}
    intent.cover_contexts(0)
    assert intent.may(0, NEAR) == {"table 1", BLOCKED}
    intent.cover(0, None)
    assert intent.may(0, NEAR) == {BLOCKED}


def test_a_small_directory_reaches_no_far_pasid() -> None:
    intent = on(FIRST)
    intent.entry(0, FAR, SECOND)
    intent.context(0, Reach.SMALL)
    assert (intent.due(0, NEAR), intent.due(0, FAR)) == ("table 1", BLOCKED)


def test_after_a_reset_nothing_old_is_in_force() -> None:
    intent = on(FIRST)
    intent.entry(0, NEAR, SECOND)
    intent.reset()
    assert intent.may(0, NEAR) == {BYPASS}
    intent.enabled = True
    assert intent.may(0, NEAR) == {"table 2"}
    assert not intent.queue

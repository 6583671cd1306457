"""What is known when a limit ends a search in the middle of a level."""

from __future__ import annotations

from checkers.explore.native.search import explore
from checkers.result import Limits, Renaming
from spec.language import build
from tests.checkers.explore.native.facts import assert_all_shown
from tests.toys.queue import QUEUE, STANDS_STILL


def test_a_rule_broken_in_a_level_that_was_not_finished_is_told() -> None:
    """The clock is met after the first slice of the first level that breaks a rule."""
    program = build(QUEUE, STANDS_STILL.bounds, STANDS_STILL)
    whole = explore(program, frozenset(), Limits(renaming=Renaming.NONE))
    shortest = min(len(shown.steps) for shown in whole.violations.values())
    ticks = iter(range(10_000))
    limits = Limits(renaming=Renaming.NONE, seconds=shortest + 0.5, clock=lambda: next(ticks))
    found = explore(program, frozenset(), limits)
    assert found.stopped
    assert not found.untold
    assert_all_shown(found)

"""What two explorations must have in common, and what a violation must be."""

from __future__ import annotations

from typing import Any

from checkers.explore.explored import Explored
from checkers.minimise import replay
from checkers.result import Violation
from checkers.trace.replay import no_way_down
from spec.language import Program, take
from spec.language.program import Kind
from spec.language.rules import TEARDOWN


def figures(found: Explored) -> tuple[int, int, int]:
    return found.states, found.transitions, found.depth


def facts(found: Explored) -> dict[str, Any]:
    """Everything that does not depend on the order in which states are found."""
    return {
        "figures": figures(found),
        "levels": found.levels,
        "fired": found.fired,
        "crashed": {name: count for name, count in found.crashed.items() if count},
        "cuts": found.cuts,
        "witnessed": found.witnessed,
        "stopped": found.stopped,
        "untold": found.untold,
        "lengths": {rule: len(shown.steps) for rule, shown in sorted(found.violations.items())},
        "faults": {
            rule: sum(step.fault > 0 for step in shown.steps)
            for rule, shown in sorted(found.violations.items())
        },
        "choices": {rule for rule, shown in found.violations.items() if shown.another_choice},
        "renamed": (found.renaming, sorted(found.symmetric)),
    }


def assert_shown(program: Program, violation: Violation) -> None:
    """The steps are a run whose end, and nothing before it, breaks the rule."""
    assert violation.initial in program.initial()
    if violation.rule == TEARDOWN:
        state = violation.initial
        for step in violation.steps:
            outcome = take(program, state, step)
            assert outcome.kind is Kind.DONE
            state = outcome.state
        assert no_way_down(program, state, one_step=False)
        return
    again = replay(program, violation)
    assert again is not None
    shown = (violation.steps, violation.binding, violation.why)
    assert (again.steps, again.binding, again.why) == shown


def assert_all_shown(found: Explored) -> None:
    assert not found.untold
    for violation in found.violations.values():
        assert_shown(found.program, violation)

"""Shorter traces of the same violation: leave steps out for as long as the rule is still broken."""

from __future__ import annotations

from dataclasses import replace

from checkers.result import Violation
from spec.language.program import Kind, Program
from spec.language.rules import Breach, broken_after, broken_by_state
from spec.language.steps import Step, take


def minimise(program: Program, violation: Violation) -> Violation:
    """The violation after leaving out every run of steps that it does not need.

    Steps that are then not enabled are left out too. The result breaks the same rule, perhaps at
    other objects, and is never longer.
    """
    best = violation
    width = len(best.steps) - 1
    while width > 0:
        shorter = _without(program, best, width)
        if shorter is None:
            width -= 1
        else:
            best = shorter
            width = min(width, len(best.steps) - 1)
    return best


def replay(program: Program, violation: Violation) -> Violation | None:
    """The violation as far as it goes to the first breach of its rule; None if there is none.

    Steps that are not enabled where they stand are passed over.
    """
    state, taken, rule = violation.initial, list[Step](), (violation.rule,)
    for breach in broken_by_state(program, state, rule):
        return _ending(violation, taken, breach)
    for step in violation.steps:
        outcome = take(program, state, step)
        if outcome.kind not in (Kind.DONE, Kind.CRASH):
            continue
        for breach in broken_after(program, state, outcome, rule):
            return _ending(violation, [*taken, step], breach)
        if outcome.kind is Kind.DONE:
            state = outcome.state
            taken.append(step)
    return None


def _ending(violation: Violation, steps: list[Step], breach: Breach) -> Violation:
    return replace(violation, steps=tuple(steps), binding=breach.binding, why=breach.why)


def _without(program: Program, violation: Violation, width: int) -> Violation | None:
    """The violation without some run of `width` steps, the first that it does not need."""
    steps = violation.steps
    for start in range(len(steps) - width + 1):
        kept = steps[:start] + steps[start + width :]
        found = replay(program, replace(violation, steps=kept))
        if found is not None and len(found.steps) < len(steps):
            return found
    return None

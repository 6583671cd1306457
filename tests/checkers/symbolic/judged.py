"""What a proof says of a small machine, beside what all its reachable states say."""

from __future__ import annotations

from collections.abc import Callable

from checkers.result import Limits, Verdict
from checkers.symbolic import check
from spec.language import Machine, State, build
from spec.language.machine import Bounds, Invariant, Teardown
from spec.language.program import Kind, Program
from spec.language.rules import CRASH, TEARDOWN, broken_by_state, broken_by_step
from spec.language.steps import steps

Action = Callable[..., object]


def machine(
    state: type[State],
    init: Action,
    actions: tuple[Action, ...],
    *invariants: Invariant,
    teardown: Teardown | None = None,
    **sizes: int,
) -> Program:
    """A machine with one set of bounds."""
    made = Machine(
        "toy", state, init, actions, {"small": Bounds(sizes)},
        invariants=invariants, teardown=teardown,
    )  # fmt: skip
    return build(made, "small")


def proved(program: Program) -> set[str]:
    """The rules that are proved."""
    found = check(program, frozenset(), Limits(jobs=1))
    return {item.rule for item in found if item.verdict is Verdict.PROVED}


def broken(program: Program) -> set[str]:
    """The rules that some reachable state or step breaks: every one is looked at."""
    names = {*program.invariants, CRASH}
    waiting = list(program.initial())
    seen, found = set(waiting), set[str]()
    up: dict[bytes, set[bytes]] = {}
    for state in waiting:
        found |= {breach.rule for breach in broken_by_state(program, state, names)}
        for step, outcome in steps(program, state):
            found |= {breach.rule for breach in broken_by_step(program, state, outcome, names)}
            if outcome.kind is not Kind.DONE:
                continue
            if step.action in program.teardown_actions and not step.fault:
                up.setdefault(outcome.state, set()).add(state)
            if outcome.state not in seen:
                seen.add(outcome.state)
                waiting.append(outcome.state)
    if program.empty is not None and _down(program, seen, up) != seen:
        found.add(TEARDOWN)
    return found


def _down(program: Program, seen: set[bytes], up: dict[bytes, set[bytes]]) -> set[bytes]:
    """The states that can be taken down."""
    assert program.empty is not None
    waiting = [state for state in seen if program.evaluate(program.empty, state)]
    found = set(waiting)
    for state in waiting:
        more = up.get(state, set()) - found
        found |= more
        waiting += more
    return found


__all__ = ["CRASH", "TEARDOWN", "broken", "machine", "proved"]

"""From numbers in an exploration to a run that anybody can repeat.

The steps of an exploration up to renaming lead between representatives. The run begins in a real
initial state; at each step it takes whichever instance of the same action and fault leads to a
state with the expected representative.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from checkers.explicit.judge import broken_in
from checkers.explicit.pieces import Hit
from checkers.explicit.search import ROOT, Exploration
from checkers.explicit.symmetry import canonicaliser
from checkers.result import Violation
from spec.language.program import Kind, Linked, Outcome
from spec.language.steps import Step


@dataclass(frozen=True)
class _End:
    """What the last step of a violation shows: a step, its outcome, the values at fault."""

    step: Step
    binding: tuple[int, ...] = ()
    why: str = ""


def violation(found: Exploration, hit: Hit) -> Violation:
    """The shortest run to where a rule is broken; each of its steps was really taken."""
    initial, steps, state = _run(found, hit.state)
    if hit.code is not None:
        end = _last(found, hit, state)
        return Violation(hit.rule, initial, (*steps, end.step), end.binding, end.why)
    binding: tuple[int, ...] = ()
    if hit.rule in found.program.invariants:
        binding = broken_in(found.program, [hit.rule], state)[0].binding
    return Violation(hit.rule, initial, tuple(steps), binding)


def _run(found: Exploration, number: int) -> tuple[bytes, list[Step], bytes]:
    """An initial state, the steps from there to a state of this number, and that state."""
    numbers = [number]
    while found.parents[numbers[-1]] != ROOT:
        numbers.append(found.parents[numbers[-1]])
    numbers.reverse()
    expected = _states(found, numbers)
    canonical = canonicaliser(found.symmetric)
    initial = state = found.initial[numbers[0]]
    steps: list[Step] = []
    for one in numbers[1:]:
        step = found.instances.step(found.codes[one])

        def leads(outcome: Outcome, _: Step, wanted: bytes = expected[one]) -> bool:
            return outcome.kind is Kind.DONE and canonical(outcome.state) == wanted

        step, outcome = _taken(found, state, step, leads)
        steps.append(step)
        state = outcome.state
    return initial, steps, state


def _last(found: Exploration, hit: Hit, state: bytes) -> _End:
    """The step from a state that crashes as the hit says, or breaks the rule about failures."""
    assert hit.code is not None
    step = found.instances.step(hit.code)
    if hit.why:
        step, outcome = _taken(found, state, step, lambda outcome, _: outcome.why == hit.why)
        return _End(step, (), outcome.why)

    def breaks(outcome: Outcome, _: Step) -> bool:
        if outcome.kind is not Kind.DONE or not outcome.result:
            return False
        return bool(broken_in(found.program, [hit.rule], state, outcome.state))

    step, outcome = _taken(found, state, step, breaks)
    return _End(step, broken_in(found.program, [hit.rule], state, outcome.state)[0].binding)


def _taken(
    found: Exploration, state: bytes, step: Step, fits: Callable[[Outcome, Step], bool]
) -> tuple[Step, Outcome]:
    """The step, or one of the same action and fault with other values, whose outcome fits."""
    rule = found.program.action(step.action)
    for values in _candidates(found, rule, step.values):
        outcome = found.program.run(rule, state, values, step.fault)
        if fits(outcome, step):
            return Step(step.action, values, step.fault), outcome
    raise RuntimeError(f"{step} was explored but cannot be repeated; the engine is wrong")


def _candidates(
    found: Exploration, rule: Linked, likely: tuple[int, ...]
) -> Iterator[tuple[int, ...]]:
    yield likely
    if found.symmetric:
        yield from rule.instances(found.program.layout)


def _states(found: Exploration, numbers: Sequence[int]) -> dict[int, bytes]:
    """The states with these numbers."""
    wanted = set(numbers)
    return {number: state for number, state in enumerate(found.index) if number in wanted}

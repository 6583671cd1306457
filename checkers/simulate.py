"""A random walk through a machine, the same for the same seed, that stops at what is broken."""

from __future__ import annotations

import random
from dataclasses import dataclass

from checkers.result import CRASH, Step, Violation
from spec.language.program import Kind, Outcome, Program, Rule

FAULTS = 0.25
"""How often a step that calls the host has one of these calls fail."""


@dataclass(frozen=True)
class Walk:
    """The steps from an initial state; `violation` if the last one broke something.

    `stuck` says that no action was enabled at the end.
    """

    initial: bytes
    steps: tuple[Step, ...]
    violation: Violation | None = None
    stuck: bool = False


def simulate(program: Program, steps: int, seed: int) -> Walk:
    """Take random enabled steps: an action first, then its parameters, then perhaps a fault."""
    draw = random.Random(seed)
    initial = draw.choice(program.initial())
    state, taken = initial, list[Step]()
    broken = _broken(program, (state,), reported=False)
    while len(taken) < steps and broken is None:
        found = _step(program, state, draw)
        if found is None:
            return Walk(initial, tuple(taken), stuck=True)
        step, outcome = found
        taken.append(step)
        if outcome.kind is Kind.CRASH:
            broken = (CRASH, (), outcome.why)
        else:
            reported = outcome.result != 0
            broken = _broken(program, (state, outcome.state), reported=reported)
        state = outcome.state
    if broken is None:
        return Walk(initial, tuple(taken))
    rule, binding, why = broken
    violation = Violation(rule, initial, tuple(taken), binding, why)
    return Walk(initial, tuple(taken), violation)


def _step(program: Program, state: bytes, draw: random.Random) -> tuple[Step, Outcome] | None:
    for rule in draw.sample(program.actions, len(program.actions)):
        instances = list(rule.instances(program.layout))
        for values in draw.sample(instances, len(instances)):
            outcome = program.run(rule, state, values)
            if outcome.kind in (Kind.DONE, Kind.CRASH):
                return _faulted(program, state, draw, rule, values, outcome)
    return None


def _faulted(
    program: Program,
    state: bytes,
    draw: random.Random,
    rule: Rule,
    values: tuple[int, ...],
    outcome: Outcome,
) -> tuple[Step, Outcome]:
    if rule.fault and outcome.calls and draw.random() < FAULTS:
        fault = draw.randint(1, len(outcome.calls))
        refused = program.run(rule, state, values, fault)
        if refused.kind in (Kind.DONE, Kind.CRASH):
            return Step(rule.name, values, fault), refused
    return Step(rule.name, values), outcome


def _broken(
    program: Program, states: tuple[bytes, ...], *, reported: bool
) -> tuple[str, tuple[int, ...], str] | None:
    """The first rule, with its binding, that the last state or the last step breaks."""
    for name, rule in program.invariants.items():
        if rule.states == 2 and not reported:
            continue
        for values in rule.instances(program.layout):
            if not program.evaluate(rule, *states[-rule.states :], values=values):
                return name, values, ""
    return None

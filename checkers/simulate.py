"""A random walk through a machine, the same for the same seed, that stops at what is broken."""

from __future__ import annotations

import random
from dataclasses import dataclass

from checkers.result import Violation
from spec.language.program import Kind, Program
from spec.language.rules import CRASH, broken_after, broken_by_state
from spec.language.steps import Step, Taken, steps_with

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
    rules = (*program.invariants, CRASH)
    state, taken = initial, list[Step]()
    broken = next(broken_by_state(program, state, rules), None)
    while len(taken) < steps and broken is None:
        found = _step(program, state, draw)
        if found is None:
            return Walk(initial, tuple(taken), stuck=True)
        step, outcome = found
        taken.append(step)
        broken = next(broken_after(program, state, outcome, rules), None)
        state = outcome.state
    if broken is None:
        return Walk(initial, tuple(taken))
    violation = Violation(broken.rule, initial, tuple(taken), broken.binding, broken.why)
    return Walk(initial, tuple(taken), violation)


def _step(program: Program, state: bytes, draw: random.Random) -> Taken | None:
    for rule in draw.sample(program.actions, len(program.actions)):
        instances = list(rule.instances(program.layout))
        for values in draw.sample(instances, len(instances)):
            found = [
                (step, outcome)
                for step, outcome in steps_with(program, state, rule, values)
                if outcome.kind is not Kind.CUT
            ]
            if found:
                return _drawn(found, draw)
    return None


def _drawn(found: list[Taken], draw: random.Random) -> Taken:
    """One of these: mostly that in which no host call fails, if it can be taken."""
    quiet = [item for item in found if not item[0].fault]
    faulty = [item for item in found if item[0].fault]
    if faulty and (not quiet or draw.random() < FAULTS):
        return draw.choice(faulty)
    return quiet[0]

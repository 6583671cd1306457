"""Shorter traces of the same violation: leave steps out for as long as the rule is still broken."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from checkers.result import CRASH, Step, Violation
from spec.language.program import Kind, Outcome, Program, Rule


@dataclass(frozen=True)
class Breach:
    """One rule broken at one place: the objects at fault, or the failed check of a crash."""

    rule: str
    binding: tuple[int, ...] = ()
    why: str = ""


@dataclass(frozen=True)
class Watch:
    """What of a program is looked at: the invariants among `names` (empty: all) and the crash."""

    program: Program
    names: frozenset[str] = frozenset()

    @cached_property
    def rules(self) -> tuple[str, ...]:
        """The rules that are looked at, in the order of the machine, the crash last."""
        every = (*self.program.invariants, CRASH)
        return tuple(name for name in every if not self.names or name in self.names)

    def of_state(self, state: bytes) -> tuple[Breach, ...]:
        """The *always* rules that a state breaks, each with the first binding that does."""
        found = (self._breach(name, rule, state) for name, rule in self._rules_of(1))
        return tuple(breach for breach in found if breach)

    def of_step(self, before: bytes, outcome: Outcome) -> tuple[Breach, ...]:
        """The rules about steps that one breaks: that none crashes, that a refusal is clean."""
        if outcome.kind is Kind.CRASH:
            return (Breach(CRASH, why=outcome.why),) if CRASH in self.rules else ()
        if outcome.kind is not Kind.DONE or outcome.result == 0:
            return ()
        after = outcome.state
        found = (self._breach(name, rule, before, after) for name, rule in self._rules_of(2))
        return tuple(breach for breach in found if breach)

    def _rules_of(self, states: int) -> Iterator[tuple[str, Rule]]:
        for name, rule in self.program.invariants.items():
            if rule.states == states and name in self.rules:
                yield name, rule

    def _breach(self, name: str, rule: Rule, *states: bytes) -> Breach | None:
        for values in rule.instances(self.program.layout):
            if not self.program.evaluate(rule, *states, values=values):
                return Breach(name, values)
        return None


def minimise(watch: Watch, violation: Violation) -> Violation:
    """The violation after leaving out every run of steps that it does not need.

    Steps that are then not enabled are left out too. The result breaks the same rule, perhaps at
    other objects, and is never longer.
    """
    best = violation
    width = len(best.steps) - 1
    while width > 0:
        shorter = _without(watch, best, width)
        if shorter is None:
            width -= 1
        else:
            best = shorter
            width = min(width, len(best.steps) - 1)
    return best


def replay(watch: Watch, violation: Violation) -> Violation | None:
    """The violation as far as it goes to the first breach of its rule; None if there is none.

    Steps that are not enabled where they stand are passed over.
    """
    state, taken = violation.initial, list[Step]()
    for breach in watch.of_state(state):
        if breach.rule == violation.rule:
            return _ending(violation, taken, breach)
    for step in violation.steps:
        rule = watch.program.action(step.action)
        outcome = watch.program.run(rule, state, step.values, step.fault)
        if outcome.kind not in (Kind.DONE, Kind.CRASH):
            continue
        breaches = watch.of_step(state, outcome)
        if outcome.kind is Kind.DONE:
            state = outcome.state
            breaches += watch.of_state(state)
        for breach in breaches:
            if breach.rule == violation.rule:
                return _ending(violation, [*taken, step], breach)
        if outcome.kind is Kind.DONE:
            taken.append(step)
    return None


def _ending(violation: Violation, steps: list[Step], breach: Breach) -> Violation:
    return replace(violation, steps=tuple(steps), binding=breach.binding, why=breach.why)


def _without(watch: Watch, violation: Violation, width: int) -> Violation | None:
    """The violation without some run of `width` steps, the first that it does not need."""
    steps = violation.steps
    for start in range(len(steps) - width + 1):
        kept = steps[:start] + steps[start + width :]
        found = replay(watch, replace(violation, steps=kept))
        if found is not None and len(found.steps) < len(steps):
            return found
    return None

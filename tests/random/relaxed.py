"""Brute force where `fresh` gives any of its candidates, which is what ids may be renamed for."""

from __future__ import annotations

from collections.abc import Collection
from itertools import groupby

from spec.language.program import Kind, Linked, Program
from spec.language.steps import steps_of
from tests.random.brute import Brute, Classes, Orbits


class Relaxed(Brute):
    """Explores with every choice of ids; runs that differ in that alone are one transition.

    The ids of `records` may be chosen, and a teardown must lead down whatever ids it takes.
    """

    def __init__(self, program: Program, records: Collection[str]) -> None:
        super().__init__(program)
        tables = program.layout.tables.values()
        self.relaxed = [table.name for table in tables if table.record.__name__ in records]

    def expand(self, state: bytes, rule: Linked, depth: int, fresh: list[bytes]) -> None:
        every = steps_of(self.program, state, rule, self.relaxed)
        for (_, fault), group in groupby(every, lambda taken: (taken[0].values, taken[0].fault)):
            self.spend()
            outcomes = [outcome for _, outcome in group]
            done = [outcome for outcome in outcomes if outcome.kind is Kind.DONE]
            crashed = [outcome for outcome in outcomes if outcome.kind is Kind.CRASH]
            self.facts.count(
                rule.name, bool(done or crashed), bool(crashed and not done),
                {outcome.why for outcome in outcomes if outcome.kind is Kind.CUT},
            )
            if crashed:
                self.crash(depth)
            for outcome in done:
                self.step(state, outcome.state, outcome.result, depth, fresh)
            if len(done) == len(outcomes):
                self.tear(state, rule, fault, [outcome.state for outcome in done])


class RelaxedUp(Relaxed):
    """The same up to a renaming."""

    def __init__(self, program: Program, classes: Classes) -> None:
        super().__init__(program, classes)
        self.orbits = Orbits(program, classes)

    def representative(self, state: bytes) -> bytes:
        return self.orbits.representative(state)

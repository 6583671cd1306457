"""Runs a machine, one action after another, and holds its figures against its manifest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from checkers.explore.native.search import explore
from checkers.result import Limits, Renaming
from invariants import complete
from spec.language import Variant, build
from spec.language.program import Kind, Outcome
from spec.machines import MACHINES

Step = tuple[str, *tuple[int, ...]]
"""An action and its values; one value more than it has parameters says which host call fails."""


class Run:
    """A machine in an initial state, and what its actions answer one after another."""

    def __init__(
        self,
        machine: str,
        bounds: str = "small",
        variant: Variant | None = None,
        wanted: Callable[[Any], bool] = lambda s: True,
        values: Mapping[str, int] | None = None,
    ) -> None:
        self.program = build(complete(MACHINES[machine]), bounds, variant, values)
        self.store = self.program.store()
        (self.state,) = (x for x in self.program.initial() if wanted(self.load(x)))
        self.results: list[int] = []

    def load(self, frozen: bytes) -> Any:
        """A frozen state, to be looked at until the next one is."""
        self.store.load(frozen)
        return self.store.state

    @property
    def s(self) -> Any:
        """The present state."""
        return self.load(self.state)

    def outcome(self, action: str, *values: int, fault: int = 0, spelling: bool = False) -> Outcome:
        """How an action would end here; nothing is taken."""
        return self.program.run(self.program.action(action), self.state, values, fault, spelling)

    def take(self, action: str, *values: int, fault: int = 0) -> Outcome:
        """Take an action; it must be enabled and crash nothing."""
        outcome = self.outcome(action, *values, fault=fault)
        assert outcome.kind is Kind.DONE, (action, values, fault, outcome.kind, outcome.why)
        self.state = outcome.state
        self.results.append(outcome.result)
        return outcome

    def follow(self, *steps: Step) -> None:
        """Take steps, each of which must be enabled."""
        for action, *values in steps:
            own = len(self.program.action(action).parameters)
            (fault,) = values[own:] or (0,)
            self.take(action, *values[:own], fault=fault)


def assert_figures_are_exact(machine: str, bounds: str) -> None:
    """Exploring finds no violation, and just what the manifest says."""
    program = build(complete(MACHINES[machine]), bounds)
    declared = program.bounds
    figures = {Renaming.SORTS: (declared.states, declared.transitions, declared.depth)}
    if declared.orbits is not None:
        figures[Renaming.IDS] = declared.orbits
    for renaming, expected in figures.items():
        found = explore(program, frozenset(), Limits(renaming=renaming))
        assert found.renaming is renaming
        assert found.exhausted
        assert not found.violations
        assert not any(found.crashed.values())
        assert (found.states, found.transitions, found.depth) == expected

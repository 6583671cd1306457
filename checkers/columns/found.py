"""What an exploration by columns found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from checkers.result import Violation
from spec.language.program import Program
from spec.language.steps import Step

if TYPE_CHECKING:
    from checkers.columns.packing import Rows

    # The explicit engine answers with what is declared here, and comes with all of its package.
    from checkers.explicit.symmetry import Exchange


@dataclass(frozen=True)
class Hits:
    """Where a rule is broken first: in these states of a level, or by these steps from them."""

    rule: str
    level: int
    rows: Rows
    steps: Sequence[Step] = ()
    whys: Sequence[str] = ()

    @property
    def faults(self) -> list[int]:
        """Of each, the faults that the breaking step itself has."""
        return [int(step.fault > 0) for step in self.steps] or [0] * len(self.rows)


@dataclass
class Explored:
    """Exact figures, and the violations. `seconds` has all, `prepared` what was before the search.

    `fired` are transitions, `crashed` those of them that ended in a failed check; `stopped` says
    why it did not exhaust. `bytes_per_state` is the memory of the states and of what finds them;
    `spills` how often that was put on disk.
    """

    program: Program
    symmetric: tuple[Exchange, ...] = ()
    states: int = 0
    depth: int = 0
    levels: list[int] = field(default_factory=list)
    fired: dict[str, int] = field(default_factory=dict)
    crashed: dict[str, int] = field(default_factory=dict)
    cuts: dict[str, int] = field(default_factory=dict)
    witnessed: set[str] = field(default_factory=set)
    violations: dict[str, Violation] = field(default_factory=dict)
    stopped: str = ""
    seconds: float = 0.0
    prepared: float = 0.0
    bytes_per_state: float = 0.0
    spills: int = 0

    @property
    def exhausted(self) -> bool:
        """Every reachable state was expanded."""
        return not self.stopped

    @property
    def transitions(self) -> int:
        """Enabled (action, parameters, fault) instances over all states, crashes among them."""
        return sum(self.fired.values())

    def done(self, action: str) -> int:
        """How often an action was run to its end, without a failed check."""
        return self.fired.get(action, 0) - self.crashed.get(action, 0)

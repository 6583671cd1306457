"""What an exploration found, and which rules it is about."""

from __future__ import annotations

from collections.abc import Collection, Container
from dataclasses import dataclass, field

from checkers.result import Renaming, Violation
from spec.language.program import Program
from spec.language.rules import CRASH, TEARDOWN


@dataclass
class Explored:
    """Exact figures, and the violations. `seconds` has all, `prepared` what was before the search.

    States are counted up to `renaming` of what is `symmetric`: names of data sorts and of records.
    `levels` has how many states there are at each depth. `fired` are transitions; `crashed` those
    of them that never ran to their end, whatever rows `fresh` took. `untold` has the rules that are
    broken though no run of the specification shows it, with the reason: the explorer is wrong; and
    those that it had to leave open. `unshown` are broken for sure, and a run was not made.
    `stopped` says why it did not exhaust. `bytes_per_state` is the memory of the states and of what
    finds them; `spills` how often that was put on disk. `declined` says why less was renamed than
    was wished.
    """

    program: Program
    renaming: Renaming = Renaming.NONE
    symmetric: tuple[str, ...] = ()
    states: int = 0
    depth: int = 0
    levels: list[int] = field(default_factory=list)
    fired: dict[str, int] = field(default_factory=dict)
    crashed: dict[str, int] = field(default_factory=dict)
    cuts: dict[str, int] = field(default_factory=dict)
    witnessed: set[str] = field(default_factory=set)
    violations: dict[str, Violation] = field(default_factory=dict)
    untold: dict[str, str] = field(default_factory=dict)
    unshown: dict[str, str] = field(default_factory=dict)
    stopped: str = ""
    seconds: float = 0.0
    prepared: float = 0.0
    bytes_per_state: float = 0.0
    spills: int = 0
    declined: str = ""

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


def wanted(program: Program, names: Collection[str]) -> list[str]:
    """The rules to check, in the order of the table: those named, or all of the machine's."""
    every = [*program.invariants, CRASH, *([TEARDOWN] if program.empty is not None else [])]
    return [name for name in every if not names or name in names]


def all_found(
    program: Program, rules: Collection[str], broken: Container[str], deeper: bool
) -> bool:
    """Nothing is left to find: every rule is broken; if not `deeper`, all that is declared."""
    expected = program.variant.expects if program.variant and not deeper else ()
    sought = [name for name in expected if name in rules] or rules
    return all(name in broken for name in sought)

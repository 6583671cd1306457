"""From a rule that an exploration found broken to a run that anybody can repeat.

States of an exploration are representatives, so a path through them is no run. What an explorer
knows instead is a *promise*: how near a state is to a breach. Going forward by the specification's
own steps, any step that keeps the promise will do, and what its last state or step breaks is looked
at again. So a trace is one of the shortest, with the fewest injected faults that could be had.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field

from checkers.result import Violation
from spec.language.program import Kind, Program
from spec.language.rules import TEARDOWN, Breach, broken_by_state, broken_by_step
from spec.language.steps import Step, Taken, steps

Promise = Callable[[bytes, int], int | None]
"""Of a state after so many steps: the fewest injected faults on a shortest way on to a breach, and
None if there is no such way."""


class UntoldError(Exception):
    """No run of the specification shows what was found: the explorer is wrong."""


def told(
    program: Program, rule: str, length: int, promise: Promise, breaking: bool,
    relaxed: Collection[str],
) -> Violation:
    """The violation of a rule by a run of so many steps; `UntoldError` if there is none.

    It is asked for the promise of states after 0 to `length` steps; if it is the last step that is
    `breaking` the rule (it crashes, or its refusal changed something), not for that after it. Where
    no run in which `fresh` takes the first row shows it, those of `relaxed` tables, of which the
    exploration took any, are chosen, and the steps say which.
    """
    for choosing in ((), relaxed) if relaxed else ((),):
        found = _Search(program, rule, length, promise, breaking, choosing).found()
        if found is not None:
            return found
    raise UntoldError(f"{rule} was found broken in {length} steps, but no run shows it")


@dataclass
class _Search:
    """Depth first, the fewest faults first; `dead` are states from which it is known to fail."""

    program: Program
    rule: str
    length: int
    promise: Promise
    breaking: bool
    relaxed: Collection[str]
    path: list[Step] = field(default_factory=list)
    dead: set[tuple[bytes, int]] = field(default_factory=set)

    def found(self) -> Violation | None:
        """The first run that ends in a breach."""
        starts = [(self.promise(state, 0), state) for state in self.program.initial()]
        near = [(faults, state) for faults, state in starts if faults is not None]
        for _, state in sorted(near, key=lambda item: item[0]):
            breach = self._from(state, 0)
            if breach is not None:
                steps = tuple(self.path)
                return Violation(self.rule, state, steps, breach.binding, breach.why)
        return None

    def _from(self, state: bytes, level: int) -> Breach | None:
        """The breach at the end of a run from here, whose steps are then on the path."""
        if level == self.length:
            return self._broken_by(state)
        if (state, level) in self.dead:
            return None
        ending = self.breaking and level == self.length - 1
        for step, after, breach in self._ends(state) if ending else self._onward(state, level):
            self.path.append(step)
            breach = breach or self._from(after, level + 1)
            if breach is not None:
                return breach
            self.path.pop()
        self.dead.add((state, level))
        return None

    def _broken_by(self, state: bytes) -> Breach | None:
        # Whether a state can be taken down is for the explorer to know, which promises it.
        if self.rule == TEARDOWN:
            return Breach(TEARDOWN)
        return next(broken_by_state(self.program, state, (self.rule,)), None)

    def _ends(self, state: bytes) -> Iterator[tuple[Step, bytes, Breach | None]]:
        """The steps from a state that break the rule, those without a fault first."""
        for step, outcome in sorted(self._steps(state), key=lambda item: item[0].fault > 0):
            for breach in broken_by_step(self.program, state, outcome, (self.rule,)):
                yield step, outcome.state, breach

    def _onward(self, state: bytes, level: int) -> list[tuple[Step, bytes, Breach | None]]:
        """The steps that keep the promise, those with the fewest faults to come first."""
        near: list[tuple[int, Step, bytes]] = []
        for step, outcome in self._steps(state):
            if outcome.kind is Kind.DONE:
                faults = self.promise(outcome.state, level + 1)
                if faults is not None:
                    near.append((faults + (step.fault > 0), step, outcome.state))
        near.sort(key=lambda item: item[0])
        return [(step, after, None) for _, step, after in near]

    def _steps(self, state: bytes) -> Iterator[Taken]:
        return steps(self.program, state, self.relaxed)

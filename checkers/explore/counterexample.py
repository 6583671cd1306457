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
    """Depth first, the fewest faults first; `seen` are states, after how many steps, tried once."""

    program: Program
    rule: str
    length: int
    promise: Promise
    breaking: bool
    relaxed: Collection[str]
    path: list[Step] = field(default_factory=list)
    seen: set[tuple[bytes, int]] = field(default_factory=set)

    def found(self) -> Violation | None:
        """The first run that ends in a breach."""
        starts = [(self.promise(state, 0), state) for state in self.program.initial()]
        near = [(faults, state) for faults, state in starts if faults is not None]
        for _, state in sorted(near, key=lambda item: item[0]):
            breach = self._from(state)
            if breach is not None:
                steps = tuple(self.path)
                return Violation(self.rule, state, steps, breach.binding, breach.why)
        return None

    def _from(self, start: bytes) -> Breach | None:
        """The breach at the end of a run from here, whose steps are then on the path."""
        if not self.length:
            return self._broken_by(start)
        left = [self._next(start, 0)]
        while left:
            level = len(left)
            step, after, breach = next(left[-1], (None, b"", None))
            if step is None:
                left.pop()
                continue
            self.path[level - 1 :] = [step]
            if level == self.length:
                breach = breach or self._broken_by(after)
                if breach is not None:
                    return breach
            elif (after, level) not in self.seen:
                self.seen.add((after, level))
                left.append(self._next(after, level))
        return None

    def _next(self, state: bytes, level: int) -> Iterator[tuple[Step, bytes, Breach | None]]:
        """The steps that may be taken from a state after so many."""
        ending = self.breaking and level == self.length - 1
        return self._ends(state) if ending else iter(self._onward(state, level))

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

"""Long random walks through a machine too large to exhaust; what they break is made short.

Each step draws an action (or, if that is not enabled, takes the next), then whether a host call of
it fails, then one of the parameter combinations with which it is enabled. A run avoids the states
where it has been while it can, for else it would toggle a few of them back and forth; a shortest
trace never returns either. A run that finds nothing proves nothing; it looks where the exhaustive
exploration cannot go.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Final

from checkers.gauge import memory_mib
from checkers.minimise import minimise
from checkers.result import Finding, Limits, Progress, Verdict, Violation
from spec.language.program import Kind, Linked, Program
from spec.language.rules import CRASH, Breach, broken_by_state, broken_by_step
from spec.language.steps import Step, Taken, steps_of

ENGINE: Final = "stateful"

RUNS: Final = 150
"""The search ends when so many runs have broken nothing new. A defect that needs one particular
order of three actions among twenty shows in about one run of ten, so it is missed once in 10 ** 6
searches."""

STEPS: Final = 40
"""Steps of one run: several times the longest shortest trace of a known defect (8), so that the
order of events that matters can occur anywhere in a run, after any other history."""

QUIET_STEPS: Final = 3
"""This many steps without a failing host call are drawn for each one with, where both can be."""

REMEMBERED: Final = 200_000
"""States whose enabled steps and broken rules are kept, to bound memory; then all are forgotten."""


class StoppedError(Exception):
    """A limit was met."""


@dataclass(frozen=True)
class Moves:
    """The enabled steps of an action in a state: all host calls succeed, or one fails."""

    quiet: tuple[Taken, ...]
    faulty: tuple[Taken, ...]


@dataclass
class Search:
    """What the runs of one machine have in common: the rules, what is known, what was found.

    `names` are the rules to look at (empty: all that a run can break). `found` has the shortest
    violation seen of each rule. `runs` counts those that were made since it had a new one.
    """

    program: Program
    names: frozenset[str] = frozenset()
    limits: Limits = field(default_factory=Limits)
    found: dict[str, Violation] = field(default_factory=dict)
    runs: int = 0
    steps: int = 0
    _moves: dict[tuple[bytes, str], Moves] = field(default_factory=dict)
    _broken: dict[bytes, tuple[Breach, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.draw = random.Random(self.limits.seed)
        self.initial = self.program.initial()
        self.started = self.limits.clock()

    @cached_property
    def rules(self) -> tuple[str, ...]:
        """The rules that are looked at, in the order of the machine, the crash last."""
        every = (*self.program.invariants, CRASH)
        return tuple(name for name in every if not self.names or name in self.names)

    @cached_property
    def weights(self) -> list[int]:
        """How often each action is drawn: once for each doubling of its parameter combinations.

        Else an action with one combination, a toggle that is always enabled, would be drawn as
        often as the action with fifty that the machine is about, and most steps would only toggle.
        """
        layout = self.program.layout
        counts = (sum(1 for _ in action.instances(layout)) for action in self.program.actions)
        return [max(1, count.bit_length()) for count in counts]

    @property
    def states(self) -> int:
        """Distinct states seen (since the memory was last cleared)."""
        return len(self._broken)

    @property
    def seconds(self) -> float:
        """Time since the search began."""
        return self.limits.clock() - self.started

    def moves(self, state: bytes, action: Linked) -> Moves:
        """The enabled steps of an action in a state."""
        key = (state, action.name)
        if key not in self._moves:
            every = steps_of(self.program, state, action)
            taken = [item for item in every if item[1].kind is not Kind.CUT]
            self._moves[key] = Moves(
                tuple(item for item in taken if not item[0].fault),
                tuple(item for item in taken if item[0].fault),
            )
        return self._moves[key]

    def broken(self, state: bytes) -> tuple[Breach, ...]:
        """The *always* rules that a state breaks."""
        if state not in self._broken:
            if len(self._broken) >= REMEMBERED:
                self._broken.clear()
                self._moves.clear()
            self._broken[state] = tuple(broken_by_state(self.program, state, self.rules))
        return self._broken[state]

    def spend(self) -> None:
        """Count a step; raises `StoppedError` at a limit."""
        self.steps += 1
        self.limits.prepared()
        if self.limits.seconds and self.limits.clock() - self.limits.since > self.limits.seconds:
            raise StoppedError("time limit")
        if self.limits.memory_mib and memory_mib() > self.limits.memory_mib:
            raise StoppedError("memory limit")

    def run(self) -> None:
        """Runs, until enough have broken nothing new or there is nothing new to break."""
        while self.runs < RUNS and len(self.found) < len(self.rules):
            known = len(self.found)
            Walk(self).run()
            self.runs = self.runs + 1 if len(self.found) == known else 0
            rate = self.steps / max(self.seconds, 1e-9)
            self.limits.progress(Progress(self.states, 0, rate, f"run {self.runs}"))

    def note(self, violation: Violation) -> None:
        """Keep the shortest violation of each rule, without the steps that it does not need."""
        known = self.found.get(violation.rule)
        if known is None or len(violation.steps) < len(known.steps):
            self.found[violation.rule] = violation
            self.found[violation.rule] = minimise(self.program, violation)


class Walk:
    """One run."""

    def __init__(self, search: Search) -> None:
        self.search = search
        self.initial = self.state = search.draw.choice(search.initial)
        self.visited = {self.state}
        self.trace: list[Step] = []

    def run(self) -> None:
        """Take steps until there are enough, or none is enabled."""
        self._judge(self.search.broken(self.state), [])
        for _ in range(STEPS):
            if not self.step():
                return

    def step(self) -> bool:
        """Take a step of an action, or of the next that is enabled, and look at all rules."""
        search, before = self.search, self.state
        search.spend()
        actions = search.program.actions
        (start,) = search.draw.choices(range(len(actions)), search.weights)
        moves = self.choice(actions[start:] + actions[:start])
        if moves is None:
            return False
        kinds = [moves.quiet] * QUIET_STEPS + [moves.faulty]
        step, outcome = search.draw.choice(search.draw.choice([kind for kind in kinds if kind]))
        steps = [*self.trace, step]
        breaches = tuple(broken_by_step(search.program, before, outcome, search.rules))
        if outcome.kind is Kind.DONE:
            self.state, self.trace = outcome.state, steps
            self.visited.add(self.state)
            breaches += search.broken(outcome.state)
        self._judge(breaches, steps)
        return True

    def choice(self, actions: tuple[Linked, ...]) -> Moves | None:
        """The steps to draw from, of the first action that leads to a new state, or else of any."""
        for every in map(self._moves, actions):
            fresh = Moves(self._fresh(every.quiet), self._fresh(every.faulty))
            if fresh.quiet:
                refusals = (item for item in every.faulty if _after(item) == self.state)
                return Moves(fresh.quiet, fresh.faulty + tuple(refusals))
            if fresh.faulty:
                return fresh
        enabled = map(self._moves, actions)
        return next((moves for moves in enabled if moves.quiet or moves.faulty), None)

    def _moves(self, action: Linked) -> Moves:
        return self.search.moves(self.state, action)

    def _fresh(self, moves: tuple[Taken, ...]) -> tuple[Taken, ...]:
        """The steps that lead to a state where the run has not been, or crash."""
        return tuple(item for item in moves if _after(item) not in self.visited)

    def _judge(self, breaches: tuple[Breach, ...], steps: list[Step]) -> None:
        for breach in breaches:
            self.search.note(
                Violation(breach.rule, self.initial, tuple(steps), breach.binding, breach.why)
            )


def _after(taken: Taken) -> bytes | None:
    """The state that a step leads to; None where it crashes."""
    _, outcome = taken
    return outcome.state if outcome.kind is Kind.DONE else None


def check(program: Program, names: frozenset[str], limits: Limits) -> list[Finding]:
    """Random runs until enough of them find no new broken rule; one row for each rule looked at.

    The same seed gives the same runs and the same traces. A rule that none of the planned runs
    broke is NOT_REFUTED; with a limit met, or Ctrl-C, it is BOUNDED.
    """
    search = Search(program, names, limits)
    stopped = ""
    try:
        search.run()
    except StoppedError as limit:
        stopped = str(limit)
    except KeyboardInterrupt:
        limits.interrupted, stopped = True, "interrupted"
    return [_finding(search, name, stopped) for name in search.rules]


def _finding(search: Search, name: str, stopped: str) -> Finding:
    row = Finding(ENGINE, name, Verdict.BOUNDED, states=search.states, seconds=search.seconds)
    violation = search.found.get(name)
    if violation is not None:
        detail = f"in {len(violation.steps)} steps, seed {search.limits.seed}"
        return replace(row, verdict=Verdict.VIOLATED, detail=detail, violation=violation)
    if stopped:
        return replace(row, detail=f"{stopped} after {search.runs} runs")
    detail = f"{search.runs} runs of {STEPS} steps, random and not exhaustive"
    return replace(row, verdict=Verdict.NOT_REFUTED, detail=detail)

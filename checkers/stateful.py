"""Long random walks through a machine too large to exhaust, driven and shrunk by hypothesis.

Each step draws an action (or, if that is not enabled, takes the next), then whether a host call of
it fails, then one of the parameter combinations with which it is enabled. A run avoids the states
where it has been while it can, for else it would toggle a few of them back and forth; a shortest
trace never returns either. A run that finds nothing proves nothing; it looks where the exhaustive
exploration cannot go.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Final

from hypothesis import HealthCheck, Phase, Verbosity, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    rule,
    run_state_machine_as_test,
)

from checkers.minimise import minimise
from checkers.result import Finding, Limits, Progress, Verdict, Violation
from spec.language.program import Kind, Linked, Program
from spec.language.rules import CRASH, Breach, broken_by_state, broken_by_step
from spec.language.steps import Step, steps_of, take

ENGINE: Final = "stateful"

EXAMPLES: Final = 150
"""Runs of one search. A defect that needs one particular order of three actions among twenty shows
in about one run of ten, so it is missed once in 10 ** 6 searches."""

STEPS: Final = 40
"""Steps of one run: several times the longest shortest trace of a known defect (8), so that the
order of events that matters can occur anywhere in a run, after any other history."""

QUIET_STEPS: Final = 3
"""This many steps without a failing host call are drawn for each one with, where both can be."""

SHRINKING: Final = 6_000
"""Steps after the first broken rule of a search, about five seconds, in which hypothesis shrinks
the run; it would go on for minutes to prefer one parameter to another. Counted in steps and not in
seconds, so that the same seed gives the same trace."""

REMEMBERED: Final = 200_000
"""States whose enabled steps and broken rules are kept, to bound memory; then all are forgotten."""


class Broken(AssertionError):
    """A rule does not hold at the end of a run; `str()` of it is the rule and the steps."""

    def __init__(self, violation: Violation) -> None:
        steps = "\n".join(f"  {s.action}{s.values} fault={s.fault}" for s in violation.steps)
        super().__init__(f"{violation.rule} {violation.binding or violation.why or ''}\n{steps}")
        self.violation = violation


class ShrunkEnough(BaseException):
    """`SHRINKING` steps are spent."""


class Stopped(BaseException):
    """A limit was met. Not an `Exception`, so that hypothesis does not take it for a failure."""


@dataclass(frozen=True)
class Move:
    """An enabled step and the state it leads to, None where it crashes."""

    step: Step
    after: bytes | None


@dataclass(frozen=True)
class Moves:
    """The enabled steps of an action in a state: all host calls succeed, or one fails."""

    quiet: tuple[Move, ...]
    faulty: tuple[Move, ...]


@dataclass
class Search:
    """What the runs of one machine have in common: the rules, what is known, what was found.

    `names` are the rules to look at (empty: all that a run can break). `found` has the shortest
    violation seen of each rule; a run ends where a rule that is not `ignored` is broken, which is
    then the `target`. `runs` counts those that took all their steps. `stopped` is the limit met.
    """

    program: Program
    names: frozenset[str] = frozenset()
    limits: Limits = field(default_factory=Limits)
    found: dict[str, Violation] = field(default_factory=dict)
    ignored: set[str] = field(default_factory=set)
    runs: int = 0
    steps: int = 0
    target: str = ""
    stopped: str = ""
    broke_at: int | None = None
    started: float = field(default_factory=time.monotonic)
    _moves: dict[tuple[bytes, str], Moves] = field(default_factory=dict)
    _broken: dict[bytes, tuple[Breach, ...]] = field(default_factory=dict)

    @cached_property
    def rules(self) -> tuple[str, ...]:
        """The rules that are looked at, in the order of the machine, the crash last."""
        every = (*self.program.invariants, CRASH)
        return tuple(name for name in every if not self.names or name in self.names)

    @property
    def states(self) -> int:
        """Distinct states seen (since the memory was last cleared)."""
        return len(self._broken)

    def moves(self, state: bytes, action: Linked) -> Moves:
        """The enabled steps of an action in a state."""
        key = (state, action.name)
        known = self._moves.get(key)
        if known is None:
            quiet, faulty = list[Move](), list[Move]()
            for step, outcome in steps_of(self.program, state, action):
                if outcome.kind is not Kind.CUT:
                    after = outcome.state if outcome.kind is Kind.DONE else None
                    (faulty if step.fault else quiet).append(Move(step, after))
            known = Moves(tuple(quiet), tuple(faulty))
            self._moves[key] = known
        return known

    def broken(self, state: bytes) -> tuple[Breach, ...]:
        """The *always* rules that a state breaks."""
        known = self._broken.get(state)
        if known is None:
            if len(self._broken) >= REMEMBERED:
                self._broken.clear()
                self._moves.clear()
            breaches = broken_by_state(self.program, state, self.rules)
            known = self._broken[state] = tuple(breaches)
        return known

    def breaks(self, rule: str) -> None:
        """Remember which rule a run broke last, and when the search first came to that."""
        self.target = rule
        self.broke_at = self.steps if self.broke_at is None else self.broke_at

    def spend(self) -> None:
        """Count a step; raises `Stopped` at a limit, `ShrunkEnough` when shrinking takes long."""
        self.steps += 1
        if self.broke_at is not None and self.steps - self.broke_at > SHRINKING:
            raise ShrunkEnough
        self.limits.prepared()
        if self.limits.seconds and self.limits.clock() - self.limits.since > self.limits.seconds:
            self.stopped = "time limit"
        elif self.limits.memory_mib and _memory_mib() > self.limits.memory_mib:
            self.stopped = "memory limit"
        if self.stopped:
            raise Stopped(self.stopped)

    def seconds(self) -> float:
        """Time since the search began."""
        return time.monotonic() - self.started

    def report(self, steps: int) -> None:
        """Count a run if it took all its steps, and tell the progress."""
        self.runs += steps >= STEPS
        rate = self.steps / max(self.seconds(), 1e-9)
        self.limits.progress(Progress(self.states, 0, rate, f"run {self.runs}"))

    def note(self, violation: Violation) -> None:
        """Keep the shortest violation of each rule; of equals, the last while it is shrunk."""
        known = self.found.get(violation.rule)
        slack = 0 if violation.rule in self.ignored else 1
        if known is None or len(violation.steps) < len(known.steps) + slack:
            self.found[violation.rule] = violation


class Walk(RuleBasedStateMachine):
    """One run; `search` is set by `machine_test`, which also adds one rule for each action."""

    search: Search

    def __init__(self) -> None:
        super().__init__()
        self.state = b""
        self.initial = b""
        self.visited: set[bytes] = set()
        self.trace: list[Step] = []
        self.drawn = 0

    def begin(self, state: bytes) -> None:
        """Start in an initial state."""
        self.initial = self.state = state
        self.visited = {state}
        self.judge(self.search.broken(state), [])

    def act(self, preferred: Linked, data: st.DataObject) -> None:
        """Take a step of an action, or of the next that is enabled, and look at all rules."""
        self.spend()
        actions = self.search.program.actions
        start = actions.index(preferred)
        moves = self.choice(actions[start:] + actions[:start])
        if moves is None:
            return
        kinds = [moves.quiet] * QUIET_STEPS + [moves.faulty]
        kinds = [kind for kind in kinds if kind]
        move = data.draw(st.sampled_from(data.draw(st.sampled_from(kinds))))
        step, before = move.step, self.state
        program, rules = self.search.program, self.search.rules
        outcome = take(program, before, step)
        steps = [*self.trace, step]
        breaches = tuple(broken_by_step(program, before, outcome, rules))
        if outcome.kind is Kind.DONE:
            self.state, self.trace = outcome.state, steps
            self.visited.add(self.state)
            breaches += self.search.broken(outcome.state)
        self.judge(breaches, steps)

    def choice(self, actions: tuple[Linked, ...]) -> Moves | None:
        """The steps to draw from, of the first action that leads to a new state, or else of any."""
        for action in actions:
            fresh, every = self._fresh(action), self._moves(action)
            if fresh.quiet:
                refusals = (move for move in every.faulty if move.after == self.state)
                return Moves(fresh.quiet, fresh.faulty + tuple(refusals))
            if fresh.faulty:
                return fresh
        every_one = map(self._moves, actions)
        return next((moves for moves in every_one if moves.quiet or moves.faulty), None)

    def _moves(self, action: Linked) -> Moves:
        return self.search.moves(self.state, action)

    def _fresh(self, action: Linked) -> Moves:
        moves = self._moves(action)
        return Moves(
            tuple(move for move in moves.quiet if move.after not in self.visited),
            tuple(move for move in moves.faulty if move.after not in self.visited),
        )

    def spend(self) -> None:
        """Count a step; raises `Stopped` at a limit."""
        self.drawn += 1
        self.search.spend()

    def judge(self, breaches: tuple[Breach, ...], steps: list[Step]) -> None:
        """Note what is broken; raises `Broken` for the first rule that is not ignored."""
        worst = None
        for breach in breaches:
            violation = Violation(
                breach.rule, self.initial, tuple(steps), breach.binding, breach.why
            )
            self.search.note(violation)
            if worst is None and breach.rule not in self.search.ignored:
                worst = violation
        if worst is not None:
            self.search.breaks(worst.rule)
            raise Broken(worst)

    def teardown(self) -> None:
        """Count the run."""
        self.search.report(self.drawn)


def machine_test(program: Program, search: Search | None = None) -> type[RuleBasedStateMachine]:
    """A hypothesis state machine of a program: a rule for each action, all invariants after a step.

    Its `TestCase` is a test for unittest or pytest. A broken rule raises `Broken`.
    """
    initial = program.initial()

    @initialize(index=st.sampled_from(range(len(initial))))
    def start(self: Walk, index: int) -> None:
        self.begin(initial[index])

    members: dict[str, Any] = {
        "search": search or Search(program),
        "start": start,
        "__doc__": f"Random runs of the machine {program.machine.name}.",
    }
    for action in program.actions:
        for name in _rule_names(program, action):
            members[name] = _rule_of(action, name)
    return type(f"Walk_{program.machine.name.replace('-', '_')}", (Walk,), members)


def check(program: Program, names: frozenset[str], limits: Limits) -> list[Finding]:
    """Random runs until none finds a new broken rule; one row for each rule looked at.

    The same seed gives the same runs and the same traces. A rule that none of the planned runs
    broke is NOT_REFUTED; with a limit met, or Ctrl-C, it is BOUNDED.
    """
    search = Search(program, names, limits)
    if not search.rules:
        return []
    stopped = ""
    try:
        while _violates(search) and len(search.ignored) < len(search.rules):
            pass
    except (Exception, KeyboardInterrupt, Stopped) as error:
        reason = _reason(error, KeyboardInterrupt, Stopped)
        if reason is None and not search.stopped:
            raise
        limits.interrupted = isinstance(reason, KeyboardInterrupt)
        stopped = "interrupted" if limits.interrupted else search.stopped or str(reason)
    return [_finding(search, name, stopped) for name in search.rules]


def _reason(error: BaseException | None, *kinds: type[BaseException]) -> BaseException | None:
    """What is behind an error that hypothesis may have turned into that of a flaky test."""
    while error is not None and not isinstance(error, kinds):
        error = error.__context__
    return error


def _violates(search: Search) -> bool:
    """One search; true if it broke a rule, which the next one then ignores."""
    search.runs, search.broke_at = 0, None
    machine = seed(search.limits.seed)(machine_test(search.program, search))
    try:
        run_state_machine_as_test(machine, settings=_settings())
    except (Exception, ShrunkEnough) as error:
        if not isinstance(error, Broken) and _reason(error, ShrunkEnough) is None:
            raise
        search.ignored.add(search.target)
        return True
    return False


def _settings() -> settings:
    return settings(
        max_examples=EXAMPLES,
        stateful_step_count=STEPS + 1,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
        verbosity=Verbosity.quiet,
        report_multiple_bugs=False,
        derandomize=False,
        print_blob=False,
        database=None,
        deadline=None,
    )


def _rule_names(program: Program, action: Linked) -> list[str]:
    """One name for each doubling of an action's parameter combinations.

    Else an action with one combination, a toggle that is always enabled, would be drawn as often as
    the action with fifty that the machine is about, and most steps would only toggle.
    """
    doublings = sum(1 for _ in action.instances(program.layout)).bit_length()
    return [f"{action.name}_or_next_{number}" for number in range(max(1, doublings))]


def _rule_of(action: Linked, name: str) -> Callable[..., None]:
    def step(self: Walk, data: st.DataObject) -> None:
        self.act(action, data)

    step.__name__ = name
    return rule(data=st.data())(step)


def _finding(search: Search, name: str, stopped: str) -> Finding:
    row = Finding(ENGINE, name, Verdict.BOUNDED, states=search.states, seconds=search.seconds())
    violation = search.found.get(name)
    if violation is not None:
        shortest = minimise(search.program, violation)
        detail = f"in {len(shortest.steps)} steps, seed {search.limits.seed}"
        return replace(row, verdict=Verdict.VIOLATED, detail=detail, violation=shortest)
    if stopped:
        return replace(row, detail=f"{stopped} after {search.runs} runs")
    detail = f"{search.runs} runs of {STEPS} steps, random and not exhaustive"
    return replace(row, verdict=Verdict.NOT_REFUTED, detail=detail)


def _memory_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

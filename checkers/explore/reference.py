"""The reference explorer: by breadth, with the specification's own steps and nothing else.

Small, slow, and what others are held against.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import groupby

from checkers.explore.counterexample import UntoldError, told
from checkers.explore.explored import Explored, all_found, wanted
from checkers.explore.symmetry import Symmetry, orbit_least, symmetry, tried
from checkers.gauge import Gauge
from checkers.result import Limits
from spec.language.program import Kind, Program
from spec.language.rules import TEARDOWN, broken_by_state, broken_by_step, witnesses_of
from spec.language.steps import Taken, steps


def explore(
    program: Program, names: frozenset[str], limits: Limits, chosen: Symmetry | None = None
) -> Explored:
    """Explore all reachable states, checking the named rules (empty: all).

    States are taken for one as `chosen`, or else as the limits wish it and as it can be done here.
    """
    chosen = chosen or tried(symmetry(program, limits.renaming))
    return _Search(program, names, limits, chosen).run()


Ends = dict[bytes, int]
"""States (representatives) and with how many faults at least they lead to a breach."""


@dataclass
class _Search:
    """`before` has for each state those one level up that lead to it, and with how many faults.

    `torn` has for each state the steps of the teardown, without a fault, that may lead to it: from
    where, and to which states in all, for which of them depends on the ids that `fresh` gives.
    `broken` has for each rule broken the level, whether a step does it, and the states there.
    """

    program: Program
    names: frozenset[str]
    limits: Limits
    symmetry: Symmetry
    levels: dict[bytes, int] = field(default_factory=dict)
    before: dict[bytes, Ends] = field(default_factory=dict)
    torn: dict[bytes, list[tuple[bytes, set[bytes]]]] = field(default_factory=dict)
    broken: dict[str, tuple[int, bool, Ends]] = field(default_factory=dict)

    def run(self) -> Explored:
        """Level by level until nothing is new, what is sought is found, or a limit is met."""
        gauge = Gauge(self.limits)
        chosen = self.symmetry
        self.found = Explored(self.program, chosen.renaming, chosen.names)
        self.found.declined = chosen.declined
        self.fired, self.crashed, self.cuts = Counter[str](), Counter[str](), Counter[str]()
        self.rules = wanted(self.program, self.names)
        self.least = orbit_least(self.program.layout, self.symmetry)
        try:
            self._levels(gauge)
        except KeyboardInterrupt:
            self.limits.interrupted = True
            self.found.stopped = f"interrupted at depth {self.found.depth}"
        if TEARDOWN in self.rules and self.found.exhausted:
            self._teardown()
        self._tell()
        self.found.fired = {rule.name: self.fired[rule.name] for rule in self.program.actions}
        self.found.crashed, self.found.cuts = dict(self.crashed), dict(self.cuts)
        self.found.states, self.found.seconds = len(self.levels), gauge.seconds
        return self.found

    def _levels(self, gauge: Gauge) -> None:
        found, known = self.found, frozenset[str]()
        level = [x for x in map(self.least, self.program.initial()) if self._reach(x, 0)]
        found.levels.append(len(level))
        while level:
            after: list[bytes] = []
            for state in level:
                self._expand(state, after)
                found.stopped = gauge.met(found.depth)
                gauge.tell(len(self.levels), len(after), found.depth)
                if found.stopped:
                    return
            for rule in [rule for rule in self.broken if rule not in known]:
                at, by_step, _ = self.broken[rule]
                self.limits.found(rule, at + by_step)
            known = frozenset(self.broken)
            if after:
                found.depth += 1
                found.levels.append(len(after))
                if self._all_found() or self.limits.enough(known):
                    why = "every rule sought is broken" if self._all_found() else "enough is broken"
                    found.stopped = f"stopped at depth {found.depth}: {why}"
                    return
            level = after

    def _all_found(self) -> bool:
        return all_found(self.program, self.rules, self.broken, self.limits.deeper)

    def _expand(self, state: bytes, after: list[bytes]) -> None:
        """Take every step from a state; those that differ in ids alone are one transition."""
        every = steps(self.program, state, self.symmetry.tables)
        for (action, _, fault), group in groupby(every, _instance):
            outcomes = [outcome for _, outcome in group]
            kinds = {outcome.kind for outcome in outcomes}
            self.cuts.update({x.why for x in outcomes if x.kind is Kind.CUT})
            self.fired[action] += bool(kinds & {Kind.DONE, Kind.CRASH})
            self.crashed[action] += Kind.CRASH in kinds and Kind.DONE not in kinds
            for outcome in outcomes:
                for breach in broken_by_step(self.program, state, outcome, self.rules):
                    self._break(breach.rule, self.levels[state], True, state, fault > 0)
                if outcome.kind is Kind.DONE:
                    self._step(state, fault, self.least(outcome.state), after)
            if not fault and action in self.program.teardown_actions and kinds == {Kind.DONE}:
                ends = {self.least(outcome.state) for outcome in outcomes}
                for end in ends:
                    self.torn.setdefault(end, []).append((state, ends))

    def _step(self, state: bytes, fault: int, to: bytes, after: list[bytes]) -> None:
        """A step from a state to another (representatives)."""
        level = self.levels[state] + 1
        if self._reach(to, level):
            after.append(to)
        if self.levels[to] == level:
            before = self.before.setdefault(to, {})
            before[state] = min(before.get(state, 1), int(fault > 0))

    def _reach(self, state: bytes, level: int) -> bool:
        """Whether a state is new; if so, it is judged."""
        if state in self.levels:
            return False
        self.levels[state] = level
        for breach in broken_by_state(self.program, state, self.rules):
            self._break(breach.rule, level, False, state, 0)
        self.found.witnessed.update(witnesses_of(self.program, state))
        return True

    def _break(self, rule: str, level: int, by_step: bool, state: bytes, faults: int) -> None:
        """A rule is broken: remember where, as long as that is not deeper than elsewhere."""
        first, _, ends = self.broken.setdefault(rule, (level, by_step, {}))
        if first == level:
            ends[state] = min(ends.get(state, 1), int(faults))

    def _teardown(self) -> None:
        """The first states from which no steps of the teardown lead to an empty host."""
        empty = self.program.empty
        assert empty is not None
        marked = [state for state in self.levels if self.program.evaluate(empty, state)]
        seen = set(marked)
        while marked:
            for state, ends in self.torn.get(marked.pop(), []):
                if state not in seen and ends <= seen:
                    seen.add(state)
                    marked.append(state)
        for state in [state for state in self.levels if state not in seen]:
            self._break(TEARDOWN, self.levels[state], False, state, 0)

    def _tell(self) -> None:
        """Each rule broken, as a run; one that cannot be told does not lose the others."""
        for rule, (level, by_step, ends) in self.broken.items():
            promised = self._promised(level, ends)

            def promise(state: bytes, at: int, promised: list[Ends] = promised) -> int | None:
                return promised[at].get(self.least(state))

            try:
                self.found.violations[rule] = told(
                    self.program, rule, level + by_step, promise, by_step, self.symmetry.tables
                )
            except UntoldError as error:
                self.found.untold[rule] = str(error)

    def _promised(self, level: int, ends: Ends) -> list[Ends]:
        """For each level the states that lead to these ends, and with how many faults at least."""
        found = [ends]
        for _ in range(level):
            above: Ends = {}
            for state, faults in found[-1].items():
                for parent, more in self.before[state].items():
                    above[parent] = min(above.get(parent, faults + more), faults + more)
            found.append(above)
        return found[::-1]


def _instance(taken: Taken) -> tuple[str, tuple[int, ...], int]:
    """The transition that a step is one of."""
    step, _ = taken
    return step.action, step.values, step.fault

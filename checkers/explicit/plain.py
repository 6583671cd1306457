"""The reference explorer: every action run by `Program.run`, nothing generated.

Slow and short; what the other explorers find is held against it. (An action that is disabled
without a fault is taken to be disabled with one.)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from checkers.columns.found import Explored
from checkers.columns.telling import told
from checkers.explicit.alike import exchanges
from checkers.explicit.judge import broken_in
from checkers.explicit.search import all_found, wanted
from checkers.explicit.symmetry import canonicaliser
from checkers.gauge import Gauge
from checkers.result import Limits
from spec.language.program import Kind, Outcome, Program
from spec.language.rules import CRASH, TEARDOWN
from spec.language.steps import Step

Parent = tuple[bytes, Step] | None


def explore(
    program: Program, names: frozenset[str], limits: Limits, symmetry: bool
) -> Explored:
    """Explore all reachable states, checking the named rules (empty: all)."""
    return _Plain(program, names, limits, symmetry).run()


@dataclass
class _Plain:
    program: Program
    names: frozenset[str]
    limits: Limits
    symmetry: bool
    parents: dict[bytes, Parent] = field(default_factory=dict)
    edges: dict[bytes, set[bytes]] = field(default_factory=dict)
    first: dict[str, tuple[bytes, Step | None, str]] = field(default_factory=dict)
    now: dict[str, tuple[int, tuple[bytes, Step | None, str]]] = field(default_factory=dict)

    def run(self) -> Explored:
        """Level by level until nothing is new, every rule is broken, or a limit is met."""
        gauge = Gauge(self.limits)
        symmetric = exchanges(self.program, self.limits.renaming) if self.symmetry else ()
        found = Explored(self.program, symmetric)
        self.canonical = canonicaliser(symmetric)
        self.wanted = wanted(self.program, self.names)
        self.fired, self.crashed = Counter[str](), Counter[str]()
        try:
            self._levels(found, gauge)
        except KeyboardInterrupt:
            self.limits.interrupted = True
            found.stopped = f"interrupted at depth {found.depth}"
        if TEARDOWN in self.wanted and found.exhausted:
            self._teardown()
        found.states, found.crashed = len(self.parents), dict(self.crashed)
        found.fired = {rule.name: self.fired[rule.name] for rule in self.program.actions}
        for rule, (state, step, why) in self.first.items():
            states, steps = self._path(state)
            found.violations[rule] = told(
                self.program, found.symmetric, rule, states, steps, step, why
            )
        found.seconds = gauge.seconds
        return found

    def _levels(self, found: Explored, gauge: Gauge) -> None:
        level: list[bytes] = []
        for state in map(self.canonical, self.program.initial()):
            self._reach(found, state, None, level)
        self._settle()
        while level:
            fresh: list[bytes] = []
            for state in level:
                self._expand(found, state, fresh)
                found.stopped = gauge.met(found.depth)
                if found.stopped:
                    break
            self._settle()
            if found.stopped:
                return
            found.depth += bool(fresh)
            if all_found(self.program, self.wanted, self.first):
                if fresh:
                    found.stopped = f"stopped at depth {found.depth}: every rule sought is broken"
                return
            level = fresh

    def _expand(self, found: Explored, state: bytes, fresh: list[bytes]) -> None:
        """Take every step from a state."""
        for step, outcome in self._outcomes(state):
            if outcome.kind is Kind.CUT:
                found.cuts[outcome.why] = found.cuts.get(outcome.why, 0) + 1
                continue
            self.fired[step.action] += 1
            if outcome.kind is Kind.CRASH:
                self.crashed[step.action] += 1
                self._break(CRASH, state, step, outcome.why)
                continue
            if outcome.result:
                rules = self.program.invariants
                two = [name for name in self.wanted if name in rules and rules[name].states == 2]
                for broken in broken_in(self.program, two, state, outcome.state):
                    self._break(broken.rule, state, step)
            after = self.canonical(outcome.state)
            if step.action in self.program.teardown_actions and not step.fault:
                self.edges.setdefault(after, set()).add(state)
            self._reach(found, after, (state, step), fresh)

    def _outcomes(self, state: bytes) -> Iterator[tuple[Step, Outcome]]:
        """Every step that does something: without a fault, then with each call failing."""
        for rule in self.program.actions:
            for values in rule.instances(self.program.layout):
                outcome = self.program.run(rule, state, values)
                if outcome.kind is Kind.DISABLED:
                    continue
                yield Step(rule.name, values), outcome
                for fault in range(1, len(outcome.calls) + 1 if rule.fault else 1):
                    struck = self.program.run(rule, state, values, fault)
                    if struck.kind is not Kind.DISABLED:
                        yield Step(rule.name, values, fault), struck

    def _reach(self, found: Explored, state: bytes, parent: Parent, fresh: list[bytes]) -> None:
        """A state is reached; if it is new, it is judged."""
        if state in self.parents:
            return
        self.parents[state] = parent
        fresh.append(state)
        rules = self.program.invariants
        one = [name for name in self.wanted if name in rules and rules[name].states == 1]
        for broken in broken_in(self.program, one, state):
            self._break(broken.rule, state)
        for name, rule in self.program.witness_rules.items():
            if name not in found.witnessed and self.program.evaluate(rule, state):
                found.witnessed.add(name)

    def _break(self, rule: str, state: bytes, step: Step | None = None, why: str = "") -> None:
        """A rule is broken here; of the places at one depth the one with fewest faults is kept."""
        if rule not in self.wanted or rule in self.first:
            return
        faults = sum(item.fault > 0 for item in self._path(state)[1])
        faults += step is not None and step.fault > 0
        if rule not in self.now or faults < self.now[rule][0]:
            self.now[rule] = faults, (state, step, why)

    def _settle(self) -> None:
        for rule, (_, where) in self.now.items():
            self.first.setdefault(rule, where)
        self.now.clear()

    def _path(self, state: bytes) -> tuple[list[bytes], list[Step]]:
        """The states from an initial one to this, and the steps."""
        states, steps = [state], list[Step]()
        while (parent := self.parents[states[-1]]) is not None:
            states.append(parent[0])
            steps.append(parent[1])
        return states[::-1], steps[::-1]

    def _teardown(self) -> None:
        """Mark what leads to an empty host; the first state without a mark is stuck."""
        empty = self.program.empty
        assert empty is not None
        marked = [state for state in self.parents if self.program.evaluate(empty, state)]
        seen = set(marked)
        while marked:
            more = self.edges.get(marked.pop(), set()) - seen
            seen |= more
            marked += more
        stuck = next((state for state in self.parents if state not in seen), None)
        if stuck is not None:
            self.first[TEARDOWN] = stuck, None, ""

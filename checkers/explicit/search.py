"""Breadth-first exploration, level by level, with exact figures."""

from __future__ import annotations

import os
import resource
import time
from array import array
from dataclasses import dataclass, field
from typing import Final

from checkers.explicit.driver import Options, expander
from checkers.explicit.instances import Instances
from checkers.explicit.judge import broken_in, failure_judge, judge_of, witness_of
from checkers.explicit.lower import Lowering
from checkers.explicit.symmetry import Symmetry, canonicaliser, symmetries
from checkers.explicit.teardown import stuck
from checkers.result import CRASH, TEARDOWN, Limits, Progress
from spec.language.program import Program

CHUNK: Final = 2000
"""States expanded between two looks at the limits."""

BEAT: Final = 0.25
"""Seconds between two reports of progress."""

ROOT: Final = 0xFFFFFFFF
"""The parent of an initial state."""


@dataclass(frozen=True)
class Hit:
    """Where a rule is first broken: in state `state`, or by the instance `code` from there."""

    rule: str
    state: int
    code: int | None = None
    binding: tuple[int, ...] = ()
    why: str = ""


@dataclass
class Exploration:
    """What an exploration found, exhausted or not.

    `index` has the states (representatives, if there is a symmetry) in the order in which they were
    found, each as its own value; `parents` and `codes` give the step by which. `first` has, of each
    broken rule, the first state or step that breaks it; `stopped` says why it did not exhaust.
    """

    program: Program
    instances: Instances
    index: dict[bytes, bytes] = field(default_factory=dict)
    parents: array[int] = field(default_factory=lambda: array("I"))
    codes: array[int] = field(default_factory=lambda: array("Q"))
    initial: list[bytes] = field(default_factory=list)
    symmetric: tuple[Symmetry, ...] = ()
    depth: int = 0
    fired: dict[str, int] = field(default_factory=dict)
    cuts: dict[str, int] = field(default_factory=dict)
    crashes: dict[str, Hit] = field(default_factory=dict)
    first: dict[str, Hit] = field(default_factory=dict)
    witnessed: dict[str, int] = field(default_factory=dict)
    stopped: str = ""
    seconds: float = 0.0
    bytes_per_state: float = 0.0

    @property
    def exhausted(self) -> bool:
        """Every reachable state was expanded."""
        return not self.stopped

    @property
    def states(self) -> int:
        """Distinct states."""
        return len(self.index)

    @property
    def transitions(self) -> int:
        """Enabled (action, parameters, fault) instances over all states, crashes among them."""
        return sum(self.fired.values())


def explore(
    program: Program,
    names: frozenset[str] = frozenset(),
    limits: Limits | None = None,
    symmetry: bool = True,
) -> Exploration:
    """Explore all reachable states, checking the named rules (empty: all)."""
    return _Search(program, names, limits or Limits(), symmetry).run()


class _Search:
    def __init__(
        self, program: Program, names: frozenset[str], limits: Limits, symmetry: bool
    ) -> None:
        self.started = time.monotonic()
        self.program, self.limits = program, limits
        self.memory = memory_mib()
        self.found = Exploration(program, Instances(program))
        self.found.codes = self.found.instances.store()
        self.lowering = Lowering(program)
        self.wanted = wanted(program, names)
        rules = program.invariants
        self.always = [n for n in self.wanted if n in rules and rules[n].states == 1]
        self.failures = [n for n in self.wanted if n in rules and rules[n].states == 2]
        self.fired = [0] * len(program.actions)
        self.degrees, self.targets, self.empties = array("H"), array("Q"), array("I")
        self.teardown = TEARDOWN in self.wanted
        if symmetry:
            self.found.symmetric = tuple(symmetries(program))
        edges = frozenset(program.teardown_actions) if self.teardown else frozenset[str]()
        options = Options(self.found.symmetric, bool(self.failures), edges)
        self.expand = expander(self.lowering, self.found.instances, options)
        self.witnesses = {
            name: witness_of(self.lowering, rule) for name, rule in program.witness_rules.items()
        }
        self._generate()
        self.beat = self.started

    def _generate(self) -> None:
        rules = self.program.invariants
        empty = self.program.empty if self.teardown else None
        self.judge = judge_of(self.lowering, [rules[name] for name in self.always], empty)
        failure_judge(self.lowering, [rules[name] for name in self.failures])

    def run(self) -> Exploration:
        """Level by level until nothing is new, every rule is broken, or a limit is met."""
        found = self.found
        try:
            self._levels(self._initial())
        except KeyboardInterrupt:
            self.limits.interrupted = True
            found.stopped = f"interrupted at depth {found.depth}"
        found.fired = {
            rule.name: count for rule, count in zip(self.program.actions, self.fired, strict=True)
        }
        if self.teardown and found.exhausted:
            state = stuck(found.index, self.degrees, self.targets, self.empties)
            if state is not None:
                found.first[TEARDOWN] = Hit(TEARDOWN, state)
        found.seconds = time.monotonic() - self.started
        grown = (memory_mib() - self.memory) * 1024 * 1024
        found.bytes_per_state = grown / max(1, found.states)
        return found

    def _initial(self) -> list[bytes]:
        found, canonical = self.found, canonicaliser(list(self.found.symmetric))
        level: list[bytes] = []
        for state in self.program.initial():
            representative = canonical(state)
            if representative not in found.index:
                found.index[representative] = representative
                found.parents.append(ROOT)
                found.codes.append(0)
                found.initial.append(state)
                level.append(representative)
        self._look(level, 0)
        return level

    def _levels(self, level: list[bytes]) -> None:
        found, number = self.found, 0
        while level:
            fresh: list[bytes] = []
            for start in range(0, len(level), CHUNK):
                looked = len(fresh)
                chunk = level[start : start + CHUNK]
                self._expand(chunk, number, fresh)
                number += len(chunk)
                self._look(fresh[looked:], found.states - len(fresh) + looked)
                self._tell(len(level) - start - len(chunk) + len(fresh))
                if self._limited():
                    return
            if fresh:
                found.depth += 1
            if self._done():
                if fresh:
                    found.stopped = f"stopped at depth {found.depth}: every rule sought is broken"
                return
            level = fresh

    def _expand(self, chunk: list[bytes], number: int, fresh: list[bytes]) -> None:
        found = self.found
        self.expand(
            chunk, number, found.index, fresh, found.parents, found.codes, self.fired, self._cut,
            self._crash, self._failure, self.degrees, self.targets,
        )

    def _look(self, states: list[bytes], number: int) -> None:
        """Check the rules in these new states, of which the first has this number."""
        empties: list[int] = []
        place = self.judge(states, 0, empties)
        while place < len(states):
            self._always(states[place], number + place)
            place = self.judge(states, place + 1, empties)
        self.empties.extend(number + empty for empty in empties)
        for name, witness in list(self.witnesses.items()):
            for place, state in enumerate(states):
                if witness(state):
                    self.found.witnessed[name] = number + place
                    del self.witnesses[name]
                    break

    def _always(self, state: bytes, number: int) -> None:
        for broken in broken_in(self.program, self.always, state):
            self.found.first[broken.rule] = Hit(broken.rule, number, None, broken.binding)
            self.always.remove(broken.rule)
            self._generate()
            return self._always(state, number)
        return None

    def _cut(self, bound: str) -> None:
        self.found.cuts[bound] = self.found.cuts.get(bound, 0) + 1

    def _crash(self, number: int, code: int, why: str) -> None:
        hit = Hit(CRASH, number, code, (), why)
        self.found.crashes.setdefault(why, hit)
        if CRASH in self.wanted:
            self.found.first.setdefault(CRASH, hit)

    def _failure(self, number: int, code: int, before: bytes, after: bytes) -> None:
        for broken in broken_in(self.program, self.failures, before, after):
            self.found.first[broken.rule] = Hit(broken.rule, number, code, broken.binding)
            self.failures.remove(broken.rule)
        self._generate()

    def _done(self) -> bool:
        """Nothing is left to find: every rule is broken, or those that the variant is to break."""
        variant = self.program.variant
        sought = {name for name in variant.expects if name in self.wanted} if variant else set()
        return (sought or set(self.wanted)) <= self.found.first.keys()

    def _limited(self) -> bool:
        limits, found = self.limits, self.found
        if limits.seconds and time.monotonic() - self.started > limits.seconds:
            found.stopped = f"time limit of {limits.seconds:g} s met at depth {found.depth}"
        elif limits.memory_mib and memory_mib() > limits.memory_mib:
            found.stopped = f"memory limit of {limits.memory_mib} MiB met at depth {found.depth}"
        return bool(found.stopped)

    def _tell(self, frontier: int) -> None:
        now = time.monotonic()
        if now - self.beat >= BEAT:
            self.beat = now
            rate = self.found.states / max(now - self.started, 1e-9)
            note = f"depth {self.found.depth}"
            self.limits.progress(Progress(self.found.states, frontier, rate, note))


def wanted(program: Program, names: frozenset[str]) -> list[str]:
    """The rules to check, in the order of the table: those named, or all of the machine's."""
    every = [*program.invariants, CRASH]
    if program.empty is not None:
        every.append(TEARDOWN)
    return [name for name in every if not names or name in names]


def memory_mib() -> float:
    """The memory of this process that is in use now (where that is not known, the most ever)."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / (1 << 20)
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


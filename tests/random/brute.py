"""A machine explored by brute force: what every explorer is held against.

It shares with them the text of the machine and nothing else: it calls the functions itself.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from spec.language.control import Crash, Cut, Disabled, Fault
from spec.language.layout import Column, IdT, SetT, SortT
from spec.language.program import Linked, Program
from spec.language.rules import CRASH, TEARDOWN


class TooLargeError(Exception):
    """There are more states or steps than are wanted."""


@dataclass
class Facts:
    """What an exploration says, in numbers that must be the same whoever says it.

    `broken` has, of each rule that is broken, the length of a shortest trace that shows it.
    """

    states: int = 0
    depth: int = 0
    levels: list[int] = field(default_factory=list)
    fired: dict[str, int] = field(default_factory=dict)
    crashed: dict[str, int] = field(default_factory=dict)
    cuts: dict[str, int] = field(default_factory=dict)
    witnessed: set[str] = field(default_factory=set)
    broken: dict[str, int] = field(default_factory=dict)

    def count(self, action: str, fired: bool, crashed: bool, cuts: Iterable[str]) -> None:
        """Count one transition, or what is none."""
        if fired:
            self.fired[action] = self.fired.get(action, 0) + 1
        if crashed:
            self.crashed[action] = self.crashed.get(action, 0) + 1
        for bound in cuts:
            self.cuts[bound] = self.cuts.get(bound, 0) + 1


@dataclass(frozen=True)
class Ended:
    """How a run of an action ended: with a state and an errno, or "crash", "cut", "disabled"."""

    how: str
    state: bytes = b""
    errno: int = 0
    why: str = ""
    calls: int = 0


class Brute:
    """Explores a program, level by level. Its methods are small so that a test can break one."""

    def __init__(self, program: Program, most: int = 5000, steps: int = 200_000) -> None:
        self.program, self.most, self.left = program, most, steps
        self.facts = Facts()
        self.depths: dict[bytes, int] = {}
        self.torn: list[tuple[bytes, set[bytes]]] = []
        self.store, self.before = program.store(), program.store()

    def explore(self) -> Facts:
        """Every reachable state; `TooLargeError` if there are too many."""
        facts, level, depth = self.facts, list[bytes](), 0
        for state in self.program.initial():
            self.reach(self.representative(state), 0, level)
        facts.levels.append(len(level))
        while level:
            fresh: list[bytes] = []
            for state in level:
                for rule in self.program.actions:
                    self.expand(state, rule, depth + 1, fresh)
            if fresh:
                facts.depth += 1
                facts.levels.append(len(fresh))
            level, depth = fresh, depth + 1
        facts.states = len(self.depths)
        self.teardown()
        return facts

    def expand(self, state: bytes, rule: Linked, depth: int, fresh: list[bytes]) -> None:
        """Every step of an action from a state."""
        for values in rule.instances(self.program.layout):
            first = self.run(rule, state, values, 0)
            for fault in range(self.faults(rule, first) + 1):
                ended = first if fault == 0 else self.run(rule, state, values, fault)
                crashed, done = ended.how == "crash", ended.how == "done"
                cuts = {ended.why} if ended.how == "cut" else set[str]()
                self.facts.count(rule.name, crashed or done, crashed, cuts)
                if crashed:
                    self.crash(depth)
                if done:
                    self.step(state, ended.state, ended.errno, depth, fresh)
                    self.tear(state, rule, fault, [ended.state])

    def faults(self, rule: Linked, first: Ended) -> int:
        """How many host calls may fail, after the run in which none does."""
        return first.calls if rule.fault else 0

    def run(self, rule: Linked, state: bytes, values: tuple[int, ...], fault: int) -> Ended:
        """One run, by Python."""
        self.spend()
        self.store.load(state)
        context = Fault(fault)
        given = [*self.program.arguments(rule, values), *([context] if rule.fault else [])]
        try:
            answer: Any = rule.function(self.store.state, *given)
        except Disabled:
            return Ended("disabled", calls=context.calls)
        except Cut as cut:
            return Ended("cut", why=cut.bound, calls=context.calls)
        except Crash as crash:
            return Ended("crash", why=crash.why, calls=context.calls)
        return Ended("done", self.store.freeze(), int(answer or 0), calls=context.calls)

    def spend(self) -> None:
        """Count a run."""
        self.left -= 1
        if self.left < 0:
            raise TooLargeError

    def crash(self, depth: int) -> None:
        """A check has failed."""
        self.facts.broken.setdefault(CRASH, depth)

    def tear(self, state: bytes, rule: Linked, fault: int, to: Iterable[bytes]) -> None:
        """Remember a transition of the teardown: it must lead down wherever it leads."""
        if rule.name in self.program.teardown_actions and not fault:
            self.torn.append((state, set(map(self.representative, to))))

    def step(self, state: bytes, to: bytes, errno: int, depth: int, fresh: list[bytes]) -> None:
        """Judge a step that was run to its end, and reach where it leads."""
        if errno:
            self.judge_failure(state, to, depth)
        self.reach(self.representative(to), depth, fresh)

    def judge_failure(self, before: bytes, after: bytes, depth: int) -> None:
        """The rules about a step that was refused."""
        for name, rule in self.program.invariants.items():
            if rule.states == 2 and not self.holds(rule, before, after):
                self.facts.broken.setdefault(name, depth)

    def reach(self, state: bytes, depth: int, fresh: list[bytes]) -> None:
        """A state is reached; a new one is judged."""
        if state in self.depths:
            return
        if len(self.depths) >= self.most:
            raise TooLargeError
        self.depths[state] = depth
        fresh.append(state)
        for name, rule in self.program.invariants.items():
            if rule.states == 1 and not self.holds(rule, state):
                self.facts.broken.setdefault(name, depth)
        for name, rule in self.program.witness_rules.items():
            if self.program.evaluate(rule, state):
                self.facts.witnessed.add(name)

    def holds(self, rule: Linked, *states: bytes) -> bool:
        """Whether a rule holds for all values of its parameters."""
        values = rule.instances(self.program.layout)
        return all(self.program.evaluate(rule, *states, values=item) for item in values)

    def representative(self, state: bytes) -> bytes:
        """The state that is explored for this one."""
        return state

    def teardown(self) -> None:
        """Find the nearest state from which no teardown leads to an empty host."""
        empty = self.program.empty
        if empty is None:
            return
        more = {state for state in self.depths if self.program.evaluate(empty, state)}
        good = set[bytes]()
        while more:
            good |= more
            more = {state for state, ends in self.torn if state not in good and ends <= good}
        stuck = [depth for state, depth in self.depths.items() if state not in good]
        if stuck:
            self.facts.broken[TEARDOWN] = min(stuck)


Renamed = dict[str, tuple[int, ...]]
"""For each sort or record the new name of each value or row; none and null (0) keep theirs."""

Classes = dict[str, list[tuple[int, ...]]]
"""For each sort or record, the values or rows that are like each other."""

FEW = 50
"""Renamings that are worth trying."""


class Orbits:
    """States up to renaming, found by trying every permutation."""

    def __init__(self, program: Program, classes: Classes) -> None:
        self.layout = layout = program.layout
        self.columns = [column for column in layout.columns() if column.size]
        self.sizes = sizes_of(program)
        every = [
            [(name, dict(zip(rows, order, strict=True))) for order in itertools.permutations(rows)]
            for name, groups in classes.items() for rows in groups
        ]
        if math.prod(map(len, every)) > FEW:
            raise TooLargeError
        self.renamings = [self._renaming(chosen) for chosen in itertools.product(*every)]

    def _renaming(self, chosen: Iterable[tuple[str, dict[int, int]]]) -> Renamed:
        found: dict[str, list[int]] = {}
        for name, moved in chosen:
            order = found.setdefault(name, list(range(self.sizes[name] + 1)))
            for one, other in moved.items():
                order[one] = other
        return {name: tuple(order) for name, order in found.items()}

    def representative(self, state: bytes) -> bytes:
        """The least of all states that this one may be renamed to."""
        return min(self._renamed(state, renaming) for renaming in self.renamings)

    def _renamed(self, state: bytes, renaming: Renamed) -> bytes:
        cells = bytearray(state)
        for column in self.columns:
            record = self.layout.tables[column.table].record.__name__ if column.table else ""
            rows = renaming.get(record)
            for row in range(1, column.rows + 1):
                at, to = column.offset(row), column.offset(rows[row] if rows else row)
                raw = int.from_bytes(state[at : at + column.width], "little")
                value = _value(column, raw, renaming)
                cells[to : to + column.width] = value.to_bytes(column.width, "little")
        return bytes(cells)


def _value(column: Column, value: int, renaming: Renamed) -> int:
    """The value of a cell under other names."""
    match column.type:
        case SortT(named) | IdT(named):
            order = renaming.get(named.__name__)
            return order[value] if order else value
        case SetT(record):
            order = renaming.get(record.__name__)
            rows = range(1, column.width * 8 + 1)
            members = [row for row in rows if value >> (row - 1) & 1]
            return sum(1 << ((order[row] if order else row) - 1) for row in members)
    return value


def sizes_of(program: Program) -> dict[str, int]:
    """How many values each sort has, and how many rows each record."""
    layout = program.layout
    kinds = [column.type for column in layout.columns()]
    sorts = {kind.cls for kind in kinds if isinstance(kind, SortT)}
    found = {cls.__name__: layout.carrier(cls) for cls in sorts}
    return found | {table.record.__name__: table.rows for table in layout.tables.values()}

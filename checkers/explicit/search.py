"""Breadth-first exploration, level by level, with exact figures."""

from __future__ import annotations

from array import array
from collections.abc import Collection, Container
from contextlib import closing
from dataclasses import dataclass, field
from typing import Final

from checkers.explicit.alike import exchanges
from checkers.explicit.driver import Options, expander
from checkers.explicit.instances import FAULTS, Instances
from checkers.explicit.judge import Judges
from checkers.explicit.lower import Lowering
from checkers.explicit.pieces import Hit, Notes, Piece, merge, packed
from checkers.explicit.symmetry import Exchange, canonicaliser
from checkers.explicit.workers import able, divided
from checkers.gauge import Gauge, memory_mib
from checkers.result import Limits
from spec.language.program import Program
from spec.language.rules import CRASH, TEARDOWN

CHUNK: Final = 2000
"""States expanded between two looks at the limits."""

WIDE: Final = 1500
"""A level of at least so many states is divided among the processes."""

PIECES: Final = 6
"""Pieces for each process in a divided level, so that all are done at about the same time."""

ROOT: Final = 0xFFFFFFFF
"""The parent of an initial state."""


@dataclass
class Exploration:
    """What an exploration found, exhausted or not.

    `index` has the states (representatives, if there is a symmetry) in the order in which they were
    found, each as its own value; `parents` and `codes` give the step by which. `first` has, of each
    broken rule, where it is first broken: of the states or steps that do so at the same depth, the
    one with the fewest injected faults on its path, then the first one found. `fired` are
    transitions, `crashed` those of them that ended in a failed check; `stopped` says why it did not
    exhaust. `bytes_per_state` is by how much the process has grown since the code was generated.
    """

    program: Program
    instances: Instances
    index: dict[bytes, bytes] = field(default_factory=dict)
    parents: array[int] = field(default_factory=lambda: array("I"))
    codes: array[int] = field(default_factory=lambda: array("Q"))
    initial: list[bytes] = field(default_factory=list)
    symmetric: tuple[Exchange, ...] = ()
    depth: int = 0
    fired: dict[str, int] = field(default_factory=dict)
    crashed: dict[str, int] = field(default_factory=dict)
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

    def done(self, action: str) -> int:
        """How often an action was run to its end, without a failed check."""
        return self.fired.get(action, 0) - self.crashed.get(action, 0)


def explore(
    program: Program,
    names: frozenset[str] = frozenset(),
    limits: Limits | None = None,
    symmetry: bool = True,
    since: float | None = None,
) -> Exploration:
    """Explore all reachable states, checking the named rules (empty: all).

    `since` is when the work began of which this is the rest: the time limit counts from then.
    """
    gauge = Gauge(limits or Limits(), since)
    return _Search(program, names, gauge, symmetry).run()


class _Search:
    def __init__(
        self, program: Program, names: frozenset[str], gauge: Gauge, symmetry: bool
    ) -> None:
        self.program, self.gauge, self.limits = program, gauge, gauge.limits
        self.found = Exploration(program, Instances(program))
        self.found.codes = self.found.instances.store()
        lowering = Lowering(program)
        self.wanted = wanted(program, names)
        self.teardown = TEARDOWN in self.wanted
        self.judges = Judges(lowering, self.wanted, self.teardown)
        self.notes = Notes([0] * len(program.actions))
        self.degrees, self.targets, self.empties = array("H"), array("Q"), array("I")
        self.bad: list[tuple[int, int, bytes]] = []
        self.own: dict[int, int] = {}
        if symmetry:
            self.found.symmetric = exchanges(program, self.limits.renaming)
        edges = frozenset(program.teardown_actions) if self.teardown else frozenset[str]()
        options = Options(self.found.symmetric, bool(self.judges.failures), edges)
        self.expand = expander(lowering, self.found.instances, options)
        self.memory = memory_mib()

    def run(self) -> Exploration:
        """Level by level until nothing is new, every rule is broken, or a limit is met."""
        found = self.found
        try:
            self._levels(self._initial())
        except KeyboardInterrupt:
            self.limits.interrupted = True
            found.stopped = f"interrupted at depth {found.depth}"
        self._settle()
        notes = self.notes
        found.cuts, found.crashed, found.crashes = notes.cuts, notes.crashed, notes.crashes
        found.fired = {
            rule.name: count for rule, count in zip(self.program.actions, notes.fired, strict=True)
        }
        if self.teardown and found.exhausted:
            # This comes with numpy, which is not loaded where it is not used.
            from checkers.explicit.teardown import stuck

            state = stuck(found.index, self.degrees, self.targets, self.empties)
            if state is not None:
                found.first[TEARDOWN] = Hit(TEARDOWN, state)
        found.seconds = self.gauge.seconds
        grown = (memory_mib() - self.memory) * 1024 * 1024
        found.bytes_per_state = grown / max(1, found.states)
        return found

    def _initial(self) -> list[bytes]:
        found, canonical = self.found, canonicaliser(self.found.symmetric)
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
        self._settle()
        return level

    def _levels(self, level: list[bytes]) -> None:
        found, number = self.found, 0
        while level:
            fresh: list[bytes] = []
            if self.limits.jobs > 1 and len(level) >= WIDE and able():
                self._together(level, number, fresh)
            else:
                self._alone(level, number, fresh)
            if found.stopped:
                return
            self._settle()
            if fresh:
                found.depth += 1
            if self._done():
                if fresh:
                    found.stopped = f"stopped at depth {found.depth}: every rule sought is broken"
                return
            number += len(level)
            level = fresh

    def _alone(self, level: list[bytes], number: int, fresh: list[bytes]) -> None:
        """Expand a level and look at what is new, in this process."""
        found = self.found
        for start in range(0, len(level), CHUNK):
            looked = len(fresh)
            chunk = level[start : start + CHUNK]
            self._expand(chunk, number + start, fresh, found.parents, found.codes)
            self._look(fresh[looked:], found.states - len(fresh) + looked)
            if self._limited(len(level) - start - len(chunk) + len(fresh)):
                return

    def _together(self, level: list[bytes], number: int, fresh: list[bytes]) -> None:
        """The same in several processes, with the same outcome to the order of the states."""
        found, first = self.found, self.found.states
        size = self._size(level)
        ids: list[array[int]] = []

        def work(place: int) -> Piece:
            start = place * size
            return self._piece(level[start : start + size], number + start, place)

        with closing(divided(-(-len(level) // size), self.limits.jobs, work)) as pieces:
            for piece in pieces:
                merge(piece, found.index, fresh, found.parents, found.codes, ids, self.targets)
                self.degrees.extend(piece.degrees)
                self.notes.add(piece.notes)
                if self._limited(max(0, len(level) - len(ids) * size) + len(fresh)):
                    break
        self._look_together(fresh, first)

    def _size(self, states: list[bytes]) -> int:
        return min(CHUNK, len(states) // (self.limits.jobs * PIECES) + 1)

    def _piece(self, chunk: list[bytes], number: int, place: int) -> Piece:
        """In a worker: expand these states, apart from what is known already."""
        self.notes = Notes([0] * len(self.program.actions))
        self.degrees, self.targets = array("H"), array("Q")
        fresh: list[bytes] = []
        parents, codes = array("I"), self.found.instances.store()
        self._expand(chunk, number, fresh, parents, codes)
        width = self.program.layout.size
        return packed(
            place, width, fresh, parents, codes, self.degrees, self.targets, self.notes, self.own
        )

    def _expand(
        self, chunk: list[bytes], number: int, fresh: list[bytes], parents: array[int],
        codes: array[int],
    ) -> None:
        self.expand(
            chunk, number, self.found.index, fresh, parents, codes, self.notes.fired,
            self.notes.cut, self._crash, self._failure, self.degrees, self.targets,
        )

    def _look(self, states: list[bytes], number: int) -> None:
        """Check the rules in these new states, of which the first has this number."""
        bad, empties, witnessed = self.judges.look(states)
        self._seen(states, number, bad, empties, witnessed)

    def _look_together(self, states: list[bytes], number: int) -> None:
        if len(states) < WIDE:
            self._look(states, number)
            return
        size = self._size(states)

        def work(place: int) -> tuple[list[int], list[int], dict[str, int]]:
            return self.judges.look(states[place * size : (place + 1) * size])

        with closing(divided(-(-len(states) // size), self.limits.jobs, work)) as pieces:
            for place, piece in enumerate(pieces):
                start = place * size
                self._seen(states[start : start + size], number + start, *piece)

    def _seen(
        self, states: list[bytes], number: int, bad: list[int], empties: list[int],
        witnessed: dict[str, int],
    ) -> None:
        self.bad += [(self._faults(number + place), number + place, states[place]) for place in bad]
        self.empties.extend(number + place for place in empties)
        for name, place in witnessed.items():
            self.found.witnessed.setdefault(name, number + place)
            self.judges.witnesses.pop(name, None)

    def _faults(self, number: int) -> int:
        """Injected faults on the path to a state."""
        parents, codes, count = self.found.parents, self.found.codes, 0
        while parents[number] != ROOT:
            count += codes[number] % FAULTS > 0
            number = parents[number]
        return count

    def _settle(self) -> None:
        """At the end of a level: of each rule broken in it, keep where; check it no longer."""
        best = self.notes.best
        for faults, number, state in sorted(self.bad):
            for name in self.judges.always:
                if name not in best and not self.judges.holds(name, state):
                    best[name] = faults, Hit(name, number)
        self.bad.clear()
        for name, (_, hit) in best.items():
            self.found.first.setdefault(name, hit)
            step = hit.code is not None or self.found.parents[hit.state] != ROOT
            self.limits.found(name, self.found.depth + step)
        self.judges.without(best)
        best.clear()

    def _crash(self, number: int, code: int, why: str) -> None:
        notes, hit = self.notes, Hit(CRASH, number, code, why)
        name = self.found.instances.step(code).action
        notes.crashed[name] = notes.crashed.get(name, 0) + 1
        notes.crashes.setdefault(why, hit)
        if CRASH in self.wanted and CRASH not in self.found.first:
            notes.better(hit, self._faults(number) + (code % FAULTS > 0))

    def _failure(self, number: int, code: int, before: bytes, after: bytes) -> None:
        faults = self._faults(number) + (code % FAULTS > 0)
        for name in self.judges.failures:
            if self.notes.beats(name, faults) and not self.judges.holds(name, before, after):
                self.notes.better(Hit(name, number, code), faults)

    def _done(self) -> bool:
        if self.limits.enough(frozenset(self.found.first)):
            return True
        return all_found(self.program, self.wanted, self.found.first)

    def _limited(self, remaining: int) -> bool:
        """Whether a limit is met; also tell how far it is."""
        found = self.found
        self.gauge.tell(found.states, remaining, found.depth)
        found.stopped = self.gauge.met(found.depth)
        return bool(found.stopped)


def wanted(program: Program, names: frozenset[str]) -> list[str]:
    """The rules to check, in the order of the table: those named, or all of the machine's."""
    every = [*program.invariants, CRASH]
    if program.empty is not None:
        every.append(TEARDOWN)
    return [name for name in every if not names or name in names]


def all_found(program: Program, wanted: Collection[str], broken: Container[str]) -> bool:
    """Nothing is left to find: every rule is broken, or those that the variant is to break."""
    expected = program.variant.expects if program.variant else ()
    sought = [name for name in expected if name in wanted] or wanted
    return all(name in broken for name in sought)

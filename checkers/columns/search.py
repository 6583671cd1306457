"""Breadth-first exploration, a level at a time, by columns."""

from __future__ import annotations

import functools
import itertools
import time
from collections.abc import Callable
from contextlib import closing
from typing import Final

import numpy as np

from checkers.columns.breach import KEPT, Breach, restored
from checkers.columns.checkpoint import Checkpoint, Manifest
from checkers.columns.expander import Expander
from checkers.columns.found import Explored
from checkers.columns.judging import FailureJudge, Judge
from checkers.columns.kernel import WIDTH, Column
from checkers.columns.levels import Levels
from checkers.columns.packing import Numbers, Packing, Rows
from checkers.columns.pieces import Notes, Piece
from checkers.columns.spilling import SpillingLevels
from checkers.columns.taken import Counted, Ended, Taken
from checkers.columns.teardown import Descent, Teardown
from checkers.columns.traces import Tracer
from checkers.explicit.alike import exchanges
from checkers.explicit.search import all_found, wanted
from checkers.explicit.symmetry import canonicaliser
from checkers.explicit.workers import able, divided
from checkers.frontend.merge import Merger
from checkers.gauge import Gauge
from checkers.result import Limits
from spec.language.program import Program
from spec.language.rules import CRASH, TEARDOWN

DEAR: Final = 1.5
"""Seconds that a level must be expected to take for it to be divided among processes."""

WORTH: Final = WIDTH
"""States of a level for which it is worth while to find out which steps commute."""


def explore(
    program: Program,
    names: frozenset[str] = frozenset(),
    limits: Limits | None = None,
    symmetry: bool = True,
) -> Explored:
    """Explore all reachable states, checking the named rules (empty: all)."""
    search = _Search(program, names, limits or Limits(), symmetry)
    try:
        return search.run()
    finally:
        search.levels.release()


class _Search:
    def __init__(
        self, program: Program, names: frozenset[str], limits: Limits, symmetry: bool
    ) -> None:
        self.gauge = Gauge(limits)
        self.program, self.limits = program, limits
        self.symmetric = exchanges(program, limits.renaming) if symmetry else ()
        self.found = Explored(program, self.symmetric)
        self.wanted = wanted(program, names)
        self.packing = Packing(Merger(program))
        self.judge = Judge(program, self.packing, self.wanted)
        self.failures = FailureJudge(program, self.packing, self.wanted)
        self.expander = Expander(
            self.packing, list(enumerate(program.actions)), self.symmetric
        )
        self.levels = Levels(self.packing)
        if limits.scratch is not None:
            self.levels = SpillingLevels(self.packing, limits.scratch, limits.memory_mib)
        self.names = [rule.name for rule in program.actions]
        self.notes = Notes()
        self.first: dict[str, Breach] = {}
        self.judged: list[list[Column]] = []
        self.cost = 0.0
        # What is said about steps that commute is true as long as none has failed.
        self.failed = False
        self.learnt = bool(self.symmetric) or limits.scratch is not None
        named = program.teardown_actions
        self.teardown = {at for at, rule in enumerate(program.actions) if rule.name in named}
        self.descent = Descent(program, self.packing, self.teardown)
        self.descent.holds &= TEARDOWN in self.wanted
        self.checkpoint: Checkpoint | None = None
        if limits.checkpoint is not None:
            sorts = ", ".join(item.sort for item in self.symmetric)
            self.checkpoint = Checkpoint(limits.checkpoint, program, self.wanted, sorts)

    def run(self) -> Explored:
        """Level by level until nothing is new, every rule is broken, or a limit is met."""
        found = self.found
        found.prepared = self.gauge.seconds
        try:
            self._levels()
            if TEARDOWN in self.wanted and found.exhausted:
                self._teardown()
        except KeyboardInterrupt:
            self.limits.interrupted = True
            found.stopped = f"interrupted at depth {found.depth}"
        self._settle()
        found.fired = {name: self.notes.fired[at] for at, name in enumerate(self.names)}
        found.crashed = {name: self.notes.crashed[at] for at, name in enumerate(self.names)}
        found.cuts = dict(self.notes.cuts)
        found.states, found.levels = self.levels.size, self.levels.starts
        found.spills = self.levels.spills
        found.bytes_per_state = self.levels.known.nbytes / max(1, found.states)
        tracer = Tracer(
            self.program, self.packing, self.levels, self.expander, self.symmetric
        )
        for name, broken in self.first.items():
            found.violations[name] = tracer.violation(broken.hits(name))
        found.seconds = self.gauge.seconds
        return found

    def _levels(self) -> None:
        found = self.found
        if self.checkpoint is not None and self.limits.resume:
            level = self._resume(self.checkpoint)
        else:
            level = self._begin()
        while self.levels.starts[level + 1] > self.levels.starts[level]:
            self._expand(level)
            fresh = self.levels.close()
            self._look(level + 1)
            if found.stopped:
                return
            self._settle()
            found.depth += fresh > 0
            if self._done():
                if fresh:
                    found.stopped = f"stopped at depth {found.depth}: every rule sought is broken"
                return
            level += 1
            self._save(level)

    def _begin(self) -> int:
        """The initial states are the first level."""
        if self.checkpoint is not None:
            self.checkpoint.begin()
        canonical = canonicaliser(self.symmetric)
        states = dict.fromkeys(canonical(state) for state in self.program.initial())
        self.levels.add(self.packing.rows(states))
        self.levels.close()
        self._look(0)
        self._settle()
        self._save(0)
        return 0

    def _save(self, level: int) -> None:
        """Keep a level, and all that is known, if that is asked for."""
        if self.checkpoint is None:
            return
        starts, names = self.levels.starts, self.names
        self.checkpoint.save(level, self.levels.level(level), Manifest(
            self.checkpoint.subject, self.checkpoint.sources,
            [end - start for start, end in itertools.pairwise(starts)], self.found.depth,
            {name: self.notes.fired[at] for at, name in enumerate(names)},
            {name: self.notes.crashed[at] for at, name in enumerate(names)}, dict(self.notes.cuts),
            sorted(self.found.witnessed),
            [breach.saved(rule) for rule, breach in self.first.items()], self.descent.holds,
        ))

    def _resume(self, checkpoint: Checkpoint) -> int:
        """Know what was known when the last level was kept."""
        saved = checkpoint.manifest()
        self.found.depth, self.descent.holds = saved.depth, saved.descends
        self.first = {breach.rule: restored(breach) for breach in saved.breaches}
        for at, name in enumerate(self.names):
            self.notes.fired[at], self.notes.crashed[at] = saved.fired[name], saved.crashed[name]
        self.notes.cuts.update(saved.cuts)
        self.failed = bool(saved.cuts) or any(saved.crashed.values())
        for level, size in enumerate(saved.sizes):
            self.levels.add(checkpoint.level(level, size))
            self.levels.close()
            self._look(level)
        return len(saved.sizes) - 1

    def _expand(self, level: int) -> None:
        """Take every action from every state of a level, in several processes if it is worth it."""
        states = self.levels.starts[level + 1] - self.levels.starts[level]
        if states >= WORTH and not self.learnt:
            self._learn()
        blocks, began = len(self.levels.frontier), time.monotonic()
        divide = self.limits.jobs > 1 and blocks > 1 and able()
        if divide and self.cost * states > DEAR:
            self._together(level, blocks)
        else:
            for place in range(blocks):
                self._block(level, place, self.levels.add)
                if self._limited((blocks - place) * WIDTH):
                    return
            self.cost = (time.monotonic() - began) / states

    def _learn(self) -> None:
        """Find out, once it is worth while, which steps need not be tried after which others."""
        began = time.monotonic()
        self.expander.learn(self.teardown if self.descent.holds else ())
        self.learnt = True
        self.found.prepared += time.monotonic() - began

    def _together(self, level: int, blocks: int) -> None:
        """Each block in one of several processes, which have all that is known here."""
        work = functools.partial(self._piece, level)
        with closing(divided(blocks, self.limits.jobs, work)) as pieces:
            for place, piece in enumerate(pieces):
                for kind, rows in piece.rows:
                    self.levels.add(rows, kind)
                self.notes.add(piece.notes)
                self.failed |= piece.failed
                self.descent.holds &= piece.descends
                if self._limited((blocks - place) * WIDTH):
                    return

    def _piece(self, level: int, place: int) -> Piece:
        """In another process: a block."""
        self.notes = Notes()
        parts: dict[int, list[Rows]] = {}
        self._block(level, place, lambda rows, kind: parts.setdefault(kind, []).append(rows))
        return Piece(self.levels.unknown(parts), self.notes, self.descent.holds, self.failed)

    def _block(self, level: int, place: int, reach: Callable[[Rows, int], None]) -> None:
        """Take every action from every state of a block."""
        kind, rows, columns = self.levels.block(place)
        self.descent.begin(self.judged[place])
        for what in self.expander.expand(rows, columns, kind=0 if self.failed else kind):
            if isinstance(what, Counted):
                self.notes.fired[what.action] += what.count
            elif isinstance(what, Taken):
                self.notes.fired[what.action] += len(what.rows)
                if not what.known:
                    reach(what.rows, what.kind)
                self.descent.see(what)
                if what.errors is not None:
                    self._failed(level, rows, what)
            else:
                self._ended(level, rows, what)
        self.descent.end()

    def _failed(self, level: int, rows: Rows, taken: Taken) -> None:
        """Judge the steps that reported an error."""
        for name, places in self.failures.look(taken).items():
            if name not in self.first:
                broken = self.notes.broken.setdefault(name, Breach(level))
                self._steps(broken, rows, taken.sources, taken, places, "")

    def _ended(self, level: int, rows: Rows, ended: Ended) -> None:
        self.failed = True
        if ended.kind == "limit":
            self.notes.cuts[ended.why] += len(ended.runs)
            return
        self.notes.fired[ended.action] += len(ended.runs)
        self.notes.crashed[ended.action] += len(ended.runs)
        if CRASH in self.wanted and CRASH not in self.first:
            broken = self.notes.broken.setdefault(CRASH, Breach(level))
            places = np.arange(len(ended.runs))
            self._steps(broken, rows, ended.sources, ended, places, ended.why)

    def _steps(
        self, broken: Breach, rows: Rows, sources: Numbers, runs: Taken | Ended,
        places: Numbers, why: str,
    ) -> None:
        """Keep steps that break a rule, those without a fault first."""
        steps = [(runs.step(int(runs.runs[at])), int(sources[at])) for at in places[:KEPT]]
        for step, source in sorted(steps, key=lambda item: item[0].fault > 0):
            if broken.count < KEPT:
                broken.step(rows[source : source + 1], step, why)

    def _look(self, level: int) -> None:
        """Check the rules in the states of a level."""
        self.judged.clear()
        for place in range(len(self.levels.frontier)):
            _, rows, columns = self.levels.block(place)
            broken, seen, ranked = self.judge.look(columns)
            self.found.witnessed |= seen
            self.judged.append([column.copy() for column in ranked])
            for name, places in broken.items():
                if name not in self.first:
                    breach = self.notes.broken.setdefault(name, Breach(level))
                    breach.states(rows.take(places, axis=0))

    def _settle(self) -> None:
        """At the end of a level: what was broken in it is broken."""
        for name, broken in self.notes.broken.items():
            self.first.setdefault(name, broken)
            self.limits.found(name, self.found.depth + (len(self.levels.starts) > 2))
        self.notes.broken.clear()

    def _teardown(self) -> None:
        """Look for a state that cannot be taken down."""
        if self.descent.holds:
            return
        expander = self.expander.only(self.teardown)
        stuck = Teardown(self.levels, expander, self.judge).stuck()
        if stuck is not None:
            level, rows = stuck
            self.notes.broken.setdefault(TEARDOWN, Breach(level)).states(rows)

    def _done(self) -> bool:
        if self.limits.enough(frozenset(self.first)):
            return True
        return all_found(self.program, self.wanted, self.first)

    def _limited(self, remaining: int) -> bool:
        """Whether a limit is met; also tell how far it is."""
        found = self.found
        self.gauge.tell(self.levels.size, remaining, found.depth)
        found.stopped = self.gauge.met(found.depth)
        return bool(found.stopped)

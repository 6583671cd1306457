"""The search: level by level in the compiled machine, within limits, and what came of it."""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Final

from checkers.explore.counterexample import UntoldError, told
from checkers.explore.explored import Explored, all_found, wanted
from checkers.explore.native.c_program import CProgram, c_program
from checkers.explore.native.c_state import Renamed
from checkers.explore.native.checkpoint import Checkpoint, Saved
from checkers.explore.native.compiler import load
from checkers.explore.native.library import SearchEndedError, Space, StateSet
from checkers.explore.symmetry import Symmetry, symmetry
from checkers.gauge import Gauge, memory_mib
from checkers.result import Limits
from spec.language.program import Program
from spec.language.rules import CRASH, TEARDOWN

SLICE: Final = 0.1
"""Seconds of search between two looks at the limits."""

OPTIMISED: Final = ((300_000, "-O0"), (3_000_000, "-O1"), (math.inf, "-O3"))
"""Below how many transitions the compiler is to take how little time; of an unknown number, -O2."""

LEAST: Final = 16 << 20
"""Bytes that a search has even if the process has used up its memory: to say so in the end."""


def explore(program: Program, names: frozenset[str], limits: Limits) -> Explored:
    """Explore all reachable states, checking the named rules (empty: all)."""

    def states(text: CProgram, option: str, stack: ExitStack) -> StateSet:
        space = Space(load(text.text, option), text, *_room(limits, stack))
        stack.callback(space.close)
        return space

    return searched(program, names, limits, states)


Opening = Callable[[CProgram, str, ExitStack], StateSet]
"""Makes the empty set of states of a search, which goes when the stack is closed.

It is given the machine as C, and the option of the compiler that is worth its time.
"""


def searched(
    program: Program, names: frozenset[str], limits: Limits, opening: Opening
) -> Explored:
    """Explore into a set of states that is opened when the machine has been written as C."""
    gauge = Gauge(limits)
    chosen = symmetry(program, limits.renaming)
    rules = wanted(program, names)
    tables = {item.table.name: item.classes for item in chosen.sets}
    text = c_program(program, Renamed(chosen.sorts, tables), rules)
    with ExitStack() as stack:
        kept = limits.checkpoint and Checkpoint(limits.checkpoint, program, text.text)
        saved = stack.enter_context(kept.opened(limits.resume)) if kept else None
        space = opening(text, optimisation(program, chosen), stack)
        gauge.limits.prepared()
        return _Search(program, gauge, chosen, text, rules, space, kept or None).run(saved)


def optimisation(program: Program, chosen: Symmetry) -> str:
    """The compiler's option: little is known to be explored, or much, or nobody knows."""
    bounds, variant = program.bounds, program.variant
    declared = bounds.orbits[1] if chosen.sets and bounds.orbits else bounds.transitions
    ends_soon = variant is not None and bool(variant.expects)
    if ends_soon:
        return "-O0"
    if declared is None:
        return "-O2"
    return next(option for most, option in OPTIMISED if declared < most)


def _room(limits: Limits, stack: ExitStack) -> tuple[int, int]:
    """How many bytes the states may take in memory (0: any), and a file for what is beyond."""
    if not limits.memory_mib:
        return 0, -1
    left = max(LEAST, int((limits.memory_mib - memory_mib()) * (1 << 20)))
    if limits.scratch is None:
        return left, -1
    limits.scratch.mkdir(parents=True, exist_ok=True)
    number, name = tempfile.mkstemp(dir=limits.scratch)
    os.unlink(name)
    stack.callback(os.close, number)
    return left, number


@dataclass
class _Search:
    """One search; `first` has the length of the shortest trace that breaks each rule."""

    program: Program
    gauge: Gauge
    chosen: Symmetry
    text: CProgram
    rules: Sequence[str]
    space: StateSet
    checkpoint: Checkpoint | None
    first: dict[str, int] = field(default_factory=dict)
    levels: list[int] = field(default_factory=list)
    stopped: str = ""
    prepared: float = 0.0

    def run(self, saved: Saved | None) -> Explored:
        """Level by level until nothing is new, enough is broken, or a limit is met."""
        limits = self.gauge.limits
        self.prepared = self.gauge.seconds
        try:
            if saved is None:
                self.space.add(self.program.initial(), judged=True)
                self._level_made()
            else:
                self._resume(saved)
            self._explore()
        except MemoryError:
            limit = f"memory limit of {limits.memory_mib} MiB met" if limits.memory_mib else ""
            self.stopped = f"{limit or 'no memory for more states'} at depth {self._depth}"
        except SearchEndedError as error:
            self.stopped = f"{error}, at depth {self._depth}"
        except KeyboardInterrupt:
            limits.interrupted = True
            self.stopped = f"interrupted at depth {self._depth}"
        return self._explored()

    @property
    def _depth(self) -> int:
        return max(0, len(self.levels) - 1)

    def _explore(self) -> None:
        while self.levels[-1] and not self.stopped:
            if self._expand():
                self._level_made()
            if self.levels[-1] and not self.stopped:
                self.stopped = self._enough()
        if not self.levels[-1] and len(self.levels) > 1:
            self.levels.pop()

    def _enough(self) -> str:
        """Why the search need not go on; empty if it must."""
        if all_found(self.program, self.rules, self.first, self.gauge.limits.deeper):
            return f"stopped at depth {self._depth}: every rule sought is broken"
        if self.gauge.limits.enough(frozenset(self.first)):
            return f"stopped at depth {self._depth}: enough is broken"
        return ""

    def _expand(self) -> bool:
        """Expand a level; false if a limit was met before its end."""
        while not self.space.expand(self.gauge.limits.jobs, SLICE):
            figures = self.space.figures()
            self.gauge.tell(figures.states, figures.states - figures.expanded, self._depth)
            self.stopped = self.gauge.met(self._depth)
            if self.stopped:
                return False
        self.stopped = self.gauge.met(self._depth)
        return True

    def _level_made(self) -> None:
        """The states that were found are the next level; what is broken is broken."""
        before = len(self.levels)
        self.levels.append(self.space.next_level())
        figures = self.space.figures()
        for rule in self.rules:
            if rule in figures.broken and rule not in self.first:
                self.first[rule] = before
                self.space.seek_no_longer(rule)
                self.gauge.limits.found(rule, before)
        if self.checkpoint and self.levels[-1]:
            start = sum(self.levels[:-1])
            self.checkpoint.save(
                self.space.states(start, self.levels[-1]), self.levels, figures, self.first
            )

    def _resume(self, saved: Saved) -> None:
        """Know what was known when the last level was kept."""
        size = max(1, self.program.layout.size)
        for states, count in zip(saved.levels(), saved.sizes, strict=True):
            for piece in states:
                cut = [piece[at : at + size] for at in range(0, len(piece), size)]
                self.space.add(cut, judged=False)
            self.levels.append(self.space.next_level())
            if self.levels[-1] != count:
                raise saved.wrong(len(self.levels) - 1, "has other states than were saved")
        self.space.restore(saved.figures)
        self.first = dict(saved.first)
        for rule in self.first:
            self.space.seek_no_longer(rule)

    def _explored(self) -> Explored:
        figures = self.space.figures()
        found = Explored(
            self.program, self.chosen.renaming, self.chosen.names, figures.states, self._depth,
            self.levels, dict(figures.fired), dict(figures.crashed), dict(figures.cuts),
            set(figures.seen), stopped=self.stopped, prepared=self.prepared,
            bytes_per_state=figures.set_bytes / max(1, figures.states),
            spills=int(figures.on_disk > 0), declined=self.chosen.declined,
        )
        lengths = dict(self.first)
        for rule in sorted(figures.broken - lengths.keys()):
            if rule in self.rules:  # found in a level that was not finished
                lengths[rule] = len(self.levels)
        try:
            self._tell_all(found, lengths)
        except KeyboardInterrupt:
            self.gauge.limits.interrupted = True
            for rule in lengths.keys() - found.violations.keys() - found.untold.keys():
                found.unshown[rule] = f"in {lengths[rule]} steps; interrupted before it was shown"
            if found.exhausted and TEARDOWN in self.rules and TEARDOWN not in lengths:
                found.untold[TEARDOWN] = "interrupted before it was decided"
        found.seconds = self.gauge.seconds
        return found

    def _tell_all(self, found: Explored, lengths: dict[str, int]) -> None:
        """Make the traces of what is broken; then see what can be taken down."""
        for rule in self.rules:
            if rule in lengths:
                self._tell(found, rule, lengths[rule])
        if found.exhausted and TEARDOWN in self.rules:
            level = self._stuck(found)
            if level is not None:
                lengths[TEARDOWN] = level
                self._tell(found, TEARDOWN, level)

    def _stuck(self, found: Explored) -> int | None:
        """The least level with a state that cannot be taken down; it may be left open."""
        try:
            return self.space.stuck(self.gauge.limits.jobs)
        except MemoryError:
            found.untold[TEARDOWN] = "there is no memory to see what can be taken down"
        except SearchEndedError as error:
            found.untold[TEARDOWN] = str(error)
        return None

    def _tell(self, found: Explored, rule: str, length: int) -> None:
        """Make a run of the specification that breaks a rule in so many steps."""
        by_step = rule == CRASH or rule in self.text.refusals
        level = length - 1 if by_step else length
        try:
            with self.space.leading_to(rule, level, self.gauge.limits.jobs):
                found.violations[rule] = told(
                    self.program, rule, length, self.space.cost, by_step,
                    self.chosen.tables,
                )
        except UntoldError as error:
            found.untold[rule] = str(error)
        except MemoryError:
            found.unshown[rule] = f"in {length} steps; no memory to find its trace"


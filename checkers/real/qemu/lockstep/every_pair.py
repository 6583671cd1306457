"""Drives a QEMU past every pair of an action and a failing host call that a machine has."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

from checkers import machines
from checkers.real.qemu.lockstep.of_vfio_attach import SETTINGS
from checkers.real.qemu.lockstep.pairs import Graph, Move, Way, graph
from checkers.real.qemu.lockstep.running import Beside, Differs, Setting, Went
from checkers.real.qemu.root import binary
from checkers.real.qemu.start import ARM
from checkers.trace.format import Answered, Trace
from checkers.trace.record import Names, record_run
from checkers.userfiles import InputError
from spec.language.program import Program
from spec.language.steps import Step

BETWEEN: Final = "comes only between steps that QEMU takes at once, or past what cannot be done"
NO_ROOM: Final = "the way there makes more objects than the bounds have"
DIFFERED: Final = "QEMU differs there, or on the way"


@dataclass(frozen=True)
class Drive:
    """What is to be driven: a QEMU of the user's or none, and another variant if not the released.

    `record`: what came of each act is kept.
    """

    qemu: Path | None
    without_kvm_check: bool
    variant: str = ""
    record: bool = False


@dataclass
class Divergence:
    """QEMU does otherwise: after which steps, shortened, as a trace of the machine's."""

    differs: Differs
    moves: tuple[Move, ...]
    trace: Trace


@dataclass
class Report:
    """What came of one setting; `runs` has for each QEMU the steps and what came of them."""

    setting: str
    about: str
    bounds: str
    version: str
    states: int
    ways: set[Way]
    held: set[Way] = field(default_factory=set)
    not_driven: dict[Way, str] = field(default_factory=dict)
    divergences: list[Divergence] = field(default_factory=list)
    starts: int = 0
    acts: int = 0
    calls: int = 0
    left_out: int = 0
    seconds: float = 0.0
    runs: list[list[tuple[tuple[Step, ...], Went]]] = field(default_factory=list)


def settings(machine: str, names: Sequence[str]) -> list[Setting]:
    """Those of a machine, or some of them; InputError for one that there is not."""
    own = {item.name: item for item in SETTINGS if item.machine == machine}
    if not own:
        known = ", ".join(sorted({item.machine for item in SETTINGS}))
        raise InputError(f"drive --qemu: {machine} has no lockstep; {known} has one")
    for name in names:
        if name not in own:
            raise InputError(f"--bounds {name}: lockstep knows {', '.join(own)}")
    return [item for name, item in own.items() if name in names or not names]


def drive(chosen: Sequence[Setting], asked: Drive) -> list[Report]:
    """Drive each, as many at once as there are processors."""
    for item in chosen:
        binary(item.program, asked.qemu)
        if item.program == ARM and not asked.without_kvm_check:
            raise InputError(
                f"{item.name}: QEMU wants KVM for an accelerated SMMUv3; say --without-kvm-check"
            )
    with ProcessPoolExecutor(min(len(chosen), os.cpu_count() or 1)) as pool:
        return list(pool.map(partial(driven, asked=asked), [item.name for item in chosen]))


def linked(setting: Setting, variant: str = "") -> Program:
    """The machine of a setting, at its bounds, as released or as another variant."""
    machine = machines.machine(setting.machine)
    return machines.program(machine, setting.bounds, machines.variant(variant or setting.variant))


def driven(name: str, asked: Drive) -> Report:
    """Drive one setting past all ways that can be had."""
    (setting,) = [item for item in SETTINGS if item.name == name]
    began = time.monotonic()
    program = linked(setting, asked.variant)
    every = graph(program, setting.together, partial(setting.why_not, setting, program))
    version = binary(setting.program, asked.qemu).version
    report = Report(
        name, setting.about, setting.bounds, version, len(every.edges), every.ways,
        not_driven=dict(every.why),
    )  # fmt: skip
    _Tour(setting, program, every, asked, report).go()
    report.seconds = time.monotonic() - began
    return report


@dataclass
class _Tour:
    """Runs that come by all ways: from where a run is, the nearest that is left is next."""

    setting: Setting
    program: Program
    graph: Graph
    asked: Drive
    report: Report
    banned: set[Way] = field(default_factory=set)

    @property
    def left(self) -> set[Way]:
        """What is not driven yet."""
        return self.report.ways - self.report.held - self.report.not_driven.keys()

    def go(self) -> None:
        """As many runs as it takes; what is then left comes only between steps."""
        while path := self.graph.path(self.graph.start, self.left, self.banned):
            before = len(self.report.held)
            self._run(path)
            if len(self.report.held) == before and not self.left & self.banned:
                aim = self.left & set(path[-1].ways)
                self.report.not_driven.update(dict.fromkeys(aim, NO_ROOM))
            lost = self.left & self.banned
            self.report.not_driven.update(dict.fromkeys(lost, DIFFERED))
        why = DIFFERED if self.banned else BETWEEN
        self.report.not_driven.update(dict.fromkeys(self.left, why))

    def beside(self) -> Beside:
        """A new QEMU beside the machine."""
        acting = self.setting.start(
            self.setting, self.program, self.asked.qemu, self.asked.without_kvm_check
        )
        return Beside(self.setting, self.program, acting)

    def _run(self, path: list[Move] | None) -> None:
        """One QEMU, as far as there is anything left that it can come to."""
        report = self.report
        gone: list[Move] = []
        report.starts += 1
        with self.beside() as beside:
            while path:
                for move in path:
                    outcomes = beside.outcomes(move.steps)
                    if outcomes is None:
                        path = None
                        break
                    gone.append(move)
                    differs = beside.take(move.steps, outcomes)
                    report.acts += 1
                    report.calls += len(beside.went[-1].asked)
                    report.left_out += beside.went[-1].left_out
                    if differs is not None:
                        self._note(gone, differs)
                        return
                    report.held.update(move.ways)
                    here = move.to
                if path is not None and here is not None:
                    path = self.graph.path(here, self.left, self.banned)
                else:
                    path = None
        if self.asked.record:
            steps = [move.steps for move in gone]
            report.runs.append(list(zip(steps, beside.went, strict=True)))

    def _note(self, gone: Sequence[Move], differs: Differs) -> None:
        """A divergence, by the shortest steps that show it."""
        self.banned.update(gone[-1].ways)
        moves, differs = self._shortened(tuple(gone), differs)
        steps = [step for move in moves for step in move.steps]
        (initial,) = self.program.initial()
        variant = self.asked.variant or self.setting.variant
        names = Names("qemu", self.setting.machine, variant)
        system = f"QEMU {self.report.version}"
        answered = Answered(
            system=system, what=differs.what, specification=differs.other.expected,
            answer="\n".join(filter(None, (differs.other.found, differs.log))),
        )
        trace = record_run(self.program, initial, steps, names, answered)
        self.report.divergences.append(Divergence(differs, moves, trace))

    def _shortened(
        self, moves: tuple[Move, ...], differs: Differs
    ) -> tuple[tuple[Move, ...], Differs]:
        """The nearest path to the same, if that shows it, and without what it does not need."""
        nearest = self.graph.path(self.graph.start, moves[-1].ways)
        if nearest is not None and len(nearest) < len(moves):
            again = self._again(tuple(nearest))
            if again is not None and again.what == differs.what:
                moves, differs = tuple(nearest), again
        turn = 0
        while turn < len(moves) - 1:
            shorter = (*moves[:turn], *moves[turn + 1 :])
            again = self._again(shorter)
            if again is not None and again.what == differs.what:
                moves, differs = shorter, again
            else:
                turn += 1
        return moves, differs

    def _again(self, moves: Sequence[Move]) -> Differs | None:
        """What differs in the last of these steps, in a new QEMU."""
        with self.beside() as beside:
            for move in moves:
                outcomes = beside.outcomes(move.steps)
                if outcomes is None:
                    return None
                differs = beside.take(move.steps, outcomes)
                if differs is not None:
                    return differs if move is moves[-1] else None
        return None

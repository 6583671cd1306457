"""Runs to be made: which engines look at which machine; and several runs at a time."""

from __future__ import annotations

import contextlib
import gc
import importlib
import multiprocessing
import signal
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Final, Literal

from checkers import machines
from checkers.engines import ALL, ENGINES, RANDOM, Checked, Engines, check, engine
from checkers.machines import Subject
from checkers.report.row import Row
from checkers.result import Finding, Limits, Verdict
from checkers.userfiles import InputError
from checkers.variants import judge, subjects
from spec.language import Machine

Suite = Literal["check", "exhaust"]
SUITES: Final[tuple[Suite, ...]] = ("check", "exhaust")

GRACE: Final = 2.0
"""Seconds that a process has to end when it is told to."""


@dataclass(frozen=True)
class Run:
    """Engines, one after the other, on one machine; with `judged` a variant on what it declares."""

    subject: Subject
    engines: tuple[str, ...]
    rules: frozenset[str] = frozenset()
    judged: bool = False

    def results(
        self, limits: Callable[[str], Limits], finding: Engines | None = None
    ) -> Checked:
        """What the engines say; `limits` makes those of an engine, by its name.

        `finding` has the engines that are not those of this process.
        """
        if self.judged:
            return judge(self.subject, self.engines, limits, finding)
        return check(self.subject, self.engines, self.rules, limits, finding)

    def prepare(self) -> None:
        """Load and read what runs have in common; whatever is wrong with it is for `results`."""
        with contextlib.suppress(InputError):
            for name in self.engines:
                engine(name)
            if self.judged:
                machines.readable(self.subject.program)
                importlib.import_module("networkx")  # a trace shows objects, see checkers.graph

    def lost(self, status: int | None) -> Checked:
        """What is known of a run whose process ended without results."""
        program = self.subject.program
        why = f"its process ended without a result, with status {status}"
        finding = Finding(" ".join(self.engines), ALL, Verdict.BOUNDED, why)
        machine = program.machine.name
        return Checked([Row(machine, self.subject.variant, program.bounds_name, finding)], False)


def suite(which: Suite, names: Sequence[str]) -> list[Run]:
    """All that ``make check`` or ``make exhaust`` runs of the machines named (none named: of all).

    What takes longest begins first.
    """
    runs = [run for name in names or machines.registry() for run in _of_machine(which, name)]
    runs.sort(key=lambda run: ("symbolic", "explicit", "stateful").index(run.engines[0]))
    if which == "exhaust":
        return runs
    known = {machines.machine(name).name for name in names}
    judged = [item.machine for item in machines.variants().values()]
    if names and not known & set(judged):
        return runs
    return runs + [Run(item, ("explicit",), judged=True) for item in subjects(names)]


def taken(machine: Machine, which: Suite) -> dict[str, tuple[str, ...]]:
    """The bounds of a machine that each engine takes; in every check at least the usual ones."""
    if which == "exhaust":
        return dict(machine.exhaust)
    usual = machines.bounds("", machine)[0]
    large = machines.LARGE if machines.LARGE in machine.bounds else usual
    return {
        engine: machine.check.get(engine, (large if engine in RANDOM else usual,))
        for engine in ENGINES
    }


def _of_machine(which: Suite, name: str) -> Iterator[Run]:
    machine = machines.machine(name)
    for by, bounds in taken(machine, which).items():
        for given in bounds:
            yield Run(Subject(name, None, machines.program(machine, given), given), (by,))


def together(
    runs: Sequence[Run], jobs: int, limits: Callable[[Run, str], Limits]
) -> Iterator[Checked]:
    """The results of runs in their order, several of them made at a time, by a process each.

    A process, so that one that ends badly takes no other's results with it.
    """
    waiting = deque(enumerate(runs))
    going: dict[Connection, tuple[int, BaseProcess]] = {}
    done: dict[int, Checked] = {}
    try:
        for number in range(len(runs)):
            while number not in done:
                while waiting and len(going) < jobs:
                    at, run = waiting.popleft()
                    connection, process = _started(run, limits)
                    going[connection] = at, process
                ready = set(wait(list(going)))
                for connection in [item for item in going if item in ready]:
                    at, process = going.pop(connection)
                    done[at] = _received(runs[at], connection, process)
            yield done.pop(number)
    finally:
        _end([process for _, process in going.values()])


def _started(
    run: Run, limits: Callable[[Run, str], Limits]
) -> tuple[Connection, BaseProcess]:
    run.prepare()
    receiving, sending = multiprocessing.Pipe(duplex=False)
    context = multiprocessing.get_context("fork")
    process = context.Process(target=_work, args=(run, limits, sending))
    process.start()
    sending.close()
    return receiving, process


def _work(run: Run, limits: Callable[[Run, str], Limits], sending: Connection) -> None:
    """In a process of its own: make the run, and send what comes of it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(1))
    gc.freeze()  # what was there before is not looked through in every process
    try:
        sending.send(run.results(lambda name: limits(run, name)))
    except InputError as error:
        sending.send(str(error))


def _received(run: Run, connection: Connection, process: BaseProcess) -> Checked:
    try:
        found = connection.recv()
    except EOFError:
        found = None
    process.join()
    if isinstance(found, str):
        raise InputError(found)
    return found if isinstance(found, Checked) else run.lost(process.exitcode)


def _end(processes: Sequence[BaseProcess]) -> None:
    for process in processes:
        process.terminate()
    for process in processes:
        process.join(GRACE)
        process.kill()

"""The engine: the tasks of a proof on several processes, their answers as one finding a rule."""

from __future__ import annotations

import multiprocessing
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import TypeVar

from checkers.result import Finding, Limits, Progress, Verdict, Violation
from checkers.symbolic.bmc import shortest, two_steps
from checkers.symbolic.induction import POSSIBLE, Answer, Task, run_task, tasks
from checkers.symbolic.system import System
from spec.language.program import Program
from spec.language.rules import CRASH, TEARDOWN

ENGINE = "symbolic"
DEPTH = 12
"""Counterexamples longer than this are not looked for."""

PATIENCE = 120.0
"""Seconds for counterexamples, and for proofs over two steps, if there is no limit."""

J = TypeVar("J")
R = TypeVar("R")

_system: System


def check(program: Program, names: frozenset[str], limits: Limits) -> list[Finding]:
    """Prove the rules named (all if none is), or find out what breaks them.

    The invariants strengthen each other, so all are proved; those not named are not reported.
    """
    program.initial()
    proof = Proof(program, limits)
    proof.run()
    found = proof.findings()
    return [item for item in found if not names or item.rule in names or item.rule == POSSIBLE]


@dataclass
class _Rule:
    """What is known of one rule so far; the `seconds` of its own, if it is asked for by itself."""

    name: str
    asked: int = 0
    failing: list[Answer] = field(default_factory=list)
    unknown: list[Answer] = field(default_factory=list)
    how: str = "inductive"
    seconds: float | None = None

    @property
    def proved(self) -> bool:
        return self.asked > 0 and not self.failing and not self.unknown


class Proof:
    """One run of the engine."""

    def __init__(self, program: Program, limits: Limits) -> None:
        global _system
        self.program = program
        self.limits = limits
        self.begun = limits.clock()
        self.until = limits.since + limits.seconds if limits.seconds else 0.0
        self.system = _system = System(program, relaxed=True)
        self.rules = {name: _Rule(name) for name in (*program.invariants, CRASH)}
        if program.rank is not None:
            self.rules[TEARDOWN] = _Rule(TEARDOWN)
        self.possible = {rule.name: "fails" for rule in program.actions}
        self.paths: dict[str, Violation] = {}
        self.searched = -1
        self.complete = False
        self.retried: set[str] = set()
        limits.prepared()

    def run(self) -> None:
        """Induction over one step, then over two, then the search for counterexamples."""
        todo = tasks(self.system)
        done = 0
        jobs = [(task, self._real(self.until)) for task in todo]
        for answers, seconds in self._results(_prove, jobs):
            done += 1
            if {answer.rule for answer in answers} == {TEARDOWN}:
                self.rules[TEARDOWN].seconds = seconds
            self.limits.progress(Progress(0, len(todo) - done, 0.0, f"{done}/{len(todo)} proofs"))
            for answer in answers:
                self._take(answer)
        self.complete = done == len(todo)
        patience = self.until or self.limits.clock() + PATIENCE
        retry = [
            rule.name for rule in self.rules.values()
            if rule.name in self.system.always and rule.failing and not rule.unknown
        ]
        again = [(name, self._real(patience)) for name in retry]
        for name, status in self._results(_prove_in_two, again):
            if status != "unknown":
                self.retried.add(name)
            if status == "unsat":
                self.rules[name].failing.clear()
                self.rules[name].how = "inductive over two steps"
        self._search(self.until or self.limits.clock() + PATIENCE)

    def _search(self, until: float) -> None:
        if self.complete and all(rule.proved for rule in self.rules.values()):
            return
        wanted = {name for name, rule in self.rules.items() if name != TEARDOWN and (
            not rule.proved or not self._sound()
        )}
        if wanted:
            for paths, depth in self._results(_search, [(wanted, self._real(until))]):
                self.paths, self.searched = paths, depth

    def _left(self) -> bool:
        return not self.limits.interrupted and (not self.until or self.limits.clock() < self.until)

    def _real(self, until: float) -> float:
        """A time of the clock of the limits as one of the clock that the solver's limit is of."""
        return time.monotonic() + until - self.limits.clock() if until else 0.0

    def _take(self, answer: Answer) -> None:
        if answer.rule == POSSIBLE:
            if answer.status != "fails":
                known = self.possible[answer.where]
                self.possible[answer.where] = "holds" if "holds" in (known, answer.status) else (
                    "unknown"
                )
            return
        rule = self.rules[answer.rule]
        rule.asked += 1
        if answer.status == "fails":
            rule.failing.append(answer)
        elif answer.status == "unknown":
            rule.unknown.append(answer)

    def _results(self, work: Callable[[J], R], jobs: list[J]) -> Iterator[R]:
        """The results of jobs as they come, until the time is out or Ctrl-C."""
        if not jobs or not self._left():
            return
        context = multiprocessing.get_context("fork")
        pool = context.Pool(min(max(1, self.limits.jobs), len(jobs)), _ignore_interrupts)
        try:
            results = pool.imap_unordered(work, jobs)
            for _ in jobs:
                left = max(0.1, self.until + 2 - self.limits.clock()) if self.until else None
                yield results.next(left)
                if not self._left():
                    return
        except multiprocessing.TimeoutError:
            pass
        except KeyboardInterrupt:
            self.limits.interrupted = True
        finally:
            pool.terminate()
            pool.join()

    def _sound(self) -> bool:
        """Whether everything that was assumed is proved."""
        return self.complete and all(self.rules[name].proved for name in self.system.always)

    def findings(self) -> list[Finding]:
        """One row a rule, and one for actions that can never happen."""
        seconds = self.limits.clock() - self.begun
        found = [
            replace(self._finding(rule, seconds), own_seconds=rule.seconds)
            for rule in self.rules.values()
        ]
        for verdict, status in ((Verdict.VIOLATED, "fails"), (Verdict.BOUNDED, "unknown")):
            names = sorted(
                name for name, known in self.possible.items()
                if known == status and name not in self.program.without
            )
            if names and (self.complete or status == "unknown"):
                detail = f"no state in which the invariants hold enables {', '.join(names)}"
                if status == "unknown":
                    detail = f"not known whether the invariants allow {', '.join(names)}"
                found.append(Finding(ENGINE, POSSIBLE, verdict, detail, seconds=seconds))
        return found

    def _finding(self, rule: _Rule, seconds: float) -> Finding:
        path = self.paths.get(rule.name)
        if path is not None:
            detail = f"{len(path.steps)} steps" + (f": {path.why}" if path.why else "")
            return Finding(
                ENGINE, rule.name, Verdict.VIOLATED, detail, depth=len(path.steps),
                seconds=seconds, violation=path,
            )
        if rule.proved and self._sound():
            own = sum(item.rule == rule.name for item in self.system.conjuncts)
            parts = f", {own} conjuncts" if own else ""
            detail = f"{rule.how}{parts}, {len(self.program.actions)} actions"
            return Finding(ENGINE, rule.name, Verdict.PROVED, detail, seconds=seconds)
        verdict, detail, violation = self._reason(rule)
        if self.searched >= 0 and rule.name != TEARDOWN:
            detail += f"; nothing breaks it in {self.searched} steps"
        return Finding(ENGINE, rule.name, verdict, detail, seconds=seconds, violation=violation)

    def _reason(self, rule: _Rule) -> tuple[Verdict, str, Violation | None]:
        """Why a rule is not proved: a counterexample to induction, what it rests on, or a limit."""
        if rule.failing:
            first = min(rule.failing, key=lambda answer: answer.where)
            verdict, detail = self._decided([rule.name]), f"{first.where} breaks it{first.note}"
            if verdict is Verdict.BOUNDED:
                detail = f"not inductive over one step: {detail}; over two not decided in time"
            return verdict, detail, first.violation
        if rule.unknown:
            return Verdict.BOUNDED, f"not decided in time: {rule.unknown[0].where}", None
        if not self.complete:
            return Verdict.BOUNDED, "the proof was not finished in time", None
        open_ = [name for name in self.system.always if not self.rules[name].proved]
        detail = f"inductive if {', '.join(open_)} holds, which is not proved"
        return self._decided(open_), detail, None

    def _decided(self, names: list[str]) -> Verdict:
        """NOT_INDUCTIVE, unless some of these rules might be inductive with more time."""
        known = self.complete and all(
            name in self.retried or name not in self.system.always or name in self.paths
            for name in names
        )
        return Verdict.NOT_INDUCTIVE if known else Verdict.BOUNDED


def _ignore_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _prove(job: tuple[Task, float]) -> tuple[list[Answer], float]:
    """The answers to all that a task asks, and the time that they took."""
    begun = time.monotonic()
    return run_task(_system, *job), time.monotonic() - begun


def _prove_in_two(job: tuple[str, float]) -> tuple[str, str]:
    name, until = job
    return name, two_steps(System(_system.program), name, until)


def _search(job: tuple[set[str], float]) -> tuple[dict[str, Violation], int]:
    rules, until = job
    return shortest(System(_system.program), rules, DEPTH, until)

"""Whether each built-in variant breaks what it declares to break, in as many steps."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from multiprocessing.pool import Pool

from checkers import machines
from checkers.engines import ALL, Checked, check, rules
from checkers.machines import InputError, Subject
from checkers.report import Row, judged
from checkers.report.table import BREAKS
from checkers.result import Finding, Limits, Progress, Verdict
from spec.language import Variant

EVERY = "all"
"""What a user writes for every built-in variant."""


def subjects(names: Sequence[str]) -> list[Subject]:
    """Every built-in variant of the named machines (none named: of all), at its own bounds."""
    of = {name: machines.machine(name) for name in names or machines.registry()}
    found = [
        Subject(name, variant.name, machines.link(machine, variant.bounds, variant))
        for name, machine in of.items()
        for variant in machines.variants().values()
        if variant.machine == machine.name
    ]
    if not found:
        raise InputError(f"there is no variant of {', '.join(of)}")
    return found


Reporting = Callable[[str], Callable[[Progress], None]]


class Judged:
    """Variants judged one after the other; with several jobs as many at a time, by a process each.

    `limits` makes the limits of an engine from where its progress goes.
    """

    def __init__(
        self, subjects: Sequence[Subject], engines: Sequence[str],
        limits: Callable[[Callable[[Progress], None]], Limits],
    ) -> None:
        self.subjects, self.engines, self.limits = subjects, engines, limits
        self.pool: Pool | None = None
        self.coming: Iterator[Checked] = iter(())
        jobs = limits(_unheard).jobs
        if jobs > 1 and len(subjects) > 1:
            global _judged
            _judged = self
            self.pool = multiprocessing.get_context("fork").Pool(jobs, _ignore_interrupts)
            self.coming = self.pool.imap(_judge, range(len(subjects)))

    def next(self, subject: Subject, report: Reporting) -> Checked:
        """The results of the next variant, which is `subject`."""
        if self.pool is None:
            return judge(subject, self.engines, lambda name: self.limits(report(name)))
        try:
            return next(self.coming)
        except KeyboardInterrupt:
            return Checked([], True)

    def one(self, number: int) -> Checked:
        """The results of a variant, in a process that has no others."""
        subject = self.subjects[number]
        return judge(subject, self.engines, lambda _: replace(self.limits(_unheard), jobs=1))

    def close(self) -> None:
        """No variant more."""
        if self.pool is not None:
            self.pool.terminate()
            self.pool.join()


_judged: Judged


def _judge(number: int) -> Checked:
    return _judged.one(number)


def _unheard(progress: Progress) -> None:
    """Progress that nobody is told."""


def _ignore_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def judge(
    subject: Subject, engines: Sequence[str], limits: Callable[[str], Limits]
) -> Checked:
    """A row for each rule that a variant declares to break.

    Nothing else is asked of the engines, so that they stop as soon as these rules are broken.
    """
    variant = subject.program.variant
    assert variant is not None
    known = [rule for rule in variant.expects if rule in rules(subject.program)]
    rows = [_undeclared(subject, engines, rule) for rule in variant.expects if rule not in known]
    if not variant.expects:
        rows.append(_undeclared(subject, engines, ""))
    if not known:
        return Checked(rows, False)
    done = check(replace(subject, bounds=variant.bounds), engines, frozenset(known), limits)
    judgements = [_row(variant, rule, done.rows) for rule in known]
    return Checked(judgements + rows, done.interrupted)


def _undeclared(subject: Subject, engines: Sequence[str], rule: str) -> Row:
    """What to say of a variant that declares to break nothing, or what is no rule."""
    why = f"the machine has no rule {rule!r}" if rule else "it declares no rule that it breaks"
    name, program = BREAKS + (rule or "nothing"), subject.program
    finding = Finding(" ".join(engines), name, Verdict.VIOLATED, f"deviates: {why}")
    return Row(program.machine.name, subject.variant, program.bounds_name, finding)


def _row(variant: Variant, rule: str, rows: Sequence[Row]) -> Row:
    """Whether a variant breaks a rule as it declares, with the shortest trace that shows it."""
    verdict, words = judged(variant, rule, [row.finding for row in rows])
    own = [row for row in rows if row.finding.rule in (rule, ALL)]
    first = min(own, key=lambda row: len(row.trace.steps) if row.trace else 1 << 20)
    if verdict is Verdict.BOUNDED and first.finding.detail:
        words += f": {first.finding.detail}"
    finding = replace(first.finding, rule=BREAKS + rule, verdict=verdict, detail=words)
    return replace(first, finding=finding, expected=None)

"""Whether each built-in variant breaks what it declares to break, in as many steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from checkers import machines
from checkers.engines import ALL, Checked, check, rules
from checkers.machines import InputError, Subject
from checkers.report import Row, judged
from checkers.report.table import BREAKS
from checkers.result import Finding, Limits, Verdict
from spec.language import Variant

EVERY = "all"
"""What a user writes for every built-in variant."""


def subjects(names: Sequence[str]) -> list[Subject]:
    """Every built-in variant of the named machines (none named: of all), at its own bounds."""
    of = {name: machines.machine(name) for name in names or machines.registry()}
    found = [
        Subject(name, variant.name, machines.program(machine, variant.bounds, variant))
        for name, machine in of.items()
        for variant in machines.variants().values()
        if variant.machine == machine.name
    ]
    if not found:
        raise InputError(f"there is no variant of {', '.join(of)}")
    return found


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

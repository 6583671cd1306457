"""Whether each built-in variant breaks just what it declares to break, in as many steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from checkers import machines
from checkers.engines import ALL, Checked, Engines, check, rules
from checkers.machines import Subject
from checkers.report.manifest import MANIFEST, judged
from checkers.report.row import Row
from checkers.report.table import BREAKS
from checkers.result import Finding, Limits, Verdict
from checkers.userfiles import InputError
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


def judge(
    subject: Subject, engines: Sequence[str], limits: Callable[[str], Limits],
    finding: Engines | None = None,
) -> Checked:
    """A row for each rule that a variant declares to break, and for each that it breaks besides.

    All rules are looked at until those declared are broken, or another one is.
    """
    variant = subject.program.variant
    assert variant is not None
    known = [rule for rule in variant.expects if rule in rules(subject.program)]
    rows = [_deviates(subject, engines, rule) for rule in variant.expects if rule not in known]
    if not variant.expects:
        rows.append(_deviates(subject, engines, ""))
    done = check(replace(subject, bounds=variant.bounds), engines, frozenset(), limits, finding)
    said = [*done.rows, *(_silent(subject, engines, rule) for rule in known)]
    judgements = [_row(variant, rule, said) for rule in known]
    return Checked(judgements + _besides(variant, done.rows) + rows, done.interrupted)


def _deviates(subject: Subject, engines: Sequence[str], rule: str) -> Row:
    """What to say of a variant that declares to break nothing, or what is no rule."""
    why = f"the machine has no rule {rule!r}" if rule else "it declares no rule that it breaks"
    name, program = BREAKS + (rule or "nothing"), subject.program
    finding = Finding(" ".join(engines), name, Verdict.VIOLATED, f"deviates: {why}")
    return Row(program.machine.name, subject.variant, program.bounds_name, finding)


def _silent(subject: Subject, engines: Sequence[str], rule: str) -> Row:
    """A rule as long as no engine has said anything of it."""
    why, program = "no engine that was asked looks at this rule", subject.program
    finding = Finding(" ".join(engines), rule, Verdict.BOUNDED, why)
    return Row(program.machine.name, subject.variant, program.bounds_name, finding)


def _row(variant: Variant, rule: str, rows: Sequence[Row]) -> Row:
    """Whether a variant breaks a rule as it declares, with the shortest trace that shows it."""
    verdict, words = judged(variant, rule, [row.finding for row in rows])
    own = [row for row in rows if row.finding.rule in (rule, ALL)]
    first = min(own, key=_length)
    if verdict is Verdict.BOUNDED and first.finding.detail:
        words += f": {first.finding.detail}"
    words += _choice(first)
    finding = replace(first.finding, rule=BREAKS + rule, verdict=verdict, detail=words)
    return replace(first, finding=finding, expected=None)


def _besides(variant: Variant, rows: Sequence[Row]) -> list[Row]:
    """A row for each rule that is broken though the variant does not say so."""
    found: dict[str, Row] = {}
    for row in sorted(rows, key=_length):
        finding, declared = row.finding, (*variant.expects, MANIFEST)
        inductive = finding.violation is not None and finding.violation.induction
        if finding.verdict is Verdict.VIOLATED and finding.rule not in declared and not inductive:
            found.setdefault(finding.rule, row)
    return [_undeclared(row) for row in found.values()]


def _undeclared(row: Row) -> Row:
    """``deviates: is violated in 4 steps, which it does not declare``."""
    finding, length = row.finding, _length(row)
    steps = f" in {length} step{'' if length == 1 else 's'}" if row.trace else ""
    more = f": {finding.detail}" if finding.violation is None else ""
    words = f"deviates: violated{steps}, which it does not declare{more}{_choice(row)}"
    return replace(row, finding=replace(finding, rule=BREAKS + finding.rule, detail=words))


def _choice(row: Row) -> str:
    """That the trace of a row needs certain ids."""
    violation = row.finding.violation
    return f"; {violation.another_choice}" if violation and violation.another_choice else ""


def _length(row: Row) -> int:
    return len(row.trace.steps) if row.trace else 1 << 20

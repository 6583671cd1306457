"""The engines by name, and one run of them over one machine."""

from __future__ import annotations

import importlib
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import cast

from checkers.machines import Subject, larger, readable
from checkers.report.manifest import manifest
from checkers.report.row import Row
from checkers.result import Engine, Finding, Limits, Verdict
from checkers.trace.record import DoesNotRunError, Names, record
from checkers.userfiles import InputError
from checkers.watch import LimitMetError, limits_met, watching
from spec.language import LanguageError, Program, Variant
from spec.language.rules import ACTIONS, CRASH, TEARDOWN, WITNESSES

ENGINES = {
    "explicit": "checkers.explore.verdicts",
    "stateful": "checkers.stateful",
    "symbolic": "checkers.symbolic",
}
"""The module of each engine; its function `check` is the engine. Loaded when asked for."""

RANDOM = frozenset({"stateful"})
"""The engines that look into a machine too large to exhaust."""

ALL = "all"
"""The rule of a row that is about no single one: an engine that came to nothing."""


Engines = Callable[[str], Engine]
"""What has an engine by its name."""


@dataclass(frozen=True)
class Checked:
    """The results of one machine, and whether Ctrl-C cut them short."""

    rows: list[Row]
    interrupted: bool


def engine(name: str) -> Engine:
    """The engine of that name; `InputError` if a package it needs is not installed."""
    try:
        return cast(Engine, importlib.import_module(ENGINES[name]).check)
    except ImportError as error:
        raise InputError(f"engine {name} cannot be loaded: {error}") from error


def rules(program: Program) -> list[str]:
    """The names of all rules that can be selected in a program."""
    teardown = [TEARDOWN] if program.machine.teardown else []
    return [*program.invariants, CRASH, *teardown, WITNESSES, ACTIONS]


def check(
    subject: Subject,
    engines: Sequence[str],
    selected: frozenset[str],
    limits: Callable[[str], Limits],
    finding: Engines | None = None,
) -> Checked:
    """Run engines over one machine, one after the other, and compare with the manifest.

    `limits` makes the limits of an engine, by its name. An engine that itself fails leaves the
    results of the others; it is inconclusive, never a violation. `finding` has the engines that
    are not those of this process. On a variant an engine may stop when it has shown what is
    declared, or anything else, unless it is to look `deeper`.
    """
    rows, interrupted = list[Row](), False
    for name in engines:
        allowed = limits(name)
        if subject.program.variant is not None and not allowed.deeper:
            allowed.enough = enough(subject.program.variant, selected)
        program = larger(subject) if name in RANDOM else subject.program
        found = asked(name, program, selected, allowed, finding)
        rows += [_row(subject, program, finding) for finding in found]
        interrupted = allowed.interrupted
        if interrupted:
            break
    said = {row.finding.rule for row in rows}
    more = list[Finding]()
    if ALL not in said:
        why = "no engine that was asked looks at this rule"
        more = [
            Finding(" ".join(engines), rule, Verdict.BOUNDED, why)
            for rule in sorted(selected - said)
        ]
    if not interrupted:
        own = [row.finding for row in rows if row.bounds == subject.program.bounds_name]
        compared = manifest(subject.program, [*own, *more], selected)
        more += [compared] if compared else []
    return Checked(rows + [_row(subject, subject.program, item) for item in more], interrupted)


def enough(
    variant: Variant, selected: frozenset[str]
) -> Callable[[frozenset[str]], bool]:
    """Whether what is broken is all that a variant declares of the selected rules, or more."""
    declared = {rule for rule in variant.expects if not selected or rule in selected}

    def decide(broken: frozenset[str]) -> bool:
        counted = broken & selected if selected else broken
        return bool(counted - declared) or (bool(declared) and counted >= declared)

    return decide


def asked(
    name: str, program: Program, selected: frozenset[str], allowed: Limits,
    finding: Engines | None = None,
) -> list[Finding]:
    """What one engine says; it may be silent about selected rules only."""
    met = limits_met(allowed.seconds, allowed.memory_mib, allowed.since)
    try:
        with watching(met) as prepared:
            allowed.prepared = prepared
            readable(program)
            found = (finding or engine)(name)(program, selected, allowed)
    except InputError:
        raise
    except LimitMetError as error:
        return [Finding(name, ALL, Verdict.BOUNDED, str(error))]
    except LanguageError as error:
        raise InputError(str(error)) from error
    except KeyboardInterrupt:
        allowed.interrupted = True
        return [Finding(name, ALL, Verdict.BOUNDED, "interrupted")]
    except Exception as error:
        traceback.print_exc()
        why = f"a defect of the engine: {type(error).__name__}: {error}".splitlines()[0]
        return [Finding(name, ALL, Verdict.BOUNDED, why)]
    if not found and not selected:
        return [Finding(name, ALL, Verdict.BOUNDED, "the engine gave no result")]
    return found


def _row(subject: Subject, program: Program, finding: Finding) -> Row:
    row = _described(subject, program, finding)
    if finding.violation is None:
        return row
    names = Names(finding.engine, subject.machine, subject.variant)
    try:
        return replace(row, trace=record(program, finding.violation, names))
    except DoesNotRunError as error:
        said = f"{finding.detail}; the engine's own trace does not run: {error}".lstrip("; ")
        return replace(row, finding=replace(finding, detail=said))


def _described(subject: Subject, program: Program, finding: Finding) -> Row:
    asked, variant = subject.bounds or subject.program.bounds_name, program.variant
    if variant is None:
        return Row(program.machine.name, None, program.bounds_name, finding, asked=asked)
    return Row(
        program.machine.name,
        variant.name,
        program.bounds_name,
        finding,
        asked=asked,
        expected=variant.expects.get(finding.rule),
        about=finding.rule in list(variant.expects)[:1],
    )

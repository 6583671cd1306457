"""The engines by name, and one run of them over one machine."""

from __future__ import annotations

import importlib
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import cast

from checkers.machines import InputError, Subject
from checkers.report import Row, manifest
from checkers.result import ACTIONS, CRASH, TEARDOWN, WITNESSES, Engine, Finding, Limits, Verdict
from checkers.trace import DoesNotRunError, Names, record
from spec.language import LanguageError, Program

ENGINES = {
    "explicit": "checkers.explicit",
    "stateful": "checkers.stateful",
    "symbolic": "checkers.symbolic",
}
"""The module of each engine; its function `check` is the engine. Loaded when asked for."""

ALL = "all"
"""The rule of a row that is about no single one: an engine that came to nothing."""


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
) -> Checked:
    """Run engines over one machine, one after the other, and compare with the manifest.

    `limits` makes the limits of an engine, by its name. An engine that itself fails leaves the
    results of the others; it is inconclusive, never a violation.
    """
    program, findings, interrupted = subject.program, list[Finding](), False
    for name in engines:
        allowed = limits(name)
        findings += _asked(name, program, selected, allowed)
        interrupted = allowed.interrupted
        if interrupted:
            break
    said = {item.rule for item in findings}
    if ALL not in said:
        for rule in sorted(selected - said):
            why = "no engine that was asked looks at this rule"
            findings.append(Finding(" ".join(engines), rule, Verdict.BOUNDED, why))
    if not interrupted:
        compared = manifest(program, findings, selected)
        findings += [compared] if compared else []
    return Checked([_row(subject, finding) for finding in findings], interrupted)


def _asked(name: str, program: Program, selected: frozenset[str], allowed: Limits) -> list[Finding]:
    """What one engine says; it may be silent about selected rules only."""
    try:
        found = engine(name)(program, selected, allowed)
    except InputError:
        raise
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


def _row(subject: Subject, finding: Finding) -> Row:
    program = subject.program
    variant = program.variant.name if program.variant else None
    row = Row(program.machine.name, variant, program.bounds_name, finding)
    if finding.violation is None:
        return row
    names = Names(finding.engine, subject.machine, subject.variant)
    try:
        return replace(row, trace=record(program, finding.violation, names))
    except DoesNotRunError as error:
        said = f"{finding.detail}; the engine's own trace does not run: {error}".lstrip("; ")
        return replace(row, finding=replace(finding, detail=said))

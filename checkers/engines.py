"""The engines by name, and one run of them over one machine."""

from __future__ import annotations

import importlib
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import cast

from checkers.machines import InputError, Subject
from checkers.report import Row, manifest
from checkers.result import CRASH, TEARDOWN, Engine, Finding, Limits, Verdict
from checkers.trace import DoesNotRunError, Names, record
from spec.language import LanguageError, Program

ENGINES = {
    "explicit": "checkers.explicit",
    "stateful": "checkers.stateful",
    "symbolic": "checkers.symbolic",
}
"""The module of each engine; its function `check` is the engine. Loaded when asked for."""


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
    return [*program.invariants, *(item.name for item in program.witnesses), CRASH, *teardown]


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
        try:
            found = engine(name)(program, selected, allowed)
        except InputError:
            raise
        except LanguageError as error:
            raise InputError(str(error)) from error
        except KeyboardInterrupt:
            found, allowed.interrupted = [], True
        except Exception as error:
            traceback.print_exc()
            why = f"a defect of the engine: {type(error).__name__}: {error}".splitlines()[0]
            found = [Finding(name, "all", Verdict.BOUNDED, why)]
        interrupted = interrupted or allowed.interrupted
        if not found:
            why = "interrupted" if allowed.interrupted else "the engine gave no result"
            found = [Finding(name, "all", Verdict.BOUNDED, why)]
        findings += found
        if interrupted:
            break
    if not interrupted:
        compared = manifest(program, findings, selected)
        findings += [compared] if compared else []
    return Checked([_row(subject, finding) for finding in findings], interrupted)


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

"""Compares results with what the bounds and the variants declare, so that no number drifts."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from checkers.result import GOOD, Finding, Renaming, Verdict
from spec.language import Bounds, Program, Variant

MANIFEST = "manifest"
"""The rule of the row that says whether the figures are those declared."""

EXACT = "explicit"
"""The engine that explores everything, so that its figures and lengths are exact."""

DECIDED = (*GOOD, Verdict.VIOLATED)


def manifest(
    program: Program, findings: Sequence[Finding], selected: Collection[str] = ()
) -> Finding | None:
    """The row that compares findings with the manifest; None where it says nothing of them.

    For the reference these are the figures of its named bounds, which only a complete exploration
    has (of states up to the names of data, or of ids too); for a variant the rules it is declared
    to break, with the bounds it names. What it breaks besides is seen in the results.
    """
    if program.variant is not None:
        return _of_variant(program.variant, program.bounds_name, findings, selected)
    exact = [item for item in findings if item.engine == EXACT]
    if selected or not exact or not all(item.verdict in GOOD for item in exact):
        return None
    declared = _declared(program.bounds, exact[0].renaming)
    wanted = {key: value for key, value in declared.items() if value is not None}
    if not wanted:
        return None
    found = {key: _largest(exact, key) for key in wanted}
    differ = [
        f"{key}: expected {value}, found {'nothing' if found[key] is None else found[key]}"
        for key, value in wanted.items()
        if found[key] != value
    ]
    figures = ", ".join(f"{value} {key}" for key, value in wanted.items())
    return _row(EXACT, "; ".join(differ), f"{figures}, as declared")


def _declared(bounds: Bounds, renaming: Renaming) -> dict[str, int | None]:
    """The figures that an exploration must find that takes states for one up to this renaming."""
    figures = {
        Renaming.NONE: (None, None, None),
        Renaming.SORTS: (bounds.states, bounds.transitions, bounds.depth),
        Renaming.IDS: bounds.orbits or (None, None, None),
    }
    return dict(zip(("states", "transitions", "depth"), figures[renaming], strict=True))


def _of_variant(
    variant: Variant, bounds: str, findings: Sequence[Finding], selected: Collection[str]
) -> Finding | None:
    wanted = [rule for rule in variant.expects if not selected or rule in selected]
    if not wanted or bounds != variant.bounds or not findings:
        return None
    wrong, undecided = _differences(variant, findings, selected)
    broken = f"broken as declared: {', '.join(wanted)}"
    row = _row(findings[0].engine, "; ".join([*wrong, *undecided]), broken)
    return row if wrong or not undecided else replace(row, verdict=Verdict.BOUNDED)


def judged(variant: Variant, rule: str, findings: Sequence[Finding]) -> tuple[Verdict, str]:
    """Whether a variant breaks one rule as it declares: HOLDS if so, else how it deviates."""
    alone = replace(variant, expects={rule: variant.expects[rule]})
    wrong, undecided = _differences(alone, findings, ())
    if wrong:
        return Verdict.VIOLATED, f"deviates: {'; '.join(wrong)}"
    if undecided:
        return Verdict.BOUNDED, f"not decided, expected{_in(variant.expects[rule])}"
    return Verdict.HOLDS, "as expected"


def _differences(
    variant: Variant, findings: Sequence[Finding], selected: Collection[str]
) -> tuple[list[str], list[str]]:
    """Which declared rules are not broken as declared; and which nobody has decided.

    Only an exact engine decides that a rule is not violated, or how short a violation is; a
    counterexample to induction breaks nothing.
    """
    lengths = _lengths(findings)
    exact = {item.rule for item in findings if item.engine == EXACT and item.verdict in DECIDED}
    decided = exact | {item.rule for item in findings if item.verdict is Verdict.PROVED}
    wrong, undecided = list[str](), list[str]()
    for rule, expected in variant.expects.items():
        if selected and rule not in selected:
            continue
        length = lengths.get(rule)
        if rule not in lengths and rule in decided:
            wrong.append(f"{rule} is not violated, expected{_in(expected)}")
        elif rule not in lengths:
            undecided.append(f"{rule} was not decided, expected{_in(expected)}")
        elif length is None:
            undecided.append(f"{rule} is violated without a trace, expected{_in(expected)}")
        elif length < expected or (length != expected and rule in exact):
            wrong.append(f"{rule} is violated{_in(length)}, expected{_in(expected)}")
    return wrong, undecided


def _lengths(findings: Sequence[Finding]) -> dict[str, int | None]:
    """Of each violated rule the length of the shortest trace; None if there is no trace."""
    lengths: dict[str, int | None] = {}
    for item in findings:
        found = item.violation
        if item.verdict is not Verdict.VIOLATED or (found and found.induction):
            continue
        known = lengths.get(item.rule)
        length = len(found.steps) if found else None
        if item.rule not in lengths or known is None or (length is not None and length < known):
            lengths[item.rule] = length
    return lengths


def _row(engine: str, wrong: str, right: str) -> Finding:
    verdict = Verdict.VIOLATED if wrong else Verdict.HOLDS
    return Finding(engine=engine, rule=MANIFEST, verdict=verdict, detail=wrong or right)


def _largest(findings: Sequence[Finding], figure: str) -> int | None:
    return max((n for item in findings if (n := getattr(item, figure)) is not None), default=None)


def _in(length: int | None) -> str:
    return "" if length is None else f" in {length} step{'' if length == 1 else 's'}"

"""The engine's answers: one row for each rule, and two for what keeps them from being vacuous.

With several `limits.jobs` large levels are divided among processes; the answers are the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from checkers.explicit.paths import violation
from checkers.explicit.search import Exploration, explore, wanted
from checkers.result import ACTIONS, WITNESSES, Finding, Limits, Verdict
from spec.language.program import Program

ENGINE: Final = "explicit"


def check(
    program: Program, names: frozenset[str], limits: Limits, symmetry: bool = True
) -> list[Finding]:
    """Explore, and say of each requested rule whether it holds in every reachable state."""
    rules = wanted(program, names - {WITNESSES, ACTIONS})
    if names and not names - {WITNESSES, ACTIONS}:
        rules = []
    found = explore(program, frozenset(rules), limits, symmetry)
    rows = [_rule_row(found, name) for name in rules]
    if program.variant is None:
        rows += _coverage(found, names)
    return rows


def _coverage(found: Exploration, names: frozenset[str]) -> list[Finding]:
    program = found.program
    unseen = _unseen(found)
    idle = [rule.name for rule in program.actions if not found.done(rule.name)]
    rows = [_row(found, WITNESSES, unseen, "never"), _row(found, ACTIONS, idle, "never enabled")]
    return [row for row in rows if not names or row.rule in names]


def _unseen(found: Exploration) -> list[str]:
    """The witnesses that are not as the bounds have it: not reached, or reached in spite of it."""
    narrow = found.program.bounds.without
    names = [item.name for item in found.program.witnesses]
    return [name for name in names if (name in found.witnessed) == (name in narrow)]


def _rule_row(found: Exploration, name: str) -> Finding:
    hit = found.first.get(name)
    if hit is None:
        return _row(found, name, (), "")
    shown = violation(found, hit)
    length = len(shown.steps)
    detail = _joined([f"in {length} step{'' if length == 1 else 's'}", shown.why])
    return replace(
        _figures(found, name), verdict=Verdict.VIOLATED, detail=_detail(found, detail),
        violation=shown,
    )


def _row(found: Exploration, name: str, missing: Iterable[str], word: str) -> Finding:
    """Holds if nothing is missing and no bound cut anything; violated only if it was complete."""
    names = ", ".join(missing)
    row = _figures(found, name)
    if names and found.exhausted:
        detail = _detail(found, f"{word}: {names}")
        return replace(row, verdict=Verdict.VIOLATED, detail=detail)
    if not found.exhausted and (names or not word):
        missing_yet = f"not yet: {names}" if names else ""
        detail = _detail(found, _joined([found.stopped, missing_yet]))
        return replace(row, verdict=Verdict.BOUNDED, detail=detail)
    detail = f"exhausted {found.states} states" if found.exhausted else found.stopped
    verdict = Verdict.BOUNDED if found.cuts else Verdict.HOLDS
    return replace(row, verdict=verdict, detail=_detail(found, detail))


def _figures(found: Exploration, name: str) -> Finding:
    return Finding(
        ENGINE, name, Verdict.BOUNDED, states=found.states, transitions=found.transitions,
        depth=found.depth, seconds=found.seconds,
    )


def _detail(found: Exploration, first: str) -> str:
    sorts = ", ".join(symmetry.sort for symmetry in found.symmetric)
    cuts = ", ".join(f"cut by {bound}: {count}" for bound, count in found.cuts.items())
    return _joined([first, f"up to renaming of {sorts}" if sorts else "", cuts])


def _joined(parts: Iterable[str]) -> str:
    return "; ".join(part for part in parts if part)

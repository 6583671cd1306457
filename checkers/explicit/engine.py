"""The engine's answers: one row for each rule, and two for what keeps them from being vacuous.

Three explorers find the same: `plain` calls the specification and is the reference, `specialised`
runs Python made from it for the bounds, `numpy` takes a whole frontier at a time. Where nothing is
wrong and no call can fail, `specialised` goes by memory of what small parts of a state allow.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable
from dataclasses import replace
from typing import Final

from checkers.columns.found import Explored
from checkers.explicit.alike import Alike, default, exchanges
from checkers.explicit.paths import violation
from checkers.explicit.search import explore, wanted
from checkers.explicit.symmetry import symmetries
from checkers.packed import search as packed
from checkers.result import Explorer, Finding, Limits, Renaming, Verdict
from spec.language.program import Program
from spec.language.rules import ACTIONS, WITNESSES

ENGINE: Final = "explicit"

MANY: Final = 300_000
"""Transitions for which columns are worth their preparation."""


def check(
    program: Program, names: frozenset[str], limits: Limits, symmetry: bool = True
) -> list[Finding]:
    """Explore, and say of each requested rule whether it holds in every reachable state."""
    rules = wanted(program, names - {WITNESSES, ACTIONS})
    if names and not names - {WITNESSES, ACTIONS}:
        rules = []
    found = explored(program, frozenset(rules), limits, symmetry)
    rows = [_rule_row(found, name) for name in rules]
    if program.variant is None:
        rows += _coverage(found, names)
    declined = default(program)[1] if limits.renaming is None else ""
    return [replace(row, detail=_joined([row.detail, declined])) for row in rows]


def explored(
    program: Program, names: frozenset[str], limits: Limits, symmetry: bool = True
) -> Explored:
    """Explore with the explorer asked for, or else with the one that is likely to be faster."""
    chosen = limits.explorer or _likely(program)
    if chosen is Explorer.PLAIN:
        from checkers.explicit import plain

        return plain.explore(program, names, limits, symmetry)
    if chosen is Explorer.NUMPY:
        from checkers.columns import search

        return search.explore(program, names, limits, symmetry)
    return _specialised(program, names, limits, symmetry)


def _likely(program: Program) -> Explorer:
    """Columns, unless the space is known to be small or the search likely to end at once."""
    few = program.bounds.transitions is not None and program.bounds.transitions < MANY
    ends = program.variant is not None and bool(program.variant.expects)
    return Explorer.SPECIALISED if few or ends else Explorer.NUMPY


def _specialised(
    program: Program, names: frozenset[str], limits: Limits, symmetry: bool
) -> Explored:
    """Explore states that are ints, or if that is of no use or does not suffice a state at a time.

    With several jobs large levels of the latter are divided among processes.
    """
    since = time.monotonic()
    if not (symmetry and exchanges(program, limits.renaming)):
        fast = packed.explore(program, names, limits)
        if fast is not None:
            return fast
    found = explore(program, names, limits, symmetry, since)
    return Explored(
        program, found.symmetric, found.states, found.depth, fired=found.fired,
        crashed=found.crashed, cuts=found.cuts, witnessed=set(found.witnessed),
        violations={name: violation(found, hit) for name, hit in found.first.items()},
        stopped=found.stopped, seconds=found.seconds, bytes_per_state=found.bytes_per_state,
    )


def _coverage(found: Explored, names: frozenset[str]) -> list[Finding]:
    program = found.program
    unseen = _unlike(found, [item.name for item in program.witnesses], found.witnessed)
    actions = [rule.name for rule in program.actions]
    idle = _unlike(found, actions, {name for name in actions if found.done(name)})
    rows = [_row(found, WITNESSES, unseen, "never"), _row(found, ACTIONS, idle, "never enabled")]
    return [row for row in rows if not names or row.rule in names]


def _unlike(found: Explored, names: Iterable[str], seen: Collection[str]) -> list[str]:
    """The witnesses or actions that are not as the bounds have it.

    Not seen, or seen in spite of it.
    """
    narrow = found.program.bounds.without
    return [name for name in names if (name in seen) == (name in narrow)]


def _rule_row(found: Explored, name: str) -> Finding:
    shown = found.violations.get(name)
    if shown is None:
        return _row(found, name, (), "")
    length = len(shown.steps)
    detail = _joined([f"in {length} step{'' if length == 1 else 's'}", shown.why])
    return replace(
        _figures(found, name), verdict=Verdict.VIOLATED, detail=_detail(found, detail),
        violation=shown,
    )


def _row(found: Explored, name: str, missing: Iterable[str], word: str) -> Finding:
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


def _figures(found: Explored, name: str) -> Finding:
    return Finding(
        ENGINE, name, Verdict.BOUNDED, states=found.states, transitions=found.transitions,
        depth=found.depth, seconds=found.seconds, renaming=_renaming(found),
    )


def _renaming(found: Explored) -> Renaming:
    """Up to what states were counted."""
    if any(isinstance(item, Alike) for item in found.symmetric):
        return Renaming.IDS
    least = not found.symmetric and bool(symmetries(found.program))
    return Renaming.NONE if least else Renaming.SORTS


def _detail(found: Explored, first: str) -> str:
    sorts = ", ".join(symmetry.sort for symmetry in found.symmetric)
    cuts = ", ".join(f"cut by {bound}: {count}" for bound, count in found.cuts.items())
    renaming = f"up to renaming of {sorts}" if sorts else ""
    disk = f"put on disk {found.spills} times" if found.spills else ""
    return _joined([first, renaming, cuts, disk])


def _joined(parts: Iterable[str]) -> str:
    return "; ".join(part for part in parts if part)

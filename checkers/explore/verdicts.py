"""What an exploration says of each rule: one row for each, and two against holding vacuously."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from typing import Final

from checkers.explore import reference
from checkers.explore.explored import Explored, wanted
from checkers.explore.native import search
from checkers.explore.native.compiler import NoCompilerError
from checkers.result import Explorer, Finding, Limits, Verdict
from checkers.userfiles import InputError
from spec.language.program import Program
from spec.language.rules import ACTIONS, WITNESSES

ENGINE: Final = "explicit"

EXPLORERS: Final[dict[Explorer, Callable[[Program, frozenset[str], Limits], Explored]]] = {
    Explorer.REFERENCE: reference.explore,
    Explorer.NATIVE: search.explore,
}


def check(program: Program, names: frozenset[str], limits: Limits) -> list[Finding]:
    """Explore, and say of each requested rule whether it holds in every reachable state."""
    found, note = explored(program, frozenset(looked_at(program, names)), limits)
    return said(found, names, note)


def looked_at(program: Program, names: frozenset[str]) -> list[str]:
    """The rules that an exploration has to look at for these rows (none named: for all)."""
    if names and not names - {WITNESSES, ACTIONS}:
        return []
    return wanted(program, names - {WITNESSES, ACTIONS})


def said(found: Explored, names: frozenset[str], note: str) -> list[Finding]:
    """A row for each requested rule, each with a note."""
    rules = looked_at(found.program, names)
    rows = [_rule_row(found, name) for name in rules]
    rows += _coverage(found, names)
    own = found.seconds if len(rows) == 1 else None
    return [
        replace(row, detail=_joined([row.detail, note]), own_seconds=own) for row in rows
    ]


def explored(program: Program, names: frozenset[str], limits: Limits) -> tuple[Explored, str]:
    """Explore with the explorer asked for, or else the native one where there is a compiler.

    With it comes a note: that there is no compiler, or why ids are not renamed.
    """
    note = ""
    try:
        found = EXPLORERS[limits.explorer or Explorer.NATIVE](program, names, limits)
    except NoCompilerError as error:
        if limits.explorer is not None:
            raise InputError(str(error)) from error
        found, note = reference.explore(program, names, limits), str(error)
    return found, _joined([found.declined, note])


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
    narrow = found.program.without
    return [name for name in names if (name in seen) == (name in narrow)]


def _rule_row(found: Explored, name: str) -> Finding:
    shown = found.violations.get(name)
    if name in found.unshown:
        why = _detail(found, found.unshown[name])
        return replace(_figures(found, name), verdict=Verdict.VIOLATED, detail=why)
    if shown is None and name in found.untold:
        return replace(_figures(found, name), detail=_detail(found, found.untold[name]))
    if shown is None:
        return _row(found, name, (), "")
    length = len(shown.steps)
    steps = f"in {length} step{'' if length == 1 else 's'}"
    detail = _joined([steps, shown.another_choice, shown.why])
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
        depth=found.depth, seconds=found.seconds, renaming=found.renaming,
    )


def _detail(found: Explored, first: str) -> str:
    cuts = ", ".join(f"cut by {bound}: {count}" for bound, count in found.cuts.items())
    names = ", ".join(found.symmetric)
    renaming = f"up to renaming of {names}" if names else ""
    disk = "put on disk" if found.spills else ""
    return _joined([first, renaming, cuts, disk])


def _joined(parts: Iterable[str]) -> str:
    return "; ".join(part for part in parts if part)

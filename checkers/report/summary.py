"""Results in a line for each machine, bounds and engine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from checkers.report.manifest import MANIFEST
from checkers.report.row import Row
from checkers.result import GOOD, Verdict

WORDS = {Verdict.HOLDS: "hold"}
"""What is said of several rules, where it is not the word of the verdict."""


def by_engine(rows: Iterable[Row]) -> list[list[Row]]:
    """Rows of one machine, bounds and engine each."""
    found: dict[tuple[str, str, str], list[Row]] = {}
    for row in rows:
        found.setdefault((row.subject, row.bounds, row.finding.engine), []).append(row)
    return list(found.values())


def line(rows: Sequence[Row], widths: Sequence[int] = (0, 0, 0)) -> str:
    """``hwpt-sharing small explicit 25/25 hold, 133397 states, 2.0 s``, the names in columns."""
    first = rows[0].finding
    names = (rows[0].subject, rows[0].bounds, first.engine)
    rules = [row.finding for row in rows if row.finding.rule != MANIFEST]
    counts = Counter(WORDS.get(item.verdict, item.verdict.value) for item in rules)
    parts = [f"{count}/{len(rules)} {word}" for word, count in counts.items()]
    off = [row for row in rows if row.finding.rule == MANIFEST]
    parts += ["not as declared" for row in off if row.finding.verdict not in GOOD]
    states = max((item.states for item in rules if item.states is not None), default=None)
    parts += [] if states is None else [f"{states} states"]
    parts.append(f"{max(row.finding.seconds for row in rows):.1f} s")
    padded = [f"{name:<{width}}" for name, width in zip(names, widths, strict=True)]
    return f"{' '.join(padded)} {', '.join(parts)}"


def needs_more(rows: Iterable[Row]) -> bool:
    """Whether there is more to be said of results than a line: something does not hold."""
    good = (*GOOD, Verdict.NOT_REFUTED)
    return any(row.finding.verdict not in good for row in rows)


def variants_line(rows: Sequence[Row], *, deeper: bool = False) -> str:
    """``variants 131/131 fail as they declare``, and how deep anybody looked for more."""
    subjects = {row.subject for row in rows}
    count = f"{len(subjects) - len(_deviating(rows))}/{len(subjects)}"
    depth = "to the bounds or a limit" if deeper else "as deep as that; --deeper looks further"
    return f"variants {count} fail as they declare (looked at {depth})"


def total(rows: Sequence[Row], judged: Sequence[Row], seconds: float) -> str:
    """``total: 31 checks and 131 variants, 1 with anything wrong or open, 93.1 s``."""
    checks = by_engine(rows)
    off = sum(needs_more(members) for members in checks) + len(_deviating(judged))
    count = f"{len(checks)} check{'' if len(checks) == 1 else 's'}"
    count += f" and {len({row.subject for row in judged})} variants" if judged else ""
    return f"total: {count}, {off or 'none'} with anything wrong or open, {seconds:.1f} s"


def _deviating(judged: Iterable[Row]) -> set[str]:
    """The variants that do not fail as they declare."""
    return {row.subject for row in judged if row.finding.verdict not in GOOD}

"""Results in a terminal or a log: a table, the shortest trace, a line for each other one."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.table import Table
from rich.text import Text

from checkers.report.row import Row, detail, said
from checkers.result import Verdict
from checkers.trace import text

STYLES = {
    Verdict.HOLDS: "green",
    Verdict.PROVED: "green",
    Verdict.VIOLATED: "bold red",
    Verdict.BOUNDED: "yellow",
}

VERDICT = 3
"""Which column the verdict is in."""

FIGURES = 64
"""Columns of the engine, the verdict and the figures, with the space between them."""

DETAIL = 30
"""Columns that a detail needs at least."""


def verdicts(rows: Sequence[Row], width: int) -> Table:
    """The table of all results, one row a rule and engine.

    Where there is no room beside the names and figures, details are left to `details`.
    """
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for name in ("machine", "rule"):
        table.add_column(name, overflow="fold", min_width=len("machine"))
    for name in ("engine", "verdict"):
        table.add_column(name, no_wrap=True, min_width=len("explicit"))
    for name in ("states", "depth", "time"):
        table.add_column(name, justify="right", no_wrap=True, min_width=len(name))
    wide = _names(rows) + FIGURES + DETAIL <= width
    if wide:
        table.add_column("detail", overflow="fold")
    for row in rows:
        finding = row.finding
        words = [
            row.subject,
            finding.rule,
            finding.engine,
            finding.verdict.value,
            "" if finding.states is None else str(finding.states),
            "" if finding.depth is None else str(finding.depth),
            f"{finding.seconds:.1f}s",
            *([detail(finding)] if wide else []),
        ]
        cells = [Text(word) for word in words]
        cells[VERDICT].stylize(STYLES[finding.verdict])
        table.add_row(*cells)
    return table


def details(rows: Sequence[Row], width: int) -> list[str]:
    """What the table had no room for, of the results that are not good."""
    if _names(rows) + FIGURES + DETAIL <= width:
        return []
    return [
        f"{row.subject}: {row.finding.rule} [{row.finding.engine}]: {said(row.finding)}"
        for row in rows
        if row.finding.detail and row.finding.verdict not in (Verdict.HOLDS, Verdict.PROVED)
    ]


def _names(rows: Sequence[Row]) -> int:
    """How wide the longest machine and the longest rule are together."""
    machines = max((len(row.subject) for row in rows), default=0)
    return machines + max((len(row.finding.rule) for row in rows), default=0)


def traces_text(rows: Sequence[Row]) -> str:
    """The shortest trace in full and a line for each of the others; empty if there is none."""
    found = [(row, row.trace) for row in rows if row.trace is not None]
    if not found:
        return ""
    found.sort(key=lambda item: (item[1].kind == "induction", len(item[1].steps)))
    lines = [text(found[0][1])]
    for row, trace in found[1:]:
        count = f"{len(trace.steps)} step{'' if len(trace.steps) == 1 else 's'}"
        kind = "not inductive" if trace.kind == "induction" else "violated"
        finding = row.finding
        lines.append(f"also {row.subject}: {finding.rule} {kind} [{finding.engine}], {count}")
    return "\n".join(lines).rstrip("\n") + "\n"

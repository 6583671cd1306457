"""Results in a terminal or a log: a table, the shortest trace, a line for each other one."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.table import Table
from rich.text import Text

from checkers.report.row import Row, said
from checkers.result import Verdict
from checkers.trace import text

STYLES = {
    Verdict.HOLDS: "green",
    Verdict.PROVED: "green",
    Verdict.VIOLATED: "bold red",
    Verdict.BOUNDED: "yellow",
}


def verdicts(rows: Sequence[Row]) -> Table:
    """The table of all results, one row a rule and engine."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("machine", "rule", "engine"):
        table.add_column(name, overflow="fold")
    table.add_column("verdict", overflow="fold")
    for name in ("states", "depth", "time"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        finding = row.finding
        table.add_row(
            Text(row.subject),
            Text(finding.rule),
            Text(finding.engine),
            Text(said(finding), style=STYLES[finding.verdict]),
            Text("" if finding.states is None else str(finding.states)),
            Text("" if finding.depth is None else str(finding.depth)),
            Text(f"{finding.seconds:.1f}s"),
        )
    return table


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

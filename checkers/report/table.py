"""Results in a terminal or a log: a table a machine, notes below it, then the traces."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from checkers.report.manifest import MANIFEST
from checkers.report.row import Row, detail
from checkers.result import GOOD, Finding, Verdict
from checkers.trace.brief import brief
from checkers.trace.text import choice

STYLES = {
    Verdict.HOLDS: "green",
    Verdict.PROVED: "green",
    Verdict.VIOLATED: "bold red",
    Verdict.BOUNDED: "yellow",
    Verdict.NOT_INDUCTIVE: "yellow",
    Verdict.NOT_REFUTED: "cyan",
}


COLUMNS = ("rule", "engine", "verdict", "steps", "states", "depth", "time", "detail")
"""All columns. `steps` is the length of a trace; where there is one, `depth` is left out."""

DROPPED = ("detail", "time", "depth", "states", "steps")
"""What is left out first where the terminal is narrow."""

DETAIL = 30
"""Columns that a detail needs at least."""

BREAKS = "breaks "
"""How the rule of a row begins that says that a variant breaks a rule as declared."""

LENGTH = re.compile(r"(in )?\d+ steps?(, seed \d+)?")
"""The length of a trace, as engines say it in a detail; the table has a column for it."""


def verdicts(rows: Sequence[Row], width: int) -> Group:
    """For each machine, and each variant of it, a table of its rules and what it has in common."""
    shown: list[Table | Text] = []
    for members in _by_subject(rows):
        listed, common = _listed(members)
        columns = _columns(listed, width)
        shown.append(Text(_title(members)))
        shown.append(_table(listed, columns, width))
        shown += [Text(f"notes: {note}") for note in common]
        if "detail" not in columns:
            shown += [Text(line) for line in _details(listed)]
        shown.append(Text(""))
    return Group(*shown)


def _by_subject(rows: Iterable[Row]) -> list[list[Row]]:
    """Rows of one machine or variant; what other bounds said of it for an engine included."""
    found: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        found.setdefault((row.subject, row.asked or row.bounds), []).append(row)
    return list(found.values())


def _title(members: Sequence[Row]) -> str:
    return f"{members[0].subject}, bounds {members[0].asked or members[0].bounds}"


def _table(rows: Sequence[Row], columns: Sequence[str], width: int) -> Table:
    tight = _width([_cells(row) for row in rows], columns) > width
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False)
    for name in columns:
        figure = name in ("steps", "states", "depth", "time")
        table.add_column(
            name,
            justify="right" if figure else "left",
            no_wrap=name != "detail" and not (tight and name == "rule"),
            overflow="fold",
        )
    for row in rows:
        cells = _cells(row)
        texts = [Text(cells[name]) for name in columns]
        texts[columns.index("verdict")].stylize(STYLES[row.finding.verdict])
        table.add_row(*texts)
    return table


def _cells(row: Row) -> dict[str, str]:
    finding = row.finding
    return {
        "rule": finding.rule,
        "engine": finding.engine,
        "verdict": finding.verdict.value,
        "steps": "" if row.trace is None else str(len(row.trace.steps)),
        "states": "" if finding.states is None else str(finding.states),
        "depth": "" if finding.depth is None else str(finding.depth),
        "time": f"{finding.seconds:.1f}s",
        "detail": finding.detail,
    }


def _columns(rows: Sequence[Row], width: int) -> list[str]:
    """The columns that there is room for, so that no name of a rule is broken."""
    cells = [_cells(row) for row in rows]
    traced = any(cell["steps"] for cell in cells)
    kept = [name for name in COLUMNS if name != ("depth" if traced else "steps")]
    if not any(cell["detail"] for cell in cells):
        kept.remove("detail")
    for name in DROPPED:
        if _width(cells, kept) <= width:
            break
        kept = [each for each in kept if each != name]
    return kept


def _width(cells: Sequence[dict[str, str]], columns: Sequence[str]) -> int:
    """How wide a table is in which only details are wrapped."""
    widths = {name: max([len(name), *(len(cell[name]) for cell in cells)]) for name in columns}
    if "detail" in widths:
        widths["detail"] = min(widths["detail"], DETAIL)
    return sum(width + 1 for width in widths.values())


def _details(rows: Sequence[Row]) -> list[str]:
    """What the table had no room for, of the results that are not good."""
    return [
        f"{row.finding.rule} [{row.finding.engine}]: {row.finding.detail}"
        for row in rows
        if row.finding.detail and row.finding.verdict not in GOOD
    ]


def _listed(members: Sequence[Row]) -> tuple[list[Row], list[str]]:
    """The rows to show, with what is particular to each; and notes on what they have in common."""
    common: list[str] = []
    listed: list[Row] = []
    for engine in dict.fromkeys(row.finding.engine for row in members):
        own = [row for row in members if row.finding.engine == engine]
        compared = [row for row in own if row.finding.rule == MANIFEST]
        own = [row for row in own if row.finding.rule != MANIFEST]
        shared = _shared(own)
        own = [_particular(row, shared) for row in own]
        listed += _of_interest(own) if members[0].variant else own
        for row in compared:
            if row.finding.verdict in GOOD:
                common.append(f"manifest: {row.finding.detail}")
            else:
                listed.append(row)
        spoken = _spoken(own, shared)
        if spoken:
            common.append(f"{engine}: {'; '.join(spoken)}")
    return listed, common


def _spoken(own: Sequence[Row], shared: Iterable[str]) -> list[str]:
    """What an engine has in common, and its bounds, if they are not those of the table."""
    others = bool(own) and own[0].asked not in ("", own[0].bounds)
    return [*([f"bounds {own[0].bounds}"] if others else []), *shared]


def _parts(finding: Finding) -> list[str]:
    return [part for part in detail(finding).split("; ") if part]


def _shared(rows: Sequence[Row]) -> list[str]:
    """What an engine says of several rules in the same words: of all, or of all that hold alike."""
    found: dict[str, None] = {}
    alike: dict[str, list[Row]] = {"": list(rows)}
    for row in rows:
        if row.finding.verdict is not Verdict.VIOLATED:
            alike.setdefault(row.finding.verdict.value, []).append(row)
    for group in alike.values():
        for part in _parts(group[0].finding) if len(group) > 1 else []:
            if all(part in _parts(row.finding) for row in group):
                found[part] = None
    return [part for part in found if not LENGTH.fullmatch(part)]


def _particular(row: Row, shared: Iterable[str]) -> Row:
    """The row with a detail that says nothing of what is in the notes or in another column."""
    parts = [part for part in _parts(row.finding) if part not in shared]
    if row.trace is not None:
        parts = [part for part in parts if not LENGTH.fullmatch(part)]
    if row.expected is not None and (row.trace is None or len(row.trace.steps) != row.expected):
        parts.insert(0, f"expected in {row.expected} step{'' if row.expected == 1 else 's'}")
    return replace(row, finding=replace(row.finding, detail="; ".join(parts)))


def _of_interest(rows: Sequence[Row]) -> list[Row]:
    """Of a variant: what it breaks, what it is expected to, and how many rules there are beside."""
    shown = [
        row for row in rows if row.finding.verdict is Verdict.VIOLATED or row.expected is not None
    ]
    rest = [row for row in rows if row not in shown]
    return shown + [
        _closing([row for row in rest if row.finding.verdict is verdict], bool(shown))
        for verdict in Verdict
        if any(row.finding.verdict is verdict for row in rest)
    ]


def _closing(rest: Sequence[Row], others: bool) -> Row:
    """One row for many: ``others  bounded  17 rules not decided``."""
    first = rest[0].finding
    count = f"{len(rest)} rule{'' if len(rest) == 1 else 's'}"
    holds = "holds" if len(rest) == 1 else "hold"
    words = holds if first.verdict is Verdict.HOLDS else first.verdict.value
    words = "not decided" if first.verdict is Verdict.BOUNDED else words
    own = {row.finding.detail for row in rest}
    more = next(iter(own)) if len(own) == 1 else ""
    closing = replace(
        first,
        rule="others" if others else "all rules",
        detail="; ".join(part for part in (f"{count} {words}", more) if part),
    )
    return replace(rest[0], finding=closing, trace=None)


def headline(rows: Sequence[Row]) -> Row | None:
    """The row whose trace is shown: what a variant is about if it is broken, else the shortest."""
    found = [row for row in rows if row.trace is not None]
    about = [row for row in found if row.about and row.trace and row.trace.kind != "induction"]
    return min(about or found, key=_length, default=None)


def _length(row: Row) -> tuple[bool, int]:
    assert row.trace is not None
    return row.trace.kind == "induction", len(row.trace.steps)


def traces_text(rows: Sequence[Row]) -> str:
    """One trace in brief and a line for each of the others; empty if there is none."""
    shown = headline(rows)
    if shown is None or shown.trace is None:
        return ""
    lines = [brief(shown.trace)]
    others = [row for row in rows if row.trace is not None and row is not shown]
    for row in sorted(others, key=_length):
        assert row.trace is not None
        count = f"{len(row.trace.steps)} step{'' if len(row.trace.steps) == 1 else 's'}"
        kind = "not inductive" if row.trace.kind == "induction" else "violated"
        engine = f" [{row.finding.engine}]" if row.finding.engine != shown.finding.engine else ""
        of = f"{row.subject}: " if row.subject != shown.subject else ""
        needs = f", {found}" if (found := choice(row.trace)) else ""
        lines.append(f"also {of}{row.finding.rule} {kind}, {count}{engine}{needs}")
    return "\n".join(lines).rstrip("\n") + "\n"


def verdicts_of_variants(rows: Sequence[Row]) -> Group:
    """A row for each rule that a variant is declared to break, and whether it does."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False)
    table.add_column("variant", no_wrap=True)
    table.add_column("breaks", overflow="fold")
    table.add_column("steps", justify="right", no_wrap=True)
    table.add_column("verdict", overflow="fold")
    several = len({row.machine for row in rows}) > 1
    for row in rows:
        rule = row.finding.rule.removeprefix(BREAKS)
        steps = "" if row.trace is None else str(len(row.trace.steps))
        verdict = Text(row.finding.detail, STYLES[row.finding.verdict])
        name = row.subject if several else row.variant or ""
        table.add_row(Text(name), Text(rule), steps, verdict)
    return Group(table)

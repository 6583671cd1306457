"""Results for other programs: a JSON document, JUnit XML, the Test Anything Protocol."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Sequence
from typing import Any

import msgspec

from checkers.report.row import Row, Status, said
from checkers.result import GOOD, Finding, Verdict
from checkers.trace import text
from checkers.trace.text import plain


def document(rows: Sequence[Row], status: Status) -> str:
    """All results, and the traces in full, as one JSON object; docs/trace-format describes it."""
    found = {
        "version": 1,
        "status": int(status),
        "results": [_result(row) for row in rows],
    }
    return msgspec.json.format(msgspec.json.encode(found), indent=2).decode() + "\n"


def _result(row: Row) -> dict[str, Any]:
    finding = row.finding
    return {
        "machine": row.machine,
        "variant": row.variant,
        "bounds": row.bounds,
        "engine": finding.engine,
        "rule": finding.rule,
        "verdict": finding.verdict.value,
        "detail": finding.detail,
        "states": finding.states,
        "transitions": finding.transitions,
        "depth": finding.depth,
        "seconds": round(finding.seconds, 3),
        "trace": row.trace,
    }


def junit(rows: Sequence[Row]) -> str:
    """JUnit XML: a suite for a machine, its bounds and an engine, with its time; a case a rule.

    What is not decided, and what random runs have not refuted, is skipped: neither passed nor
    failed.
    """
    suites: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        suites.setdefault((_where(row), row.finding.engine), []).append(row)
    root = ET.Element("testsuites", name="viommu-spec")
    for (where, engine), members in suites.items():
        suite = ET.SubElement(
            root,
            "testsuite",
            name=plain(f"{where} [{engine}]"),
            tests=str(len(members)),
            failures=str(sum(r.finding.verdict is Verdict.VIOLATED for r in members)),
            skipped=str(sum(_undecided(r.finding) for r in members)),
            time=f"{max(r.finding.seconds for r in members):.3f}",
        )
        for row in members:
            _case(suite, row)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _case(suite: ET.Element, row: Row) -> None:
    """A rule; its own time is known only where an engine takes rules one by one."""
    finding = row.finding
    case = ET.SubElement(
        suite,
        "testcase",
        classname=plain(_where(row)),
        name=plain(f"{finding.rule} [{finding.engine}]"),
    )
    if finding.own_seconds is not None:
        case.set("time", f"{finding.own_seconds:.3f}")
    if finding.verdict not in GOOD:
        tag = "skipped" if _undecided(finding) else "failure"
        said_so = ET.SubElement(case, tag, message=plain(said(finding)))
        said_so.text = text(row.trace) if row.trace else None


def tap(rows: Sequence[Row], *, interrupted: bool = False) -> str:
    """TAP version 14; what is not decided is skipped, a trace is a comment."""
    lines = ["TAP version 14", f"1..{len(rows)}"]
    for number, row in enumerate(rows, 1):
        finding = row.finding
        good = "not ok" if finding.verdict is Verdict.VIOLATED else "ok"
        name = f"{_where(row)}/{finding.rule} [{finding.engine}]".replace("#", "\\#")
        detail = ("SKIP " if _undecided(finding) else "") + said(finding).replace("#", "\\#")
        lines.append(plain(f"{good} {number} - {name} # {detail}"))
        if row.trace is not None:
            lines += [f"# {line}".rstrip() for line in text(row.trace).splitlines()]
    if interrupted:
        lines.append("Bail out! interrupted")
    return "\n".join(lines) + "\n"


def _undecided(finding: Finding) -> bool:
    return finding.verdict not in (*GOOD, Verdict.VIOLATED)


def _where(row: Row) -> str:
    """The machine, the variant if it is one, and the bounds: ``hwpt-sharing small``."""
    return f"{row.subject} {row.bounds}"

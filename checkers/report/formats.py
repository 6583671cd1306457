"""Results for other programs: a JSON document, JUnit XML, the Test Anything Protocol."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Sequence
from typing import Any

import msgspec

from checkers.report.row import Row, Status, said
from checkers.result import Verdict
from checkers.trace import text
from checkers.trace.text import plain

GOOD = (Verdict.HOLDS, Verdict.PROVED)


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
    """JUnit XML: a suite a machine, a case a rule and engine; bounded is an error."""
    suites: dict[str, list[Row]] = {}
    for row in rows:
        suites.setdefault(row.subject, []).append(row)
    root = ET.Element("testsuites", name="viommu-spec")
    for name, members in suites.items():
        suite = ET.SubElement(
            root,
            "testsuite",
            name=plain(name),
            tests=str(len(members)),
            failures=str(sum(r.finding.verdict is Verdict.VIOLATED for r in members)),
            errors=str(sum(r.finding.verdict is Verdict.BOUNDED for r in members)),
            time=f"{sum(r.finding.seconds for r in members):.3f}",
        )
        for row in members:
            _case(suite, row)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _case(suite: ET.Element, row: Row) -> None:
    finding = row.finding
    case = ET.SubElement(
        suite,
        "testcase",
        classname=plain(row.subject),
        name=plain(f"{finding.rule} [{finding.engine}]"),
        time=f"{finding.seconds:.3f}",
    )
    if finding.verdict not in GOOD:
        tag = "failure" if finding.verdict is Verdict.VIOLATED else "error"
        said_so = ET.SubElement(case, tag, message=plain(said(finding)))
        said_so.text = text(row.trace) if row.trace else None


def tap(rows: Sequence[Row], *, interrupted: bool = False) -> str:
    """TAP version 14; a bounded result is not ok, a trace is a comment."""
    lines = ["TAP version 14", f"1..{len(rows)}"]
    for number, row in enumerate(rows, 1):
        finding = row.finding
        good = "ok" if finding.verdict in GOOD else "not ok"
        name = f"{row.subject}/{finding.rule} [{finding.engine}]".replace("#", "\\#")
        detail = said(finding).replace("#", "\\#")
        lines.append(plain(f"{good} {number} - {name} # {detail}"))
        if row.trace is not None:
            lines += [f"# {line}".rstrip() for line in text(row.trace).splitlines()]
    if interrupted:
        lines.append("Bail out! interrupted")
    return "\n".join(lines) + "\n"

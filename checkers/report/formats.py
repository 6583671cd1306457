"""Results for other programs: a JSON document, JUnit XML, the Test Anything Protocol."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from checkers.report.row import Row, Status, said
from checkers.report.summary import by_engine
from checkers.result import GOOD, Finding, Verdict
from checkers.trace.text import plain, text

TOGETHER: Final = "all its rules together"
"""What the time of an engine is of."""


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
    root = ET.Element("testsuites", name="viommu-spec")
    for members in by_engine(rows):
        suite = ET.SubElement(
            root,
            "testsuite",
            name=plain(_suite(members)),
            tests=str(len(members)),
            failures=str(sum(r.finding.verdict is Verdict.VIOLATED for r in members)),
            skipped=str(sum(_undecided(r.finding) for r in members)),
            time=_seconds(members),
        )
        more = ET.SubElement(suite, "properties")
        about = f"of {TOGETHER}; a case has one if it is its own"
        ET.SubElement(more, "property", name="time", value=about)
        for row in members:
            _case(suite, row)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _case(suite: ET.Element, row: Row) -> None:
    """A rule, with its own time if that is known."""
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
    """TAP version 14; what is not decided is skipped, a trace is a comment, as are the times."""
    lines = ["TAP version 14", f"1..{len(rows)}"]
    for number, row in enumerate(rows, 1):
        finding = row.finding
        good = "not ok" if finding.verdict is Verdict.VIOLATED else "ok"
        name = f"{_where(row)}/{finding.rule} [{finding.engine}]".replace("#", "\\#")
        detail = ("SKIP " if _undecided(finding) else "") + said(finding).replace("#", "\\#")
        own = finding.own_seconds
        time = "" if own is None else f", {own:.3f} s"
        lines.append(plain(f"{good} {number} - {name} # {detail}{time}"))
        if row.trace is not None:
            lines += [f"# {line}".rstrip() for line in text(row.trace).splitlines()]
    lines += [
        plain(f"# {_suite(members)}: {_seconds(members)} s for {TOGETHER}")
        for members in by_engine(rows)
    ]
    if interrupted:
        lines.append("Bail out! interrupted")
    return "\n".join(lines) + "\n"


def _suite(members: Sequence[Row]) -> str:
    return f"{_where(members[0])} [{members[0].finding.engine}]"


def _seconds(members: Sequence[Row]) -> str:
    return f"{max(row.finding.seconds for row in members):.3f}"


def _undecided(finding: Finding) -> bool:
    return finding.verdict not in (*GOOD, Verdict.VIOLATED)


def _where(row: Row) -> str:
    """The machine, the variant if it is one, and the bounds: ``hwpt-sharing small``."""
    return f"{row.subject} {row.bounds}"

"""What came of a drive in lockstep: as lines, as JSON, as JUnit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any
from xml.etree import ElementTree

from checkers.real.qemu.lockstep.every_pair import Divergence, Report
from checkers.real.qemu.lockstep.pairs import Pair, Way
from checkers.trace.text import text


def pairs(ways: Iterable[Way]) -> set[Pair]:
    """The pairs that some ways are of."""
    return {way.pair for way in ways}


def lines(report: Report, verbose: bool) -> list[str]:
    """What is told of a setting."""
    held, every = pairs(report.held), pairs(report.ways)
    told = [
        f"{report.setting}: QEMU {report.version}: {len(held)} of {len(every)} pairs (action, "
        f"failing call), {len(report.held)} of {len(report.ways)} ways; "
        f"{report.acts:,} acts in {report.starts} runs, {report.calls:,} host calls, "
        f"{report.left_out:,} left out; {len(report.divergences)} divergences; "
        f"{report.seconds:.0f} s"
    ]
    told += [f"  {report.about} Bounds {report.bounds}."] if verbose else []
    missing = {way: why for way, why in report.not_driven.items() if way.pair not in held}
    for pair in sorted(pairs(missing)):
        reasons = {why for way, why in missing.items() if way.pair == pair}
        told.append(f"  not driven: {pair.text()}: {'; '.join(sorted(reasons))}")
    others = Counter(why for way, why in report.not_driven.items() if way.pair in held)
    told += [f"  of other pairs {count} ways not: {why}" for why, count in sorted(others.items())]
    for item in report.divergences:
        told += ["", *text(item.trace).splitlines()]
    return told


def total(reports: Sequence[Report]) -> str:
    """All settings in a line."""
    held = sum(len(pairs(report.held)) for report in reports)
    every = sum(len(pairs(report.ways)) for report in reports)
    return (
        f"{held} of {every} pairs (action, failing call) of {len(reports)} settings driven, "
        f"{sum(len(report.held) for report in reports)} of "
        f"{sum(len(report.ways) for report in reports)} ways; "
        f"{sum(report.acts for report in reports):,} acts and "
        f"{sum(report.calls for report in reports):,} host calls, "
        f"{sum(report.left_out for report in reports):,} left out; "
        f"{sum(len(report.divergences) for report in reports)} divergences"
    )


def document(reports: Sequence[Report]) -> list[dict[str, Any]]:
    """The same as data."""
    return [
        {
            "setting": report.setting, "bounds": report.bounds, "qemu": report.version,
            "states": report.states, "pairs": len(pairs(report.ways)),
            "held": len(pairs(report.held)), "ways": len(report.ways),
            "ways_held": len(report.held), "runs": report.starts, "acts": report.acts,
            "calls": report.calls, "left_out": report.left_out,
            "not_driven": [
                {"pair": way.pair.text(), "calls": way.calls, "why": why}
                for way, why in sorted(report.not_driven.items())
            ],
            "divergences": [item.trace for item in report.divergences],
        }
        for report in reports
    ]  # fmt: skip


def junit(reports: Sequence[Report]) -> str:
    """A suite for each setting: a test that passes for what is held, one for each divergence."""
    root = ElementTree.Element("testsuites", name="viommu-spec lockstep")
    for report in reports:
        suite = ElementTree.SubElement(root, "testsuite", name=report.setting)
        held = f"{len(pairs(report.held))} pairs are held"
        ElementTree.SubElement(suite, "testcase", name=held, classname=report.version)
        for item in report.divergences:
            _case(suite, item, report.version)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True)


def _case(suite: ElementTree.Element, item: Divergence, version: str) -> None:
    name = item.moves[-1].ways[-1].pair.text()
    case = ElementTree.SubElement(suite, "testcase", name=name, classname=version)
    failure = ElementTree.SubElement(case, "failure", message=item.differs.what)
    failure.text = text(item.trace)

"""What random runs on a QEMU found, each with its shortest way: as lines, traces, JSON, JUnit."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from checkers.real.qemu.rules.acts import Act
from checkers.real.qemu.rules.expected import EXPECTED, Expected, expected
from checkers.real.qemu.rules.guest_run import Run
from checkers.real.qemu.rules.platforms import PLATFORMS
from checkers.real.qemu.rules.wander import Search, Shortest, Shrinker, walk
from checkers.trace.format import VERSION, GuestTrace, Wrong
from checkers.trace.guest import guest_end, guest_steps, guest_text


@dataclass(frozen=True)
class Defect:
    """One defect: its shortest way, others that are the same one, and whether it is known.

    Without a trace it did not come a second time.
    """

    wrong: Wrong
    known: Expected | None
    also: tuple[Wrong, ...]
    trace: GuestTrace | None

    @property
    def name(self) -> str:
        """Of the finding, or else what is wrong, as a file can be named."""
        return self.known.finding if self.known else re.sub(r"\W+", "-", str(self.wrong))


@dataclass
class Report:
    """What came of all runs on one platform."""

    platform: str
    version: str
    without_kvm_check: bool
    seed: int
    search: Search
    whole: bool
    seconds: float
    defects: list[Defect] = field(default_factory=list)

    @property
    def unknown(self) -> list[Defect]:
        """Defects that nobody has told of yet."""
        return [defect for defect in self.defects if defect.known is None]

    @property
    def unseen(self) -> list[Expected]:
        """Known ones that were not seen."""
        seen = {defect.known for defect in self.defects}
        return [item for item in EXPECTED[self.platform] if item not in seen]


def rules_only(
    platform: str, qemu: Path | None, without_kvm_check: bool, runs: int, seed: int,
    seconds: float,
) -> Report:
    """So many random runs, or for so long if not 0, then the shortest way to each defect."""
    of = PLATFORMS[platform]
    version = of.version(qemu)
    began = time.monotonic()

    def start() -> Run:
        return of.run(qemu, without_kvm_check)

    search = Search(start, began + seconds if seconds else 0)
    whole = walk(search, runs, seed)
    report = Report(platform, version, without_kvm_check and of.wants_kvm, seed, search, whole, 0)
    shrinker = Shrinker(start)
    for known, ways in _grouped(platform, search.found):
        wrong = min(ways, key=lambda item: (len(ways[item]), item))
        way = shrinker.shortest(wrong, ways[wrong])
        also = tuple(sorted(set(ways) - {wrong}))
        trace = _trace(report, way, known) if way else None
        report.defects.append(Defect(wrong, known, also, trace))
    report.seconds = time.monotonic() - began
    return report


def _trace(report: Report, way: Shortest, known: Expected | None) -> GuestTrace:
    return GuestTrace(
        version=VERSION, kind="guest", platform=report.platform, qemu=report.version,
        without_kvm_check=report.without_kvm_check, steps=list(way.seen), violation=way.wrong,
        known=f"{known.finding}: {known.about}" if known else "", log=way.log,
    )  # fmt: skip


def _grouped(
    platform: str, found: Mapping[Wrong, tuple[Act, ...]]
) -> list[tuple[Expected | None, dict[Wrong, tuple[Act, ...]]]]:
    """What is one known defect together; each of the others by itself."""
    known: dict[Expected, dict[Wrong, tuple[Act, ...]]] = {}
    unknown: list[tuple[Expected | None, dict[Wrong, tuple[Act, ...]]]] = []
    for item, acts in sorted(found.items()):
        defect = expected(platform, item)
        if defect is None:
            unknown.append((None, {item: acts}))
        else:
            known.setdefault(defect, {})[item] = acts
    return [*known.items(), *unknown]


def lines(report: Report, verbose: bool) -> list[str]:
    """What is told of a platform."""
    search = report.search
    title = PLATFORMS[report.platform].title
    note = ", its check of KVM passed over" if report.without_kvm_check else ""
    told = [
        f"{title}: QEMU {report.version}{note}, "
        f"{search.runs} runs of a guest, {search.acts:,} actions, "
        f"{search.calls:,} host calls, seed {report.seed}, {report.seconds:.0f} s"
        + ("" if report.whole else ", out of time"),
    ]
    told += [f"  not modelled, {count} runs end: {why}"
             for why, count in search.not_modelled.items()]  # fmt: skip
    for defect in report.defects:
        told += _defect(defect, verbose)
    told += [f"  not seen: {item.finding}: {item.about}" for item in report.unseen]
    known = len(report.defects) - len(report.unknown)
    told.append(f"  {known} known defects, {len(report.unknown)} unknown")
    return told


def _defect(defect: Defect, verbose: bool) -> list[str]:
    known = defect.known
    name = f"{known.finding}: {known.about}" if known else "UNKNOWN"
    told = [f"  {name}", f"    {defect.wrong.rule}"]
    if defect.trace is None:
        return [*told, f"    {defect.wrong}", "    it did not come a second time"]
    told += [f"    {line}" for line in guest_steps(defect.trace.steps, calls=verbose)]
    told += [f"    {line}" for line in guest_end(defect.trace)]
    if defect.also:
        told.append(f"    also: {'; '.join(map(str, defect.also))}")
    return told


def document(report: Report) -> dict[str, Any]:
    """The same as data, with the traces in full."""
    return {
        "version": VERSION, "platform": report.platform, "qemu": report.version,
        "without_kvm_check": report.without_kvm_check, "seed": report.seed,
        "runs": report.search.runs, "actions": report.search.acts, "calls": report.search.calls,
        "whole": report.whole, "not_modelled": report.search.not_modelled,
        "not_seen": [item.finding for item in report.unseen],
        "defects": [
            {"wrong": defect.wrong, "known": defect.known and defect.known.finding,
             "also": defect.also, "trace": defect.trace}
            for defect in report.defects
        ],
    }  # fmt: skip


def junit(report: Report) -> str:
    """A test for each defect: passed over if it is known, else it fails."""
    suite = ElementTree.Element("testsuite", name=f"qemu {report.platform}")
    for defect in report.defects:
        case = ElementTree.SubElement(
            suite, "testcase", name=defect.name, classname=report.version
        )
        kind = "skipped" if defect.known else "failure"
        told = ElementTree.SubElement(case, kind, message=str(defect.wrong))
        told.text = guest_text(defect.trace) if defect.trace else "it did not come a second time"
    if not report.unknown:
        ElementTree.SubElement(suite, "testcase", name="nothing else", classname=report.version)
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True)

"""What random runs on a QEMU found, each with its shortest way: as lines, as JSON, as JUnit."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree

from checkers.real.qemu.root import binary
from checkers.real.qemu.rules.acts import Act, Class
from checkers.real.qemu.rules.expected import EXPECTED, Expected, expected
from checkers.real.qemu.rules.guest_run import Run
from checkers.real.qemu.rules.smmuv3_run import smmuv3_run
from checkers.real.qemu.rules.vtd_run import vtd_run
from checkers.real.qemu.rules.wander import Search, Shortest, Shrinker, walk
from checkers.real.qemu.start import ARM, X86


@dataclass(frozen=True)
class Platform:
    """What is run: the program, and how a run is started."""

    title: str
    program: str
    start: Callable[[Path | None, bool], Run]


PLATFORMS: Final[Mapping[str, Platform]] = {
    "vtd": Platform("VT-d", X86, vtd_run),
    "smmuv3": Platform("SMMUv3", ARM, smmuv3_run),
}


@dataclass(frozen=True)
class Defect:
    """One defect: its shortest way, other classes that are the same one, and whether it is known.

    Without a way it did not come a second time.
    """

    wrong: Class
    known: Expected | None
    also: tuple[Class, ...]
    way: Shortest | None


@dataclass
class Report:
    """What came of all runs on one platform."""

    platform: str
    version: str
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
    version = binary(of.program, qemu).version
    began = time.monotonic()

    def start() -> Run:
        return of.start(qemu, without_kvm_check)

    search = Search(start, began + seconds if seconds else 0)
    whole = walk(search, runs, seed)
    report = Report(platform, version, seed, search, whole, 0)
    shrinker = Shrinker(start)
    for known, ways in _grouped(platform, search.found):
        wrong = min(ways, key=lambda item: (len(ways[item]), item))
        way = shrinker.shortest(wrong, ways[wrong])
        also = tuple(sorted(set(ways) - {wrong}))
        report.defects.append(Defect(wrong, known, also, way))
    report.seconds = time.monotonic() - began
    return report


def _grouped(
    platform: str, found: Mapping[Class, tuple[Act, ...]]
) -> list[tuple[Expected | None, dict[Class, tuple[Act, ...]]]]:
    """Classes that are one known defect together; each of the others by itself."""
    known: dict[Expected, dict[Class, tuple[Act, ...]]] = {}
    unknown: list[tuple[Expected | None, dict[Class, tuple[Act, ...]]]] = []
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
    told = [
        f"{title}: QEMU {report.version}, {search.runs} runs of a guest, {search.acts:,} actions, "
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
    told = [f"  {name}", f"    {defect.wrong.rule}: {defect.wrong.what}"]
    if defect.way is None:
        return [*told, "    it did not come a second time"]
    for turn, seen in enumerate(defect.way.seen, 1):
        refusal = f", {seen.refused} refused" if seen.refused else ""
        again = ", then again without" if seen.again else ""
        told.append(f"    {turn}. {seen.said}{refusal}{again}")
        if verbose:
            told += [f"         {call}" for call in seen.calls]
            told.append(f"         : {seen.objects}")
    last = defect.way.seen[-1]
    told += [f"    {name}: {does}; due: {last.due[name]}" for name, does in last.does.items()
             if does not in last.due[name].split(" or ")]  # fmt: skip
    if defect.also:
        told.append(f"    also: {'; '.join(item.what for item in defect.also)}")
    return told


def document(report: Report) -> dict[str, Any]:
    """The same as data: steps, host calls, the kernel's state, what was due."""
    return {
        "platform": report.platform, "qemu": report.version, "seed": report.seed,
        "runs": report.search.runs, "actions": report.search.acts, "calls": report.search.calls,
        "whole": report.whole, "not_modelled": report.search.not_modelled,
        "not_seen": [item.finding for item in report.unseen],
        "defects": [
            {
                "rule": defect.wrong.rule, "what": defect.wrong.what,
                "known": defect.known and asdict(defect.known),
                "also": [asdict(item) for item in defect.also],
                "steps": [asdict(seen) for seen in defect.way.seen] if defect.way else None,
            }
            for defect in report.defects
        ],
    }  # fmt: skip


def junit(report: Report) -> str:
    """A test for each defect: passed over if it is known, else it fails."""
    suite = ElementTree.Element("testsuite", name=f"qemu {report.platform}")
    for defect in report.defects:
        name = defect.known.finding if defect.known else defect.wrong.what
        case = ElementTree.SubElement(suite, "testcase", name=name, classname=report.version)
        kind = "skipped" if defect.known else "failure"
        told = ElementTree.SubElement(case, kind, message=defect.wrong.what)
        told.text = "\n".join(_defect(defect, verbose=True))
    if not report.unknown:
        ElementTree.SubElement(suite, "testcase", name="nothing else", classname=report.version)
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True)

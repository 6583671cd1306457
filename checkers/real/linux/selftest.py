"""The kernel's own selftest of iommufd: what passes, and which of its tests assert rows of ours."""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

import msgspec

from checkers.real.linux.boot import boot
from checkers.real.linux.hardware import Hardware
from checkers.real.linux.image import Image
from checkers.userfiles import InputError

TABLE: Final = Path(__file__).with_suffix(".toml")
SECONDS: Final = 1800.0
MEMORY: Final = 600
"""MiB, of which some is the huge pages that its tests map."""

HUGE_PAGES: Final = Hardware(words="hugepages=80")
RESULT: Final = re.compile(r"^(ok|not ok) \d+ (\S+)(?: # (SKIP).*)?$")
PLAN: Final = re.compile(r"^1\.\.(\d+)$")
END: Final = re.compile(r"^end (\S+) \d+$")


class Came(StrEnum):
    """What came of a test."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


class Table(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Of each test its rows, or why it has none; and the failures that are known, and why."""

    rows: Mapping[str, Sequence[int]]
    none: Mapping[str, Sequence[str]]
    fails: Mapping[str, Sequence[str]]

    def why_none(self, test: str) -> str | None:
        """Why a test has no rows."""
        return next((why for why, tests in self.none.items() if test in tests), None)

    def why_failed(self, name: str) -> str | None:
        """Why a test is known to fail, by its whole name."""
        return next(
            (why for why, names in self.fails.items() if any(fnmatchcase(name, n) for n in names)),
            None,
        )

    def said(self, test: str) -> str:
        """A test's rows, or why it has none."""
        return _spans(self.rows.get(test, ())) or self.why_none(test) or "a test that is new"


def table() -> Table:
    """The table in `selftest.toml`."""
    return msgspec.toml.decode(TABLE.read_bytes(), type=Table)


def run(image: Image) -> dict[str, Came]:
    """Run both programs of the selftest; what came of each test."""
    try:
        lines = boot(image.vmlinux, image.selftest, SECONDS, MEMORY, HUGE_PAGES)
    except subprocess.TimeoutExpired as error:
        raise InputError(f"the selftest hangs: no end after {SECONDS:g} s") from error
    return results(lines)


def results(lines: Iterable[str]) -> dict[str, Came]:
    """What TAP says of tests; `InputError` if a program did not come to its end."""
    came = dict[str, Came]()
    planned = ended = 0
    last = "nothing"
    for line in lines:
        last = line
        if found := RESULT.match(line):
            failed = Came.FAILED if found[1] == "not ok" else Came.PASSED
            came[found[2]] = Came.SKIPPED if found[3] else failed
        elif found := PLAN.match(line):
            planned += int(found[1])
        ended += bool(END.match(line))
    if ended != 2 or planned != len(came):
        raise InputError(f"the selftest did not come to its end: {last}")
    return came


def test_of(name: str) -> str:
    """A test without the variant of its fixture."""
    fixture, *_, test = name.split(".")
    return f"{fixture}.{test}"


def unknown(came: Mapping[str, Came], known: Table) -> list[str]:
    """Tests that fail and are not known to."""
    return [
        name for name, what in came.items()
        if what is Came.FAILED and known.why_failed(name) is None
    ]  # fmt: skip


def told(came: Mapping[str, Came], known: Table, about: str) -> Iterator[str]:
    """The table, as lines."""
    total = Counter(came.values())
    yield f"{about}, its own selftest: " + ", ".join(f"{total[what]} {what}" for what in Came)
    tests = dict[str, Counter[Came]]()
    for name, what in came.items():
        tests.setdefault(test_of(name), Counter())[what] += 1
    width = max(map(len, tests))
    yield f"  {'test':{width}} passed failed skipped  rows, or why there is none"
    for test, counts in tests.items():
        numbers = f"{counts[Came.PASSED]:6} {counts[Came.FAILED]:6} {counts[Came.SKIPPED]:7}"
        yield f"  {test:{width}} {numbers}  {known.said(test)}"
    passed = {test for test, n in tests.items() if n[Came.PASSED]}
    passed -= {test_of(name) for name in unknown(came, known)}
    held = sum(len(rows) for test, rows in known.rows.items() if test in passed)
    yield f"  {held} rows are asserted by tests that pass"
    reasons = Counter(known.why_failed(name) for name, what in came.items() if what is Came.FAILED)
    yield from (f"  {n} fail: {why}" for why, n in reasons.items() if why)
    yield from (f"  fails, and is not known to: {name}" for name in unknown(came, known))


def _spans(numbers: Sequence[int]) -> str:
    """Numbers, those that follow on each other as a span."""
    spans: list[list[int]] = []
    for number in numbers:
        if spans and number == spans[-1][-1] + 1:
            spans[-1].append(number)
        else:
            spans.append([number])
    return ", ".join(f"{s[0]}-{s[-1]}" if len(s) > 1 else str(s[0]) for s in spans)

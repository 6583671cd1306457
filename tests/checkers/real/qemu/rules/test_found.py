"""What is told of random runs: what is known is named, the rest is not."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from checkers.cli import main
from checkers.real.qemu.rules import found
from checkers.real.qemu.rules.acts import Class
from checkers.real.qemu.rules.expected import EXPECTED, expected
from checkers.real.qemu.rules.found import document, junit, lines, rules_only
from checkers.real.qemu.rules.guest_run import DUE, LEAKED
from tests.checkers.real.qemu.rules.toy import ToyRun


@pytest.mark.parametrize(
    ("platform", "rule", "what", "finding"),
    [
        ("vtd", DUE, "translation: bypass is due, it is table", "V-16"),
        ("vtd", DUE, "invalidate, HWPT_ALLOC refused", "V-20"),
        ("vtd", DUE, "root: table is due, it is bypass, after HWPT_ALLOC refused", "V-20"),
        ("vtd", DUE, "invalidate: table is due, it is table", "vtd-new-domain"),
        ("vtd", DUE, "invalidate: blocked is due, it is table", None),
        ("vtd", LEAKED, "unplug: IOAS stays", "V-25"),
        ("vtd", LEAKED, "reset, DESTROY refused: HWPT_NESTED stays", "C-14"),
        ("smmuv3", DUE, "translation: bypass is due, it is table", "S-08"),
        ("smmuv3", DUE, "install: bypass is due, it is table", None),
    ],
)
def test_a_class_is_known_or_not(platform: str, rule: str, what: str, finding: str | None) -> None:
    known = expected(platform, Class(rule, what))
    assert (known and known.finding) == finding


def test_what_is_found_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    toy = found.Platform("a toy", "toy", lambda qemu, check: ToyRun("silent"))
    known = Path("/bin/sh")
    monkeypatch.setattr(found, "PLATFORMS", {"vtd": toy})
    monkeypatch.setattr(found, "binary", lambda name, qemu: type("Toy", (), {"version": "1"}))
    report = rules_only("vtd", known, False, 20, 0, 0)
    assert [defect.known and defect.known.finding for defect in report.defects] == ["V-20"]
    assert report.unknown == []
    assert len(report.unseen) == len(EXPECTED["vtd"]) - 1
    told = lines(report, verbose=True)
    assert "    the_guest_gets_what_is_due: invalidate, HWPT_ALLOC refused" in told
    (defect,) = document(report)["defects"]
    assert defect["steps"][-1]["refused"] == "HWPT_ALLOC"
    assert defect["steps"][-1]["due"] != defect["steps"][-1]["does"]
    assert 'testcase name="V-20"' in junit(report)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("vt", "--qemu", "--rules-only"), "no platform is called 'vt'; say vtd or smmuv3"),
        (("vtd", "--qemu", "/nowhere", "--rules-only"), "/nowhere: no program"),
        (("vtd", "--qemu", "/nowhere"), "say --rules-only"),
    ],
)
def test_what_cannot_be_run_is_one_line(words: tuple[str, ...], said: str) -> None:
    came = CliRunner().invoke(main, ["drive", *words])
    assert said in (came.output + str(came.exception))
    assert came.exit_code != 0

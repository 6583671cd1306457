"""What is told of random runs: what is known is named, the rest is not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from checkers.cli import main
from checkers.real.qemu.rules import found, platforms
from checkers.real.qemu.rules.found import document, junit, lines, rules_only
from checkers.real.qemu.rules.platforms import PLATFORMS, Platform
from checkers.trace.load import opened
from checkers.userfiles import InputError
from tests.checkers.real.qemu.rules.toy import ToyRun

SH = Path("/bin/sh")


@pytest.fixture
def toys(monkeypatch: pytest.MonkeyPatch) -> None:
    """A toy of VT-d that forgets what was refused, and no QEMU."""
    toy = Platform("a toy", "toy", lambda qemu, check: ToyRun("silent"), PLATFORMS["vtd"].given)
    monkeypatch.setattr(found, "PLATFORMS", {"vtd": toy})
    monkeypatch.setattr(platforms, "binary", lambda name, qemu: type("Toy", (), {"version": "1"}))


@pytest.mark.usefixtures("toys")
def test_what_is_found_is_told() -> None:
    report = rules_only("vtd", SH, False, 20, 0, 0)
    assert [defect.known and defect.known.finding for defect in report.defects] == ["V-20"]
    assert report.unknown == []
    told = lines(report, verbose=True)
    assert told[0].startswith("a toy: QEMU 1, ")
    assert "    broken: invalidate, HWPT_ALLOC refused: table is due, it stays table" in told
    (defect,) = document(report)["defects"]
    assert defect["trace"].steps[-1].refused == "HWPT_ALLOC"
    assert defect["trace"].steps[-1].due != defect["trace"].steps[-1].does
    assert 'testcase name="V-20"' in junit(report)
    assert "host: HWPT_ALLOC dev1 -&gt; ENOMEM!" in junit(report)


@pytest.mark.usefixtures("toys")
def test_traces_are_saved_and_are_those_of_the_json(tmp_path: Path) -> None:
    data = tmp_path / "seen.json"
    words = ["drive", "vtd", "--qemu", "--rules-only", "--runs", "20", "--json", str(data)]
    came = CliRunner().invoke(main, [*words, "--traces", str(tmp_path / "traces")])
    assert came.exit_code == 0, came.output
    (defect,) = json.loads(data.read_text())["defects"]
    (file,) = (tmp_path / "traces").iterdir()
    assert file.name == "vtd-V-20.json"
    assert json.loads(file.read_text()) == defect["trace"]
    assert opened(str(file)).violation.refused == "HWPT_ALLOC"


def test_what_wants_kvm_says_so() -> None:
    with pytest.raises(InputError, match="SMMUv3: QEMU wants KVM; say --without-kvm-check"):
        PLATFORMS["smmuv3"].run(SH, without_kvm_check=False)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("vt", "--qemu", "--rules-only"), "no platform is called 'vt'; say vtd or smmuv3"),
        (("vtd", "--qemu", "/nowhere", "--rules-only"), "/nowhere: no program"),
        (("vtd", "--qemu", "/nowhere"), "vtd has no lockstep"),
    ],
)
def test_what_cannot_be_run_is_one_line(words: tuple[str, ...], said: str) -> None:
    came = CliRunner().invoke(main, ["drive", *words])
    assert said in (came.output + str(came.exception))
    assert came.exit_code != 0

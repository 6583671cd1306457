"""What is not inductive is shown: no success, a reason, and the state and the step that say why."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner

from checkers.cli import main

ASKED = ("check", "queue", "--engine", "symbolic", "--no-progress", "--jobs", "1")


@pytest.mark.usefixtures("toys")
def test_a_rule_that_is_not_inductive_is_inconclusive_and_its_counterexample_is_saved(
    tmp_path: Path,
) -> None:
    junit = tmp_path / "junit.xml"
    result = CliRunner().invoke(
        main, [*ASKED, "--traces", str(tmp_path), "--junit", str(junit)]
    )
    assert result.exit_code == 3
    assert "fifo             symbolic  not inductive      1" in result.stdout
    assert "enqueue(*) breaks it" in result.stdout
    assert "from a state that need not be reachable" in result.stdout
    saved = json.loads((tmp_path / "queue-reference-fifo-symbolic.json").read_text())
    assert (saved["kind"], len(saved["steps"])) == ("induction", 1)
    suite = ET.parse(junit).getroot().find("testsuite")
    assert suite is not None
    messages = {
        case.attrib["name"]: said.attrib["message"]
        for case in suite.iter("testcase") for said in case.iter("skipped")
    }
    assert messages["fifo [symbolic]"].startswith("not inductive (enqueue(*) breaks it")
    assert suite.find("testcase/failure") is None


@pytest.mark.usefixtures("toys")
def test_tap_skips_what_is_not_inductive() -> None:
    lines = CliRunner().invoke(main, [*ASKED, "--tap"]).stdout.splitlines()
    assert any(
        line.startswith("ok ") and "queue small/fifo [symbolic] # SKIP not inductive" in line
        for line in lines
    )

"""The benchmarks run, and say so where one cannot."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmarks import __main__ as program
from benchmarks.cases import CASES, Case, measure


def test_names_are_distinct() -> None:
    assert len({case.name for case in CASES}) == len(CASES)


def test_exploration_is_measured() -> None:
    figures = measure(Case("explicit", "object-lifetime", "small"))
    assert {"states", "transitions", "depth", "states/s", "bytes/state"} <= set(figures)
    assert figures["stopped"] == ""


def test_long_runs_once_and_short_ones_thrice(monkeypatch: pytest.MonkeyPatch) -> None:
    for seconds, count in ((1.0, 3), (60.0, 1)):
        monkeypatch.setattr(program, "_measured", lambda case, s=seconds: {"seconds": s})
        assert len(program._runs(CASES[0])) == count


def test_engine_that_fails_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    odd = Case("explicit", "no-such-machine", "small")
    monkeypatch.setattr(program, "CASES", (odd,))
    file = tmp_path / "results.json"
    done = CliRunner().invoke(program.main, ["--output", str(file)])
    assert done.exit_code == 0, done.output
    assert "failed: StopIteration" in done.output
    (result,) = json.loads(file.read_text())["results"]
    assert result["name"] == odd.name
    assert list(result["median"]) == ["failed"]


def test_unknown_measurement_is_an_error() -> None:
    done = CliRunner().invoke(program.main, ["nothing"])
    assert done.exit_code == 2
    assert "no measurement is called nothing" in done.output

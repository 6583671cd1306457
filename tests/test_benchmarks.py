"""The benchmarks run, find what is declared, and say so where one cannot run."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmarks import __main__ as program
from benchmarks.cases import CASES, LIFETIME, TOOLS, Case, measure
from benchmarks.page import page
from benchmarks.peers import PEERS
from benchmarks.peers.process import second_from
from benchmarks.peers.rumur import model
from benchmarks.results import differing, ratios, result
from benchmarks.sharing_core import SHARING_CORE
from checkers.result import Explorer
from spec.iommufd.object_lifetime import OBJECT_LIFETIME

NEEDS = {
    "spin-bfs": ("spin", "gcc"), "spin-dfs": ("spin", "gcc"), "rumur": ("rumur", "gcc"),
    "c-by-hand": ("cc",),
}  # fmt: skip


def test_names_are_distinct_and_tools_are_known() -> None:
    assert len({case.name for case in CASES}) == len(CASES)
    assert {case.tool for case in CASES} == set(TOOLS)
    assert set(NEEDS) == set(PEERS)


@pytest.mark.parametrize("explorer", Explorer, ids=lambda item: item.value)
def test_exploration_is_measured(explorer: Explorer) -> None:
    figures = measure(Case(explorer.value, LIFETIME, "small"))
    declared = OBJECT_LIFETIME.bounds["small"]
    assert {"states/s", "states/cpu s", "bytes/state", "seconds"} <= set(figures)
    assert (figures["states"], figures["transitions"], figures["depth"]) == (
        declared.states, declared.transitions, declared.depth
    )
    assert figures["stopped"] == ""


@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize("bounds", ["small", "S"])
def test_a_peer_finds_what_is_declared(peer: str, bounds: str) -> None:
    for tool in NEEDS[peer]:
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    figures = measure(Case(peer, LIFETIME, bounds))
    declared = OBJECT_LIFETIME.bounds[bounds]
    assert (figures["states"], figures["transitions"]) == (declared.states, declared.transitions)
    assert figures.get("depth", declared.depth) == declared.depth


@pytest.mark.parametrize("tool", ["spin-bfs", "spin-dfs", Explorer.REFERENCE.value])
def test_the_core_of_sharing_is_the_same_by_hand(tool: str) -> None:
    for need in NEEDS.get(tool, ()):
        if shutil.which(need) is None:
            pytest.skip(f"{need} is not installed")
    figures = measure(Case(tool, SHARING_CORE.name, "small"))
    declared = SHARING_CORE.bounds["small"]
    assert (figures["states"], figures["transitions"]) == (declared.states, declared.transitions)
    assert figures.get("depth", declared.depth) == declared.depth


@pytest.mark.parametrize("peer", PEERS)
def test_a_peer_that_is_not_installed_says_so(peer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    figures = measure(Case(peer, LIFETIME, "small"))
    assert figures == {"absent": f"{', '.join(NEEDS[peer])} not installed"}


def test_devices_on_the_second_iommufd_are_the_last_ones() -> None:
    assert [second_from(3, mask) for mask in (0b000, 0b100, 0b110, 0b111)] == [3, 2, 1, 0]
    with pytest.raises(ValueError, match="not the last ones"):
        second_from(3, 0b010)
    text = model(OBJECT_LIFETIME.bounds["B"].values)
    assert "  Fds: 2;\n  Slots: 4;\n  Devices: 3;\n  Second: 3;\n" in text


def test_long_runs_once_and_short_ones_several_times(monkeypatch: pytest.MonkeyPatch) -> None:
    for seconds, count in ((1.0, program.REPEATED), (60.0, 1)):
        monkeypatch.setattr(program, "_measured", lambda case, s=seconds: {"seconds": s})
        assert len(program._runs(CASES[0])) == count


def test_ratios_and_what_does_not_agree() -> None:
    found = [
        result(Case("native", LIFETIME, "S"), [{"states": 10, "states/s": rate}])
        for rate in (60.0,)
    ]
    found.append(result(Case("rumur", LIFETIME, "S"), [{"states": 10, "states/s": 20.0}]))
    assert ratios(found, "states/s") == {f"{LIFETIME} S": {"native": {"rumur": 3.0}}}
    assert differing(found) == []
    found.append(result(Case("spin-bfs", LIFETIME, "S"), [{"states": 9, "states/s": 20.0}]))
    assert differing(found) == [
        f"{LIFETIME} S: states differ: 10 of native, rumur; 9 of spin-bfs"
    ]


def test_the_page_has_a_table_of_each_subject() -> None:
    found = [result(Case("native", LIFETIME, "S"), [{"states": 10, "states/s": 60.0}])]
    found.append(result(Case("rumur", LIFETIME, "S"), [{"absent": "rumur not installed"}]))
    text = page({
        "version": 2, "processor": "one", "cores": 2, "load": 0.1, "results": found,
        "ratios": {"states/s": ratios(found, "states/s")},
    })  # fmt: skip
    assert "* processor: one\n" in text
    assert f"{LIFETIME} S\n-----" in text
    assert "   * - native\n     - 10\n" in text
    assert "rumur: rumur not installed.\n" in text


def test_engine_that_fails_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    odd = Case("specialised", "no-such-machine", "small")
    monkeypatch.setattr(program, "CASES", (odd,))
    file, book = tmp_path / "results.json", tmp_path / "page.rst"
    done = CliRunner().invoke(program.main, ["--output", str(file), "--page", str(book)])
    assert done.exit_code == 0, done.output
    assert "failed: StopIteration" in done.output
    (found,) = json.loads(file.read_text())["results"]
    assert found["name"] == odd.name
    assert list(found["median"]) == ["failed"]
    assert "specialised: failed" not in done.output
    assert "StopIteration" in book.read_text()


def test_unknown_measurement_is_an_error() -> None:
    done = CliRunner().invoke(program.main, ["nothing"])
    assert done.exit_code == 2
    assert "no measurement is called nothing" in done.output

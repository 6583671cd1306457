from __future__ import annotations

import json
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from checkers import machines
from checkers.cli import main
from spec.language import Variant
from tests.checkers import stub
from tests.toys.keys import ALONE
from tests.toys.refcount import FREES_WHILE_HELD

ROOT = Path(__file__).parents[2]
REFCOUNT = "tests/toys/refcount.py"

VARIANT_FILE = '''
"""A lock that is not looked at."""
from spec.language import Id, overrides
from tests.toys.mutex import Mutex, Process, enter

@overrides(enter)
def enter_anyway(s: Mutex, process: Id[Process]) -> None:
    """A process goes in."""
    s.locked = True
    s.processes[process].inside = True
'''


def run(*words: str) -> Result:
    return CliRunner().invoke(main, list(words))


def refused(result: Result) -> str:
    """The one line on stderr of a command whose input was wrong."""
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert len(lines) == 1
    return lines[0]


@pytest.mark.usefixtures("engines")
class TestCheck:
    def test_all_hold(self) -> None:
        result = run("check", "-v")
        assert result.exit_code == 0, result.output
        assert "one-at-a-time" in result.stdout
        assert "exhausted 3 states" in result.stdout
        assert "3 states, 4 transitions, 1 depth, as declared" in result.stdout
        assert result.stderr == ""

    def test_violation_shows_shortest_trace(self) -> None:
        result = run("check", "--variant", "frees-while-held")
        assert result.exit_code == 1
        assert "no-dangling: violated, 3 steps" in result.stdout
        assert "also no-failed-check violated, 4 steps" in result.stdout
        assert "viommu-spec check --variant frees-while-held --traces DIR" in result.stdout

    def test_variants_fail_as_they_declare(self) -> None:
        result = run("check", "--variant", "all", "-v")
        assert result.exit_code == 0, result.output
        line = r"^frees-while-held +no-failed-check +4 +as expected$"
        assert re.search(line, result.stdout, re.M)
        depth = "looked at as deep as that; --deeper looks further"
        said = f"variants 2/2 fail as they declare ({depth})\n"
        assert said in result.stdout
        alone = run("check", "--variant", "all")
        assert (alone.exit_code, alone.stdout) == (0, said)
        tap = run("check", "refcount", "--variant", "all", "--tap").stdout
        assert tap.startswith("TAP version 14\n1..4\n")
        assert "ok 1 - refcount/frees-while-held small/breaks no-dangling [explicit]" in tap

    @pytest.mark.parametrize(
        ("expects", "says"),
        [
            ({}, "deviates: it declares no rule that it breaks"),
            ({"no-danger": 3}, "deviates: the machine has no rule 'no-danger'"),
            ({"no-dangling": 3, "no-danger": 3}, "deviates: the machine has no rule 'no-danger'"),
            ({"no-dangling": 4}, "is violated in 3 steps, expected in 4 steps"),
            ({"refusal-changes-nothing": 1}, "is not violated, expected in 1 step"),
        ],
    )
    def test_variant_that_deviates(
        self, monkeypatch: pytest.MonkeyPatch, expects: dict[str, int], says: str
    ) -> None:
        other = replace(FREES_WHILE_HELD, expects=expects)
        monkeypatch.setattr(machines, "variants", lambda: {other.name: other})
        result = run("check", "--variant", "all")
        assert result.exit_code == 1
        assert says in result.stdout

    def test_variant_that_nobody_decided(self, engines: dict[str, object]) -> None:
        engines["explicit"] = stub.undecided
        result = run("check", "refcount", "--variant", "all")
        assert result.exit_code == 3
        assert "not decided, expected in 3 steps: unknown" in result.stdout

    def test_several_bounds(self) -> None:
        result = run("check", "-v", "--bounds", "small", "--bounds", "large,holders=3")
        assert result.exit_code == 0, result.output
        assert "refcount, bounds small\n" in result.stdout
        assert "refcount, bounds large,holders=3\n" in result.stdout
        assert "viommu-spec: mutex has no bounds 'large': skipped" in result.stderr

    def test_random_engine_takes_large_bounds(self) -> None:
        result = run("check", "refcount", "--engine", "stateful")
        assert "notes: explicit: bounds large; exhausted 3125 states" in result.stdout
        given = run("check", "refcount", "--engine", "stateful", "--bounds", "small")
        assert "bounds large" not in given.stdout

    def test_traces_of_several_bounds_are_all_kept(self, tmp_path: Path) -> None:
        words = ("--variant", "frees-while-held", "--invariant", "no-dangling")
        several = ("--bounds", "small", "--bounds", "objects=3")
        run("check", *words, *several, "--traces", str(tmp_path))
        assert sorted(item.name for item in tmp_path.iterdir()) == [
            "refcount-frees-while-held-no-dangling-explicit-objects=3.json",
            "refcount-frees-while-held-no-dangling-explicit.json",
        ]

    def test_manifest_of_variant(self) -> None:
        result = run("check", "--variant", "leaks-on-refusal")
        assert result.exit_code == 1
        assert "broken as declared: refusal-changes-nothing" in result.stdout

    def test_manifest_not_with_other_bounds(self) -> None:
        result = run("check", "refcount", "--bounds", "objects=3")
        assert result.exit_code == 0
        assert "manifest" not in result.stdout

    def test_selected_rule_alone(self) -> None:
        result = run("check", "refcount", "mutex", "--invariant", "no-dangling")
        assert result.exit_code == 0
        assert "references-are-holders" not in result.stdout
        assert "mutex has none of these rules" in result.stderr

    def test_variant_of_a_file(self, tmp_path: Path) -> None:
        file = tmp_path / "anyway.py"
        file.write_text(VARIANT_FILE)
        result = run("check", "tests/toys/mutex.py", "--variant", str(file))
        assert result.exit_code == 1
        assert "one-at-a-time: violated, 2 steps" in result.stdout

    def test_machine_of_a_file(self) -> None:
        assert run("check", f"{REFCOUNT}:REFCOUNT").exit_code == 0

    def test_bounded_is_inconclusive(self, engines: dict[str, object]) -> None:
        engines["symbolic"] = stub.undecided
        assert run("check", "--engine", "symbolic").exit_code == 3
        assert run("check", "--engine", "all").exit_code == 3

    def test_violation_outranks_bounded(self, engines: dict[str, object]) -> None:
        engines["symbolic"], engines["stateful"] = stub.undecided, stub.silent
        assert run("check", "--variant", "frees-while-held", "--engine", "all").exit_code == 1

    def test_no_result_is_inconclusive(self, engines: dict[str, object]) -> None:
        engines["explicit"] = stub.silent
        result = run("check", "mutex")
        assert result.exit_code == 3
        assert "the engine gave no result" in result.stdout

    def test_rule_that_no_engine_looks_at_is_inconclusive(self, engines: dict[str, object]) -> None:
        words = ("check", "refcount", "--engine", "all", "--invariant", "no-dangling")
        engines["stateful"] = engines["symbolic"] = stub.silent
        assert run(*words).exit_code == 0
        engines["explicit"] = stub.silent
        result = run(*words)
        assert result.exit_code == 3
        assert "no engine that was asked looks at this rule" in result.stdout

    def test_variant_that_nobody_explored_is_inconclusive(self, engines: dict[str, object]) -> None:
        engines["explicit"] = stub.silent
        result = run("check", "--variant", "frees-while-held")
        assert result.exit_code == 3
        assert "manifest: refcount/frees-while-held: no-dangling was not decided" in result.stdout

    def test_interrupt_tells_what_is_known(self, engines: dict[str, object]) -> None:
        engines["stateful"] = stub.interrupted
        result = run("check", "mutex", "--engine", "all")
        assert result.exit_code == 3
        assert "one-at-a-time" in result.stdout
        assert "interrupted" in result.stderr

    def test_defect_of_an_engine_is_no_violation(self, engines: dict[str, object]) -> None:
        engines["symbolic"] = None
        result = run("check", "mutex", "--engine", "all")
        assert result.exit_code == 3
        assert "exhausted 3 states" in result.stdout
        assert "a defect of the engine: TypeError" in result.stdout
        assert "Traceback" in result.stderr

    def test_traces_are_saved_and_replay(self, tmp_path: Path) -> None:
        result = run("check", "--variant", "frees-while-held", "--traces", str(tmp_path))
        assert result.exit_code == 1
        names = sorted(item.name for item in tmp_path.iterdir())
        assert names == [
            f"refcount-frees-while-held-{rule}-explicit.json"
            for rule in ("no-dangling", "no-failed-check", "references-are-holders")
        ]
        for name in names:
            replayed = run("replay", str(tmp_path / name))
            assert replayed.exit_code == 0, replayed.output
            assert replayed.stdout.startswith("reproduced")

    def test_json(self, tmp_path: Path) -> None:
        result = run("check", "--variant", "frees-while-held", "--json", "-")
        found = json.loads(result.stdout)
        assert found["status"] == result.exit_code == 1
        verdicts = {item["rule"]: item["verdict"] for item in found["results"]}
        assert verdicts["no-dangling"] == "violated"
        assert verdicts["refusal-changes-nothing"] == "holds"
        assert "violated" in result.stderr

    def test_junit(self, tmp_path: Path) -> None:
        file = tmp_path / "out.xml"
        run("check", "--variant", "frees-while-held", "--junit", str(file))
        suite = ET.parse(file).getroot().find("testsuite")
        assert suite is not None
        assert suite.get("failures") == "3"
        assert len(suite.findall("testcase/failure")) == 3

    def test_tap(self, engines: dict[str, object]) -> None:
        engines["symbolic"] = stub.undecided
        result = run("check", "mutex", "--engine", "all", "--tap")
        lines = [line for line in result.stdout.splitlines() if not line.startswith("#")]
        assert lines[:2] == ["TAP version 14", f"1..{len(lines) - 2}"]
        name = "mutex small/one-at-a-time [explicit]"
        assert lines[2] == f"ok 1 - {name} # holds (exhausted 3 states)"
        assert "ok 5 - mutex small/one-at-a-time [symbolic] # SKIP bounded (unknown)" in lines


@pytest.mark.usefixtures("engines")
@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("check mutx", "no machine is called 'mutx'; did you mean mutex?"),
        ("check nothing.py", "nothing.py: No such file or directory"),
        ("check /dev/zero.py", "/dev/zero.py: No such file or directory"),
        (f"check {'x' * 300}.py", "File name too long"),
        ("replay /dev/zero", "/dev/zero: not a regular file"),
        ("show /dev", "/dev: Is a directory"),
        ("check --time-limit nan", "nan is no number of seconds"),
        (f"check mutex --bounds processes={'9' * 5000}", "processes is 0 to 255"),
        ("check --suite check --bounds small", "--suite has its own bounds"),
        (f"check {REFCOUNT}:HEAP", "no machine in tests/toys/refcount.py is called 'HEAP'"),
        ("check --bounds smal", "no bounds of machine mutex is called 'smal'"),
        ("check --bounds small,rows=2", "no bound of machine mutex is called 'rows'"),
        ("check mutex --bounds processes=many", "processes is 0 to 255, not 'many'"),
        ("check mutex --bounds small,small", "'small' is not KEY=N"),
        ("check --invariant no-danglin", "did you mean no-dangling?"),
        ("check --variant nobody", "no variant is called 'nobody'"),
        ("check mutex --variant frees-while-held", "is one of machine 'refcount', not of 'mutex'"),
        ("check mutex refcount --variant frees-while-held", "name at most one"),
        ("check --variant all --bounds small", "each variant at its own bounds and rules"),
        ("check mutex --variant all", "there is no variant of mutex"),
        ("check mutex --bounds small --bounds larg", "no bounds of machine mutex is called 'larg'"),
        ("check --engine magic", "'magic' is not one of"),
        ("check --time-limit soon", "'soon' is not a valid float"),
        ("check mutex --json - --tap", "stdout"),
        ("check mutex --json /nowhere/at/all", "/nowhere/at/all: No such file or directory"),
        ("list colours", "'colours' is not one of"),
        ("list actions mutx", "did you mean mutex?"),
        ("simulate", "Missing argument 'MACHINE'"),
        ("simulate mutex --steps 0", "0 is not in the range"),
        ("replay /nowhere.json", "/nowhere.json: No such file or directory"),
        ("show /nowhere.json --format pdf", "'pdf' is not one of"),
        ("", "which command?"),
        ("cheque", "No such command 'cheque'"),
    ],
)
def test_wrong_input_is_one_line(words: str, says: str) -> None:
    assert says in refused(run(*words.split()))


@pytest.mark.usefixtures("engines")
@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("def broken(:\n", "bad.py:1: invalid syntax"),
        ("\nimport no_such_package\n", "bad.py:2: ModuleNotFoundError"),
        ("x = 1\n", "has no VARIANT and no function declared with @overrides"),
        (VARIANT_FILE + "\n1 / 0\n", "ZeroDivisionError"),
        (
            "from spec.language import overrides\nfrom tests.toys.refcount import get\n"
            "@overrides(get)\ndef other(s) -> None:\n    pass\n",
            "bad.py:3: machine mutex never calls get, overridden here",
        ),
    ],
)
def test_wrong_file_is_one_line(tmp_path: Path, content: str, says: str) -> None:
    file = tmp_path / "bad.py"
    file.write_text(content)
    assert says in refused(run("check", "mutex", "--variant", str(file)))


@pytest.mark.usefixtures("toys")
class TestOthers:
    def test_list_is_the_same_in_both_forms(self) -> None:
        for what in ("machines", "actions", "invariants", "variants"):
            plain, found = run("list", what), json.loads(run("list", what, "--json").stdout)
            assert plain.exit_code == 0
            assert found
            for item in found:
                assert item["name"] in plain.stdout

    def test_no_name_in_a_list_is_broken(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.undo()
        for what in ("machines", "variants", "bounds"):
            words = run("list", what).stdout.replace(",", " ").split()
            for item in json.loads(run("list", what, "--json").stdout):
                assert item["name"] in words
                assert "standing" in item["more"] or what == "bounds"
                for rule in str(item["more"].get("breaks", "")).split(", "):
                    assert rule.split(" in ")[0] in ["", *words]

    def test_simulate_is_deterministic(self) -> None:
        first = run("simulate", "refcount", "--steps", "30", "--seed", "4")
        assert first.exit_code == 0, first.output
        assert first.stdout == run("simulate", "refcount", "--steps", "30", "--seed", "4").stdout
        assert first.stdout != run("simulate", "refcount", "--steps", "30", "--seed", "5").stdout

    def test_simulate_stops_at_a_violation(self, tmp_path: Path) -> None:
        file = tmp_path / "run.json"
        words = ["--variant", "frees-while-held", "--steps", "300", "--trace", str(file)]
        assert run("simulate", "refcount", *words).exit_code == 1
        assert run("replay", str(file)).exit_code == 0

    def test_replay_of_a_run(self, tmp_path: Path) -> None:
        file = tmp_path / "run.json"
        run("simulate", "queue", "--steps", "9", "--trace", str(file))
        assert run("replay", str(file)).stdout == "reproduced: 9 steps\n"

    def test_replay_says_where_it_diverges(self, tmp_path: Path) -> None:
        file = tmp_path / "run.json"
        run("simulate", "mutex", "--steps", "4", "--trace", str(file))
        trace = json.loads(file.read_text())
        trace["steps"][1]["changes"]["locked"] = [False, True]
        file.write_text(json.dumps(trace))
        result = run("replay", str(file))
        assert result.exit_code == 1
        assert result.stdout.startswith("diverges: step 2 (leave): field locked")

    def test_show(self, tmp_path: Path) -> None:
        file = tmp_path / "run.json"
        run("simulate", "refcount", "--steps", "5", "--trace", str(file))
        assert run("show", str(file)).stdout.startswith("a run, 5 steps\n")
        assert run("show", str(file), "--format", "brief").stdout.startswith("a run, 5 steps\n1. ")
        assert run("show", str(file), "--format", "html").stdout.startswith("<!DOCTYPE html>\n")
        drawn = run("show", str(file), "--format", "dot").stdout
        assert drawn.startswith('digraph "refcount after 5 steps" {')

    def test_shown_pytest_passes(self, tmp_path: Path) -> None:
        for variant, rule in (("frees-while-held", "no_dangling"), (None, "run")):
            file, test = tmp_path / "run.json", tmp_path / f"shown_{rule}.py"
            words = [] if variant is None else ["--variant", variant]
            run("simulate", "refcount", "--steps", "40", "--trace", str(file), *words)
            test.write_text(run("show", str(file), "--format", "pytest").stdout)
            names: dict[str, Any] = {}
            exec(compile(test.read_text(), str(test), "exec"), names)
            tests = [item for name, item in names.items() if name.startswith("test_")]
            assert len(tests) == 1
            tests[0]()

    def test_show_itf(self, tmp_path: Path) -> None:
        file = tmp_path / "run.json"
        run("simulate", "refcount", "--steps", "3", "--trace", str(file))
        found = json.loads(run("show", str(file), "--format", "itf").stdout)
        assert found["vars"] == ["objects", "holders"]
        assert len(found["states"]) == 4
        assert found["states"][0]["holders"] == {"#map": [[1, {"holds": 0}], [2, {"holds": 0}]]}

    def test_help_names_every_command(self) -> None:
        result = run("--help")
        assert result.exit_code == 0
        for name in ("check", "list", "simulate", "replay", "show"):
            assert name in result.stdout


NEEDS = "needs another choice of ids than the lowest free"


def test_what_needs_another_choice_of_ids_is_said_wherever_it_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    design = Variant("lends-again", "alone", {}, {"same-key": 3}, "small")
    monkeypatch.setattr(machines, "registry", lambda: {"alone": ALONE})
    monkeypatch.setattr(machines, "variants", lambda: {design.name: design})
    words = ("check", "alone", "--explorer", "reference", "--invariant", "same-key")
    table = run(*words, "--traces", str(tmp_path)).stdout
    assert re.search(rf"^same-key .*{NEEDS}", table, re.M)
    assert f"same-key: violated, 3 steps\n{NEEDS}\n1. lend_alone\n" in table
    for form in ("--tap", "--junit", "--json"):
        assert f"{NEEDS}" in run(*words, form, *(["-"] if form != "--tap" else [])).stdout
    file = str(tmp_path / "alone-reference-same-key-explicit.json")
    for form, shown in (("text", NEEDS), ("brief", NEEDS), ("html", f"<p>It {NEEDS}.</p>")):
        assert f"{shown}\n" in run("show", file, "--format", form).stdout
    judged = run("check", "--variant", "all", "--explorer", "reference", "-v").stdout
    assert re.search(rf"^lends-again +same-key +3 +as expected; {NEEDS}$", judged, re.M)


def test_that_ids_are_not_renamed_is_said_though_it_was_asked_for() -> None:
    asked = run("check", "pasid-capability", "--symmetry", "ids", "--invariant", "the-list-ends")
    assert re.search(r"ids are not renamed: .*config_space.py:\d+: `first` over", asked.stdout)


def shell(*words: str) -> subprocess.CompletedProcess[str]:
    program = "from checkers.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", program, *words], cwd=ROOT, capture_output=True, text=True
    )


def test_exit_status_of_the_process(tmp_path: Path) -> None:
    file = tmp_path / "run.json"
    assert shell("simulate", REFCOUNT, "--trace", str(file)).returncode == 0
    assert shell("replay", str(file)).returncode == 0


def test_exit_status_of_wrong_input() -> None:
    done = shell("replay", "README.md")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("viommu-spec: README.md: ")
    assert done.stderr.count("\n") == 1

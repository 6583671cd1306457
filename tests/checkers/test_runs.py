"""Runs of many machines at a time, what a suite is, and when a check of a variant has enough."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from checkers import machines
from checkers.engines import ALL, ENGINES, enough
from checkers.result import Finding, Limits, Verdict
from checkers.runs import Run, suite, taken, together
from checkers.watch import LimitMetError, limits_met, watching
from spec.language import Machine, Program
from spec.machines import MACHINES
from tests.checkers import stub
from tests.checkers.test_cli import VARIANT_FILE, run
from tests.toys.mutex import MUTEX
from tests.toys.refcount import FREES_WHILE_HELD, LEAKS_ON_REFUSAL

IDLE = VARIANT_FILE.replace("    s.locked = True\n", "    require(False)\n    s.locked = True\n")
IDLE = IDLE.replace("import Id, overrides", "import Id, overrides, require")


def both(program: Program, selected: frozenset[str], limits: Limits) -> list[Finding]:
    """An explorer that finds all there is level by level, and is stopped or goes on without end."""
    found, broken = stub.explore(program, selected, limits), set[str]()
    for depth in range(9):
        for row in found:
            if row.violation is not None and len(row.violation.steps) == depth:
                limits.found(row.rule, depth)
                broken.add(row.rule)
        if limits.enough(frozenset(broken)):
            return [row if row.rule in broken else _open(row) for row in found]
    limits.interrupted = True
    return [row if row.violation else _open(row) for row in found]


def _open(row: Finding) -> Finding:
    return replace(row, verdict=Verdict.BOUNDED, detail="not looked at", violation=None)


def test_enough_is_what_is_declared_or_anything_else() -> None:
    decide = enough(FREES_WHILE_HELD, frozenset())
    declared = frozenset(FREES_WHILE_HELD.expects)
    assert not decide(frozenset())
    assert not decide(frozenset({"no-dangling"}))
    assert decide(declared)
    assert decide(frozenset({"refusal-changes-nothing"}))
    one = enough(FREES_WHILE_HELD, frozenset({"no-dangling"}))
    assert one(frozenset({"no-dangling"}))
    assert not one(frozenset({"no-failed-check"}))
    assert enough(replace(FREES_WHILE_HELD, expects={}), frozenset())(frozenset({"any"}))


def test_violations_are_said_when_found(engines: dict[str, object]) -> None:
    engines["explicit"] = both
    result = run("check", "--variant", "frees-while-held")
    assert result.exit_code == 1
    assert result.stderr == (
        "viommu-spec: refcount/frees-while-held: no-dangling is violated in 3 steps\n"
        "viommu-spec: refcount/frees-while-held: references-are-holders is violated in 4 steps\n"
        "viommu-spec: refcount/frees-while-held: no-failed-check is violated in 4 steps\n"
    )


def test_interrupted_with_a_violation_known_is_a_violation(
    engines: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    engines["explicit"] = both
    monkeypatch.setattr("checkers.engines.enough", lambda variant, selected: lambda broken: False)
    result = run("check", "--variant", "frees-while-held")
    assert result.exit_code == 1
    assert "no-dangling: violated, 3 steps" in result.stdout
    assert "interrupted; this is what is known" in result.stderr


def test_hint_repeats_the_options(engines: dict[str, object]) -> None:
    words = ["check", "refcount", "--variant", "frees-while-held", "--bounds", "objects=3"]
    words += ["--invariant", "no-dangling", "--seed", "7"]
    assert f"as files: viommu-spec {' '.join(words)} --traces DIR\n" in run(*words).stdout


def test_undeclared_breach_fails(
    engines: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    engines["explicit"] = both
    few = replace(FREES_WHILE_HELD, expects={"no-failed-check": 4})
    monkeypatch.setattr(machines, "variants", lambda: {few.name: few})
    result = run("check", "--variant", "all")
    assert result.exit_code == 1
    assert "deviates: violated in 3 steps, which it does not declare" in result.stdout
    assert "variants 0/1 fail as they declare (looked at as deep as that;" in result.stdout


@pytest.mark.usefixtures("toys")
@pytest.mark.parametrize("explorer", ["reference", "native"])
def test_undeclared_breach_beyond_the_declared_ones_is_found_deeper(
    monkeypatch: pytest.MonkeyPatch, explorer: str
) -> None:
    few = replace(FREES_WHILE_HELD, expects={"no-dangling": 3})
    monkeypatch.setattr(machines, "variants", lambda: {few.name: few})
    words = ("check", "--variant", "all", "--explorer", explorer)
    assert run(*words).exit_code == 0
    result = run(*words, "--deeper")
    assert result.exit_code == 1
    line = r"^frees-while-held +no-failed-check +4 +deviates: violated in 4 steps, which it"
    assert re.search(line, result.stdout, re.M)
    end = "variants 0/1 fail as they declare (looked at to the bounds or a limit)\n"
    assert result.stdout.endswith(end)


@pytest.mark.usefixtures("toys")
def test_variant_whose_action_never_fires_is_no_success(tmp_path: object) -> None:
    file = f"{tmp_path}/idle.py"
    with open(file, "w", encoding="utf-8") as out:
        out.write(IDLE)
    words = ("check", "tests/toys/mutex.py", "--variant", file, "--explorer", "reference")
    result = run(*words)
    assert result.exit_code == 1
    assert "never enabled: enter" in result.stdout


@pytest.mark.usefixtures("toys")
def test_variant_may_say_what_it_keeps_away() -> None:
    quiet = replace(LEAKS_ON_REFUSAL, without=("nobody", "put"))
    program = machines.program(machines.machine("refcount"), "", quiet)
    assert program.without == {*program.bounds.without, "nobody", "put"}


def test_usual_limit_of_a_variant_is_said(engines: dict[str, object]) -> None:
    def limited(program: Program, selected: frozenset[str], limits: Limits) -> list[Finding]:
        why = f"time limit of {limits.seconds:g} s met at depth 4"
        return [Finding("explicit", "no-dangling", Verdict.BOUNDED, why)]

    engines["explicit"] = limited
    result = run("check", "--variant", "frees-while-held", "-v")
    assert result.exit_code == 3
    said = "time limit of 300 s met at depth 4; the usual one of a variant: --time-limit sets"
    assert said in " ".join(result.stdout.split())
    given = run("check", "--variant", "frees-while-held", "--time-limit", "9")
    assert "the usual one" not in given.stdout


@pytest.mark.parametrize(("seconds", "memory"), [(0.001, 0), (0, 1)])
def test_limits_hold_in_preparation(
    engines: dict[str, object], seconds: float, memory: int
) -> None:
    def preparing(program: Program, selected: frozenset[str], limits: Limits) -> list[Finding]:
        while True:
            pass

    engines["explicit"] = preparing
    words = ("--time-limit", str(seconds), "--memory-limit", str(memory))
    result = run("check", "mutex", *words)
    assert result.exit_code == 3
    assert "met before the search began" in result.stdout + result.stderr


def test_watch_ends_with_the_preparation() -> None:
    with watching(limits_met(0.001, 0, time.monotonic())) as prepared:
        prepared()
        for _ in range(5):
            time.sleep(0.05)
    with pytest.raises(LimitMetError), watching(lambda: "enough"):
        time.sleep(60)


def ending(program: Program, selected: frozenset[str], limits: Limits) -> list[Finding]:
    os._exit(0)


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_results_do_not_depend_on_jobs(engines: dict[str, object], jobs: str) -> None:
    result = run("check", "--suite", "check", "--jobs", jobs)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert len(lines) == 9 + 2
    assert lines[3].startswith("mutex    small explicit 2/2 hold, 3 states, ")
    assert lines[-2].startswith("variants 2/2 fail as they declare (")
    # The stub calls itself by one name, whichever engine it stands for; one bounds are large.
    assert lines[-1].startswith("total: 4 checks and 2 variants, none with anything wrong ")


def test_what_is_wrong_in_a_suite_is_a_table(engines: dict[str, object]) -> None:
    engines["symbolic"] = stub.undecided
    result = run("check", "--suite", "check", "mutex")
    assert result.exit_code == 3
    assert "mutex, bounds small\n" in result.stdout
    assert "one-at-a-time  symbolic  bounded" in result.stdout


def test_lost_process_is_no_success(engines: dict[str, object]) -> None:
    engines["symbolic"] = ending
    runs = suite("check", ["mutex"])
    limits: Callable[[Run, str], Limits] = lambda run, name: Limits()  # noqa: E731
    rows = [row for done in together(runs, 2, limits) for row in done.rows]
    (lost,) = [row for row in rows if row.finding.rule == ALL]
    assert lost.finding.verdict is Verdict.BOUNDED
    assert lost.finding.detail == "its process ended without a result, with status 0"


@pytest.mark.parametrize("machine", MACHINES.values(), ids=lambda machine: machine.name)
def test_suites_name_bounds_and_engines_that_there_are(machine: Machine) -> None:
    for which in (machine.check, machine.exhaust):
        assert set(which) <= set(ENGINES)
        assert {name for names in which.values() for name in names} <= set(machine.bounds)


def test_every_engine_takes_the_usual_bounds() -> None:
    assert taken(MUTEX, "check") == dict.fromkeys(ENGINES, ("small",))
    assert taken(MUTEX, "exhaust") == {}


@pytest.mark.usefixtures("toys")
def test_lists_are_tables_and_can_be_filtered() -> None:
    table = run("list", "bounds", "refcount").stdout.splitlines()
    assert table[0].split() == ["bounds", "states", "orbits", "checked", "by", "why"]
    assert run("list", "variants", "--match", "REFUSAL").stdout.count("leaks-on-refusal") == 1
    assert "frees-while-held" not in run("list", "variants", "--match", "refusal").stdout

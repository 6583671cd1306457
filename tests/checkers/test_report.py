from __future__ import annotations

import io
import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest
from rich.console import Console

from checkers.report.formats import junit, tap
from checkers.report.manifest import judged, manifest
from checkers.report.row import Row, Status, said, status
from checkers.report.summary import line, needs_more, variants_line
from checkers.report.table import headline, traces_text, verdicts, verdicts_of_variants
from checkers.result import Finding, Limits, Renaming, Verdict, Violation
from checkers.trace.record import record
from spec.language import Bounds, build
from spec.language.steps import Step
from tests.checkers.stub import explore
from tests.toys.mutex import MUTEX
from tests.toys.refcount import FREES_WHILE_HELD, REFCOUNT


def finding(
    rule: str,
    verdict: Verdict = Verdict.HOLDS,
    length: int | None = None,
    engine: str = "explicit",
    induction: bool = False,
) -> Finding:
    steps = (Step("put", (1,)),) * (length or 0)
    violation = Violation(rule, b"", steps, induction=induction) if length is not None else None
    return Finding(engine, rule, verdict, violation=violation)


def row(item: Finding) -> Row:
    return Row("mutex", None, "small", item)


BROKEN = [
    finding("no-dangling", Verdict.VIOLATED, 3),
    finding("references-are-holders", Verdict.VIOLATED, 4),
    finding("no-failed-check", Verdict.VIOLATED, 4),
    finding("refusal-changes-nothing"),
]


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        ([Verdict.HOLDS, Verdict.PROVED], Status.HOLDS),
        ([Verdict.HOLDS, Verdict.BOUNDED], Status.INCONCLUSIVE),
        ([Verdict.BOUNDED, Verdict.VIOLATED], Status.VIOLATED),
        ([], Status.INCONCLUSIVE),
        ([Verdict.NOT_REFUTED], Status.INCONCLUSIVE),
        ([Verdict.NOT_REFUTED, Verdict.HOLDS], Status.HOLDS),
        ([Verdict.NOT_REFUTED, Verdict.VIOLATED], Status.VIOLATED),
    ],
)
def test_status(verdicts: list[Verdict], expected: Status) -> None:
    rows = [row(finding("rule", verdict)) for verdict in verdicts]
    assert status(rows) is expected
    stopped = Status.VIOLATED if expected is Status.VIOLATED else Status.INCONCLUSIVE
    assert status(rows, interrupted=True) is stopped


def test_random_runs_of_another_rule_are_inconclusive() -> None:
    other = row(finding("other", Verdict.NOT_REFUTED))
    assert status([row(finding("rule")), other]) is Status.INCONCLUSIVE
    assert status([row(finding("rule")), replace(other, machine="queue")]) is Status.INCONCLUSIVE


def test_verdict_in_words() -> None:
    assert said(replace(finding("rule"), states=7)) == "holds (exhausted 7 states)"
    assert said(finding("rule", Verdict.PROVED)) == "proved (all lengths)"
    assert said(replace(finding("rule", Verdict.BOUNDED), detail="time")) == "bounded (time)"


def deviation(found: list[Finding], *selected: str) -> str:
    """How findings differ from what a variant declares; empty if they do not."""
    compared = manifest(build(REFCOUNT, "small", FREES_WHILE_HELD), found, selected)
    assert compared is not None
    return "" if compared.verdict is Verdict.HOLDS else compared.detail


def test_what_a_variant_declares_is_what_the_engine_finds() -> None:
    program = build(REFCOUNT, "small", FREES_WHILE_HELD)
    assert not deviation(explore(program, frozenset(), Limits()))
    assert not deviation(BROKEN)


def test_each_difference_to_what_a_variant_declares_is_named() -> None:
    found = [
        finding("no-dangling", Verdict.VIOLATED, 2),
        finding("references-are-holders"),
        finding("no-failed-check", Verdict.BOUNDED),
    ]
    assert deviation(found).split("; ") == [
        "no-dangling is violated in 2 steps, expected in 3 steps",
        "references-are-holders is not violated, expected in 4 steps",
        "no-failed-check was not decided, expected in 4 steps",
    ]
    only = "references-are-holders is not violated, expected in 4 steps"
    assert deviation(found[1:2], "references-are-holders") == only


def test_a_longer_path_of_a_random_engine_is_no_difference() -> None:
    longer = finding("no-dangling", Verdict.VIOLATED, 9, "stateful")
    assert not deviation([*BROKEN, longer])
    assert not deviation([*BROKEN[1:], longer])
    assert deviation([*BROKEN[1:], finding("no-dangling", Verdict.VIOLATED, 2, "stateful")])


def test_a_counterexample_to_induction_breaks_nothing_that_is_declared() -> None:
    odd = finding("no-dangling", Verdict.VIOLATED, 1, "symbolic", induction=True)
    assert not deviation([*BROKEN, odd])
    assert deviation([*BROKEN[1:], odd]) == "no-dangling was not decided, expected in 3 steps"


def test_manifest_of_the_reference() -> None:
    program = build(MUTEX, "small")
    found = explore(program, frozenset(), Limits())
    same = manifest(program, found)
    assert same is not None
    assert same.verdict is Verdict.HOLDS
    wrong = manifest(replace(program, bounds=Bounds({"processes": 2}, states=4, depth=1)), found)
    assert wrong is not None
    assert wrong.verdict is Verdict.VIOLATED
    assert wrong.detail == "states: expected 4, found 3"


def test_manifest_has_figures_of_its_own_up_to_ids() -> None:
    bounds = Bounds({"processes": 2}, states=3, transitions=4, depth=1, orbits=(2, 2, 1))
    program = replace(build(MUTEX, "small"), bounds=bounds)
    found = [replace(x, states=2, transitions=2, renaming=Renaming.IDS)
             for x in explore(program, frozenset(), Limits())]
    row = manifest(program, found)
    assert row is not None
    figures = "2 states, 2 transitions, 1 depth"
    assert (row.verdict, row.detail) == (Verdict.HOLDS, f"{figures}, as declared")
    assert manifest(program, [replace(item, renaming=Renaming.NONE) for item in found]) is None


def test_manifest_says_nothing_of_a_part() -> None:
    program = build(MUTEX, "small")
    found = explore(program, frozenset(), Limits())
    assert manifest(program, found, {"one-at-a-time"}) is None
    assert manifest(program, [replace(found[0], verdict=Verdict.BOUNDED)]) is None
    assert manifest(program, [replace(found[0], engine="stateful")]) is None
    assert manifest(replace(program, bounds=Bounds({"processes": 2})), found) is None


def test_manifest_of_a_variant() -> None:
    program = build(REFCOUNT, "small", FREES_WHILE_HELD)
    same = manifest(program, BROKEN)
    wrong = manifest(program, [finding("no-dangling"), *BROKEN[1:]])
    assert same is not None
    assert same.verdict is Verdict.HOLDS
    assert wrong is not None
    assert wrong.verdict is Verdict.VIOLATED
    assert wrong.detail == "no-dangling is not violated, expected in 3 steps"
    assert manifest(replace(program, bounds_name="custom"), BROKEN) is None
    assert manifest(program, BROKEN[-1:], {"refusal-changes-nothing"}) is None


@pytest.mark.parametrize(
    "undecided",
    [
        pytest.param([], id="nobody-looked"),
        pytest.param([finding("no-dangling", Verdict.BOUNDED)], id="bounded"),
        pytest.param([finding("no-dangling", engine="stateful")], id="random"),
        pytest.param(
            [finding("no-dangling", Verdict.VIOLATED, 1, "symbolic", induction=True)],
            id="not-inductive",
        ),
    ],
)
def test_manifest_of_what_nobody_decided_is_bounded(undecided: list[Finding]) -> None:
    program = build(REFCOUNT, "small", FREES_WHILE_HELD)
    found = manifest(program, [*BROKEN[1:], *undecided])
    assert found is not None
    assert found.verdict is Verdict.BOUNDED
    assert found.detail == "no-dangling was not decided, expected in 3 steps"


def test_longer_path_beside_a_bounded_search_is_no_difference() -> None:
    found = [
        *BROKEN[1:],
        finding("no-dangling", Verdict.BOUNDED),
        finding("no-dangling", Verdict.VIOLATED, 9, "stateful"),
    ]
    assert not deviation(found)


def test_tap_and_junit_agree_on_odd_text() -> None:
    odd = replace(finding("rule", Verdict.BOUNDED), detail="#TODO <not> a \x1b[1mdirective\n")
    assert tap([row(odd)], interrupted=True) == (
        "TAP version 14\n1..1\n"
        "ok 1 - mutex small/rule [explicit] # SKIP bounded (\\#TODO <not> a \\x1b[1mdirective\\n)\n"
        "# mutex small [explicit]: 0.000 s for all its rules together\n"
        "Bail out! interrupted\n"
    )
    suite = ET.fromstring(junit([row(odd)])).find("testsuite")
    assert suite is not None
    assert (suite.attrib["name"], suite.attrib["skipped"]) == ("mutex small [explicit]", "1")
    skipped = suite.find("testcase/skipped")
    assert skipped is not None
    assert "<not> a" in skipped.attrib["message"]


def test_junit_has_a_time_for_the_engine_and_for_a_rule_its_own() -> None:
    shared = [replace(finding(name), seconds=2.0) for name in ("one", "two")]
    alone = replace(finding("three"), seconds=2.0, own_seconds=0.25)
    suite = ET.fromstring(junit([row(item) for item in (*shared, alone)])).find("testsuite")
    assert suite is not None
    assert suite.attrib["time"] == "2.000"
    about = suite.find("properties/property[@name='time']")
    assert about is not None
    assert about.attrib["value"] == "of all its rules together; a case has one if it is its own"
    cases = suite.findall("testcase")
    assert [case.get("time") for case in cases] == [None, None, "0.250"]
    lines = tap([row(item) for item in (*shared, alone)]).splitlines()
    assert lines[-1] == "# mutex small [explicit]: 2.000 s for all its rules together"
    assert lines[-2].endswith("/three [explicit] # holds, 0.250 s")


def test_random_runs_pass_nothing() -> None:
    random = row(replace(finding("rule", Verdict.NOT_REFUTED, engine="stateful"), detail="9 runs"))
    assert "ok 1 - mutex small/rule [stateful] # SKIP not refuted (9 runs)" in tap([random])
    assert ET.fromstring(junit([random])).find("testsuite/testcase/skipped") is not None


def test_a_line_for_many_rules() -> None:
    good = [row(replace(finding(name), states=7, seconds=2.04)) for name in ("one", "two")]
    assert line(good) == "mutex small explicit 2/2 hold, 7 states, 2.0 s"
    off = row(replace(finding("three", Verdict.VIOLATED), seconds=1.0))
    assert line([*good, off], (8, 0, 0)) == (
        "mutex    small explicit 2/3 hold, 1/3 violated, 7 states, 2.0 s"
    )
    drifted = row(finding("manifest", Verdict.VIOLATED))
    assert line([*good, drifted]) == (
        "mutex small explicit 2/2 hold, not as declared, 7 states, 2.0 s"
    )
    assert needs_more([*good, drifted])
    assert not needs_more([*good, row(finding("four", Verdict.NOT_REFUTED))])


def printed(rows: list[Row], width: int) -> str:
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(verdicts(rows, width))
    return console.export_text()


@pytest.mark.parametrize("width", [60, 80, 100, 160])
def test_table_breaks_no_name(width: int) -> None:
    name = "a-rule-with-a-name-longer-than-most"
    wrong = replace(finding(name, Verdict.BOUNDED), detail="the memory limit was met", states=10**7)
    text = printed([replace(row(wrong), machine="hwpt-sharing")], width)
    assert f"\n{name} " in text
    assert "bounded" in text
    assert "10000000" in text or width < 80
    assert "the memory limit was met" in " ".join(text.split())
    assert max(map(len, text.splitlines())) <= width


def test_what_all_rules_have_in_common_is_said_once() -> None:
    rows = [
        row(replace(finding(name), detail=f"exhausted 9 states; up to renaming of Table{more}"))
        for name, more in (("one", ""), ("two", "; cut by objects: 3"))
    ]
    text = printed(rows, 160)
    assert text.count("exhausted 9 states") == 1
    assert "notes: explicit: exhausted 9 states; up to renaming of Table\n" in text
    assert "cut by objects: 3" in text


HELD = build(REFCOUNT, "small", FREES_WHILE_HELD)


def of_variant(item: Finding, about: bool = False) -> Row:
    expected = FREES_WHILE_HELD.expects.get(item.rule)
    trace = None
    if item.verdict is Verdict.VIOLATED:
        (found,) = explore(HELD, frozenset({item.rule}), Limits())
        assert found.violation is not None
        trace = record(HELD, found.violation)
    name = FREES_WHILE_HELD.name
    return Row("refcount", name, "small", item, trace, expected=expected, about=about)


def test_variant_lists_what_is_broken_and_what_should_be() -> None:
    rows = [
        of_variant(finding("references-are-holders", Verdict.VIOLATED, 4)),
        of_variant(finding("no-dangling", Verdict.BOUNDED)),
        of_variant(finding("refusal-changes-nothing", Verdict.BOUNDED)),
        of_variant(finding("another", Verdict.BOUNDED)),
        of_variant(finding("a-third")),
    ]
    text = printed(rows, 100)
    assert "refcount/frees-while-held, bounds small\n" in text
    assert re.search(r"^references-are-holders +explicit +violated +4 ", text, re.M)
    assert re.search(r"^no-dangling +explicit +bounded .*expected in 3 steps", text, re.M)
    assert re.search(r"^others +explicit +bounded .*2 rules not decided", text, re.M)
    assert re.search(r"^others +explicit +holds .*1 rule holds", text, re.M)
    assert "another" not in text


def test_headline_is_what_the_variant_is_about() -> None:
    shorter = of_variant(finding("no-dangling", Verdict.VIOLATED, 3))
    about = of_variant(finding("references-are-holders", Verdict.VIOLATED, 4), about=True)
    assert headline([shorter, about]) is about
    assert headline([shorter, replace(about, about=False)]) is shorter
    assert headline([row(finding("rule"))]) is None
    text = traces_text([shorter, about])
    assert text.startswith("references-are-holders: violated, 4 steps\n1. create ")
    assert text.endswith("\nalso no-dangling violated, 3 steps\n")


@pytest.mark.parametrize(
    ("item", "verdict", "says"),
    [
        (finding("no-dangling", Verdict.VIOLATED, 3), Verdict.HOLDS, "as expected"),
        (
            finding("no-dangling", Verdict.VIOLATED, 2),
            Verdict.VIOLATED,
            "deviates: no-dangling is violated in 2 steps, expected in 3 steps",
        ),
        (
            finding("no-dangling"),
            Verdict.VIOLATED,
            "deviates: no-dangling is not violated, expected in 3 steps",
        ),
        (
            finding("no-dangling", Verdict.BOUNDED),
            Verdict.BOUNDED,
            "not decided, expected in 3 steps",
        ),
    ],
)
def test_variant_is_judged_by_what_it_declares(item: Finding, verdict: Verdict, says: str) -> None:
    beside = finding("refusal-changes-nothing", Verdict.VIOLATED, 1)
    assert judged(FREES_WHILE_HELD, "no-dangling", [beside, item]) == (verdict, says)


def test_variants_that_deviate_are_counted() -> None:
    good = of_variant(replace(finding("breaks no-dangling"), detail="as expected"))
    bad = replace(good, variant="other", finding=replace(good.finding, verdict=Verdict.BOUNDED))
    said = "variants 1/2 fail as they declare"
    assert variants_line([good, bad]).startswith(f"{said} (looked at as deep as that")
    assert variants_line([good, bad], deeper=True) == f"{said} (looked at to the bounds or a limit)"
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(verdicts_of_variants([good, bad]))
    assert "frees-while-held  no-dangling         as expected" in console.export_text()


def test_manifest_takes_what_a_variant_breaks_besides() -> None:
    beside = finding("refusal-changes-nothing", Verdict.VIOLATED, 1)
    found = manifest(HELD, [*BROKEN[:3], beside])
    assert found is not None
    assert found.verdict is Verdict.HOLDS

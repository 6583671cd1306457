from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from checkers import machines
from checkers.cells import changes, condensed, fields, frozen
from checkers.cli import main
from checkers.result import Violation
from checkers.trace.brief import brief
from checkers.trace.load import LARGEST, opened, resolve
from checkers.trace.record import DoesNotRunError, record, walk
from checkers.trace.replay import diverges
from checkers.trace.text import text
from checkers.userfiles import InputError
from spec.language import build, posted
from spec.language.rules import CRASH, TEARDOWN
from spec.language.steps import Step
from tests.toys.keys import ALONE
from tests.toys.queue import QUEUE
from tests.toys.refcount import FREES_WHILE_HELD, LEAKS_ON_REFUSAL, REFCOUNT

pytestmark = pytest.mark.usefixtures("toys")

HELD = build(REFCOUNT, "small", FREES_WHILE_HELD)
LEAKING = build(REFCOUNT, "small", LEAKS_ON_REFUSAL)
START = HELD.initial()[0]
DANGLING = Violation(
    "no-dangling", START, (Step("create", (1,)), Step("get", (2, 1)), Step("put", (2,))), (1,)
)
CRASHING = Violation(CRASH, START, (*DANGLING.steps, Step("put", (1,))), why="unused")
LEAK = Violation("refusal-changes-nothing", START, (Step("create", (1,), 2),))


def after(*steps: Step) -> bytes:
    """The state after some steps."""
    return walk(HELD, START, steps).states[-1]


NOT_INDUCTIVE = Violation(
    "no-dangling", after(*DANGLING.steps[:2]), DANGLING.steps[2:], (1,), induction=True
)

EMAIL = """\
no-dangling: violated, 3 steps
machine  refcount
variant  frees-while-held
bounds   small (objects=2, holders=2)

initial state
    every field is at its first value

1. create(holder=1)
     host: heap_allocate object=1 (0)
     objects[1]: alive no -> yes, references 0 -> 1
     holders[1]: holds 0 -> 1

2. get(holder=2, item=1)
     objects[1]: references 1 -> 2
     holders[2]: holds 0 -> 1

3. put(holder=2)
     objects[1]: alive yes -> no, references 2 -> 1
     holders[2]: holds 1 -> 0

violated: no-dangling
    What is held is alive.
    holder is holders[1]
    around:
      holders[1].holds -> objects[1]
"""


def test_text_is_a_mail() -> None:
    assert text(record(HELD, DANGLING)) == EMAIL


def test_text_says_what_the_variant_is_of() -> None:
    said = posted("002 rfcv3", "002 15/21", "never merged").rows()
    assert """\
variant  frees-while-held
         posted, read, never merged
         of 002 rfcv3
         read in 002 15/21
         today never merged
bounds   small""" in text(record(HELD, DANGLING), said)


BRIEF = """\
no-dangling: violated, 3 steps
1. create holder=1
     heap_allocate object=1 (0)
2. get holder=2 item=1
3. put holder=2
broken: What is held is alive.
    holder is holders[1] (holds 1)
"""


def test_brief_has_no_states() -> None:
    assert brief(record(HELD, DANGLING)) == BRIEF


def test_brief_marks_what_was_refused() -> None:
    said = brief(record(LEAKING, LEAK))
    calls = "     heap_allocate object=1 (0) ; ! heap_allocate object=0 (-ENOMEM)\n"
    assert f"1. create holder=1 = -ENOMEM\n{calls}" in said
    crash = brief(record(HELD, Violation(CRASH, START, CRASHING.steps, why="a freed object")))
    assert "4. put holder=1 -- a check fails\n" in crash
    assert "    failed check: a freed object\n" in crash


def test_injected_failure_is_said() -> None:
    said = text(record(LEAKING, LEAK))
    assert "1. create(holder=1, fault=2) = -ENOMEM\n" in said
    assert "     host: heap_allocate object=0 (-ENOMEM) [injected]\n" in said


def test_crash_names_the_check() -> None:
    violation = Violation(CRASH, START, CRASHING.steps, why="release of a freed object")
    said = text(record(HELD, violation))
    assert "4. put(holder=1)\n     and here a check fails\n" in said
    assert "failed check: release of a freed object" in said


def test_text_is_ascii_in_72_columns() -> None:
    trace = msgspec.to_builtins(record(HELD, DANGLING))
    trace["machine"] = "a/very/" * 30 + "\x1b[31mlong\u202e path.py"
    trace["violation"]["about"] = "Words and words. " * 20
    trace["steps"][0]["changes"] = {f"objects[{n}].alive": (False, True) for n in range(40)}
    said = text(msgspec.convert(trace, type(record(HELD, DANGLING))))
    assert said.isascii()
    assert "\x1b" not in said
    assert max(map(len, said.splitlines())) <= 72
    assert "and fields of 24 more rows" in said
    trace["steps"][0]["brief"] = "create " + "of many words " * 20
    trace["steps"][0]["calls"] *= 9
    said = brief(msgspec.convert(trace, type(record(HELD, DANGLING))))
    assert said.isascii()
    assert max(map(len, said.splitlines())) <= 72


def test_missing_binding_is_found() -> None:
    trace = record(HELD, Violation("no-dangling", START, DANGLING.steps))
    assert trace.violation is not None
    assert trace.violation.binding["holder"].label == "holders[1]"


@pytest.mark.parametrize(
    "steps",
    [
        pytest.param((Step("put", (1,)),), id="disabled"),
        pytest.param((*CRASHING.steps, Step("create", (2,))), id="after-a-crash"),
    ],
)
def test_path_that_is_none_is_not_recorded(steps: tuple[Step, ...]) -> None:
    with pytest.raises(DoesNotRunError):
        record(HELD, Violation("no-dangling", START, steps))


def save(tmp_path: Path, content: dict[str, Any]) -> str:
    file = tmp_path / "trace.json"
    file.write_text(json.dumps(content))
    return str(file)


def saved(violation: Violation = DANGLING) -> dict[str, Any]:
    program = LEAKING if violation is LEAK else HELD
    found: dict[str, Any] = json.loads(msgspec.json.encode(record(program, violation)))
    return found


@pytest.mark.parametrize("violation", [DANGLING, LEAK], ids=["state", "on-failure"])
def test_load_and_replay(tmp_path: Path, violation: Violation) -> None:
    path = save(tmp_path, saved(violation))
    assert json.loads(msgspec.json.encode(opened(path).trace)) == saved(violation)
    assert diverges(opened(path)) == ""


def test_custom_bounds_survive(tmp_path: Path) -> None:
    program = machines.program(REFCOUNT, "objects=3,holders=4", FREES_WHILE_HELD)
    trace = record(program, Violation("no-dangling", program.initial()[0], DANGLING.steps, (1,)))
    found = opened(save(tmp_path, json.loads(msgspec.json.encode(trace))))
    assert found.program.layout.size == program.layout.size
    assert diverges(found) == ""


def test_induction_starts_anywhere() -> None:
    trace = record(HELD, NOT_INDUCTIVE)
    assert trace.kind == "induction"
    assert diverges(resolve(trace)) == ""
    assert "not inductive" in text(trace)
    anywhere = record(HELD, replace(NOT_INDUCTIVE, induction=False))
    assert "initial state" in diverges(resolve(anywhere))


def test_run_is_no_counterexample_to_induction() -> None:
    assert record(HELD, replace(DANGLING, induction=True)).kind == "state"
    trace = msgspec.structs.replace(record(HELD, DANGLING), kind="induction")
    assert diverges(resolve(trace)) == '$.kind: was "induction", now "state"'


@pytest.mark.parametrize(
    ("initial", "steps", "says"),
    [
        (NOT_INDUCTIVE.initial, (), "0 steps are no step of an induction"),
        (after(*DANGLING.steps[:1]), DANGLING.steps[1:], "2 steps are no step of an induction"),
        (after(*DANGLING.steps), (Step("create", (2,)),), "no-dangling is broken before the step"),
    ],
)
def test_step_of_an_induction_is_one_from_where_all_rules_hold(
    initial: bytes, steps: tuple[Step, ...], says: str
) -> None:
    trace = record(HELD, Violation("no-dangling", initial, steps, (1,), induction=True))
    assert diverges(resolve(trace)) == says


def test_teardown_is_searched_again() -> None:
    state = frozen(HELD.layout, {"objects[2].alive": True}, "here")
    stuck = record(HELD, Violation(TEARDOWN, state, (), induction=True))
    assert diverges(resolve(stuck)) == ""
    down = record(HELD, Violation(TEARDOWN, START, (Step("create", (1,)),)))
    assert "can be taken down" in diverges(resolve(down))


CHANGED: list[tuple[Callable[[Any], Any], str]] = [
    (lambda t: t["steps"][2]["changes"].clear(), "step 3 (put): field objects[1].alive did not"),
    (lambda t: t["steps"][0]["calls"].clear(), "step 1 (create): made 0 host calls, now 1"),
    (lambda t: t["steps"][0]["calls"][0].update(event="other"), "host call 1 event was other"),
    (lambda t: t["steps"][0].update(result="-ENOMEM"), "reported -ENOMEM, now 0"),
    (lambda t: t["steps"][1].update(brief="get"), "step 2 (get): was called get, now get holder=2"),
    (lambda t: t["steps"][2].update(ends="crash"), "ended in crash, now in done"),
    (lambda t: t["steps"].pop(1), "step 2: put(holder=2) is not enabled"),
    (lambda t: t["steps"].pop(), "no-dangling holds at the end"),
    (lambda t: t.update(variant=None), "step 3 (put): field objects[1].alive"),
    (lambda t: t["violation"].update(about="All well."), '$.violation.about: was "All well."'),
    (lambda t: t["violation"].update(why="bad luck"), '$.violation.why: was "bad luck", now ""'),
    (lambda t: t["violation"]["around"].append("more"), "$.violation.around: was ["),
    (
        lambda t: t["violation"]["binding"]["holder"].update(label="the wrong one"),
        '$.violation.binding.holder.label: was "the wrong one", now "',
    ),
    (
        lambda t: t["violation"]["binding"]["holder"]["fields"].clear(),
        "$.violation.binding.holder.fields.",
    ),
    (lambda t: t["bounds"].update(name="huge"), '$.bounds.name: was "huge", now "custom"'),
    (lambda t: t.update(kind="crash"), '$.kind: was "crash", now "state"'),
    (lambda t: t["steps"][1].update(brief=""), "step 2 (get): was called , now get holder=2"),
]


@pytest.mark.parametrize(("change", "says"), CHANGED)
def test_replay_diverges(tmp_path: Path, change: Callable[[Any], Any], says: str) -> None:
    trace = saved()
    change(trace)
    assert says in diverges(opened(save(tmp_path, trace)))


BAD: list[tuple[Callable[[Any], Any], str]] = [
    (lambda t: t.update(version=2), "$.version: 2"),
    (lambda t: t.update(version="1"), "$.version"),
    (lambda t: t.pop("version"), "version"),
    (lambda t: t.update(machine="refcont"), "$.machine: no machine is called 'refcont'"),
    (lambda t: t.update(machine="/nowhere.py"), "$.machine: /nowhere.py: No such file"),
    (lambda t: t.update(variant="frees"), "$.variant: no variant"),
    (lambda t: t.update(colour=1), "unknown field `colour`"),
    (lambda t: t.update(kind="best"), "$.kind"),
    (lambda t: t.update(kind="run"), "$.violation"),
    (lambda t: t.update(violation=None), "$.violation"),
    (lambda t: t.pop("steps"), "steps"),
    (lambda t: t["bounds"]["values"].update(rows=1), "no bound 'rows'"),
    (lambda t: t["bounds"]["values"].update(objects=1000), "$.bounds.values.objects: 1000"),
    (lambda t: t["bounds"]["values"].pop("objects"), "objects"),
    (lambda t: t["initial"].update({"objects[9].alive": True}), "no field 'objects[9].alive'"),
    (lambda t: t["initial"].update({"objects[1].alive": 1}), "$.initial.objects[1].alive: 1"),
    (lambda t: t["initial"].update({"holders[1].holds": 3}), "3 is not a number from 0 to 2"),
    (lambda t: t["steps"][0].update(action="creat"), "$.steps[0].action: no action"),
    (lambda t: t["steps"][0].update(fault=-1), "$.steps[0].fault: -1"),
    (lambda t: t["steps"][1].update(fault=1), "$.steps[1].fault: 1 is no fault of get"),
    (lambda t: t["steps"][0].update(fault="one"), "$.steps[0].fault"),
    (lambda t: t["steps"][1]["parameters"].update(item=3), "$.steps[1].parameters.item: 3"),
    (lambda t: t["steps"][1]["parameters"].update(item=0), "$.steps[1].parameters.item: 0"),
    (lambda t: t["steps"][1]["parameters"].update(item=True), "$.steps[1].parameters.item: True"),
    (lambda t: t["steps"][1]["parameters"].update(item=1.5), "$.steps[1].parameters[...]"),
    (lambda t: t["steps"][1]["parameters"].update(other=1), "has no parameter 'other'"),
    (lambda t: t["steps"][1]["parameters"].pop("item"), "lacks parameter 'item'"),
    (lambda t: t["steps"][0]["changes"].update(x=[0, 1]), "$.steps[0].changes: the machine has"),
    (lambda t: t["steps"][0]["changes"].update({"objects[1].alive": [0]}), "$.steps[0].changes["),
    (lambda t: t["violation"].update(rule="no-danger"), "$.violation.rule: no rule"),
    (lambda t: t["violation"]["binding"].pop("holder"), "$.violation.binding: no_dangling lacks"),
    (lambda t: t["violation"]["binding"]["holder"].update(value=7), "$.violation.binding.hol"),
]


def refuses(path: str) -> str:
    with pytest.raises(InputError) as caught:
        opened(path)
    said = str(caught.value)
    assert said.startswith(f"{path}: ")
    for command in ("replay", "show"):
        result = CliRunner().invoke(main, [command, path])
        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr == f"viommu-spec: {said}\n"
    return said


@pytest.mark.parametrize(("change", "says"), BAD)
def test_bad_trace_is_refused(tmp_path: Path, change: Callable[[Any], Any], says: str) -> None:
    trace = saved()
    change(trace)
    assert says in refuses(save(tmp_path, trace))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"null",
        b"[]",
        b"\xff\xfe",
        b'{"version": 1',
        json.dumps(saved()).encode()[:-40],
        b'{"version":' + b"[" * 100_000,
        b'{"version": 1, "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"version": 1e400}',
    ],
    ids=range(9),
)
def test_bytes_that_are_no_trace_are_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "trace.json"
    file.write_bytes(content)
    refuses(str(file))


def test_huge_file_is_refused_unread(tmp_path: Path) -> None:
    file = tmp_path / "trace.json"
    with file.open("wb") as out:
        out.truncate(LARGEST + 1)
    assert "MiB is no trace" in refuses(str(file))


def test_folder_is_refused(tmp_path: Path) -> None:
    assert "Is a directory" in refuses(str(tmp_path))


SMALL_QUEUE = build(QUEUE, "small")


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3)), min_size=3, max_size=3))
def test_fields_and_states_are_the_same_thing(cells: list[tuple[int, int]]) -> None:
    layout = SMALL_QUEUE.layout
    values = {f"cells[{n}].item": item for n, (item, _) in enumerate(cells, 1)}
    values |= {f"cells[{n}].after": after for n, (_, after) in enumerate(cells, 1)}
    state = frozen(layout, values, "here")
    assert fields(layout, state) == values
    assert frozen(layout, condensed(layout, state), "here") == state
    cleared = frozen(layout, {}, "here")
    assert set(changes(layout, cleared, state)) == set(condensed(layout, state))


CHOSEN = Violation(
    "same-key", build(ALONE, "small").initial()[0],
    (Step("lend_alone", ()), Step("give_back", (1,)), Step("lend_alone", (), 0, (2,))), (2,),
)  # fmt: skip


def test_the_ids_that_fresh_took_are_written_read_and_taken_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machines, "registry", lambda: {"alone": ALONE})
    trace = record(build(ALONE, "small"), CHOSEN)
    file = tmp_path / "chosen.json"
    file.write_bytes(msgspec.json.encode(trace))
    again = opened(str(file))
    assert again.violation.steps == CHOSEN.steps
    assert diverges(again) == ""
    assert "3. lend_alone(ids=2)" in text(trace)
    assert "3. lend_alone ids=2" in brief(trace)


def test_ids_that_no_call_can_take_are_no_run() -> None:
    program = build(ALONE, "small")
    wrong = Violation("same-key", CHOSEN.initial, (Step("lend_alone", (), 0, (4,)),), (2,))
    with pytest.raises(DoesNotRunError, match=r"step 1: lend_alone\(ids=4\) is not enabled"):
        record(program, wrong)

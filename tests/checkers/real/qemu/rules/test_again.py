"""A trace of a guest is shown, and done again on a QEMU: reproduced, or no longer."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from checkers.cli import main
from checkers.output import save
from checkers.real.qemu.rules import again, platforms
from checkers.real.qemu.rules.acts import Act
from checkers.real.qemu.rules.platforms import Platform
from checkers.trace.format import VERSION, GuestTrace
from tests.checkers.real.qemu.rules.toy import ToyRun

GIVEN = {"entry": ((1, 2),), "invalidate": (), "root": (), "end": ()}
ABORTS = (Act("entry", (1,)), Act("invalidate"), Act("root"))
SILENT = (Act("entry", (1,)), Act("invalidate", refused=1))


def toy(monkeypatch: pytest.MonkeyPatch, defect: str) -> None:
    """The VT-d that traces are done again on is a toy with this defect."""
    of = Platform("a toy", "toy", lambda qemu, check: ToyRun(defect), GIVEN)
    monkeypatch.setattr(again, "PLATFORMS", {"vtd": of})
    monkeypatch.setattr(platforms, "binary", lambda name, qemu: type("Toy", (), {"version": "2"}))


@pytest.fixture
def file(tmp_path: Path) -> Callable[[str, tuple[Act, ...]], Path]:
    """Writes the trace of what a toy does."""

    def written(defect: str, acts: tuple[Act, ...]) -> Path:
        run, path = ToyRun(defect), tmp_path / "trace.json"
        (wrong,) = [item for act in acts for item in run.take(act)]
        trace = GuestTrace(
            version=VERSION, kind="guest", platform="vtd", qemu="1", without_kvm_check=False,
            steps=run.seen, violation=wrong, known="V-20: it forgets", log=run.log,
        )  # fmt: skip
        save(trace, str(path))
        return path

    return written


def said(*words: str | Path) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


SHOWN = """\
the_guest_gets_what_is_due: violated, 2 steps
guest    vtd on QEMU 1
known    V-20: it forgets
1. every device is unplugged, and QEMU told to go
     : 1:DEVICE users=2; 2:IOAS users=1; 3:HWPT_PAGING<2 users=1; dev1
       @1 on 3; dev2 unbound
2. every device is unplugged, and QEMU told to go, HWPT_ALLOC refused
     host: HWPT_ALLOC dev1 -> ENOMEM!
     : 1:DEVICE users=2; 2:IOAS users=1; 3:HWPT_PAGING<2 users=1; dev1
       @1 on 3; dev2 unbound
broken: invalidate, HWPT_ALLOC refused: table is due, it stays table
    dev1: table 0; due: table 1
"""

Written = Callable[[str, tuple[Act, ...]], Path]


def test_it_is_shown(file: Written) -> None:
    path = file("silent", SILENT)
    assert said("show", path).output == SHOWN
    brief = [line for line in SHOWN.splitlines() if not line.startswith("     ")]
    assert said("show", path, "--format", "brief").output.splitlines() == brief


def test_what_qemu_wrote_is_shown(file: Written) -> None:
    path = file("aborts", ABORTS)
    assert (
        "broken: root: it ended by SIGABRT in gives_up\n    QEMU: ERROR:"
        in said("show", path).output
    )


def test_what_is_of_the_repetition_is_said(file: Written) -> None:
    path = file("silent", SILENT)
    document = json.loads(path.read_text())
    document["steps"][1].update(again=1)
    path.write_text(json.dumps(document))
    shown = said("show", path).output
    assert "go, HWPT_ALLOC refused,\n     then again without\n     again:\n     host: " in shown


@pytest.mark.parametrize(("defect", "acts"), [("silent", SILENT), ("aborts", ABORTS)])
def test_it_is_reproduced(
    file: Written, defect: str, acts: tuple[Act, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = file(defect, acts)
    toy(monkeypatch, defect)
    came = said("replay", path)
    assert (came.exit_code, came.output.count("\n")) == (0, 1)
    assert came.output.startswith(f"reproduced on QEMU 2: {len(acts)} steps, ")


def test_it_is_no_longer(file: Written, monkeypatch: pytest.MonkeyPatch) -> None:
    path = file("silent", SILENT)
    toy(monkeypatch, "retries")
    came = said("replay", path)
    assert came.exit_code == 1
    assert came.output.startswith("no longer, on QEMU 2: the_guest_gets_what_is_due: invalidate, ")
    assert "     host: HWPT_ALLOC dev1 -> ENOMEM!\n" in came.output


def test_another_defect_is_said(file: Written, monkeypatch: pytest.MonkeyPatch) -> None:
    path = file("silent", (*SILENT, Act("invalidate"), Act("root")))
    toy(monkeypatch, "aborts")
    came = said("replay", path)
    assert came.exit_code == 1
    assert "\nbut qemu_goes_on: root: it ended by SIGABRT in gives_up\n" in came.output


@pytest.mark.parametrize(
    ("change", "where"),
    [
        (lambda t: t.update(platform="vt"), "$.platform: no platform is called 'vt'"),
        (lambda t: t["steps"][0].update(act="en"), "$.steps[0].act: no action is called 'en'"),
        (
            lambda t: t["steps"][0].update(given=[7]),
            "$.steps[0].given: [7] are no numbers of entry",
        ),
        (lambda t: t["steps"][0].update(given=[]), "$.steps[0].given: [] are no numbers of entry"),
        (lambda t: t["steps"][0].update(refuse=-1), "$.steps[0].refuse: -1 is the number"),
        (lambda t: t["steps"][0].update(more=1), "$.steps[0]"),
        (lambda t: t.update(steps=[]), "$.steps"),
        (lambda t: t.update(version=2), "$.version: 2"),
        (lambda t: t.pop("violation"), "violation"),
    ],
)
def test_a_damaged_file_is_one_line(
    file: Written, change: Callable[[dict[str, Any]], Any], where: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    path = file("silent", SILENT)
    toy(monkeypatch, "silent")
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))
    came = said("replay", path)
    assert came.exit_code == 2
    assert came.output.count("\n") == 1
    assert str(path) in came.output
    assert where in came.output


def test_other_forms_and_other_traces_are_refused(file: Written) -> None:
    path = file("silent", SILENT)
    came = said("show", path, "--format", "html")
    assert (came.exit_code, came.output.count("\n")) == (2, 1)
    assert "a guest on a QEMU is shown as text or brief, not as html" in came.output


def test_without_a_qemu_it_is_one_line(file: Written, tmp_path: Path) -> None:
    path = file("aborts", ABORTS)
    document = json.loads(path.read_text())
    del document["steps"][:2]
    path.write_text(json.dumps(document))
    came = said("replay", path, "--qemu", tmp_path)
    assert (came.exit_code, came.output.count("\n")) == (2, 1)
    assert "no program" in came.output

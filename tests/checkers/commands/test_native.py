"""The command with the native explorer: its limits, what ends it, and what it found wrong once."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from checkers.explore.native import search
from tests.checkers.test_cli import ROOT, refused, run
from tests.checkers.test_user_files import command

LARGE = ("check", "tests/toys/refcount.py", "--bounds", "large", "--symmetry", "none")
KEYS = ("check", "tests/toys/keys.py:KEYS", "--symmetry", "none")

LEFT_BEHIND = '''
"""Where the attach is refused the new HWPT is not destroyed."""
from spec.iommufd.calls import iommufd_cdev_attach_ioas_hwpt
from spec.iommufd.objects import Errno, Object, PgTable
from spec.language import NONE, Fault, Id, overrides
from spec.vtd.ioas_container import vtd_create_s1_hwpt, vtd_device_attach_hwpt
from spec.vtd.state import IntelIOMMUState, Pgtt, VTDAddressSpace, VTDS2Hwpt

@overrides(vtd_device_attach_hwpt)
def left_behind(
    s: IntelIOMMUState, vtd_as: Id[VTDAddressSpace], s2: Id[VTDS2Hwpt], pgtt: Pgtt, flpt: PgTable,
    fault: Fault,
) -> tuple[Errno, Id[Object]]:
    """It stays."""
    err = Errno.OK
    hwpt = s.s2_hwpts[s2].hwpt_id
    if pgtt == Pgtt.FLT:
        err, hwpt = vtd_create_s1_hwpt(s, vtd_as, s2, flpt, fault)
        if err != Errno.OK:
            return err, NONE
    err = iommufd_cdev_attach_ioas_hwpt(s, s.address_spaces[vtd_as].hiod, hwpt, fault)
    if err != Errno.OK:
        return err, NONE
    return Errno.OK, hwpt
'''

OVEN = '''
"""An oven whose host call crashes when it is hot, and may fail before that."""
from enum import IntEnum
from spec.language import Bounds, Fault, Machine, State, check, host_call, invariant

class Errno(IntEnum):
    """Answers."""
    OK = 0
    EBUSY = 16

class Oven(State):
    """Is it hot, and has heating failed then?"""
    hot: bool
    failed: bool

def cold(s: Oven) -> None:
    """It is cold."""

@host_call("heat ({ret})", fails=Errno.EBUSY)
def heat(s: Oven, fault: Fault) -> Errno:
    """It is hot."""
    check(not s.hot, "it burns")
    s.hot = True
    return Errno.OK

def turn(s: Oven, fault: Fault) -> Errno:
    """Heat it."""
    err = heat(s, fault)
    if err != Errno.OK:
        s.failed = s.hot
    return err

@invariant()
def never_failed(s: Oven) -> bool:
    """Heating does not fail when it is hot."""
    return not s.failed

OVEN = Machine("oven", Oven, cold, (turn,), {"small": Bounds({})}, invariants=(never_failed,))
'''

COUNTER = '''
"""A counter that a neighbour counts up."""
from typing import Annotated
from neighbour import up
from spec.language import Bounds, Machine, Range, State

class Counter(State):
    """One number."""
    number: Annotated[int, Range(0, 5)]

def zero(s: Counter) -> None:
    """It is 0."""

def count_up(s: Counter) -> None:
    """It is one more."""
    s.number = up(s.number)

COUNTER = Machine("counter", Counter, zero, (count_up,), {"small": Bounds({})})
'''

NEIGHBOUR = '''
from spec.language import require

def up(number: int) -> int:
    """One more."""
    require(number < 3)
    return number + 1
'''


def found(*words: str) -> list[dict[str, Any]]:
    """The results of a check, without times."""
    results: list[dict[str, Any]] = json.loads(run(*words, "--json", "-").stdout)["results"]
    return [{key: item[key] for key in item if key != "seconds"} for item in results]


def signalled(number: str, writes: int, *words: str) -> subprocess.CompletedProcess[str]:
    """The command, which has this signal when so many files have been written."""
    program = (
        "import os, signal\n"
        f"left, really = [{writes}], os.fsync\n"
        "def sync(number):\n"
        "    left[0] -= 1\n"
        f"    os.kill(os.getpid(), signal.{number}) if not left[0] else really(number)\n"
        "os.fsync = sync\n"
        "from checkers.supervise import main\n"
        "main()\n"
    )
    return subprocess.run(
        [sys.executable, "-c", program, *words], cwd=ROOT, capture_output=True, text=True,
        check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("signal", "says"),
    [
        ("SIGKILL", "viommu-spec: no verdict: ended by signal 9"),
        ("SIGINT", "viommu-spec: interrupted; this is what is known"),
    ],
)
def test_what_a_signal_ended_goes_on(signal: str, says: str, tmp_path: Path) -> None:
    ended = signalled(signal, 9, *KEYS, "--checkpoint", str(tmp_path))
    assert ended.returncode == 3
    assert says in ended.stderr
    assert "exhausted" not in ended.stdout
    levels = len(list(tmp_path.glob("level-?????")))
    assert 3 < levels < 10
    again = found(*KEYS, "--resume", str(tmp_path))
    assert (again[0]["states"], again[0]["transitions"], again[0]["depth"]) == (298, 1016, 9)
    assert again == found(*KEYS)
    assert found(*KEYS, "--resume", str(tmp_path)) == again


def test_a_changed_module_that_the_machine_imports_refuses_to_resume(tmp_path: Path) -> None:
    (tmp_path / "counter.py").write_text(COUNTER)
    (tmp_path / "neighbour.py").write_text(NEIGHBOUR)
    words = ("check", str(tmp_path / "counter.py"))
    done = command(*words, "--checkpoint", str(tmp_path / "levels"))
    assert done.returncode == 0, done.stderr
    (tmp_path / "neighbour.py").write_text(NEIGHBOUR.replace("< 3", "< 4"))
    done = command(*words, "--resume", str(tmp_path / "levels"))
    assert done.returncode == 2
    assert "have changed since it was saved" in done.stderr


def test_memory_limit_and_scratch(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A search that has less memory than one chunk of states needs."""
    whole = found(*LARGE)
    assert {(row["states"], row["verdict"]) for row in whole} == {(3125, "holds")}
    monkeypatch.setattr(search, "LEAST", 1 << 17)
    monkeypatch.setattr(search, "memory_mib", lambda: 1e9)
    limited = run(*LARGE, "--memory-limit", "4000")
    assert limited.exit_code == 3
    assert "memory limit of 4000 MiB met at depth 0" in limited.stdout
    assert "holds" not in limited.stdout
    onto_disk = found(*LARGE, "--memory-limit", "4000", "--scratch", str(tmp_path))
    assert all(row.pop("detail").endswith("put on disk") for row in onto_disk)
    assert onto_disk == [{key: row[key] for key in row if key != "detail"} for row in whole]
    assert not list(tmp_path.iterdir())
    assert "scratch is for what exceeds" in refused(run(*LARGE, "--scratch", str(tmp_path)))


def test_a_refusal_is_judged_before_data_are_renamed(tmp_path: Path) -> None:
    """The explorer once took the state before for another one, and lost all results."""
    (tmp_path / "left.py").write_text(LEFT_BEHIND)
    rules = ("a-refusal-keeps-bindings", "a-refusal-leaves-nothing-behind")
    options = [word for rule in rules for word in ("--invariant", rule)]
    result = run("check", "hwpt-sharing", "--variant", str(tmp_path / "left.py"), *options)
    assert result.exit_code == 1, result.output
    assert f"{rules[1]}: violated, " in result.stdout
    assert f"{rules[0]}: violated, " not in result.stdout
    assert "wrong" not in result.output


def test_a_guard_behind_a_host_call_hides_no_step() -> None:
    words = ("--bounds", "slots=3,devices=1,groups=1", "--symmetry", "none")
    rows = found("check", "iommufd-objects", "--explorer", "native", *words)
    assert {(row["states"], row["transitions"], row["depth"]) for row in rows} == {(384, 26_148, 9)}


@pytest.mark.parametrize("explorer", ["native", "reference"])
def test_a_check_in_a_host_call_hides_no_fault(explorer: str, tmp_path: Path) -> None:
    (tmp_path / "oven.py").write_text(OVEN)
    rows = found("check", str(tmp_path / "oven.py"), "--explorer", explorer)
    broken = {row["rule"]: len(row["trace"]["steps"]) for row in rows if row["trace"]}
    assert broken == {"never-failed": 2, "no-failed-check": 2}
    assert (rows[0]["states"], rows[0]["transitions"]) == (3, 4)

"""What the first page shows is what the program does."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")

FIXED = """
    if old != NONE:
        vtd_release_hwpt(s, old, old_s2, fault)
"""


def blocks(language: str) -> list[str]:
    """The fenced blocks of a language, in their order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.M | re.S)


def check(*words: str) -> subprocess.CompletedProcess[str]:
    program = "from checkers.cli import main; main()"
    line = [sys.executable, "-c", program, "check", *words]
    return subprocess.run(line, capture_output=True, text=True, check=False)


def test_trace_is_what_the_command_prints() -> None:
    (shown,) = blocks("text")
    assert "viommu-spec check hwpt-sharing --variant vtd-rfcv3\n" in README
    done = check("hwpt-sharing", "--variant", "vtd-rfcv3")
    assert done.returncode == 1, done.stderr
    assert shown in done.stdout
    assert max(map(len, shown.splitlines())) <= 72


def leak(file: Path) -> subprocess.CompletedProcess[str]:
    words = ("hwpt-sharing", "--variant", str(file), "--invariant", "no-leaked-object")
    return check(*words)


def test_variant_leaks(tmp_path: Path) -> None:
    file = tmp_path / "overwrites.py"
    file.write_text(blocks("python")[0])
    done = leak(file)
    assert done.returncode == 1, done.stderr
    assert "no-leaked-object: violated, 4 steps\n" in done.stdout


@pytest.mark.parametrize("guarded", [True, False])
def test_machine_of_ones_own(tmp_path: Path, guarded: bool) -> None:
    text = blocks("python")[1]
    guard = re.search(r"^    require.*\n", text, re.M)
    assert guard is not None
    file = tmp_path / "airlock.py"
    file.write_text(text if guarded else text.replace(guard[0], ""))
    done = check(str(file))
    assert done.returncode == (0 if guarded else 1), done.stderr
    assert guarded == ("one-open: violated, 2 steps\n" not in done.stdout)


def test_variant_holds_once_it_releases_what_was_bound(tmp_path: Path) -> None:
    text = blocks("python")[0]
    old = "    old = s.address_spaces[vtd_as].hwpt_id\n"
    old += "    old_s2 = s.address_spaces[vtd_as].s2_hwpt\n"
    text = text.replace("    s.s2_hwpts[s2].users", old + "    s.s2_hwpts[s2].users")
    text = text.replace("import Fault", "import NONE, Fault")
    text = text.replace("import vtd_set_hwpt", "import vtd_release_hwpt, vtd_set_hwpt")
    file = tmp_path / "releases.py"
    file.write_text(text + FIXED.lstrip("\n"))
    done = leak(file)
    assert done.returncode == 0, done.stdout + done.stderr

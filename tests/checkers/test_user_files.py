"""Whatever a file does when it is read: no success without a verdict, one line, status 2."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from checkers import userfiles
from tests.checkers.test_cli import ROOT, VARIANT_FILE, refused, run


def command(*words: str) -> subprocess.CompletedProcess[str]:
    """The command as it is installed, in processes of its own."""
    program = "from checkers.supervise import main; main()"
    return subprocess.run(
        [sys.executable, "-c", program, *words], cwd=ROOT, capture_output=True, text=True,
        check=False,
    )  # fmt: skip


def variant(folder: Path, more: str) -> str:
    file = folder / "bad.py"
    file.write_text(VARIANT_FILE + "\nimport os, sys, atexit, threading, time\n" + more)
    return str(file)


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ("exit(0)\n", "bad.py:13: ends the program when it is read"),
        ("sys.exit(0)\n", "bad.py:13: ends the program when it is read"),
        ("raise GeneratorExit('no')\n", "bad.py:13: GeneratorExit: no"),
        ("sys.stdout.close(); os.close(1)\n", "closes stdout or stderr when it is read"),
        ("sys.__stdout__.close()\n", "closes stdout or stderr when it is read"),
        ("os._exit(0)\n", "no verdict: a file that was read ended the process"),
        ("os._exit(1)\n", "no verdict: a file that was read ended the process"),
        ("atexit.register(os._exit, 0)\n", "no verdict: a file that was read ended the process"),
    ],
)
def test_file_that_ends_the_command(tmp_path: Path, more: str, says: str) -> None:
    done = command("check", "tests/toys/mutex.py", "--variant", variant(tmp_path, more))
    assert done.returncode == 2, done.stdout + done.stderr
    assert says in done.stderr.splitlines()[-1]


def test_machine_that_ends_the_command_when_its_bounds_are_asked_for(tmp_path: Path) -> None:
    file = tmp_path / "ends.py"
    file.write_text(
        "from dataclasses import replace\nfrom tests.toys.mutex import MUTEX\n"
        "ENDS = replace(MUTEX, shape=lambda values: exit(0))\n"
    )
    done = command("check", f"{file}:ENDS")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "viommu-spec: no verdict: a file that was read ended the program\n"


def test_command_without_a_verdict_of_its_own_succeeds(tmp_path: Path) -> None:
    file = str(tmp_path / "run.json")
    assert command("simulate", "tests/toys/mutex.py", "--trace", file).returncode == 0
    for words in (("replay", file), ("show", file), ("list", "machines"), ("check", "--help")):
        assert command(*words).returncode == 0


def test_what_a_file_prints_goes_to_stderr(tmp_path: Path) -> None:
    file = variant(tmp_path, "print('1..0')\nsys.stdout.close()\n")
    done = command("check", "tests/toys/mutex.py", "--variant", file, "--json", "-")
    assert done.returncode == 1
    assert json.loads(done.stdout)["status"] == 1


@pytest.mark.parametrize("looping", ["while True: pass\n", "time.sleep(1000)\n"])
def test_file_that_does_not_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, looping: str
) -> None:
    monkeypatch.setattr(userfiles, "READING", 0.05)
    file = variant(tmp_path, looping)
    said = refused(run("check", "tests/toys/mutex.py", "--variant", file))
    assert "bad.py: is not read after 0.05 s: does it loop?" in said


def test_file_that_will_not_be_ended(tmp_path: Path) -> None:
    loop = "while True:\n    try:\n        time.sleep(9)\n    except BaseException:\n        pass\n"
    program = (
        "from checkers import userfiles; userfiles.READING = 0.05;"
        "from checkers.cli import main; main()"
    )
    words = ["check", "tests/toys/mutex.py", "--variant", variant(tmp_path, loop)]
    done = subprocess.run(
        [sys.executable, "-c", program, *words], cwd=ROOT, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.endswith("bad.py: is not read after 0.05 s: does it loop?\n")


def test_overriding_a_name(tmp_path: Path) -> None:
    file = tmp_path / "bad.py"
    file.write_text(VARIANT_FILE.replace("@overrides(enter)", '@overrides("enter")'))
    said = refused(run("check", "tests/toys/mutex.py", "--variant", str(file)))
    assert "bad.py:6: `overrides` takes a function, not 'enter'" in said


@pytest.mark.parametrize("what", ["replay", "show", "check", "check --variant"])
def test_what_is_no_file(tmp_path: Path, what: str) -> None:
    fifo, one, two = tmp_path / "fifo.py", tmp_path / "one.py", tmp_path / "two.py"
    os.mkfifo(fifo)
    one.symlink_to(two)
    two.symlink_to(one)
    for place, says in (
        (str(fifo), "not a regular file"),
        (str(one), "Too many levels of symbolic links"),
        ("/" + "x" * 300 + ".py", "File name too long"),
    ):
        assert says in refused(run(*what.split(), place))


@pytest.mark.usefixtures("toys")
@pytest.mark.parametrize("number", [10**30, -(10**30), 10**400])
def test_numbers_beyond_64_bits(tmp_path: Path, number: int) -> None:
    """Each number of a trace in turn is so large."""
    file = tmp_path / "run.json"
    words = ("--variant", "frees-while-held", "--steps", "300", "--trace", str(file))
    assert run("simulate", "refcount", *words).exit_code == 1
    text = file.read_text()
    places = [found.span() for found in re.finditer(r"(?<=[ \[])\d+(?=[,\n\]])", text)]
    assert len(places) > 20
    for start, end in places:
        file.write_text(f"{text[:start]}{number}{text[end:]}")
        for what in ("replay", "show"):
            done = run(what, str(file))
            assert "Traceback" not in done.output, (text[:start], done.output)
            assert done.exit_code in ((1, 2) if what == "replay" else (0, 2))
            assert len(done.stderr.splitlines()) <= 1


def test_interrupted_without_a_verdict_is_no_success() -> None:
    program = "import os, signal; from checkers.supervise import _killed; print(_killed(9))"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "3\n"
    assert done.stderr == "viommu-spec: no verdict: ended by signal 9\n"


def test_statuses_come_through() -> None:
    assert command("check", "tests/toys/mutex.py").returncode == 0
    assert command("check", "no-such-machine").returncode == 2
    assert command("check", "tests/toys/mutex.py", "--engine", "stateful").returncode == 3

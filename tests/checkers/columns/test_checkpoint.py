"""A search that was killed, at any moment, goes on from its last complete level to the same end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from checkers.columns import checkpoint, search
from checkers.columns.found import Explored
from checkers.columns.search import explore
from checkers.machines import InputError
from checkers.result import Limits
from invariants import complete
from spec.language import Program, build
from spec.machines import MACHINES
from spec.variants import VARIANTS
from tests.toys.refcount import LEAKS_ON_REFUSAL, REFCOUNT

LIFETIMES = complete(MACHINES["object-lifetime"])
HWPT_SHARING = complete(MACHINES["hwpt-sharing"])

COMMAND = [sys.executable, "-c", "from checkers.cli import main; main()"]


class KilledError(Exception):
    """Stands for a kill."""


def searched(
    program: Program, directory: Path, resume: bool = False, symmetry: bool = True
) -> Explored:
    limits = Limits(checkpoint=directory, resume=resume)
    return explore(program, limits=limits, symmetry=symmetry)


def facts(found: Explored) -> object:
    lengths = {rule: len(shown.steps) for rule, shown in found.violations.items()}
    return (
        found.states, found.transitions, found.depth, found.fired, found.crashed, found.cuts,
        found.witnessed, found.stopped, lengths,
    )


def killed_at(write: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kill the next search when it writes so often."""
    left = [write]

    def sync(_: int) -> None:
        left[0] -= 1
        if not left[0]:
            raise KilledError

    monkeypatch.setattr(checkpoint.os, "fsync", sync)


@pytest.mark.parametrize("write", [9, 20])
def test_what_commutes_is_found_out_again(
    write: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By which steps states were found is not kept: from the level kept, all are tried."""
    program = build(LIFETIMES, "S")
    whole = facts(explore(program, symmetry=False))
    monkeypatch.setattr(search, "WORTH", 1)
    killed_at(write, monkeypatch)
    with pytest.raises(KilledError):
        searched(program, tmp_path, symmetry=False)
    assert facts(searched(program, tmp_path, resume=True, symmetry=False)) == whole


@pytest.mark.parametrize("writes", [1, 2, 3, 8, 9, 20, 25])
def test_killed_while_it_writes(
    writes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = build(LIFETIMES, "S")
    killed_at(writes, monkeypatch)
    with pytest.raises(KilledError):
        searched(program, tmp_path)
    if writes > 2:
        assert facts(searched(program, tmp_path, resume=True)) == facts(explore(program))
    else:
        with pytest.raises(InputError, match="has no checkpoint to resume"):
            searched(program, tmp_path, resume=True)


@pytest.mark.parametrize(
    "program",
    [
        build(REFCOUNT, "small", LEAKS_ON_REFUSAL),
        build(HWPT_SHARING, "small", VARIANTS["vtd-rfcv3"]),
        build(HWPT_SHARING, "fds"),
    ],
    ids=lambda program: program.machine.name,
)
def test_what_was_broken_before_stays_broken(program: Program, tmp_path: Path) -> None:
    first = searched(program, tmp_path)
    assert facts(searched(program, tmp_path, resume=True)) == facts(first)


def test_a_killed_process_goes_on(tmp_path: Path) -> None:
    words = [*COMMAND, "check", "object-lifetime", "--bounds", "S"]
    started = subprocess.Popen(
        [*words, "--checkpoint", str(tmp_path)], stdout=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 60
    while not (tmp_path / "level-00004.npy").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    started.send_signal(signal.SIGKILL)
    started.wait()
    done = subprocess.run(
        [*words, "--resume", str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0
    assert "77017 states, 538446 transitions, 16 depth, as declared" in done.stdout


def test_a_checkpoint_of_another_search_is_refused(tmp_path: Path) -> None:
    searched(build(REFCOUNT, "small"), tmp_path)
    with pytest.raises(InputError, match="is a checkpoint of refcount"):
        searched(build(LIFETIMES, "small"), tmp_path, resume=True)
    with pytest.raises(InputError, match="has a checkpoint"):
        searched(build(REFCOUNT, "small"), tmp_path)


def test_a_damaged_level_is_refused(tmp_path: Path) -> None:
    program = build(REFCOUNT, "small")
    searched(program, tmp_path)
    os.truncate(tmp_path / "level-00002.npy", 100)
    with pytest.raises(InputError, match=r"level-00002.npy: cannot be read"):
        searched(program, tmp_path, resume=True)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--explorer", "plain", "--checkpoint", "x"], "are of --engine explicit --explorer numpy"),
        (["--engine", "symbolic", "--resume", "x"], "are of --engine explicit --explorer numpy"),
        (["--resume", "x", "--checkpoint", "y"], "--checkpoint is too much"),
        (["--resume", "no-such-place"], "no-such-place: has no checkpoint to resume"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(words: list[str], said: str) -> None:
    done = subprocess.run(
        [*COMMAND, "check", "object-lifetime", *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1

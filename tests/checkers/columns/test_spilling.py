"""A space that is larger than the memory it may have is explored to the same end on disk."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from checkers.columns import levels, merging, spilling
from checkers.columns.disk import RowFile
from checkers.columns.found import Explored
from checkers.columns.merging import Run, keys, rows_of, unknown
from checkers.columns.packing import Rows
from checkers.columns.search import explore
from checkers.result import Limits
from invariants import complete
from spec.language import Program, Variant, build, overriding
from spec.language.rules import TEARDOWN
from spec.machines import MACHINES
from spec.variants import VARIANTS
from tests.checkers.columns.test_checkpoint import COMMAND, facts
from tests.checkers.explicit.test_engine import keep_shared
from tests.toys.refcount import FREES_WHILE_HELD, LEAKS_ON_REFUSAL, REFCOUNT

LIFETIMES = complete(MACHINES["object-lifetime"])
HWPT_SHARING = complete(MACHINES["hwpt-sharing"])


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """The set in memory is emptied again and again, in the middle of levels."""
    monkeypatch.setattr(spilling, "LEAST", 0)
    monkeypatch.setattr(levels, "BUFFER", 2000)
    monkeypatch.setattr(spilling, "BUFFER", 2000)
    monkeypatch.setattr(spilling, "PARTS", 3)
    monkeypatch.setattr(merging, "ROOM", 0)
    monkeypatch.setattr(merging, "FEWEST", 300)


def spilled(program: Program, directory: Path, **more: object) -> Explored:
    limits = Limits(memory_mib=1, scratch=directory)
    for name, value in more.items():
        setattr(limits, name, value)
    return explore(program, limits=limits)


@pytest.mark.usefixtures("narrow")
@pytest.mark.parametrize(
    "program",
    [
        build(LIFETIMES, "small"),
        build(REFCOUNT, "large"),
        build(HWPT_SHARING, "fds"),
        build(REFCOUNT, "small", FREES_WHILE_HELD),
        build(REFCOUNT, "small", LEAKS_ON_REFUSAL),
        build(LIFETIMES, "small", VARIANTS["lifetime-detach-keeps-count"]),
        build(HWPT_SHARING, "small", VARIANTS["vtd-rfcv3"]),
    ],
    ids=lambda program: f"{program.machine.name} {program.variant and program.variant.name}",
)
def test_figures_and_lengths_are_those_of_a_search_in_memory(
    program: Program, tmp_path: Path
) -> None:
    found = spilled(program, tmp_path)
    assert found.spills
    assert facts(found) == facts(explore(program))


def test_the_benchmark_on_disk_has_its_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spilling, "LEAST", 0)
    monkeypatch.setattr(levels, "BUFFER", 5000)
    found = spilled(build(LIFETIMES, "S"), tmp_path)
    assert found.spills > 50
    assert (found.states, found.transitions, found.depth) == (77_017, 538_446, 16)


@pytest.mark.usefixtures("narrow")
def test_a_state_that_cannot_be_taken_down_is_found_on_disk(tmp_path: Path) -> None:
    program = build(REFCOUNT, "small", Variant("keeps", "refcount", overriding(keep_shared)))
    found = spilled(program, tmp_path)
    assert len(found.violations[TEARDOWN].steps) == len(
        explore(program).violations[TEARDOWN].steps
    )


@pytest.mark.usefixtures("narrow")
def test_a_search_on_disk_is_resumed(tmp_path: Path) -> None:
    program, kept = build(LIFETIMES, "small"), tmp_path / "kept"
    first = spilled(program, tmp_path, checkpoint=kept)
    again = spilled(program, tmp_path, checkpoint=kept, resume=True)
    assert facts(first) == facts(again) == facts(explore(program))


@pytest.mark.parametrize("words", [1, 2, 3])
def test_merging_gives_what_is_new_once_and_in_order(
    words: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(merging, "ROOM", 50)
    monkeypatch.setattr(merging, "FEWEST", 2)
    random = np.random.default_rng(words)

    def drawn(count: int) -> Rows:
        return random.integers(0, 60 // words, (count, words), dtype=np.uint64) << np.uint64(6)

    def run(file: RowFile, rows: Rows) -> Run:
        start = file.size
        file.append(rows_of(np.unique(keys(rows)), words))
        return Run(file.read, start, file.size)

    file = RowFile(tmp_path, words)
    given = [drawn(count) for count in (0, 1, 50, 90)]
    known = [drawn(count) for count in (3, 0, 20 * words)]
    pieces = unknown([run(file, rows) for rows in given], [run(file, rows) for rows in known])
    got = [tuple(row) for piece in pieces for row in rows_of(piece, words).tolist()]
    file.close()
    wanted = {tuple(row) for rows in given for row in rows.tolist()}
    wanted -= {tuple(row) for rows in known for row in rows.tolist()}
    assert len(got) == len(wanted)
    assert set(got) == wanted


def test_the_command_ends_with_the_figures_and_leaves_nothing(tmp_path: Path) -> None:
    words = ["check", "object-lifetime", "--bounds", "A", "--explorer", "numpy"]
    done = subprocess.run(
        [*COMMAND, *words, "--memory-limit", "64", "--scratch", str(tmp_path)],
        capture_output=True, text=True, check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "1174510 states, 9414441 transitions, 19 depth, as declared" in done.stdout
    assert "put on disk" in done.stdout
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc for open files")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_nothing_is_left_when_it_is_stopped(how: signal.Signals, tmp_path: Path) -> None:
    words = ["check", "object-lifetime", "--bounds", "L2", "--explorer", "numpy", "--jobs", "1"]
    running = subprocess.Popen(
        [*COMMAND, *words, "--memory-limit", "1", "--scratch", str(tmp_path)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not opened(running.pid, tmp_path):
        time.sleep(0.01)
    assert opened(running.pid, tmp_path)
    running.send_signal(how)
    assert running.wait() == (3 if how == signal.SIGINT else -how)
    assert not list(tmp_path.iterdir())


def opened(pid: int, directory: Path) -> bool:
    """Whether a process has a file open in a directory."""
    files = Path(f"/proc/{pid}/fd").iterdir()
    return any(str(directory) in str(file.readlink()) for file in files if file.is_symlink())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--explorer", "plain", "--memory-limit", "64", "--scratch", "x"],
         "--scratch is of --engine explicit --explorer numpy"),
        (["--scratch", "x"], "--scratch is for what exceeds a --memory-limit; give one"),
        (["--memory-limit", "64", "--scratch", "/dev/null/x"], "/dev/null/x: Not a directory"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(words: list[str], said: str) -> None:
    done = subprocess.run(
        [*COMMAND, "check", "object-lifetime", "--bounds", "small", *words],
        capture_output=True, text=True, check=False,
    )
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1

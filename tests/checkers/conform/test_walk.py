"""The specification walks along with what it has done itself, and with nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from checkers import machines
from checkers.conform.events import Called, calls
from checkers.conform.log import UnclearError, lines
from checkers.conform.walk import Outcomes, Walk, Walked
from checkers.simulate import simulate
from spec.language.program import Program
from tests.checkers.conform.spelling import logged

SEEDS = (0, 4)


@pytest.fixture(scope="module")
def program() -> Program:
    return machines.program(machines.machine("vfio-attach"), "small")


def walked(program: Program, text: list[str], folder: Path, kept: Outcomes) -> Walked:
    file = folder / "log"
    file.write_text("\n".join([*text, ""]))
    events = [event for event in calls(lines(file)) if isinstance(event, Called)]
    return Walk(program, events, kept).walk()


@pytest.mark.parametrize("seed", SEEDS)
def test_a_run_conforms_to_itself(program: Program, seed: int, tmp_path: Path) -> None:
    text = logged(program, simulate(program, 5, seed).steps)
    done = walked(program, text, tmp_path, {})
    assert done.complete
    assert done.held == len(text)


QUIET = ("error attach", "attached", "detached")
"""What may be left out: a log need not tell that these fail."""


def test_a_call_less_or_twice_does_not(program: Program, tmp_path: Path) -> None:
    """A bind may come twice: that a file is closed is no call, nor that a new IOAS is refused."""
    kept: Outcomes = {}
    text = logged(program, simulate(program, 4, 1).steps)
    assert conforms(program, text, tmp_path, kept)
    for number, line in enumerate(text):
        less = text[:number] + text[number + 1 :]
        if 0 < number < len(text) - 1 and not any(word in line for word in QUIET):
            assert not conforms(program, less, tmp_path, kept), f"without {line}"
        if "connect_and_bind" not in line:
            assert not conforms(program, text[: number + 1] + text[number:], tmp_path, kept)


def conforms(program: Program, text: list[str], folder: Path, kept: Outcomes) -> bool:
    try:
        return walked(program, text, folder, kept).complete
    except UnclearError:
        return False


def test_what_could_have_come_instead_is_known(program: Program, tmp_path: Path) -> None:
    text = logged(program, simulate(program, 1, 1).steps)
    done = walked(program, [*text[:2], *text[3:]], tmp_path, {})
    assert not done.complete
    assert done.held == 2
    assert any("alloc_hwpt" in item.call for item in done.expected)


def test_a_log_that_ends_inside_an_action_is_unfinished(program: Program, tmp_path: Path) -> None:
    text = logged(program, simulate(program, 1, 1).steps)
    assert walked(program, text[:-1], tmp_path, {}).unfinished == ("vfio_pci_realize",)

"""Every scenario on a QEMU, if there is one of 11.1 or later: its calls are those recorded."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from checkers.real.qemu.command_lines import ARM_LINES, X86_LINES
from checkers.real.qemu.every_tale import ON_ARM, ON_X86
from checkers.real.qemu.root import binary
from checkers.real.qemu.tale import Tale
from checkers.real.shell import cache
from checkers.userfiles import InputError
from tests.checkers.real.qemu.heard import child

CALLS = Path(__file__).parent / "calls"


@pytest.fixture(scope="module")
def qemu() -> Path | None:
    """What the environment names, or what is there: none is fetched for a test."""
    given = os.environ.get("QEMU")
    if given is None and not (cache("qemu") / "root").is_dir():
        installed = shutil.which("qemu-system-x86_64")
        try:
            binary("qemu-system-x86_64", Path(installed or "/nowhere"))
        except InputError as error:
            pytest.skip(f"no QEMU, which make qemu fetches: {error}")
    assert child("", lambda call: 0).status == 0
    return Path(given) if given else None


def test_every_scenario_has_its_record() -> None:
    assert {file.stem for file in CALLS.iterdir()} == {*ON_X86, *ON_ARM}


@pytest.mark.parametrize("name", [name for name in ON_X86 if name not in X86_LINES])
def test_vtd(qemu: Path | None, name: str) -> None:
    with Tale(qemu, without_kvm_check=False) as tale:
        ON_X86[name](tale)
    assert tale.lines == (CALLS / f"{name}.txt").read_text().splitlines()


@pytest.mark.parametrize("name", [name for name in ON_ARM if name not in ARM_LINES])
def test_smmuv3_without_the_check_of_kvm(qemu: Path | None, name: str) -> None:
    with Tale(qemu, without_kvm_check=True) as tale:
        ON_ARM[name](tale)
    assert tale.lines == (CALLS / f"{name}.txt").read_text().splitlines()

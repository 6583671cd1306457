"""Which QEMU is taken."""

from __future__ import annotations

from pathlib import Path

import pytest

from checkers.real.qemu.root import binary
from checkers.userfiles import InputError

NAME = "qemu-system-x86_64"


def program(folder: Path, version: str, name: str = NAME) -> Path:
    file = folder / name
    file.write_text(f"#!/bin/sh\necho 'QEMU emulator version {version}'\n")
    file.chmod(0o755)
    return file


def test_the_users_own_may_be_a_program_or_a_folder(tmp_path: Path) -> None:
    file = program(tmp_path, "11.1.50 (v11.1.0-7-gabc)")
    for given in (file, tmp_path):
        found = binary(NAME, given)
        assert (found.program, found.command) == (file, (str(file),))
        assert found.version == "11.1.50 (v11.1.0-7-gabc)"


def test_one_for_another_machine_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="qemu-system-aarch64 is wanted here"):
        binary("qemu-system-aarch64", program(tmp_path, "11.1.3"))


@pytest.mark.parametrize(
    ("text", "why"), [("10.2.1", "11.1 or later is wanted"), ("none", "says no version")]
)
def test_an_old_one_is_refused(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(InputError, match=why):
        binary(NAME, program(tmp_path, text))


def test_what_is_no_program_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"{NAME}: no program; give {NAME} or the folder"):
        binary(NAME, tmp_path)


def test_the_machines_own_is_taken_if_it_is_new_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = program(tmp_path, "12.0.0")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert binary(NAME, None).program == file


def test_what_fetching_needs_is_told_in_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path, "7.2.0")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(InputError, match="apt-get, apt-cache, dpkg-deb not found"):
        binary(NAME, None)

"""The command: what it asks of its user, and what it says of a kernel."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from checkers.cli import main
from checkers.real.linux import drive, image
from checkers.real.linux.hardware import Hardware
from checkers.report.row import Status
from checkers.trace.load import opened
from checkers.trace.replay import diverges

OBJECTS = ("drive", "iommufd-objects")
TINY = ("--bounds", "small,slots=2,devices=1")


def run(*words: str) -> Result:
    return CliRunner().invoke(main, words)


@pytest.fixture
def kernel(tmp_path: Path) -> str:
    return an_image(tmp_path, "9.9")


def an_image(folder: Path, version: str) -> str:
    for name in (*image.FILES, *image.SELFTEST):
        (folder / name).write_bytes(b"")
    (folder / "version").write_text(f"Linux {version}\n")
    return str(folder)


def answering(monkeypatch: pytest.MonkeyPatch, *lines: str, again: bool = False) -> None:
    """A guest that says this of the first batch, and (if not `again`) nothing of the others."""
    said = [*lines]

    def boot(
        vmlinux: Path, files: Mapping[str, bytes], seconds: float, beside: Hardware
    ) -> list[str]:
        now = [*said]
        if not again:
            said.clear()
        return [*now, "done calls=100 looks=50 differ=0 unreached=0 failed=7 visits=3"]

    monkeypatch.setattr(drive, "boot", boot)


def test_a_kernel_that_answers_alike_holds(monkeypatch: pytest.MonkeyPatch, kernel: str) -> None:
    answering(monkeypatch)
    done = run(*OBJECTS, "--kernel", kernel, *TINY)
    assert done.exit_code == Status.HOLDS, done.output
    assert "Linux 9.9, custom: every call in every state up to ids" in done.output
    assert "200 calls and 100 looks held, 0 differ" in done.output


def test_what_differs_is_a_trace(
    monkeypatch: pytest.MonkeyPatch, kernel: str, tmp_path: Path
) -> None:
    answering(monkeypatch, "call 1 12 0")
    done = run(*OBJECTS, "--kernel", kernel, *TINY, "--traces", str(tmp_path), "--json", "-")
    assert done.exit_code == Status.VIOLATED
    (item,) = msgspec.json.decode(done.stdout)
    assert list(item["differences"].values()) == [1]
    trace = opened(str(tmp_path / "linux-custom-1.json"))
    assert len(trace.trace.steps) == 1
    assert not diverges(trace)
    again = run("replay", str(tmp_path / "linux-custom-1.json"))
    assert again.exit_code == Status.HOLDS
    said, otherwise, linux, ours = again.output.splitlines()
    assert said == "reproduced: 1 step"
    assert otherwise.startswith("answered otherwise: ")
    assert linux == "    Linux 9.9: ENOMEM"
    assert ours == "    the specification: 0, id 1"


def test_what_a_version_is_known_to_do_is_no_difference(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    answering(monkeypatch, "call 1 12 0")
    done = run(*OBJECTS, "--kernel", an_image(tmp_path, "7.3.99"), *TINY, "--json", "-")
    assert done.exit_code == Status.HOLDS, done.output
    assert "custom: 1 differ; as linux-7.3-unreserved" in done.stderr
    assert "1 calls; with it 200 calls held, 0 differ" in done.stderr
    (item,) = msgspec.json.decode(done.stdout)
    assert item["known"] == "linux-7.3-unreserved"


def test_what_a_driver_does_that_blocks_first_is_known_of_no_other(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    answering(monkeypatch, "call 1 12 0", again=True)
    booted = an_image(tmp_path, "7.3.4")
    first = run(*OBJECTS, "--kernel", booted, *TINY, "--blocks-first")
    other = run(*OBJECTS, "--kernel", booted, *TINY)
    as_it = "differ; as linux-7.3-blocked-first"
    assert (as_it in first.output, as_it in other.output) == (True, False)


def test_what_no_variant_of_the_version_does_is_a_difference(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    answering(monkeypatch, "call 1 12 0", again=True)
    done = run(*OBJECTS, "--kernel", an_image(tmp_path, "7.3.4"), *TINY)
    assert done.exit_code == Status.VIOLATED
    assert "known:" not in done.output


def test_a_warning_of_the_kernel_is_a_difference(
    monkeypatch: pytest.MonkeyPatch, kernel: str
) -> None:
    answering(monkeypatch, "warned 1")
    done = run(*OBJECTS, "--kernel", kernel, *TINY)
    assert done.exit_code == Status.VIOLATED
    assert "the kernel warns: " in done.output


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (OBJECTS, "say --kernel"),
        ((*OBJECTS, "--kernel", "--scalable"), "say --by vfio, too"),
        ((*OBJECTS, "--kernel", "--by", "vfio", "--record", "x"), "--by is nothing to it"),
        ((*OBJECTS, "--kernel", "--by", "selftest", "--blocks-first"), "is of the module"),
        ((*OBJECTS, "--kernel", "--junit", "x"), "--junit is nothing to it"),
        ((*OBJECTS, "--kernel", "--qemu", "x"), "--qemu is nothing to it"),
        (("drive", "hwpt-sharing", "--kernel"), "it is iommufd-objects that says"),
        ((*OBJECTS, "--kernel", "/nowhere"), "has no vmlinux"),
        ((*OBJECTS, "--kernel", "/nowhere", "--source", "/"), "--source is for one that is not"),
        ((*OBJECTS, "--kernel", "--source", "/nowhere"), "does not exist"),
    ],
)
def test_what_makes_no_sense_is_said_in_a_line(words: tuple[str, ...], why: str) -> None:
    done = run(*words)
    assert done.exit_code == Status.WRONG_INPUT
    (line,) = done.stderr.splitlines()
    assert why in line

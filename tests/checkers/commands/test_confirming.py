"""`drive --confirm`: its status is what came of all the scenarios."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from checkers.cli import main
from checkers.commands import confirming
from checkers.real.qemu.confirm import Confirmed
from checkers.report.row import Status

VARIANT = "vfio-qemu-stops"


def run(*words: str) -> Result:
    return CliRunner().invoke(main, ("drive", *words))


@pytest.mark.parametrize(
    ("otherwise", "status"), [(("", ""), Status.HOLDS), (("", "goes on"), Status.VIOLATED)]
)
def test_all_have_to_be_reproduced(
    otherwise: tuple[str, ...], status: Status, monkeypatch: pytest.MonkeyPatch
) -> None:
    came = [Confirmed(f"S-{n}", "11.1.9", "aborts", text, []) for n, text in enumerate(otherwise)]
    monkeypatch.setattr(confirming, "confirm", lambda variant, qemu, passed: came)
    result = run("--confirm", VARIANT)
    assert result.exit_code == status
    assert result.output.count("reproduced on QEMU 11.1.9") == len(came)


def test_a_machine_may_be_named_if_it_is_the_variants(tmp_path: Path) -> None:
    result = run("pci-hotplug", "--confirm", VARIANT)
    assert "is one of machine 'vfio-attach'" in result.output
    result = run("vfio-attach", "--confirm", VARIANT, "--qemu", str(tmp_path))
    assert "no program" in result.output


def test_without_a_machine_there_is_nothing_to_drive() -> None:
    assert "only --confirm VARIANT goes without one" in run().output

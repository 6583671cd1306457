"""The command: a log that conforms, one that does not, and one that cannot be told."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from checkers.cli import main
from checkers.report.row import Status
from checkers.trace.load import opened
from checkers.trace.replay import diverges

LOG = Path(__file__).parents[1] / "conform/logs/x86-start.log"
WHAT = (
    "--machine", "vfio-attach", "--bounds", "memory", "--variant", "qemu-11.1-vfio-attach",
)  # fmt: skip


BESIDE = ("iommufd_backend_connect", "iommufd_backend_map", "iommufd_backend_unmap",
          "iommufd_cdev_alloc_ioas", "vtd", "qemu")  # fmt: skip


def run(log: Path, *words: str) -> Result:
    return CliRunner().invoke(main, ("conform", str(log), *WHAT, *words))


@pytest.fixture
def text() -> list[str]:
    """The calls of a start, without what is held beside the machine."""
    return [line for line in LOG.read_text().splitlines() if not line.startswith(BESIDE)]


def written(folder: Path, lines: list[str]) -> Path:
    file = folder / "qemu.log"
    file.write_text("\n".join([*lines, ""]))
    return file


def test_a_log_that_conforms(text: list[str], tmp_path: Path) -> None:
    trace = tmp_path / "trace.json"
    done = run(written(tmp_path, text), "--trace", str(trace))
    assert done.exit_code == Status.HOLDS
    assert f"conforms to qemu-11.1-vfio-attach, memory: {len(text)} calls held" in done.output
    assert not diverges(opened(str(trace)))


def test_a_log_that_does_not(text: list[str], tmp_path: Path) -> None:
    done = run(written(tmp_path, [*text[:2], *text[3:]]))
    assert done.exit_code == Status.VIOLATED
    assert "qemu.log:3: diverges from qemu-11.1-vfio-attach, memory after 2 of" in done.output
    assert "expected one of:" in done.output
    assert "vfio_pci_realize(vdev=" in done.output


def test_a_rule_beside_the_machine(text: list[str], tmp_path: Path) -> None:
    area = "iommufd=200 ioas=2 iova=0x0 size=0x1000 addr=0x1 readonly=0 (0)"
    map_ = f"iommufd_backend_map_dma  {area}"
    done = run(written(tmp_path, [*text, map_, map_]))
    assert done.exit_code == Status.VIOLATED
    assert f"qemu.log:{len(text) + 2}: MAP of 0x0 succeeds" in done.output


@pytest.mark.parametrize(("cut", "why"), [
    (slice(1, 2), "begins late, with iommufd_backend_alloc_ioas"),
    (slice(2, None), "device 1 was bound before the log begins"),
    (slice(0, 3), "ends in the middle of vfio_pci_realize"),
])  # fmt: skip
def test_a_log_that_cannot_be_told(
    text: list[str], tmp_path: Path, cut: slice, why: str
) -> None:
    done = run(written(tmp_path, text[cut]))
    assert done.exit_code == Status.INCONCLUSIVE
    assert why in done.output


def test_further_events_are_declared_in_a_file(text: list[str], tmp_path: Path) -> None:
    log = written(tmp_path, [*text, "iommufd_of_mine 1"])
    assert "iommufd_of_mine is no event that is known" in run(log).output
    events = tmp_path / "trace-events"
    events.write_text('# mine\niommufd_of_mine(int x) "%d"\n')
    assert run(log, "--trace-events", str(events)).exit_code == Status.HOLDS
    events.write_text("nothing\n")
    assert run(log, "--trace-events", str(events)).exit_code == Status.WRONG_INPUT

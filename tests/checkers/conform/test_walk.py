"""What the released binary logged conforms to the released design, and nothing else does."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from checkers import machines
from checkers.conform.beside import wrong
from checkers.conform.events import Called, calls
from checkers.conform.log import UnclearError, lines
from checkers.conform.walk import Outcomes, Walk, Walked
from spec.language.program import Program

LOGS = Path(__file__).parent / "logs"
TOLD = (
    "iommufd_cdev_connect", "iommufd_backend_alloc", "iommufd_cdev_pasid", "iommufd_cdev_device",
    "iommufd_backend_map", "iommufd_backend_unmap",
)  # fmt: skip
RELEASED = "qemu-11.1-vfio-attach"


def program(bounds: str, variant: str | None = RELEASED) -> Program:
    machine = machines.machine("vfio-attach")
    design = machines.variant(variant, machine) if variant else None
    return machines.program(machine, bounds, design)


@pytest.fixture(scope="module")
def x86() -> Program:
    return program("memory")


def walked(of: Program, text: list[str], folder: Path, kept: Outcomes | None = None) -> Walked:
    file = folder / "log"
    file.write_text("\n".join([*text, ""]))
    events = list(calls(lines(file)))
    if wrong(events) is not None:
        return Walked()
    return Walk(of, [event for event in events if isinstance(event, Called)], kept).walk()


def logged(name: str) -> list[str]:
    return (LOGS / f"{name}.log").read_text().splitlines()


def test_a_second_device_on_an_smmu_conforms(tmp_path: Path) -> None:
    done = walked(program("apart"), logged("arm-S05-second-device"), tmp_path)
    assert done.complete
    assert done.held == 18


def test_and_shows_what_the_reference_does_otherwise(tmp_path: Path) -> None:
    """S-05: the second device is not brought to where GBPA says."""
    done = walked(program("apart", None), logged("arm-S05-second-device"), tmp_path)
    assert not done.complete
    assert done.held == 14
    assert any("iommufd_cdev_attach_ioas_hwpt dev2 id=5" in item.call for item in done.expected)


def test_no_call_less_none_twice_no_two_the_other_way_round(x86: Program, tmp_path: Path) -> None:
    """Of maps: a map that nobody unmaps is not missed."""
    text, kept = logged("x86-start"), Outcomes()
    assert walked(x86, text, tmp_path, kept).complete
    told = [n for n, line in enumerate(text) if line.startswith(TOLD)]
    for n in told:
        assert not conforms(x86, text[: n + 1] + text[n:], tmp_path, kept), f"twice {text[n]}"
        if not text[n].startswith("iommufd_backend_map"):
            less = text[:n] + text[n + 1 :]
            assert not conforms(x86, less, tmp_path, kept), f"without {text[n]}"
    for n, m in pairwise(told[:4]):
        other = [*text]
        other[n], other[m] = text[m], text[n]
        assert not conforms(x86, other, tmp_path, kept), f"{text[m]} before {text[n]}"


def conforms(of: Program, text: list[str], folder: Path, kept: Outcomes) -> bool:
    try:
        return walked(of, text, folder, kept).complete
    except UnclearError:
        return False


def test_what_could_have_come_instead_is_known(x86: Program, tmp_path: Path) -> None:
    text = [line for line in logged("x86-start") if "alloc_hwpt" not in line]
    done = walked(x86, text, tmp_path)
    assert not done.complete
    assert done.held == 2
    assert any("alloc_hwpt" in item.call for item in done.expected)


def test_a_log_that_ends_inside_an_action_is_unfinished(x86: Program, tmp_path: Path) -> None:
    done = walked(x86, logged("x86-start")[:5], tmp_path)
    assert done.unfinished == ("vfio_pci_realize",)

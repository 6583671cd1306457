"""What became of command lines on the released QEMU is what the released variant has."""

from __future__ import annotations

from pathlib import Path

import pytest

from checkers.real.qemu import command_lines
from checkers.real.qemu.command_lines import ABORTS, REFUSED, Line, lines, told
from spec.language import Step
from spec.pci.bus import DeviceType, IOMMUType

CALLS = Path(__file__).parent / "calls"
NIC_FIRST = Line(
    True, False, (Step("viommu_realize", (1, IOMMUType.SMMUV3_ACCEL, True, False)),)
)  # fmt: skip


@pytest.mark.parametrize(("name", "arm"), [("pci-x86", False), ("pci-arm", True)])
def test_what_was_recorded_is_what_the_variant_has(name: str, arm: bool) -> None:
    recorded = (CALLS / f"{name}.txt").read_text().splitlines()
    assert recorded == [f"{end}: {' '.join(line.words())}" for line, end in told(arm)]


def test_the_default_nic_aborts_an_accelerated_smmu_in_11_1_and_is_refused_by_the_reference(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert dict(lines())[NIC_FIRST] == ABORTS
    monkeypatch.setattr(command_lines, "variants", lambda: {command_lines.RELEASED: None})
    assert dict(lines())[NIC_FIRST] == REFUSED


def test_a_line_as_qemu_has_it() -> None:
    step = Step("pci_qdev_realize", (4, DeviceType.VFIO_IOMMUFD))
    words = Line(False, True, (step,)).words()
    assert words[1] == "q35,default-bus-bypass-iommu=on"
    assert words[-1] == "vfio-pci,id=dev1,fd=201,iommufd=iommufd0,bus=bridge,addr=0x1"

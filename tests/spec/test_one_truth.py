"""What vIOMMUs take is the same in `pci-hotplug` and in `vfio-attach`, which both say it."""

from __future__ import annotations

from typing import Any

import pytest

from spec.iommufd.uapi.state import Driver
from spec.pci.bus import DeviceType, IOMMUType
from spec.vfio.state import VFIOKind
from tests.spec.running import Run

KINDS = {
    VFIOKind.PCI: DeviceType.VFIO_IOMMUFD,
    VFIOKind.LEGACY: DeviceType.VFIO_LEGACY,
    VFIOKind.MDEV: DeviceType.VFIO_MDEV,
}
VIOMMUS = {Driver.ARM: IOMMUType.SMMUV3_ACCEL, Driver.INTEL: IOMMUType.INTEL_IOMMU_FSTS}
BESIDE = 2


def plugged_into_a_bus(dev: DeviceType, type: IOMMUType) -> tuple[bool, bool]:
    """Whether a device is taken behind a vIOMMU or none, and if with a nesting parent."""
    taken = Run("pci-hotplug", wanted=plain)
    if type != IOMMUType.NONE:
        taken.follow(("viommu_realize", 1, type, 0, 1))
    taken.follow(("pcibus_machine_done",), ("pci_qdev_realize", BESIDE, dev))
    return not taken.results[-1], bool(taken.s.slots[BESIDE].nesting_parent)


def plain(s: Any) -> bool:
    """No default NIC, and no bus that bypasses the IOMMU."""
    nic = any(x.dev == DeviceType.EMULATED for x in s.slots)
    return not nic and not any(x.bypass_iommu for x in s.buses)


def attached_by_vfio(kind: VFIOKind, driver: Driver, nesting: bool) -> tuple[bool, bool]:
    """The same, as VFIO and the kernel have it."""
    values = {
        "driver": driver, "nesting": int(nesting), "translated": 0,
        "legacy": int(kind == VFIOKind.LEGACY), "mdev": int(kind == VFIOKind.MDEV),
    }  # fmt: skip
    taken = Run("vfio-attach", wanted=lambda s: not s.gbpa_abort, values=values)
    taken.follow(("vfio_pci_realize", 1))
    vdev = taken.s.vdevs[1]
    parent = taken.s.hwpts[vdev.hwpt].hwpt_id if vdev.hwpt else 0
    return not taken.results[-1], bool(parent and taken.s.objects[parent].nest_parent)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
@pytest.mark.parametrize("driver", VIOMMUS, ids=lambda driver: driver.name)
@pytest.mark.parametrize("nesting", [False, True], ids=["no vIOMMU", "nesting"])
def test_a_device_is_taken_by_both_or_by_neither(
    kind: VFIOKind, driver: Driver, nesting: bool
) -> None:
    type = VIOMMUS[driver] if nesting else IOMMUType.NONE
    assert attached_by_vfio(kind, driver, nesting) == plugged_into_a_bus(KINDS[kind], type)

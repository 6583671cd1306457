"""A device on its bus: what it gets there, who is asked, and what a refusal leaves."""

from __future__ import annotations

from typing import Any

import pytest

from spec.iommufd.objects import Errno
from spec.language.program import Kind
from spec.pci.bus import DeviceType, Doorbell, IOMMUType
from spec.variants import VARIANTS
from tests.spec.running import Run, Step, assert_figures_are_exact

MACHINE = "pci-hotplug"

BRIDGE, BESIDE, SLOT_0, SLOT_1, SLOT_2 = 1, 2, 3, 4, 5
READY: Step = ("pcibus_machine_done",)


def viommu(kind: IOMMUType, bus: int = 1, per_bus: int = 0, msi: int = 1) -> Step:
    return ("viommu_realize", bus, kind, per_bus, msi)


def plug(slot: int, dev: DeviceType, fault: int = 0) -> Step:
    return ("pci_qdev_realize", slot, dev, fault)


def unplug(slot: int) -> Step:
    return ("pci_qdev_unrealize", slot)


ACCEL = viommu(IOMMUType.SMMUV3_ACCEL)
SMMU = viommu(IOMMUType.SMMUV3)
VTD = viommu(IOMMUType.INTEL_IOMMU)


def started(
    bounds: str = "small", variant: str | None = None, nic: bool = False, bypass: int = 0
) -> Run:
    """A QEMU with or without a default NIC, in which a root bus or none bypasses the IOMMU."""

    def wanted(s: Any) -> bool:
        found = any(x.dev == DeviceType.EMULATED for x in s.slots)
        return found == nic and [x.id for x in s.buses if x.bypass_iommu] == [bypass][: bypass > 0]

    return Run(MACHINE, bounds, VARIANTS[variant] if variant else None, wanted)


def run(
    *steps: Step, bounds: str = "small", variant: str | None = None, bypass: int = 0
) -> tuple[list[int], dict[int, dict[str, Any]]]:
    """The answer of each step, and the slots as they are then."""
    taken = started(bounds, variant, bypass=bypass)
    taken.follow(*steps)
    s = taken.s
    return taken.results, {int(x.id): slot(s, x) for x in s.slots}


def slot(s: Any, x: Any) -> dict[str, Any]:
    """A slot with the address spaces by their names."""
    names = {0: None} | {int(space.id): space.label() for space in s.spaces}
    return {
        "dev": DeviceType(x.dev),
        "dma": names[int(x.bus_master_as)],
        "vfio": names[int(x.vfio_as)],
        "nesting": bool(x.nesting_parent),
        "bypass_ro": bool(x.bypass_ro),
        "idev": int(x.idev),
        "doorbell": Doorbell(x.doorbell),
    }


@pytest.mark.parametrize("bounds", ["small", "roots"])
def test_figures_are_exact(bounds: str) -> None:
    assert_figures_are_exact(MACHINE, bounds)


@pytest.mark.parametrize("hot", [False, True])
def test_a_device_of_an_accelerated_smmu_has_memory_and_its_bridge_the_iommu(hot: bool) -> None:
    come = plug(BESIDE, DeviceType.VFIO_IOMMUFD)
    steps = (ACCEL, READY, come) if hot else (ACCEL, come, READY)
    results, slots = run(*steps)
    assert results == [0, 0, 0]
    assert slots[BRIDGE]["dma"] == "iommu1-slot1"
    assert slots[BESIDE]["dma"] == slots[BESIDE]["vfio"] == "shared-sysmem"
    assert slots[BESIDE]["nesting"]
    assert slots[BESIDE]["idev"] == 1


def test_without_a_viommu_it_is_memory_itself() -> None:
    _, slots = run(plug(BESIDE, DeviceType.VFIO_LEGACY), READY)
    assert (slots[BESIDE]["dma"], slots[BESIDE]["vfio"]) == ("memory", "memory")
    assert (slots[BESIDE]["nesting"], slots[BESIDE]["idev"]) == (False, 0)


@pytest.mark.parametrize(
    "dev", [DeviceType.EMULATED, DeviceType.VFIO_LEGACY, DeviceType.VFIO_MDEV]
)
@pytest.mark.parametrize("place", [BESIDE, SLOT_1, SLOT_2])
def test_what_the_host_does_not_translate_for_is_refused(dev: DeviceType, place: int) -> None:
    results, slots = run(ACCEL, READY, plug(place, dev))
    assert results[-1] == Errno.EINVAL
    assert slots == run(ACCEL, READY)[1]


def test_behind_a_bridge_two_devices_are_one() -> None:
    _, slots = run(
        VTD, plug(SLOT_1, DeviceType.EMULATED), READY, plug(SLOT_2, DeviceType.VFIO_IOMMUFD)
    )
    assert slots[SLOT_1]["dma"] == slots[SLOT_2]["dma"] == "iommu1-slot3"
    assert run(VTD, READY, plug(BESIDE, DeviceType.EMULATED))[1][BESIDE]["dma"] == "iommu1-slot2"


@pytest.mark.parametrize("dev", [x for x in DeviceType if x > DeviceType.BRIDGE])
def test_slot_0_behind_a_bridge_takes_no_device(dev: DeviceType) -> None:
    assert run(READY, plug(SLOT_0, dev))[0][-1] == Errno.EINVAL
    assert run(READY, plug(SLOT_1, dev))[0][-1] == Errno.OK


def test_released_whatever_is_behind_a_bridge_is_let_in() -> None:
    """Slot 0 is asked, where none ever is; VFIO then refuses the address space of an SMMU."""
    released = "pci-hotplug-slot-0-is-asked"
    emulated = (ACCEL, READY, plug(SLOT_1, DeviceType.EMULATED))
    assert run(*emulated)[0][-1] == Errno.EINVAL
    assert run(*emulated, variant=released)[1][SLOT_1]["dma"] == "iommu1-slot3"
    passed = (ACCEL, READY, plug(SLOT_1, DeviceType.VFIO_IOMMUFD))
    for variant in (None, released):
        results, slots = run(*passed, variant=variant)
        assert (results[-1], slots[SLOT_1]["dev"]) == (Errno.EINVAL, DeviceType.NONE)


@pytest.mark.parametrize("kind", [IOMMUType.INTEL_IOMMU, IOMMUType.INTEL_IOMMU_FSTS])
@pytest.mark.parametrize(
    ("dev", "place"),
    [
        (DeviceType.VFIO_IOMMUFD, BESIDE),
        (DeviceType.VFIO_IOMMUFD, SLOT_1),
        (DeviceType.VFIO_LEGACY, BESIDE),
        (DeviceType.VFIO_MDEV, BESIDE),
    ],
)
def test_what_vtd_takes(kind: IOMMUType, dev: DeviceType, place: int) -> None:
    """With first-stage translation: devices with an iommufd, on PCI Express, and mdevs unasked."""
    results, slots = run(viommu(kind), READY, plug(place, dev))
    nests, iommufd = kind == IOMMUType.INTEL_IOMMU_FSTS, dev == DeviceType.VFIO_IOMMUFD
    refused = nests and (dev == DeviceType.VFIO_LEGACY or place == SLOT_1)
    assert results[-1] == (Errno.EINVAL if refused else Errno.OK)
    found = slots[place]
    if not refused:
        assert (found["nesting"], found["bypass_ro"]) == (nests and iommufd, nests and iommufd)
        assert found["idev"] == (0 if dev == DeviceType.VFIO_MDEV else 1)


def test_an_accelerated_smmu_has_no_quirks() -> None:
    _, slots = run(ACCEL, READY, plug(BESIDE, DeviceType.VFIO_IOMMUFD))
    assert (slots[BESIDE]["nesting"], slots[BESIDE]["bypass_ro"]) == (True, False)


def test_an_smmu_that_qemu_emulates_tells_vfio_of_no_maps() -> None:
    assert run(SMMU, READY, plug(BESIDE, DeviceType.VFIO_IOMMUFD))[0][-1] == Errno.EINVAL


@pytest.mark.parametrize(
    ("bypass", "spaces"),
    [
        (0, ("iommu1-slot2", "iommu1-slot3")),
        (1, ("memory", "iommu1-slot3")),
        (2, ("iommu1-slot2", "memory")),
    ],
)
def test_below_a_bus_that_bypasses_it_no_viommu_is(bypass: int, spaces: tuple[str, str]) -> None:
    come = (plug(2, DeviceType.VFIO_LEGACY), plug(3, DeviceType.VFIO_LEGACY))
    _, slots = run(VTD, READY, *come, bounds="roots", bypass=bypass)
    assert (slots[2]["dma"], slots[3]["dma"]) == (slots[2]["vfio"], slots[3]["vfio"]) == spaces
    assert [slots[x]["idev"] for x in (2, 3)] == [int(space != "memory") for space in spaces]
    assert run(ACCEL, READY, plug(BESIDE, DeviceType.EMULATED), bypass=1)[0] == [0, 0, 0]


def test_the_default_nic_is_there_before_an_smmu() -> None:
    """Released, nobody asks whether it may be, and QEMU aborts when the machine is ready."""
    taken = started(nic=True)
    taken.follow(ACCEL)
    assert taken.results == [Errno.EBUSY]
    taken = started(variant="pci-hotplug-viommu-after-device", nic=True)
    taken.follow(ACCEL)
    end = taken.outcome("pcibus_machine_done")
    assert (end.kind, end.why) == (Kind.CRASH, "g_assert_not_reached")


def test_a_refused_device_ends_qemu_unless_hot_plugged() -> None:
    there, refused = plug(SLOT_1, DeviceType.EMULATED), plug(BESIDE, DeviceType.VFIO_MDEV, 1)
    results, slots = run(VTD, there, refused)
    assert results == [0, 0, Errno.EIO]
    assert slots == run()[1]
    assert run(VTD, there, READY, refused)[1][SLOT_1]["dev"] == DeviceType.EMULATED


def test_before_the_move_a_hot_plugged_device_got_the_address_space_of_no_device() -> None:
    steps = (ACCEL, READY, plug(BESIDE, DeviceType.VFIO_IOMMUFD))
    _, slots = run(*steps, variant="pci-hotplug-bus-master-first")
    assert (slots[BESIDE]["dma"], slots[BESIDE]["vfio"]) == ("iommu1-slot2", "shared-sysmem")


@pytest.mark.parametrize(
    ("first", "err"),
    [
        (plug(BESIDE, DeviceType.EMULATED), Errno.EBUSY),
        (plug(BESIDE, DeviceType.VFIO_IOMMUFD), Errno.EBUSY),
        (plug(BESIDE, DeviceType.BRIDGE), Errno.OK),
    ],
)
def test_a_viommu_that_comes_after_what_it_refuses_is_refused(first: Step, err: Errno) -> None:
    results, slots = run(first, ACCEL, READY)
    assert results == [0, err, 0]
    assert (slots[BESIDE]["dma"] in ("memory", None)) == (err != Errno.OK)


def test_an_emulated_device_may_come_before_an_emulated_viommu() -> None:
    assert run(plug(BESIDE, DeviceType.EMULATED), SMMU, READY)[1][BESIDE]["dma"] == "iommu1-slot2"


@pytest.mark.parametrize(("kind", "fault"), [(VTD, 1), (VTD, 2), (VTD, 3), (SMMU, 0)])
def test_a_realize_that_fails_leaves_nothing(kind: Step, fault: int) -> None:
    results, slots = run(kind, READY, plug(BESIDE, DeviceType.VFIO_LEGACY, fault))
    assert results[-1] != Errno.OK
    assert slots == run(kind, READY)[1]


def test_an_unplugged_device_is_taken_back_and_may_come_again() -> None:
    come = plug(BESIDE, DeviceType.VFIO_IOMMUFD)
    results, slots = run(ACCEL, READY, come, unplug(BESIDE), come)
    assert results == [0, 0, 0, 0, 0]
    assert slots[BESIDE]["idev"] == 1
    again, _ = run(ACCEL, READY, come, unplug(BESIDE), come, variant="pci-hotplug-not-unset")
    assert again[-1] == Errno.EEXIST


@pytest.mark.parametrize(
    ("kind", "found"), [(ACCEL, Doorbell.DIRECT), (SMMU, Doorbell.WALKED)]
)
def test_who_knows_the_doorbell(kind: Step, found: Doorbell) -> None:
    dev = DeviceType.VFIO_IOMMUFD if kind == ACCEL else DeviceType.EMULATED
    steps = (kind, READY, plug(BESIDE, dev))
    _, slots = run(*steps, ("kvm_arch_fixup_msi_route", BESIDE))
    assert slots[BESIDE]["doorbell"] == found


def test_an_accelerated_smmu_needs_an_msi_controller() -> None:
    assert run(viommu(IOMMUType.SMMUV3_ACCEL, msi=0))[0] == [Errno.EINVAL]


@pytest.mark.parametrize(
    ("steps", "err", "spaces"),
    [
        ((viommu(IOMMUType.SMMUV3),), [0], ("iommu1-slot2", "iommu1-slot3")),
        ((viommu(IOMMUType.SMMUV3, per_bus=1),), [0], ("iommu1-slot2", "memory")),
        ((viommu(IOMMUType.SMMUV3, 2, per_bus=1),), [0], ("memory", "iommu1-slot3")),
        ((SMMU, SMMU), [0, Errno.EEXIST], ("memory", "memory")),
        (
            (viommu(IOMMUType.SMMUV3, 1, 1), viommu(IOMMUType.SMMUV3, 2, 1)),
            [0, 0],
            ("iommu1-slot2", "iommu2-slot3"),
        ),
    ],
)
def test_each_root_bus_has_its_viommu_or_that_of_the_first(
    steps: tuple[Step, ...], err: list[int], spaces: tuple[str, str]
) -> None:
    results, slots = run(
        *steps, READY, plug(2, DeviceType.EMULATED), plug(3, DeviceType.EMULATED), bounds="roots"
    )
    assert results[: len(err)] == err
    assert (slots[2]["dma"], slots[3]["dma"]) == spaces

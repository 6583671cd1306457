"""The machine `pasid-capability`: a passthrough device's list of capabilities, and one more."""

from __future__ import annotations

from collections.abc import Mapping

from spec.language import (
    Bounds,
    Machine,
    Of,
    Shape,
    Teardown,
    count,
    first,
    require,
)
from spec.pci.config_space import CapId, PCIDevice, Phase
from spec.vfio.ext_cap import vfio_add_ext_cap, vfio_add_ext_cap_done, vfio_exit, vfio_realize


def shape(values: Mapping[str, int]) -> Shape:
    """The space ends one dword before the highest offset that can be asked for."""
    sizes = {"caps": values["caps"], "hiods": 1}
    return Shape(sizes, {"": {"config_size": (values["dwords"] - 1,)}})


def init(s: PCIDevice, hiod: bool, pasid: bool, viommu_pasid: bool) -> None:
    """No device yet; it will have a host IOMMU device or not, and the vIOMMU PASIDs or not."""
    require(hiod or not pasid)
    s.viommu_pasid = viommu_pasid
    if hiod:
        s.hiod = first(x.id for x in s.hiods)
    for x in s.hiods:
        x.pasid = pasid


def no_device(s: PCIDevice) -> bool:
    """There is no device, and nothing of its configuration space."""
    return (
        s.phase == Phase.ABSENT
        and not s.pasid_cap_added
        and s.pasid_cap == 0
        and all(x.cap == CapId.FREE for x in s.caps)
    )


def left(s: PCIDevice) -> int:
    """How many capabilities there are, and the device: what taking it away lowers."""
    return count(x.cap != CapId.FREE for x in s.caps) + (0 if s.phase == Phase.ABSENT else 1)


PASID_CAPABILITY = Machine(
    name="pasid-capability",
    exhaust={"symbolic": ("every-offset",)},
    title="The PASID capability of a passthrough device",
    about="""
    QEMU goes through the extended capabilities of a passthrough device and shows the guest those
    it does not hide, each where the device has it. Where the host IOMMU device and the vIOMMU
    support PASIDs it adds a PASID capability, which VFIO keeps from it, at an offset that the user
    gives or at the end of the space: 001 34/37 to 37/37.

    Events: a device comes, with a list or without one; each capability of its list, anywhere, of
    any size, in any order; the end of the list, with any offset from the user, aligned or not,
    below, in or above the extended space; the device goes.

    Offsets count dwords: 2 stands for 0x100, 1 for what is below. The text adds no more than the
    size of a header to them and compares; every offset that a run uses may therefore be moved down
    until none is more than three dwords above the next lower one, and the run is the same. With n
    capabilities of a device there are 2n + 3: both ends of the space and of each capability, and
    what the user gives. So a proof about 6n + 6 dwords is one about all 960.

    Not here: what registers a device has beside its capabilities, which neither QEMU nor the
    user can see; the width of PASIDs; the bits by which a register is writeable or emulated.
    """,
    of=Of(
        "reference",
        "001 34/37 to 36/37 as merged, put right.",
        "QEMU 11.1",
        kernel="not: configuration space is QEMU's alone",
        qemu="not: nothing reads the configuration space of a running QEMU yet",
    ),
    state=PCIDevice,
    init=init,
    actions=(vfio_realize, vfio_add_ext_cap, vfio_add_ext_cap_done, vfio_exit),
    shape=shape,
    teardown=Teardown(actions=(vfio_exit,), empty=no_device, rank=left),
    bounds={
        "small": Bounds(
            {"caps": 4, "dwords": 10},
            "Three capabilities, or two behind a stub, in a space of seven dwords: they leave room "
            "before, between and behind them, and come in order or not.",
            2105, 24896, 6,
        ),
        "every-offset": Bounds(
            {"caps": 4, "dwords": 27},
            "As small, in a space of 24 dwords, which three capabilities cannot tell from one of "
            "960: for proofs.",
        ),
        "many": Bounds(
            {"caps": 6, "dwords": 65}, "Five capabilities: for random runs.",
        ),
    },
)  # fmt: skip

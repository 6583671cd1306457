"""The machine `vfio-attach`: VFIO devices that share containers, HWPTs, groups and a vIOMMU."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from spec.iommufd.objects import Kind
from spec.iommufd.uapi.state import Driver, Version, uapi_shape
from spec.language import (
    NONE,
    Machine,
    Of,
    Shape,
    Teardown,
    bits,
    bounds_like,
    count,
    first,
    require,
)
from spec.memory.section import memory_shape
from spec.vfio.attach.device import (
    destroy_deferred,
    guest_maps,
    guest_unmaps,
    vfio_exitfn,
    vfio_pci_realize,
)
from spec.vfio.state import VFIOKind, VFIOState

BOOTED = 0b10000
"""The memory map of the guest once it has booted: RAM, read-only memory, and what is no RAM."""


NO_GROUP = ("group-behind-the-viommu", "group-shares-an-hwpt")
"""What needs two devices of one group behind an accelerated SMMUv3."""


UNUSED = {
    "queues": 0, "bound_first": 0, "can_pasid": 0, "can_dirty": 0, "reserves": 0,
    "resets": 0, "rivals": 0, "hw_queues": 0, "bridges": 0, "rare": 0,
    "no_nesting": 0, "no_pri": 0, "pasids": 0, "events": 0, "page_requests": 0,
    "reserves_all": 0, "tables": 1, "virt_ids": 1,
}  # fmt: skip
"""What the uAPI has numbers for and VFIO makes no use of."""


def shape(values: Mapping[str, int]) -> Shape:
    """One iommufd. What devices are is given by masks (bit 0: the first device).

    `translated` devices are in an address space that a vIOMMU translates, others in system memory.
    """
    devices = values["devices"]
    memory_sizes, memory_constants = memory_shape(BOOTED)
    sizes, constants = uapi_shape({**values, **UNUSED})
    sizes.update(
        memory_sizes, spaces=2, containers=values["containers"], hwpts=values["hwpts"],
        vdevs=devices,
    )  # fmt: skip
    kinds = [VFIOKind.PCI] * devices
    for row in range(devices):
        if values["legacy"] >> row & 1:
            kinds[row] = VFIOKind.LEGACY
        if values["mdev"] >> row & 1:
            kinds[row] = VFIOKind.MDEV
    constants.update(memory_constants)
    constants["spaces"] = {"iommu": (False, True)}
    constants["vdevs"] = {
        "kind": tuple(kinds),
        "dev": tuple(range(1, devices + 1)),
        "space": tuple(1 + behind for behind in bits(values["translated"], devices)),
        "nesting": bits(values["nesting"], devices),
    }
    return Shape(sizes, constants)


def init(s: VFIOState, gbpa_abort: bool) -> None:
    """QEMU before any VFIO device; an accelerated SMMUv3's GBPA says abort or bypass."""
    require(not gbpa_abort or s.driver == Driver.ARM)
    s.gbpa_abort = gbpa_abort
    s.view = first(v.id for v in s.views)


def empty_host(s: VFIOState) -> bool:
    """Nothing is left: no object, no container, no HWPT, and the vIOMMU has nothing of its own."""
    return (
        all(o.kind == Kind.FREE for o in s.objects)
        and all(x.space == NONE for x in s.containers)
        and all(x.container == NONE for x in s.hwpts)
        and s.viommu == NONE
    )


def things_left(s: VFIOState) -> int:
    """Objects and devices that are there: what every step of a teardown lowers."""
    return count(o.kind != Kind.FREE for o in s.objects) + count(
        x.container != NONE for x in s.vdevs
    )


_bounds = partial(
    bounds_like,
    {
        "devices": 2, "groups": 1, "slots": 7, "containers": 1, "hwpts": 1, "incoherent": 0,
        "errata": 0, "on_second_iommu": 0, "translated": 0, "nesting": 0b11, "mdev": 0,
        "legacy": 0, "version": Version.V6_19, "driver": Driver.ARM,
    },
)  # fmt: skip


VFIO_ATTACH = Machine(
    name="vfio-attach",
    check={"explicit": (
        "small", "apart", "iommus", "translated", "mixed", "nested-mixed", "standard", "v6-15",
        "errata",
    )},
    exhaust={"symbolic": ("standard",)},
    title="VFIO devices: containers, HWPTs and host IOMMU devices",
    about="""
    QEMU's VFIO core with iommufd, in the order of 000: a device is bound, the vIOMMU before it is
    asked whether it wants nesting parents, an HWPT that takes the device is found in a container of
    its address space or made there, the device is attached, its host IOMMU device is realized, and
    handed to the vIOMMU. An accelerated SMMUv3 makes a vIOMMU object for the first, and has each
    device go where GBPA says (001 12/37).

    Events: plug and unplug of each device, in any order, cold-plug being no different here; the
    guest maps and unmaps memory in an address space that an emulated vIOMMU translates; the bottom
    half that destroys what the kernel would not let go of. In each of them any one host call may
    fail. Devices: PCI devices with iommufd or with the legacy backend, and mdevs; emulated devices
    never come to VFIO (see pci-hotplug). What a device is, its group, its IOMMU and its address
    space are constants of the bounds.

    Not here: changes of the guest's memory map, first-stage tables (hwpt-sharing); PASIDs and what
    other users of the uAPI may do (iommufd-objects); dirty tracking; the guest's stream tables;
    live update; open and close of the iommufd, which management passes in.
    """,
    of=Of(
        "reference",
        "VFIO's core of QEMU with the accelerated SMMU of 001 merged, put right.",
        "QEMU 11.1; Linux 6.14 to 7.3, the version being a bound",
        kernel="not itself: the kernel under it is that of iommufd-objects, which is held",
        qemu="not: QEMU is not driven yet",
    ),
    state=VFIOState,
    init=init,
    actions=(vfio_pci_realize, vfio_exitfn, guest_maps, guest_unmaps, destroy_deferred),
    shape=shape,
    teardown=Teardown(
        actions=(vfio_exitfn, destroy_deferred), empty=empty_host, rank=things_left
    ),
    bounds={
        "small": _bounds(
            "Two devices of one group behind an accelerated SMMUv3.",
            (96, 1136, 5),
            (64, 736, 4),
        ),
        "roomy": _bounds(
            "As small, with rows and ids to spare for what a variant makes in vain or leaks.",
            (96, 1136, 5),
            (64, 736, 4),
            slots=10, containers=3, hwpts=3,
        ),
        "apart": _bounds(
            "Two devices with groups of their own behind one accelerated SMMUv3.",
            (96, 1168, 5),
            (64, 752, 4),
            NO_GROUP,
            groups=2,
        ),
        "iommus": _bounds(
            "Two devices behind one accelerated SMMUv3, each behind its own SMMU of the host.",
            (112, 1072, 4),
            (96, 944, 4),
            ("two-in-a-container", *NO_GROUP),
            groups=2, on_second_iommu=0b10, hwpts=2, slots=8,
        ),
        "translated": _bounds(
            "Two devices, of which one is not coherent, behind an emulated vIOMMU. The host has an "
            "SMMU: Intel's first stage would take both.",
            (256, 2438, 9),
            (212, 2028, 7),
            ("behind-the-viommu", *NO_GROUP),
            groups=2, incoherent=0b10, translated=0b11, nesting=0, hwpts=2, slots=5,
        ),
        "errata": _bounds(
            "Three devices in system memory: with the erratum behind a vIOMMU that nests, with it "
            "behind none, and one without the erratum behind a vIOMMU that nests.",
            (45500, 401668, 39),
            (788, 7652, 14),
            ("behind-the-viommu", *NO_GROUP),
            devices=3, groups=3, errata=0b011, nesting=0b101, containers=2, hwpts=3, slots=8,
            driver=Driver.INTEL,
        ),
        "mixed": _bounds(
            "A PCI device, an mdev and a legacy device in system memory, no vIOMMU.",
            (352, 3152, 7),
            (200, 1840, 7),
            ("behind-the-viommu", *NO_GROUP),
            devices=3, groups=3, mdev=0b010, legacy=0b100, nesting=0, containers=2, slots=4,
        ),
        "nested-mixed": _bounds(
            "The same behind an accelerated SMMUv3, which takes the PCI device only.",
            (56, 592, 4),
            (48, 528, 4),
            ("two-in-a-container", *NO_GROUP),
            devices=3, groups=3, mdev=0b010, legacy=0b100, nesting=0b111,
        ),
        "standard": _bounds(
            "Three devices behind an accelerated SMMUv3, two of one group and one behind another "
            "SMMU of the host, and a device without a vIOMMU in the same address space.",
            (28992, 355448, 47),
            (712, 8688, 9),
            devices=4, groups=3, on_second_iommu=0b0100, nesting=0b0111, hwpts=3, slots=11,
        ),
        "v6-15": _bounds(
            "A kernel of 6.15 to 6.18 attaches no nested HWPT before there is a vDEVICE (S-04): no "
            "device behind an accelerated SMMUv3 can be plugged. One with no vIOMMU can.",
            (96, 864, 4),
            (80, 752, 4),
            ("two-in-a-container", "behind-the-viommu", *NO_GROUP),
            groups=2, nesting=0b01, hwpts=2, slots=8, version=Version.V6_15,
        ),
    },
)  # fmt: skip

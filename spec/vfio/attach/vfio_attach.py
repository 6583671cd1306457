"""The machine `vfio-attach`: VFIO devices that share containers, HWPTs, groups and a vIOMMU."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from spec.iommufd.objects import Kind
from spec.iommufd.uapi.state import BARE, Driver, Version, uapi_shape
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
)
from spec.memory.section import memory_shape
from spec.vfio.attach.device import (
    gbpa_bh,
    guest_maps,
    guest_unmaps,
    guest_writes_gbpa,
    memory_map_changes,
    system_reset,
    vfio_exitfn,
    vfio_pci_finalize,
    vfio_pci_realize,
)
from spec.vfio.bottom_halves import destroy_deferred, listener_bh
from spec.vfio.state import VFIOKind, VFIOState

BOOTED = 0b10000
"""The memory map of the guest once it has booted: RAM, read-only memory, and what is no RAM."""

OPTION_ROMS = 0b00101
"""As it is at reset and when option ROMs are copied: what is read-only is writeable, and a BAR."""


NO_GROUP = ("group-behind-the-viommu", "group-shares-an-hwpt")
"""What needs two devices of one group behind one vIOMMU that nests."""

NO_MAP = ("guest_maps", "guest_unmaps")
"""What needs an address space that an emulated vIOMMU translates."""

NO_VIEW = ("memory_map_changes", "listener_bh")
"""What needs another view of system memory; or any mapping that can be missing or stale."""

NO_GBPA = ("guest_writes_gbpa", "gbpa_bh")
"""What needs an accelerated SMMUv3."""


def shape(values: Mapping[str, int]) -> Shape:
    """One iommufd. What devices are is given by masks (bit 0: the first device).

    Those of `one_slot` take turns in one slot of the guest, `early` ones came before their vIOMMU,
    `unfit` ones have not what it shows the guest.
    """
    devices = values["devices"]
    memory_sizes, memory_constants = memory_shape(values["views"])
    sizes, constants = uapi_shape({**BARE, **values})
    slots = [1 if values["one_slot"] >> row & 1 else row + 2 for row in range(devices)]
    spaces = [_space(values, row, slots[row]) for row in range(devices)]
    named = sorted(set(spaces))
    sizes.update(
        memory_sizes, spaces=len(named), containers=values["containers"], hwpts=values["hwpts"],
        vdevs=devices,
    )  # fmt: skip
    kinds = [VFIOKind.PCI] * devices
    for row in range(devices):
        if values["legacy"] >> row & 1:
            kinds[row] = VFIOKind.LEGACY
        if values["mdev"] >> row & 1:
            kinds[row] = VFIOKind.MDEV
    constants.update(memory_constants)
    constants["spaces"] = {"iommu": tuple(name == TRANSLATED for name in named)}
    constants["vdevs"] = {
        "kind": tuple(kinds),
        "dev": tuple(range(1, devices + 1)),
        "space": tuple(1 + named.index(name) for name in spaces),
        "slot": tuple(slots),
        "nesting": bits(values["nesting"], devices),
        "early": bits(values["early"], devices),
        "unfit": bits(values["unfit"], devices),
    }
    return Shape(sizes, constants)


SYSTEM_MEMORY, TRANSLATED, SHARED_ALIAS, OF_THE_SLOT = range(4)


def _space(values: Mapping[str, int], row: int, slot: int) -> int:
    """Which address space a device is in; VFIO takes two for one only if they are the same.

    Accelerated SMMUv3s have all devices in one alias of system memory, VT-d has one for each slot.
    `translated` devices are behind one bridge of the guest and so in one address space of an
    emulated vIOMMU.
    """
    if values["translated"] >> row & 1:
        return TRANSLATED
    if not values["nesting"] >> row & 1:
        return SYSTEM_MEMORY
    return SHARED_ALIAS if values["driver"] == Driver.ARM else OF_THE_SLOT + slot


def init(s: VFIOState) -> None:
    """QEMU before any VFIO device; an accelerated SMMUv3's GBPA bypasses, as after every reset."""
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
    """Objects, devices and what waits for a bottom half: what every step of a teardown lowers."""
    left = 1 if s.gbpa_update else 0
    for c in s.containers:
        left += count(x.id in c.stale for x in s.sections)
    return (
        left
        + count(o.kind != Kind.FREE for o in s.objects)
        + count(x.container != NONE for x in s.vdevs)
        + count(x.container != NONE and not x.exited for x in s.vdevs)
    )


_bounds = partial(
    bounds_like,
    {
        "devices": 2, "groups": 1, "slots": 7, "containers": 1, "hwpts": 1, "incoherent": 0,
        "errata": 0, "on_second_iommu": 0, "translated": 0, "nesting": 0b11, "mdev": 0,
        "legacy": 0, "one_slot": 0, "early": 0, "unfit": 0, "views": BOOTED,
        "version": Version.V6_19, "driver": Driver.ARM,
    },
)  # fmt: skip


VFIO_ATTACH = Machine(
    name="vfio-attach",
    check={"explicit": (
        "small", "apart", "iommus", "translated", "mixed", "nested-mixed", "v6-15", "one-slot",
        "vtd-group", "memory",
    ), "symbolic": ("memory",)},
    exhaust={"explicit": ("standard",), "symbolic": ("small",)},
    title="VFIO devices: containers, HWPTs and host IOMMU devices",
    about="""
    QEMU's VFIO core with iommufd, in the order of 000: a device is bound, the vIOMMU before it is
    asked whether it wants nesting parents, an HWPT that takes the device is found in a container of
    its address space or made there, newest first, the device is attached, its host IOMMU device is
    realized, and handed to the vIOMMU. An accelerated SMMUv3 asks whether the host has what the
    guest is shown, makes a vIOMMU object for the first, and has each device go where GBPA says
    (001 12/37).

    An address space is of one kind: all devices behind an accelerated SMMUv3 are in one alias of
    system memory, VT-d has an address space for each slot, and what no vIOMMU nests for is in
    system memory itself or in what an emulated vIOMMU translates. VFIO takes two address spaces for
    one only if they are the same object, so a container is of one kind, too.

    Events: plug and unplug of each device, in any order; an unplugged device's slot is free at
    once, its instance is finalized, which detaches it, at any time from then on. The guest writes
    GBPA; the system is reset, as it is at start, after the cold-plugged devices are there; the
    guest's memory map changes; the guest maps and unmaps memory in an address space that an
    emulated vIOMMU translates; bottom halves that try again what the kernel refused: to destroy, to
    unmap, to attach as GBPA says. In each of them any one host call may fail. Devices: PCI devices
    with iommufd or with the legacy backend, and mdevs; emulated devices never come to VFIO (see
    pci-hotplug). What a device is, its group, its IOMMU, its slot and its address space are
    constants of the bounds.

    The order of host calls is QEMU's but for two things: where several devices are reset or follow
    GBPA they come in the order of their rows (QEMU: the last plugged first), and
    VFIO_DEVICE_GET_REGION_INFO stands for those of all regions.

    Not here: first-stage tables (hwpt-sharing); SMMUEN and the guest's stream tables; PASIDs and
    what other users of the uAPI may do (iommufd-objects); interrupts; dirty tracking and migration;
    live update; what the legacy backend asks of the host; open and close of the iommufd, which
    management passes in.
    """,
    of=Of(
        "reference",
        "VFIO's core of QEMU with the accelerated SMMU of 001 merged, put right.",
        "QEMU 11.1; Linux 6.14 to 7.3, the version being a bound",
        kernel="not itself: the kernel under it is that of iommufd-objects, which is held",
        qemu="`viommu-spec drive vfio-attach --qemu`: in lockstep with qemu-11.1-vfio-attach",
    ),
    state=VFIOState,
    init=init,
    actions=(
        vfio_pci_realize, vfio_exitfn, vfio_pci_finalize, guest_writes_gbpa, system_reset,
        memory_map_changes, guest_maps, guest_unmaps, destroy_deferred, listener_bh, gbpa_bh,
    ),
    shape=shape,
    teardown=Teardown(
        actions=(vfio_exitfn, vfio_pci_finalize, destroy_deferred, listener_bh, gbpa_bh),
        empty=empty_host,
        rank=things_left,
    ),
    bounds={
        "small": _bounds(
            "Two devices of one group behind an accelerated SMMUv3.",
            (278, 2502, 9),
            (78, 712, 6),
            (*NO_MAP, *NO_VIEW),
        ),
        "roomy": _bounds(
            "As small, with rows and ids to spare for what a variant makes in vain or leaks.",
            (278, 2502, 9),
            (78, 712, 6),
            (*NO_MAP, *NO_VIEW),
            slots=10, containers=3, hwpts=3,
        ),
        "apart": _bounds(
            "Two devices with groups of their own behind one accelerated SMMUv3, with a container "
            "to spare.",
            (546, 4862, 10),
            (130, 1152, 7),
            (*NO_GROUP, *NO_MAP, *NO_VIEW),
            groups=2, containers=2, hwpts=2, slots=9,
        ),
        "iommus": _bounds(
            "Two devices behind one accelerated SMMUv3, each behind its own SMMU of the host.",
            (472, 4142, 10),
            (258, 2346, 9),
            (*NO_GROUP, *NO_MAP, *NO_VIEW),
            groups=2, on_second_iommu=0b10, hwpts=2, slots=8,
        ),
        "translated": _bounds(
            "Two devices, of which one is not coherent, behind one bridge of the guest and an "
            "emulated vIOMMU. The host has an SMMU: Intel's first stage would take both.",
            (729, 5544, 14),
            (599, 4589, 11),
            ("behind-the-viommu", "memory_map_changes", *NO_GROUP, *NO_GBPA),
            groups=2, incoherent=0b10, translated=0b11, nesting=0, hwpts=2, slots=5,
        ),
        "one-slot": _bounds(
            "Three devices that take turns in one slot behind VT-d that nests, two with the "
            "erratum and one without.",
            (7121, 66956, 58),
            (96, 984, 9),
            (*NO_GROUP, *NO_MAP, *NO_VIEW, *NO_GBPA),
            devices=3, groups=3, errata=0b011, nesting=0b111, one_slot=0b111, containers=2,
            hwpts=2, slots=8, driver=Driver.INTEL,
        ),
        "vtd-group": _bounds(
            "Two devices of one group in two slots behind VT-d that nests: their address spaces "
            "are two, so one of them is refused as long as the other is there. And a device in "
            "system memory.",
            (207, 2052, 7),
            (151, 1684, 7),
            ("two-in-a-container", *NO_GROUP, *NO_MAP, *NO_VIEW, *NO_GBPA),
            devices=3, groups=2, nesting=0b011, containers=3, hwpts=3, slots=9,
            driver=Driver.INTEL,
        ),
        "memory": _bounds(
            "One device behind VT-d, before and after the firmware opens memory to copy itself "
            "there and maps the option ROM of a device.",
            (44, 327, 5),
            (44, 327, 5),
            ("two-in-a-container", *NO_GROUP, *NO_MAP, *NO_GBPA),
            devices=1, nesting=0b1, slots=3, views=OPTION_ROMS, driver=Driver.INTEL,
        ),
        "mixed": _bounds(
            "A PCI device, an mdev and a legacy device in system memory, no vIOMMU.",
            (250, 2401, 10),
            (135, 1303, 10),
            ("behind-the-viommu", *NO_GROUP, *NO_MAP, *NO_VIEW, *NO_GBPA),
            devices=3, groups=3, mdev=0b010, legacy=0b100, nesting=0, containers=2, slots=4,
        ),
        "nested-mixed": _bounds(
            "The same behind an accelerated SMMUv3, which takes the PCI device only, and not one "
            "whose host has less than the guest is shown.",
            (48, 436, 6),
            (40, 368, 6),
            ("two-in-a-container", *NO_GROUP, *NO_MAP, *NO_VIEW),
            devices=4, groups=4, mdev=0b0010, legacy=0b0100, nesting=0b1111, unfit=0b1000,
        ),
        "standard": _bounds(
            "Three devices behind an accelerated SMMUv3, two of one group and one behind another "
            "SMMU of the host, and a device in system memory, which came before its vIOMMU.",
            None,
            (15724, 198438, 17),
            (*NO_MAP, *NO_VIEW),
            devices=4, groups=3, on_second_iommu=0b0100, nesting=0b0111, early=0b1000, hwpts=3,
            containers=2, slots=12,
        ),
        "v6-15": _bounds(
            "A kernel of 6.15 to 6.18 attaches no nested HWPT before there is a vDEVICE (S-04): no "
            "device behind an accelerated SMMUv3 can be plugged. One that came before it can.",
            (68, 702, 5),
            (48, 542, 5),
            ("two-in-a-container", "behind-the-viommu", "gbpa_bh", *NO_GROUP, *NO_MAP, *NO_VIEW),
            groups=2, nesting=0b01, early=0b10, containers=2, hwpts=2, slots=10,
            version=Version.V6_15,
        ),
    },
)  # fmt: skip

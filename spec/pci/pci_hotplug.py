"""The machine `pci-hotplug`: vIOMMUs and devices that come to PCI buses, in any order."""

from __future__ import annotations

from collections.abc import Mapping

from spec.language import (
    NONE,
    Bounds,
    Id,
    Machine,
    Of,
    Shape,
    Teardown,
    count,
    first,
    require,
)
from spec.pci.bus import DeviceType, PCIBus, PCIHost
from spec.pci.hotplug import kvm_arch_fixup_msi_route, pcibus_machine_done, viommu_realize
from spec.pci.passthrough import pci_qdev_realize, pci_qdev_unrealize


def shape(values: Mapping[str, int]) -> Shape:
    """The first root bus has a bridge for each other bus, and one slot more.

    Of the other buses a conventional one has `conventional` slots besides slot 0, a further root
    bus one.
    """
    conventional, roots = values["conventional"], values["roots"]
    others = ([False] if conventional else []) + [True] * (roots - 1)
    first_bus = [(1, devfn) for devfn in range(len(others) + 1)]
    behind = [
        (number, devfn)
        for number, express in enumerate(others, 2)
        for devfn in range(1 if express else conventional + 1)
    ]
    slots = first_bus + behind
    spaces = [(True, 0, 0), (False, 0, 0)] + [
        (False, viommu, slot)
        for viommu in range(1, values["viommus"] + 1)
        for slot in range(1, len(slots) + 1)
    ]
    sizes = {
        "buses": 1 + len(others),
        "slots": len(slots),
        "viommus": values["viommus"],
        "spaces": len(spaces),
    }
    return Shape(
        sizes,
        {
            "buses": {
                "express": (True, *others),
                "root": (True, *others),
                "parent_dev": (0, *range(1, len(others) + 1)),
            },
            "slots": {
                "bus": tuple(bus for bus, _ in slots),
                "devfn": tuple(devfn for _, devfn in slots),
            },
            "spaces": {
                "memory": tuple(memory for memory, _, _ in spaces),
                "iommu": tuple(iommu for _, iommu, _ in spaces),
                "requester": tuple(requester for _, _, requester in spaces),
            },
        },
    )


def init(s: PCIHost, nic: bool, bypass: bool, root: Id[PCIBus]) -> None:
    """A machine before its command line's devices: the buses, the bridges to them, a default NIC.

    The user may have had one root bus bypass the IOMMU.
    """
    require(s.buses[root].root and (bypass or s.buses[root].parent_dev == NONE))
    s.buses[root].bypass_iommu = bypass
    for bus in s.buses:
        if bus.parent_dev != NONE:
            s.slots[bus.parent_dev].dev = DeviceType.BRIDGE
            s.slots[bus.parent_dev].on_bus = True
    if nic:
        vacant = first(
            x.id
            for x in s.slots
            if x.dev == DeviceType.NONE and s.buses[x.bus].parent_dev == NONE
        )
        s.slots[vacant].dev = DeviceType.EMULATED
        s.slots[vacant].on_bus = True


def no_endpoint(s: PCIHost) -> bool:
    """The machine is ready, and of all devices only bridges and root ports are left."""
    return s.machine_ready and all(
        x.dev in (DeviceType.NONE, DeviceType.BRIDGE) and x.idev == NONE for x in s.slots
    )


def left(s: PCIHost) -> int:
    """How many endpoints there are, and the end of the command line: what a teardown lowers."""
    return count(x.dev not in (DeviceType.NONE, DeviceType.BRIDGE) for x in s.slots) + (
        0 if s.machine_ready else 1
    )


PCI_HOTPLUG = Machine(
    name="pci-hotplug",
    check={"explicit": ("small", "roots", "standard")},
    exhaust={"symbolic": ("standard",)},
    title="Devices that come to a PCI bus, and the vIOMMU before it",
    about="""
    A device comes to its bus, its vIOMMU is asked whether it takes it, it gets the address space of
    its DMA, VFIO attaches it and gives its host IOMMU device to the vIOMMU: do_pci_register_device
    and what it calls, and the callbacks of PCIIOMMUOps of the emulated SMMU, of VT-d without and
    with first-stage translation, and of the accelerated SMMU: 001 07/37, 08/37, 10/37 to 12/37,
    16/37, 17/37; 000; QEMU 11.1.

    Events: a vIOMMU is made for a root bus, for that bus only or for all, with an MSI doorbell or
    without one; a device of any kind is plugged into any slot, cold or hot, before a vIOMMU or
    after; the machine is ready; a device uses an MSI; a device is unplugged. VFIO's attach, the
    vIOMMU that is given a device and what follows in the realize may each fail. What the command
    line asks for and is refused ends QEMU. A default NIC is there before all that, or none, and
    one root bus may bypass the IOMMU.

    Behind a PCIe-to-PCI bridge all devices have the requester id of slot 0 of its bus, which the
    bridge's hot-plug controller lets no device have. (On x86 it does where ACPI plugs what is
    behind bridges, but there no vIOMMU looks who is in slot 0.)

    Otherwise than in QEMU 11.1 whether a device may be behind an accelerated SMMU is decided by the
    device itself; neither an mdev may, nor anything behind a PCIe-to-PCI bridge, which VT-d refuses
    too; and a vIOMMU that comes after its devices, or without an MSI doorbell, is refused.

    Not here: bridges that are unplugged, or have the requester id of their own slot for what is
    behind them; nested ones; what the vIOMMU does with a device, and why it refuses one; what
    translates for an mdev behind VT-d; VT-d without caching-mode, which refuses every device;
    resets, which change no address space; ATS, PRI and IOTLB notifiers, which find the vIOMMU in
    the same way.
    """,
    of=Of(
        "reference",
        "hw/pci and the callbacks of PCIIOMMUOps with 001 merged, put right; what 11.1 does "
        "otherwise is pci-hotplug-11.1.",
        "QEMU 11.1",
        kernel="not: which vIOMMU a device has is QEMU's alone",
        qemu="`make qemu`: 268 command lines end on QEMU 11.1.3 as pci-hotplug-11.1 has it; not "
        "hot plug, devices without an iommufd, mdevs, a second root bus",
    ),
    state=PCIHost,
    init=init,
    actions=(
        viommu_realize,
        pci_qdev_realize,
        pcibus_machine_done,
        kvm_arch_fixup_msi_route,
        pci_qdev_unrealize,
    ),
    shape=shape,
    teardown=Teardown(
        actions=(pcibus_machine_done, pci_qdev_unrealize), empty=no_endpoint, rank=left
    ),
    bounds={
        "small": Bounds(
            {"viommus": 1, "conventional": 2, "roots": 1},
            "A PCIe-to-PCI bridge with two devices behind it, which are a group, and a device "
            "beside it; one vIOMMU.",
            2300, 31254, 7,
        ),
        "roots": Bounds(
            {"viommus": 2, "conventional": 0, "roots": 2},
            "Two root buses with a device each, and two vIOMMUs: on one bus each, or one for both, "
            "or both on one.",
            3612, 25103, 7,
            ("a-group-of-two",),
        ),
        "standard": Bounds(
            {"viommus": 2, "conventional": 2, "roots": 2},
            "Two root buses, and a bridge with two devices below the first.",
            51305, 915023, 10,
        ),
    },
)  # fmt: skip

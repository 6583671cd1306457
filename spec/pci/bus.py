"""PCI buses, what is in their slots, and who translates for whom."""

from __future__ import annotations

from enum import IntEnum
from typing import Annotated

from spec.language import CONST, NONE, Id, Range, Record, State, Table, first, mirrors


class IOMMUType(IntEnum):
    """A vIOMMU, by the callbacks of PCIIOMMUOps that it has beside get_address_space.

    SMMUV3 has none. INTEL_IOMMU and INTEL_IOMMU_FSTS, which has fsts=on and nests, have those of
    host IOMMU devices, flags and quirks. SMMUV3_ACCEL has no quirks, but chooses its devices and
    tells the MSI doorbell.
    """

    NONE = 0
    SMMUV3 = 1
    INTEL_IOMMU = 2
    SMMUV3_ACCEL = 3
    INTEL_IOMMU_FSTS = 4


class DeviceType(IntEnum):
    """What is in a slot: a bridge or root port, an emulated endpoint, or a vfio-pci device.

    VFIO_IOMMUFD has an iommufd and VFIO_LEGACY has none; VFIO_MDEV has one, and no host IOMMU
    device.
    """

    NONE = 0
    BRIDGE = 1
    EMULATED = 2
    VFIO_IOMMUFD = 3
    VFIO_LEGACY = 4
    VFIO_MDEV = 5


class Doorbell(IntEnum):
    """Where QEMU has the address of a device's MSI doorbell from, once it has needed it."""

    UNKNOWN = 0
    DIRECT = 1
    WALKED = 2


class VIOMMU(Record):
    """A vIOMMU and the root bus that it was made for; `msi_gpa`: it was told of an MSI doorbell."""

    type: IOMMUType
    bus: Id[PCIBus]
    msi_gpa: bool

    def label(self) -> str:
        """What it is."""
        return self.type.name


class PCIBus(Record):
    """A bus, the vIOMMU that was set up on it, and the device whose secondary bus it is.

    A conventional bus is that of a PCIe-to-PCI bridge, and a root bus with a parent that of a
    pxb-pcie. `iommu_per_bus`: the vIOMMU serves no other root bus; `bypass_iommu`, of a root bus:
    none serves this one.
    """

    express: Annotated[bool, CONST]
    root: Annotated[bool, CONST]
    parent_dev: Annotated[Id[PCISlot], CONST]
    iommu: Id[VIOMMU]
    iommu_per_bus: bool
    bypass_iommu: bool


class AddressSpace(Record):
    """An address space: system memory (`memory`), an alias of it that all accelerated SMMUs share.

    Or that which a vIOMMU has for a requester id, with `iommu` and `requester`.
    """

    memory: Annotated[bool, CONST]
    iommu: Annotated[Id[VIOMMU], CONST]
    requester: Annotated[Id[PCISlot], CONST]

    def label(self) -> str:
        """What it is, or whose."""
        if self.iommu == 0:
            return "memory" if self.memory else "shared-sysmem"
        return f"iommu{int(self.iommu)}-slot{int(self.requester)}"


class PCISlot(Record):
    """A device and function number of a bus, which is a requester id, and the device there.

    `on_bus`: the bus finds the device. `bus_master_as` is the address space of the device's DMA,
    `vfio_as` the one that VFIO maps for it; `nesting_parent`: in an HWPT that can be a parent, and
    `bypass_ro`: without the memory that is read-only. `hiod`: its host IOMMU device is there;
    `idev` is the vIOMMU that was given it.
    """

    bus: Annotated[Id[PCIBus], CONST]
    devfn: Annotated[int, Range(0, 7), CONST]
    dev: DeviceType
    on_bus: bool
    bus_master_as: Id[AddressSpace]
    vfio_as: Id[AddressSpace]
    nesting_parent: bool
    bypass_ro: bool
    hiod: bool
    idev: Id[VIOMMU]
    doorbell: Doorbell

    def label(self) -> str:
        """Where it is."""
        return f"bus{int(self.bus)}:{int(self.devfn)}"


class PCIHost(State):
    """The buses of a machine; `machine_ready` once what comes is hot-plugged."""

    machine_ready: bool
    buses: Table[PCIBus]
    slots: Table[PCISlot]
    viommus: Table[VIOMMU]
    spaces: Table[AddressSpace]


@mirrors("001 07/37 pci_find_device")
def pci_find_device(s: PCIHost, slot: Id[PCISlot]) -> DeviceType:
    """The device that a bus finds in a slot."""
    return s.slots[slot].dev if s.slots[slot].on_bus else DeviceType.NONE


def is_smmu(type: IOMMUType) -> bool:
    """Whether a vIOMMU is one of an Arm machine."""
    return type in (IOMMUType.SMMUV3, IOMMUType.SMMUV3_ACCEL)


@mirrors("001 10/37 TYPE_VFIO_PCI")
def vfio_pci(dev: DeviceType) -> bool:
    """Whether a device is passed through."""
    return dev in (DeviceType.VFIO_IOMMUFD, DeviceType.VFIO_LEGACY, DeviceType.VFIO_MDEV)


@mirrors("qemu hw/pci/pci.c pci_bus_bypass_iommu")
def pci_bus_bypass_iommu(s: PCIHost, bus: Id[PCIBus]) -> bool:
    """Whether the root bus that a bus is, or is below, bypasses the IOMMU."""
    if s.buses[bus].root:
        return s.buses[bus].bypass_iommu
    return s.buses[s.slots[s.buses[bus].parent_dev].bus].bypass_iommu


@mirrors("001 16/37 pci_device_get_iommu_bus_devfn")
def pci_device_iommu(s: PCIHost, slot: Id[PCISlot]) -> Id[VIOMMU]:
    """The vIOMMU before a device: of its bus or the next above it that has one.

    From a root bus the way leads on to the first one, unless the vIOMMU there is for that bus only.
    """
    bus = s.slots[slot].bus
    if pci_bus_bypass_iommu(s, bus):
        return NONE
    for _ in s.buses:
        parent = s.buses[bus].parent_dev
        if s.buses[bus].iommu != NONE or parent == NONE:
            break
        if s.buses[bus].root and s.buses[s.slots[parent].bus].iommu_per_bus:
            break
        bus = s.slots[parent].bus
    return s.buses[bus].iommu


@mirrors("001 16/37 pci_device_get_iommu_bus_devfn")
def pci_requester_id(s: PCIHost, slot: Id[PCISlot]) -> Id[PCISlot]:
    """The requester id that a vIOMMU sees: behind a PCIe-to-PCI bridge slot 0 of its bus."""
    bus = s.slots[slot].bus
    if s.buses[bus].express:
        return slot
    return first(x.id for x in s.slots if x.bus == bus and x.devfn == 0)


@mirrors("qemu hw/pci/pci.c pci_device_get_iommu_bus_devfn")
def is_aliased(s: PCIHost, slot: Id[PCISlot]) -> bool:
    """Whether a device's requester id is not its own."""
    return pci_requester_id(s, slot) != slot


def memory_space(s: PCIHost) -> Id[AddressSpace]:
    """System memory: what a device reaches that no vIOMMU is before."""
    return first(x.id for x in s.spaces if x.memory)


def shared_as_sysmem(s: PCIHost) -> Id[AddressSpace]:
    """The alias of system memory that all accelerated SMMUs have."""
    return first(x.id for x in s.spaces if not x.memory and x.iommu == NONE)


def iommu_space(s: PCIHost, viommu: Id[VIOMMU], requester: Id[PCISlot]) -> Id[AddressSpace]:
    """The address space that a vIOMMU has for a requester id."""
    return first(x.id for x in s.spaces if x.iommu == viommu and x.requester == requester)

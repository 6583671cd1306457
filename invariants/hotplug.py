"""Each device has the address space of its place, and its vIOMMU has been given it if it is to be.

What stands before a place is said here without a walk: the vIOMMU of the bus's own root bus, or one
of the first root bus that is for all, and none below a root bus that bypasses the IOMMU.
"""

from __future__ import annotations

from spec.language import NONE, Id, invariant, on_failure, sometimes
from spec.pci.bus import (
    VIOMMU,
    AddressSpace,
    DeviceType,
    Doorbell,
    IOMMUType,
    PCIBus,
    PCIHost,
    PCISlot,
)


def passed_through(dev: DeviceType) -> bool:
    """Whether VFIO has a device."""
    return dev in (DeviceType.VFIO_IOMMUFD, DeviceType.VFIO_LEGACY, DeviceType.VFIO_MDEV)


def with_host_iommu(dev: DeviceType) -> bool:
    """Whether an IOMMU of the host is before a device."""
    return dev in (DeviceType.VFIO_IOMMUFD, DeviceType.VFIO_LEGACY)


def before(s: PCIHost, slot: Id[PCISlot]) -> Id[VIOMMU]:
    """The vIOMMU before a slot."""
    bus = s.buses[s.slots[slot].bus]
    if bus.bypass_iommu:
        return NONE
    if bus.iommu != NONE or bus.parent_dev == NONE:
        return bus.iommu
    above = s.buses[s.slots[bus.parent_dev].bus]
    cut_off = above.iommu_per_bus if bus.root else above.bypass_iommu
    return NONE if cut_off else above.iommu


def is_before(s: PCIHost, slot: Id[PCISlot], type: IOMMUType) -> bool:
    """Whether a vIOMMU of a type is before a slot."""
    found = before(s, slot)
    return found != NONE and s.viommus[found].type == type


def accelerated(s: PCIHost, slot: Id[PCISlot]) -> bool:
    """Whether an accelerated SMMU is before a slot."""
    return is_before(s, slot, IOMMUType.SMMUV3_ACCEL)


def nests(s: PCIHost, slot: Id[PCISlot]) -> bool:
    """Whether the vIOMMU before a slot puts tables of the guest over those of VFIO."""
    return accelerated(s, slot) or is_before(s, slot, IOMMUType.INTEL_IOMMU_FSTS)


def one_group(s: PCIHost, slot: Id[PCISlot], other: Id[PCISlot]) -> bool:
    """Whether devices in two slots have one requester id."""
    same_bus = s.slots[slot].bus == s.slots[other].bus
    return slot == other or (same_bus and not s.buses[s.slots[slot].bus].express)


def belongs(s: PCIHost, slot: Id[PCISlot], space: Id[AddressSpace]) -> bool:
    """Whether an address space is the one of a device in a slot."""
    if space == NONE:
        return False
    found = s.spaces[space]
    if before(s, slot) == NONE:
        return found.memory
    if accelerated(s, slot) and passed_through(s.slots[slot].dev):
        return not found.memory and found.iommu == NONE
    return (
        found.iommu == before(s, slot)
        and one_group(s, slot, found.requester)
        and (s.buses[s.slots[slot].bus].express or s.slots[found.requester].devfn == 0)
    )


@sometimes
def a_group_of_two(s: PCIHost) -> bool:
    """Two devices behind a bridge have their DMA through the same vIOMMU."""
    return any(
        x.id != y.id
        and one_group(s, x.id, y.id)
        and x.bus_master_as == y.bus_master_as
        and x.bus_master_as != NONE
        and before(s, x.id) != NONE
        for x in s.slots
        for y in s.slots
    )


@sometimes
def shared_memory_beside_a_bridge(s: PCIHost) -> bool:
    """The host translates for a device, and QEMU for the bridge beside it."""
    return s.machine_ready and any(
        accelerated(s, x.id) and x.dev == DeviceType.VFIO_IOMMUFD for x in s.slots
    )


@sometimes
def attached_before_ready(s: PCIHost) -> bool:
    """A device was cold-plugged behind its vIOMMU and given to it."""
    return not s.machine_ready and any(x.idev != NONE for x in s.slots)


@sometimes
def no_host_iommu(s: PCIHost) -> bool:
    """A device without a host IOMMU device is behind a vIOMMU that wants such."""
    return any(
        x.dev == DeviceType.VFIO_MDEV and is_before(s, x.id, IOMMUType.INTEL_IOMMU)
        for x in s.slots
    )


@sometimes
def legacy_behind_vtd(s: PCIHost) -> bool:
    """A device without an iommufd was given to a vIOMMU."""
    return any(x.dev == DeviceType.VFIO_LEGACY and x.idev != NONE for x in s.slots)


@sometimes
def a_vacant_slot_behind_an_accelerated_viommu(s: PCIHost) -> bool:
    """A slot behind an accelerated vIOMMU has nothing, and another one a device."""
    return s.machine_ready and any(
        x.dev == DeviceType.NONE and y.dev == DeviceType.VFIO_IOMMUFD and accelerated(s, x.id)
        for x in s.slots
        for y in s.slots
    )


@sometimes
def nested_on_vtd(s: PCIHost) -> bool:
    """A device is behind VT-d with first-stage translation, and was given to it."""
    return any(is_before(s, x.id, IOMMUType.INTEL_IOMMU_FSTS) and x.idev != NONE for x in s.slots)


@sometimes
def passed_by(s: PCIHost) -> bool:
    """A device is below a root bus that bypasses the IOMMU, and a vIOMMU is there."""
    return s.machine_ready and any(
        y.bypass_iommu and x.bus == y.id and x.dev == DeviceType.VFIO_IOMMUFD
        for x in s.slots
        for y in s.buses
    ) and any(x.type == IOMMUType.SMMUV3_ACCEL for x in s.viommus)


@sometimes
def doorbell_told(s: PCIHost) -> bool:
    """A device's doorbell was known without a walk."""
    return any(x.doorbell == Doorbell.DIRECT for x in s.slots)


@sometimes
def doorbell_walked(s: PCIHost) -> bool:
    """QEMU has walked the guest's tables for a doorbell, where it translates itself."""
    return any(x.doorbell == Doorbell.WALKED for x in s.slots)


@sometimes
def plugged_before_its_viommu(s: PCIHost) -> bool:
    """An emulated device was plugged before the vIOMMU that is before it now."""
    return not s.machine_ready and any(
        x.dev == DeviceType.EMULATED and before(s, x.id) != NONE for x in s.slots
    )


@invariant(witness=shared_memory_beside_a_bridge)
def address_space_of_its_place(s: PCIHost, slot: Id[PCISlot]) -> bool:
    """Once the machine is ready the DMA of every device goes where its place says."""
    x = s.slots[slot]
    if x.dev == DeviceType.NONE or not s.machine_ready:
        return x.bus_master_as == NONE
    return belongs(s, slot, x.bus_master_as)


@invariant(witness=a_group_of_two)
def a_group_has_one_address_space(s: PCIHost, slot: Id[PCISlot], other: Id[PCISlot]) -> bool:
    """Devices with one requester id have one address space."""
    x = s.slots[slot].bus_master_as
    y = s.slots[other].bus_master_as
    return not one_group(s, slot, other) or x in (NONE, y) or y == NONE


@invariant(witness=attached_before_ready)
def vfio_maps_what_the_device_reaches(s: PCIHost, slot: Id[PCISlot]) -> bool:
    """VFIO maps for a device the address space of its place, from when it comes to when it goes."""
    x = s.slots[slot]
    if passed_through(x.dev):
        return belongs(s, slot, x.vfio_as)
    return x.vfio_as == NONE


@invariant(witness=shared_memory_beside_a_bridge)
def a_nesting_parent_where_wanted(s: PCIHost, slot: Id[PCISlot]) -> bool:
    """VFIO's HWPT is a nesting parent exactly where the vIOMMU puts guests' tables over it."""
    x = s.slots[slot]
    return x.nesting_parent == (x.dev == DeviceType.VFIO_IOMMUFD and nests(s, slot))


@invariant(witness=nested_on_vtd)
def no_read_only_memory_below_vtds_tables(s: PCIHost, slot: Id[PCISlot]) -> bool:
    """Below guests' tables on VT-d, and there alone, memory that is read-only is not mapped."""
    x = s.slots[slot]
    on_vtd = is_before(s, slot, IOMMUType.INTEL_IOMMU_FSTS)
    return x.bypass_ro == (x.dev == DeviceType.VFIO_IOMMUFD and on_vtd)


@invariant(witness=passed_by)
def vfio_is_told_of_maps(s: PCIHost, slot: Id[PCISlot]) -> bool:
    """Of what is mapped in an address space that VFIO maps for a device it is told."""
    space = s.slots[slot].vfio_as
    found = NONE if space == NONE else s.spaces[space].iommu
    return found == NONE or s.viommus[found].type in (
        IOMMUType.INTEL_IOMMU,
        IOMMUType.INTEL_IOMMU_FSTS,
    )


@invariant(witness=nested_on_vtd)
def a_nesting_viommu_finds_its_devices(s: PCIHost, slot: Id[PCISlot]) -> bool:
    """What the guest says of a requester id has effect on the device that has tables of its own."""
    return not s.slots[slot].nesting_parent or s.buses[s.slots[slot].bus].express


@invariant(witness=a_vacant_slot_behind_an_accelerated_viommu)
def no_emulated_device_behind_an_accelerated_viommu(s: PCIHost, slot: Id[PCISlot]) -> bool:
    """Behind an accelerated vIOMMU are devices for which the host translates, and bridges."""
    return not accelerated(s, slot) or s.slots[slot].dev in (
        DeviceType.NONE,
        DeviceType.BRIDGE,
        DeviceType.VFIO_IOMMUFD,
    )


@invariant(witness=a_vacant_slot_behind_an_accelerated_viommu)
def a_bus_finds_its_devices(s: PCIHost, slot: Id[PCISlot]) -> bool:
    """A device is found on its bus, and nothing is where no device is."""
    x = s.slots[slot]
    used = x.bus_master_as != NONE or x.doorbell == Doorbell.UNKNOWN
    return x.on_bus == (x.dev != DeviceType.NONE) and used


@invariant(witness=a_group_of_two)
def slot_0_behind_a_bridge_is_vacant(s: PCIHost, slot: Id[PCISlot]) -> bool:
    """The requester id of what is behind a bridge is that of no device."""
    x = s.slots[slot]
    return s.buses[x.bus].express or x.devfn != 0 or x.dev == DeviceType.NONE


@invariant(witness=a_group_of_two)
def the_bridges_stay(s: PCIHost, slot: Id[PCISlot]) -> bool:
    """The bridge to a bus is in its slot; bridges and root ports are on PCI Express."""
    if any(x.parent_dev == slot for x in s.buses):
        return s.slots[slot].dev == DeviceType.BRIDGE
    return s.slots[slot].dev != DeviceType.BRIDGE or s.buses[s.slots[slot].bus].express


@invariant(witness=plugged_before_its_viommu)
def an_iommu_is_on_a_root_bus(s: PCIHost, bus: Id[PCIBus]) -> bool:
    """A root bus has a vIOMMU or none; a bus that has none keeps it from no other."""
    x = s.buses[bus]
    return (x.root or (x.iommu == NONE and not x.bypass_iommu)) and (
        x.iommu != NONE or not x.iommu_per_bus
    )


@invariant(witness=plugged_before_its_viommu)
def one_iommu_on_a_bus(s: PCIHost, viommu: Id[VIOMMU]) -> bool:
    """A vIOMMU is found on the bus that it was made for, and no other is."""
    x = s.viommus[viommu]
    if x.type == IOMMUType.NONE:
        return x.bus == NONE and not x.msi_gpa and all(y.iommu != viommu for y in s.buses)
    return all((y.iommu == viommu) == (y.id == x.bus) for y in s.buses) and x.bus != NONE


@invariant(witness=no_host_iommu)
def set_for_host_iommu_devices_only(s: PCIHost, slot: Id[PCISlot]) -> bool:
    """A vIOMMU is given only devices that are there and have a host IOMMU device."""
    x = s.slots[slot]
    return (x.idev == NONE or x.hiod) and (not x.hiod or with_host_iommu(x.dev))


@invariant(witness=legacy_behind_vtd)
def every_host_iommu_device_is_set(s: PCIHost, slot: Id[PCISlot]) -> bool:
    """The vIOMMU before a device has its host IOMMU device, if it wants any; no other has it."""
    x = s.slots[slot]
    found = before(s, slot)
    if not x.hiod or found == NONE or s.viommus[found].type == IOMMUType.SMMUV3:
        return x.idev == NONE and (x.hiod or not with_host_iommu(x.dev))
    return x.idev == found


@invariant(witness=doorbell_told)
def no_walk_where_the_host_walks(s: PCIHost, slot: Id[PCISlot]) -> bool:
    """QEMU walks no guest's tables for an MSI doorbell where the host walks them."""
    return not accelerated(s, slot) or s.slots[slot].doorbell != Doorbell.WALKED


@invariant(witness=doorbell_told)
def accelerated_with_a_doorbell(s: PCIHost, viommu: Id[VIOMMU]) -> bool:
    """An accelerated vIOMMU knows the MSI doorbell."""
    x = s.viommus[viommu]
    return x.msi_gpa == (x.type != IOMMUType.NONE)


def nothing_is_there(s: PCIHost) -> bool:
    """A QEMU has just been started, with the bridges to its buses."""
    return (
        not s.machine_ready
        and all(
            x.dev == DeviceType.NONE or any(y.parent_dev == x.id for y in s.buses) for x in s.slots
        )
        and all(x.iommu == NONE for x in s.buses)
        and all(x.type == IOMMUType.NONE for x in s.viommus)
    )


@on_failure(witness=a_vacant_slot_behind_an_accelerated_viommu)
def a_refused_device_leaves_nothing(was: PCIHost, s: PCIHost) -> bool:
    """What is hot-plugged and refused leaves every slot, bus and vIOMMU as it was.

    Cold-plugged it ends QEMU.
    """
    if not was.machine_ready:
        return nothing_is_there(s)
    return (
        s.machine_ready
        and all(
            x.dev == was.slots[x.id].dev
            and x.on_bus == was.slots[x.id].on_bus
            and x.bus_master_as == was.slots[x.id].bus_master_as
            and x.vfio_as == was.slots[x.id].vfio_as
            and x.nesting_parent == was.slots[x.id].nesting_parent
            and x.bypass_ro == was.slots[x.id].bypass_ro
            and x.hiod == was.slots[x.id].hiod
            and x.idev == was.slots[x.id].idev
            and x.doorbell == was.slots[x.id].doorbell
            for x in s.slots
        )
        and all(
            x.iommu == was.buses[x.id].iommu and x.iommu_per_bus == was.buses[x.id].iommu_per_bus
            for x in s.buses
        )
        and all(x.type == was.viommus[x.id].type for x in s.viommus)
    )

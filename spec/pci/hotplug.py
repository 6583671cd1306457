"""A device comes to its bus and leaves it: hw/pci/pci.c, between the devices and the vIOMMUs."""

from __future__ import annotations

from spec.iommufd.objects import Errno
from spec.language import NONE, Fault, Id, first, mirrors, require
from spec.pci.bus import (
    VIOMMU,
    AddressSpace,
    DeviceType,
    Doorbell,
    IOMMUType,
    PCIBus,
    PCIHost,
    PCISlot,
    is_smmu,
    memory_space,
    pci_device_iommu,
    pci_requester_id,
    vfio_pci,
)
from spec.pci.iommu_ops import (
    get_address_space,
    get_host_iommu_quirks,
    get_msi_direct_gpa,
    get_viommu_flags,
    has_get_host_iommu_quirks,
    has_get_msi_direct_gpa,
    has_get_viommu_flags,
    has_set_iommu_device,
    has_supports_address_space,
    set_iommu_device,
    supports_address_space,
    unset_iommu_device,
)


@mirrors("001 04/37 smmu_base_realize", "001 18/37 virt_machine_device_pre_plug_cb")
def viommu_realize(
    s: PCIHost, bus: Id[PCIBus], type: IOMMUType, iommu_per_bus: bool, msi_gpa: bool
) -> Errno:
    """A vIOMMU is made for a root bus: of the command line only, and of one architecture.

    An accelerated one without an MSI doorbell is refused, and so is one on a bus that has one
    already or is no root bus, or one that finds devices which it would not have let in. That ends
    QEMU. VT-d is made for all root buses.
    """
    viommu = first(x.id for x in s.viommus if x.type == IOMMUType.NONE)
    require(not s.machine_ready and viommu != NONE)
    require(type != IOMMUType.NONE and (msi_gpa or type == IOMMUType.SMMUV3_ACCEL))
    require(is_smmu(type) or (s.buses[bus].parent_dev == NONE and not iommu_per_bus))
    require(all(x.type == IOMMUType.NONE or is_smmu(x.type) == is_smmu(type) for x in s.viommus))
    if not msi_doorbell_known(type, msi_gpa) or not pci_bus_takes_an_iommu(
        s, bus, iommu_per_bus
    ):
        qemu_exit(s)
        return Errno.EINVAL
    s.viommus[viommu].type = type
    s.viommus[viommu].bus = bus
    s.viommus[viommu].msi_gpa = msi_gpa
    err = pci_setup_iommu(s, bus, viommu, iommu_per_bus)
    if err != Errno.OK:
        qemu_exit(s)
    return err


@mirrors("qemu system/vl.c device_init_func")
def qemu_exit(s: PCIHost) -> None:
    """What the command line asks for is refused: QEMU ends, and another one is started.

    Nothing that it had is left, and only the bridges are there again.
    """
    for x in s.slots:
        if not any(y.parent_dev == x.id for y in s.buses):
            x.dev = DeviceType.NONE
            x.on_bus = False
            x.vfio_as = NONE
            x.nesting_parent = False
            x.bypass_ro = False
            x.hiod = False
            x.idev = NONE
    for v in s.viommus:
        v.type = IOMMUType.NONE
        v.bus = NONE
        v.msi_gpa = False
    for b in s.buses:
        b.iommu = NONE
        b.iommu_per_bus = False


@mirrors("001 04/37 smmu_base_realize", "qemu hw/arm/virt.c virt_machine_device_plug_cb")
def pci_bus_takes_an_iommu(s: PCIHost, bus: Id[PCIBus], iommu_per_bus: bool) -> bool:
    """Whether a vIOMMU can be made for a bus: the first root bus, or that of a pxb-pcie.

    One that is for this bus alone needs a bus that does not bypass it.
    """
    return s.buses[bus].root and not (iommu_per_bus and s.buses[bus].bypass_iommu)


@mirrors("001 18/37 virt_machine_device_pre_plug_cb", "defects S-36")
def msi_doorbell_known(type: IOMMUType, msi_gpa: bool) -> bool:
    """Whether a vIOMMU of a type has what it will be asked for once a device uses MSIs."""
    return msi_gpa or type != IOMMUType.SMMUV3_ACCEL


@mirrors("001 04/37 pci_setup_iommu", "defects S-30")
def pci_setup_iommu(
    s: PCIHost, bus: Id[PCIBus], viommu: Id[VIOMMU], iommu_per_bus: bool
) -> Errno:
    """A bus gets its vIOMMU: one, and before the devices that must know of it."""
    if s.buses[bus].iommu != NONE:
        return Errno.EEXIST
    s.buses[bus].iommu = viommu
    s.buses[bus].iommu_per_bus = iommu_per_bus
    return Errno.EBUSY if pci_setup_iommu_too_late(s, viommu) else Errno.OK


@mirrors("001 08/37 supports_address_space", "001 10/37 smmuv3_accel_find_add_as")
def pci_setup_iommu_too_late(s: PCIHost, viommu: Id[VIOMMU]) -> bool:
    """Whether a vIOMMU finds a device that it refuses, or one that VFIO has mapped without it."""
    return any(
        x.on_bus
        and pci_device_iommu(s, x.id) == viommu
        and (vfio_pci(x.dev) or not pci_device_supports_iommu_address_space(s, x.id))
        for x in s.slots
    )


@mirrors("001 08/37 pci_device_iommu_address_space", "001 16/37 pci_device_iommu_address_space")
def pci_device_iommu_address_space(s: PCIHost, slot: Id[PCISlot]) -> Id[AddressSpace]:
    """The address space of a device, which its vIOMMU has; without a vIOMMU that is memory."""
    viommu = pci_device_iommu(s, slot)
    if viommu == NONE:
        return memory_space(s)
    return get_address_space(s, viommu, pci_requester_id(s, slot), slot)


@mirrors("001 08/37 pci_device_supports_iommu_address_space")
def pci_device_supports_iommu_address_space(s: PCIHost, slot: Id[PCISlot]) -> bool:
    """Whether the vIOMMU before a device takes it; one that does not choose takes all."""
    viommu = pci_device_iommu(s, slot)
    if viommu == NONE or not has_supports_address_space(s, viommu):
        return True
    return supports_address_space(s, viommu, pci_requester_id(s, slot), slot)


@mirrors("000 02/20 pci_device_get_viommu_cap")
def pci_device_wants_nesting_parent(s: PCIHost, slot: Id[PCISlot]) -> bool:
    """Whether the vIOMMU before a device wants VFIO's HWPT to be a nesting parent."""
    viommu = pci_device_iommu(s, slot)
    if viommu == NONE or not has_get_viommu_flags(s, viommu):
        return False
    return get_viommu_flags(s, viommu)


@mirrors("qemu hw/pci/pci.c pci_device_get_host_iommu_quirks")
def pci_device_bypasses_ro(s: PCIHost, slot: Id[PCISlot]) -> bool:
    """Whether memory that is read-only may not be mapped below tables of the guest."""
    viommu = pci_device_iommu(s, slot)
    if viommu == NONE or not has_get_host_iommu_quirks(s, viommu):
        return False
    return get_host_iommu_quirks(s, viommu)


@mirrors("001 16/37 pci_device_set_iommu_device")
def pci_device_set_iommu_device(s: PCIHost, slot: Id[PCISlot], fault: Fault) -> Errno:
    """The host IOMMU device of a device is given to its vIOMMU, if that wants any."""
    viommu = pci_device_iommu(s, slot)
    if viommu == NONE or not has_set_iommu_device(s, viommu):
        return Errno.OK
    return set_iommu_device(s, viommu, slot, fault)


@mirrors("001 16/37 pci_device_unset_iommu_device")
def pci_device_unset_iommu_device(s: PCIHost, slot: Id[PCISlot]) -> None:
    """What pci_device_set_iommu_device did is undone."""
    viommu = pci_device_iommu(s, slot)
    if viommu != NONE and has_set_iommu_device(s, viommu):
        unset_iommu_device(s, viommu, slot)


@mirrors("001 07/37 pci_init_bus_master")
def pci_init_bus_master(s: PCIHost, slot: Id[PCISlot]) -> None:
    """A device's DMA goes to its address space from now on."""
    s.slots[slot].bus_master_as = pci_device_iommu_address_space(s, slot)


@mirrors("001 07/37 do_pci_register_device", "001 08/37 do_pci_register_device")
def do_pci_register_device(s: PCIHost, slot: Id[PCISlot], dev: DeviceType) -> Errno:
    """A device comes to its bus; then its vIOMMU is asked, and then, if hot-plugged, it has DMA."""
    s.slots[slot].dev = dev
    s.slots[slot].on_bus = True
    if not pci_device_supports_iommu_address_space(s, slot):
        do_pci_unregister_device(s, slot)
        return Errno.EINVAL
    if s.machine_ready:
        pci_init_bus_master(s, slot)
    return Errno.OK


@mirrors("001 08/37 do_pci_unregister_device")
def do_pci_unregister_device(s: PCIHost, slot: Id[PCISlot]) -> None:
    """A device leaves its bus, and nothing of it stays."""
    s.slots[slot].dev = DeviceType.NONE
    s.slots[slot].on_bus = False
    s.slots[slot].bus_master_as = NONE
    s.slots[slot].doorbell = Doorbell.UNKNOWN


@mirrors("001 07/37 PHASE_MACHINE_READY")
def pcibus_machine_done(s: PCIHost) -> None:
    """The command line has been read, and all vIOMMUs are there: every device gets its DMA."""
    require(not s.machine_ready)
    s.machine_ready = True
    for x in s.slots:
        if x.on_bus:
            pci_init_bus_master(s, x.id)


@mirrors("001 16/37 pci_device_iommu_msi_direct_gpa")
def pci_device_iommu_msi_direct_gpa(s: PCIHost, slot: Id[PCISlot]) -> bool:
    """Whether the vIOMMU of a device tells its MSI doorbell without a walk."""
    viommu = pci_device_iommu(s, slot)
    if viommu == NONE or not has_get_msi_direct_gpa(s, viommu):
        return False
    return get_msi_direct_gpa(s, viommu)


@mirrors("001 16/37 kvm_arch_fixup_msi_route")
def kvm_arch_fixup_msi_route(s: PCIHost, slot: Id[PCISlot]) -> None:
    """An MSI of an Arm device: QEMU needs the doorbell, and walks the guest's tables if it must."""
    x = s.slots[slot]
    require(x.on_bus and x.dev != DeviceType.BRIDGE and x.doorbell == Doorbell.UNKNOWN)
    require(x.bus_master_as != NONE and x.bus_master_as != memory_space(s))
    require(any(is_smmu(y.type) for y in s.viommus))
    if pci_device_iommu_msi_direct_gpa(s, slot):
        x.doorbell = Doorbell.DIRECT
    else:
        x.doorbell = Doorbell.WALKED

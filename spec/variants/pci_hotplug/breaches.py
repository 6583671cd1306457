"""Breaches of the rules of buses and their vIOMMUs that no series posted."""

from __future__ import annotations

from functools import partial

from spec.iommufd.objects import Errno
from spec.language import MUTANT, NONE, Fault, Id, mirrors, overrides, require, variant_of
from spec.pci.bus import (
    VIOMMU,
    AddressSpace,
    DeviceType,
    PCIBus,
    PCIHost,
    PCISlot,
    pci_bus_bypass_iommu,
    pci_device_iommu,
    pci_requester_id,
    vfio_pci,
)
from spec.pci.hotplug import (
    do_pci_register_device,
    do_pci_unregister_device,
    pci_bus_takes_an_iommu,
    pci_device_bypasses_ro,
    pci_device_set_iommu_device,
    pci_device_wants_nesting_parent,
    pcibus_machine_done,
    qemu_exit,
)
from spec.pci.iommu_ops import (
    get_host_iommu_quirks,
    get_viommu_flags,
    notifies_of_maps,
    vtd_check_hiod_accel,
)
from spec.pci.passthrough import (
    has_host_iommu_device,
    pci_qdev_unrealize,
    shpc_has_slot,
    vfio_device_detach,
    vfio_exit,
    vfio_hand_over,
    vfio_intx_enable,
)


@overrides(do_pci_register_device)
@mirrors("001 08/37 do_pci_register_device")
def refused_stays(s: PCIHost, slot: Id[PCISlot], dev: DeviceType) -> Errno:
    """A device that its vIOMMU refuses is still on the bus."""
    err = do_pci_register_device(s, slot, dev)
    if err != Errno.OK:
        s.slots[slot].dev = dev
        s.slots[slot].on_bus = True
    return err


@overrides(do_pci_unregister_device)
@mirrors("001 08/37 do_pci_unregister_device")
def the_bus_still_finds_it(s: PCIHost, slot: Id[PCISlot]) -> None:
    """A device goes, and its bus keeps a pointer to it."""
    do_pci_unregister_device(s, slot)
    s.slots[slot].on_bus = True


@overrides(pci_bus_takes_an_iommu)
@mirrors("001 04/37 smmu_base_realize")
def any_bus_will_do(s: PCIHost, bus: Id[PCIBus], iommu_per_bus: bool) -> bool:
    """A vIOMMU is made for a bus behind a bridge."""
    return True


@overrides(qemu_exit)
@mirrors("qemu system/vl.c device_init_func")
def qemu_goes_on(s: PCIHost) -> None:
    """What the command line asks for is refused, and QEMU starts all the same."""


@overrides(shpc_has_slot)
@mirrors("qemu hw/pci/shpc.c shpc_device_plug_cb")
def slot_0_is_a_slot(s: PCIHost, slot: Id[PCISlot]) -> bool:
    """A device comes to slot 0 behind a bridge: those beside it are taken for it."""
    return True


@overrides(pci_bus_bypass_iommu)
@mirrors("qemu hw/pci/pci.c pci_bus_bypass_iommu")
def nothing_is_bypassed(s: PCIHost, bus: Id[PCIBus]) -> bool:
    """A vIOMMU is before what bypasses it."""
    return False


@overrides(notifies_of_maps)
@mirrors("qemu hw/arm/smmuv3.c smmuv3_notify_flag_changed")
def smmus_do_not_refuse(s: PCIHost, space: Id[AddressSpace]) -> bool:
    """VFIO maps the address space of an SMMU, and is told of nothing that is mapped there."""
    return True


@overrides(vtd_check_hiod_accel)
@mirrors("qemu hw/i386/intel_iommu_accel.c vtd_check_hiod_accel")
def bridges_do_not_matter(s: PCIHost, slot: Id[PCISlot]) -> bool:
    """A device behind a bridge is taken, and the guest's tables are for slot 0 of its bus."""
    return s.slots[slot].dev == DeviceType.VFIO_IOMMUFD


@overrides(pci_device_bypasses_ro)
@mirrors("qemu hw/pci/pci.c pci_device_get_host_iommu_quirks")
def quirks_are_not_asked(s: PCIHost, slot: Id[PCISlot]) -> bool:
    """VFIO maps what is read-only, too."""
    return False


@overrides(pci_device_bypasses_ro)
@mirrors("qemu hw/pci/pci.c pci_device_get_host_iommu_quirks")
def quirks_are_not_looked_for(s: PCIHost, slot: Id[PCISlot]) -> bool:
    """Any vIOMMU is asked for quirks."""
    viommu = pci_device_iommu(s, slot)
    return viommu != NONE and get_host_iommu_quirks(s, viommu)


@overrides(pci_device_iommu)
@mirrors("001 04/37 pci_setup_iommu_per_bus")
def every_root_bus_is_below_the_first(s: PCIHost, slot: Id[PCISlot]) -> Id[VIOMMU]:
    """The way up leads on from any root bus, to a vIOMMU that was made for the first only."""
    bus = s.slots[slot].bus
    if pci_bus_bypass_iommu(s, bus):
        return NONE
    for _ in s.buses:
        parent = s.buses[bus].parent_dev
        if s.buses[bus].iommu != NONE or parent == NONE:
            break
        bus = s.slots[parent].bus
    return s.buses[bus].iommu


@overrides(pci_requester_id)
@mirrors("001 16/37 pci_device_get_iommu_bus_devfn", "defects V-41")
def own_requester_id(s: PCIHost, slot: Id[PCISlot]) -> Id[PCISlot]:
    """A device has its own requester id wherever it is."""
    return slot


@overrides(pci_device_wants_nesting_parent)
@mirrors("000 02/20 pci_device_get_viommu_cap")
def flags_are_not_looked_for(s: PCIHost, slot: Id[PCISlot]) -> bool:
    """Any vIOMMU is asked for its flags."""
    viommu = pci_device_iommu(s, slot)
    return viommu != NONE and get_viommu_flags(s, viommu)


@overrides(vfio_exit)
@mirrors("001 12/37 unset_iommu_device")
def not_unset(s: PCIHost, slot: Id[PCISlot]) -> None:
    """A device goes, and the vIOMMU does not hear of it."""
    vfio_device_detach(s, slot)


@overrides(vfio_hand_over)
@mirrors("000 02/20 set_iommu_device")
def not_taken_back(s: PCIHost, slot: Id[PCISlot], fault: Fault) -> Errno:
    """A realize that fails late leaves the host IOMMU device with the vIOMMU."""
    err = Errno.OK
    if has_host_iommu_device(s.slots[slot].dev):
        s.slots[slot].hiod = True
        err = pci_device_set_iommu_device(s, slot, fault)
    if err != Errno.OK:
        return err
    return vfio_intx_enable(s, slot, fault)


@overrides(pcibus_machine_done)
@mirrors("001 07/37 PHASE_MACHINE_READY")
def cold_plugged_have_no_dma(s: PCIHost) -> None:
    """The machine is ready, and what is there has no address space."""
    require(not s.machine_ready)
    s.machine_ready = True


@overrides(pci_qdev_unrealize)
@mirrors("001 08/37 do_pci_unregister_device")
def bridges_go(s: PCIHost, slot: Id[PCISlot]) -> None:
    """A bridge is unplugged like any other device, whatever is behind it."""
    dev = s.slots[slot].dev
    require(s.machine_ready and dev != DeviceType.NONE)
    if vfio_pci(dev):
        vfio_exit(s, slot)
    do_pci_unregister_device(s, slot)


variant = partial(variant_of, "pci-hotplug", standing=MUTANT)

VARIANTS = (
    variant(
        "pci-hotplug-own-requester-id", own_requester_id,
        about="Devices of a group have an address space each.",
        address_space_of_its_place=3, a_group_has_one_address_space=4,
        vfio_maps_what_the_device_reaches=2, a_nesting_viommu_finds_its_devices=2,
    ),
    variant(
        "pci-hotplug-per-bus-ignored", every_root_bus_is_below_the_first, bounds="roots",
        about="A vIOMMU that was made for one root bus translates for another.",
        address_space_of_its_place=3, vfio_maps_what_the_device_reaches=2,
        a_nesting_parent_where_wanted=2, every_host_iommu_device_is_set=2,
    ),
    variant(
        "pci-hotplug-quirks-is-null", quirks_are_not_looked_for,
        about="QEMU crashes where the vIOMMU does not have the callback.",
        no_failed_check=2,
    ),
    variant(
        "pci-hotplug-read-only-mapped", quirks_are_not_asked,
        about="Devices with the erratum write to it.",
        no_read_only_memory_below_vtds_tables=2,
    ),
    variant(
        "pci-hotplug-smmu-is-silent", smmus_do_not_refuse,
        about="The device's DMA goes where the guest has mapped nothing for a long time.",
        vfio_is_told_of_maps=2,
    ),
    variant(
        "pci-hotplug-alias-nested", bridges_do_not_matter,
        about="What the guest says of the device has no effect on it.",
        a_nesting_viommu_finds_its_devices=2,
    ),
    variant(
        "pci-hotplug-slot-0-used", slot_0_is_a_slot,
        a_nesting_viommu_finds_its_devices=2, slot_0_behind_a_bridge_is_vacant=1,
    ),
    variant(
        "pci-hotplug-bypass-ignored", nothing_is_bypassed, bounds="roots",
        address_space_of_its_place=2, vfio_maps_what_the_device_reaches=2,
        a_nesting_parent_where_wanted=2, no_read_only_memory_below_vtds_tables=2,
        every_host_iommu_device_is_set=2,
    ),
    variant(
        "pci-hotplug-goes-on", qemu_goes_on,
        vfio_maps_what_the_device_reaches=2, a_nesting_parent_where_wanted=2,
        no_read_only_memory_below_vtds_tables=2, no_emulated_device_behind_an_accelerated_viommu=1,
        every_host_iommu_device_is_set=2, a_refused_device_leaves_nothing=1, no_failed_check=2,
        teardown_reachable=1,
    ),
    variant(
        "pci-hotplug-any-bus", any_bus_will_do,
        address_space_of_its_place=3, vfio_maps_what_the_device_reaches=2,
        a_nesting_parent_where_wanted=2, no_emulated_device_behind_an_accelerated_viommu=2,
        an_iommu_is_on_a_root_bus=1, every_host_iommu_device_is_set=2,
    ),
    variant(
        "pci-hotplug-flags-is-null", flags_are_not_looked_for,
        about="QEMU crashes where the vIOMMU does not have the callback.",
        no_failed_check=2,
    ),
    variant(
        "pci-hotplug-refused-stays", refused_stays,
        about="It is found there.",
        address_space_of_its_place=3, vfio_maps_what_the_device_reaches=3,
        a_nesting_parent_where_wanted=3, no_emulated_device_behind_an_accelerated_viommu=3,
        every_host_iommu_device_is_set=3, a_refused_device_leaves_nothing=3,
    ),
    variant(
        "pci-hotplug-dangling", the_bus_still_finds_it,
        about="What the bus finds is freed.",
        a_bus_finds_its_devices=2, a_refused_device_leaves_nothing=2,
    ),
    variant(
        "pci-hotplug-not-unset", not_unset,
        about="The next device there is refused.",
        set_for_host_iommu_devices_only=4, every_host_iommu_device_is_set=4, teardown_reachable=2,
    ),
    variant(
        "pci-hotplug-not-taken-back", not_taken_back,
        about="The next device there is refused.",
        set_for_host_iommu_devices_only=3, every_host_iommu_device_is_set=3,
        a_refused_device_leaves_nothing=3, teardown_reachable=3,
    ),
    variant(
        "pci-hotplug-cold-without-dma", cold_plugged_have_no_dma,
        about="They never will.",
        address_space_of_its_place=1,
    ),
    variant(
        "pci-hotplug-bridge-unplugged", bridges_go,
        about="What is behind it is cut off.",
        the_bridges_stay=2,
    ),
)

"""Breaches of the rules of buses and their vIOMMUs that no series posted."""

from __future__ import annotations

from functools import partial

from spec.iommufd.objects import Errno
from spec.language import MUTANT, NONE, Fault, Id, mirrors, overrides, require, variant_of
from spec.pci.bus import (
    VIOMMU,
    DeviceType,
    PCIBus,
    PCIHost,
    PCISlot,
    pci_device_iommu,
    pci_requester_id,
    vfio_pci,
)
from spec.pci.hotplug import (
    do_pci_register_device,
    do_pci_unregister_device,
    pci_device_set_iommu_device,
    pci_device_unset_iommu_device,
    pci_device_wants_nesting_parent,
    pci_setup_iommu,
    pcibus_machine_done,
)
from spec.pci.iommu_ops import get_viommu_flags, set_iommu_device
from spec.pci.passthrough import (
    has_host_iommu_device,
    pci_qdev_unrealize,
    vfio_device_detach,
    vfio_exit,
    vfio_hand_over,
    vfio_intx_enable,
    vfio_take_back,
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


@overrides(pci_setup_iommu)
@mirrors("001 04/37 pci_setup_iommu")
def bus_is_left_to_itself(
    s: PCIHost, bus: Id[PCIBus], viommu: Id[VIOMMU], iommu_per_bus: bool
) -> Errno:
    """A vIOMMU that came too late is taken off the bus, which keeps its mark."""
    err = pci_setup_iommu(s, bus, viommu, iommu_per_bus)
    if err == Errno.EBUSY:
        s.buses[bus].iommu_per_bus = iommu_per_bus
    return err


@overrides(pci_device_iommu)
@mirrors("001 04/37 pci_setup_iommu_per_bus")
def every_root_bus_is_below_the_first(s: PCIHost, slot: Id[PCISlot]) -> Id[VIOMMU]:
    """The way up leads on from any root bus, to a vIOMMU that was made for the first only."""
    bus = s.slots[slot].bus
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


@overrides(pci_device_set_iommu_device)
@mirrors("001 16/37 pci_device_set_iommu_device")
def set_iommu_device_is_not_looked_for(s: PCIHost, slot: Id[PCISlot], fault: Fault) -> Errno:
    """Any vIOMMU is given the host IOMMU device."""
    viommu = pci_device_iommu(s, slot)
    if viommu == NONE:
        return Errno.OK
    return set_iommu_device(s, viommu, slot, fault)


@overrides(pci_device_wants_nesting_parent)
@mirrors("000 02/20 pci_device_get_viommu_cap")
def flags_are_not_looked_for(s: PCIHost, slot: Id[PCISlot]) -> bool:
    """Any vIOMMU is asked for its flags."""
    viommu = pci_device_iommu(s, slot)
    return viommu != NONE and get_viommu_flags(s, viommu)


@overrides(vfio_take_back)
@mirrors("001 12/37 smmuv3_accel_unset_iommu_device")
def unset_without_set(s: PCIHost, slot: Id[PCISlot]) -> None:
    """The vIOMMU is to let go of a device that it was not given."""
    pci_device_unset_iommu_device(s, slot)


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
        vfio_maps_what_the_device_reaches=2,
    ),
    variant(
        "pci-hotplug-per-bus-ignored", every_root_bus_is_below_the_first, bounds="roots",
        about="A vIOMMU that was made for one root bus translates for another.",
        address_space_of_its_place=3, vfio_maps_what_the_device_reaches=2,
        a_nesting_parent_where_wanted=2, every_host_iommu_device_is_set=2,
    ),
    variant(
        "pci-hotplug-set-is-null", set_iommu_device_is_not_looked_for,
        about="QEMU crashes where the vIOMMU does not have the callback.",
        no_failed_check=2,
    ),
    variant(
        "pci-hotplug-flags-is-null", flags_are_not_looked_for,
        about="QEMU crashes where the vIOMMU does not have the callback.",
        no_failed_check=2,
    ),
    variant(
        "pci-hotplug-refused-stays", refused_stays,
        about="It is found there.",
        address_space_of_its_place=3, vfio_maps_what_the_device_reaches=2,
        a_nesting_parent_where_wanted=2, no_emulated_device_behind_an_accelerated_viommu=2,
        every_host_iommu_device_is_set=2, a_refused_device_leaves_nothing=2, no_failed_check=3,
        teardown_reachable=2,
    ),
    variant(
        "pci-hotplug-dangling", the_bus_still_finds_it,
        about="What the bus finds is freed.",
        address_space_of_its_place=2, a_group_has_one_address_space=4, a_bus_finds_its_devices=1,
        a_refused_device_leaves_nothing=1,
    ),
    variant(
        "pci-hotplug-mark-stays", bus_is_left_to_itself,
        about="It is for a vIOMMU that is not there.",
        an_iommu_is_on_a_root_bus=2, a_refused_device_leaves_nothing=2,
    ),
    variant(
        "pci-hotplug-unset-without-set", unset_without_set,
        about="QEMU crashes.",
        no_failed_check=2, teardown_reachable=2,
    ),
    variant(
        "pci-hotplug-not-unset", not_unset,
        about="The next device there is refused.",
        set_for_host_iommu_devices_only=4, every_host_iommu_device_is_set=4, teardown_reachable=2,
    ),
    variant(
        "pci-hotplug-not-taken-back", not_taken_back,
        about="The next device there is refused.",
        set_for_host_iommu_devices_only=2, every_host_iommu_device_is_set=2,
        a_refused_device_leaves_nothing=2, teardown_reachable=2,
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

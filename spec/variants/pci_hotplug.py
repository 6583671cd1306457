"""Devices on their buses as posted: 001 07/37 to 17/37, and hw/pci as it was before them.

`pci-hotplug-v9` is 001; each of the others is the reference with a single defect, so that one does
not hide another.
"""

from __future__ import annotations

from spec.iommufd.objects import Errno
from spec.language import NONE, Fault, Id, Variant, check, mirrors, overrides, overriding, require
from spec.language.machine import Function
from spec.pci.bus import (
    VIOMMU,
    AddressSpace,
    DeviceType,
    Doorbell,
    IOMMUType,
    PCIBus,
    PCIHost,
    PCISlot,
    iommu_space,
    pci_device_iommu,
    pci_find_device,
    pci_requester_id,
    shared_as_sysmem,
    vfio_pci,
)
from spec.pci.hotplug import (
    do_pci_register_device,
    do_pci_unregister_device,
    msi_doorbell_known,
    pci_device_iommu_msi_direct_gpa,
    pci_device_set_iommu_device,
    pci_device_supports_iommu_address_space,
    pci_device_wants_nesting_parent,
    pci_init_bus_master,
    pci_setup_iommu,
    pci_setup_iommu_too_late,
    pcibus_machine_done,
)
from spec.pci.iommu_ops import (
    get_msi_direct_gpa,
    get_viommu_flags,
    has_get_msi_direct_gpa,
    set_iommu_device,
    smmuv3_accel_find_add_as,
    smmuv3_accel_pdev_allowed,
    supports_address_space,
)
from spec.pci.passthrough import (
    has_host_iommu_device,
    pci_qdev_unrealize,
    vfio_attach,
    vfio_device_attach,
    vfio_device_detach,
    vfio_exit,
    vfio_hand_over,
    vfio_intx_enable,
    vfio_take_back,
)


@overrides(supports_address_space)
@mirrors("001 10/37 smmuv3_accel_supports_as")
def device_of_the_requester_id(
    s: PCIHost, viommu: Id[VIOMMU], requester: Id[PCISlot], slot: Id[PCISlot]
) -> bool:
    """The device is looked for in the slot of the requester id; where none is, any will do."""
    dev = pci_find_device(s, requester)
    return dev == DeviceType.NONE or smmuv3_accel_pdev_allowed(dev)


@overrides(smmuv3_accel_find_add_as)
@mirrors("001 10/37 smmuv3_accel_find_add_as")
def space_of_the_requester_id(
    s: PCIHost, viommu: Id[VIOMMU], requester: Id[PCISlot], slot: Id[PCISlot]
) -> Id[AddressSpace]:
    """The address space is that of the device in the slot of the requester id, if one is there."""
    dev = pci_find_device(s, requester)
    check(dev == DeviceType.NONE or smmuv3_accel_pdev_allowed(dev), "g_assert_not_reached")
    if vfio_pci(dev):
        return shared_as_sysmem(s)
    return iommu_space(s, viommu, requester)


@overrides(do_pci_register_device)
@mirrors("001 07/37 do_pci_register_device", "defects S-29")
def bus_master_first(s: PCIHost, slot: Id[PCISlot], dev: DeviceType) -> Errno:
    """A hot-plugged device gets its address space before its bus can find it."""
    s.slots[slot].dev = dev
    if s.machine_ready:
        pci_init_bus_master(s, slot)
    s.slots[slot].on_bus = True
    if not pci_device_supports_iommu_address_space(s, slot):
        do_pci_unregister_device(s, slot)
        return Errno.EINVAL
    return Errno.OK


@overrides(do_pci_register_device)
@mirrors("001 08/37 do_pci_register_device")
def refused_stays(s: PCIHost, slot: Id[PCISlot], dev: DeviceType) -> Errno:
    """A device that its vIOMMU refuses is still on the bus."""
    s.slots[slot].dev = dev
    s.slots[slot].on_bus = True
    if not pci_device_supports_iommu_address_space(s, slot):
        return Errno.EINVAL
    if s.machine_ready:
        pci_init_bus_master(s, slot)
    return Errno.OK


@overrides(do_pci_unregister_device)
@mirrors("001 08/37 do_pci_unregister_device")
def the_bus_still_finds_it(s: PCIHost, slot: Id[PCISlot]) -> None:
    """A device goes, and its bus keeps a pointer to it."""
    s.slots[slot].dev = DeviceType.NONE
    s.slots[slot].bus_master_as = NONE
    s.slots[slot].doorbell = Doorbell.UNKNOWN


@overrides(pci_device_supports_iommu_address_space)
@mirrors("001 08/37 pci_device_supports_iommu_address_space")
def every_device_is_taken(s: PCIHost, slot: Id[PCISlot]) -> bool:
    """No vIOMMU is asked."""
    return True


@overrides(pci_setup_iommu)
@mirrors("001 04/37 pci_setup_iommu_per_bus", "defects S-30")
def the_last_iommu_wins(
    s: PCIHost, bus: Id[PCIBus], viommu: Id[VIOMMU], iommu_per_bus: bool
) -> Errno:
    """A second vIOMMU takes the place of the first."""
    before = s.buses[bus].iommu
    s.buses[bus].iommu = viommu
    if pci_setup_iommu_too_late(s, viommu):
        s.buses[bus].iommu = before
        return Errno.EBUSY
    s.buses[bus].iommu_per_bus = iommu_per_bus
    return Errno.OK


@overrides(pci_setup_iommu_too_late)
@mirrors("001 04/37 pci_setup_iommu", "001 10/37 smmuv3_accel_find_add_as")
def never_too_late(s: PCIHost, viommu: Id[VIOMMU]) -> bool:
    """A vIOMMU is made whatever is on its bus already."""
    return False


@overrides(pci_setup_iommu)
@mirrors("001 04/37 pci_setup_iommu")
def bus_is_left_to_itself(
    s: PCIHost, bus: Id[PCIBus], viommu: Id[VIOMMU], iommu_per_bus: bool
) -> Errno:
    """A vIOMMU that came too late is taken off the bus, which keeps its mark."""
    if s.buses[bus].iommu != NONE:
        return Errno.EEXIST
    s.buses[bus].iommu = viommu
    s.buses[bus].iommu_per_bus = iommu_per_bus
    if pci_setup_iommu_too_late(s, viommu):
        s.buses[bus].iommu = NONE
        return Errno.EBUSY
    return Errno.OK


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


@overrides(pci_device_iommu_msi_direct_gpa)
@mirrors("001 16/37 pci_device_iommu_msi_direct_gpa", "defects V-41")
def buses_are_swapped(s: PCIHost, slot: Id[PCISlot]) -> bool:
    """The bus of the requester id is taken for that of the vIOMMU, and has no callbacks."""
    viommu = s.buses[s.slots[pci_requester_id(s, slot)].bus].iommu
    check(viommu != NONE, "iommu_ops is NULL")
    return has_get_msi_direct_gpa(s, viommu) and get_msi_direct_gpa(s, viommu)


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


@overrides(vfio_attach)
@mirrors("001 12/37 smmuv3_accel_set_iommu_device", "defects S-37")
def mdev_is_attached(s: PCIHost, slot: Id[PCISlot], fault: Fault) -> Errno:
    """A device without a host IOMMU device goes behind a vIOMMU that cannot translate for it."""
    nesting = pci_device_wants_nesting_parent(s, slot)
    return vfio_device_attach(s, slot, nesting, fault)


@overrides(vfio_attach)
@mirrors("000 02/20 get_viommu_cap", "defects S-41")
def flags_are_asked_of_the_host_device(s: PCIHost, slot: Id[PCISlot], fault: Fault) -> Errno:
    """What is asked of the host IOMMU device is not known yet: VFIO makes an ordinary HWPT."""
    if pci_device_wants_nesting_parent(s, slot) and not has_host_iommu_device(s.slots[slot].dev):
        return Errno.EINVAL
    return vfio_device_attach(s, slot, False, fault)


@overrides(vfio_take_back)
@mirrors("001 12/37 smmuv3_accel_unset_iommu_device")
def unset_without_set(s: PCIHost, slot: Id[PCISlot]) -> None:
    """The vIOMMU is to let go of a device that it was not given."""
    viommu = pci_device_iommu(s, slot)
    if viommu != NONE and s.viommus[viommu].type != IOMMUType.SMMUV3:
        check(s.slots[slot].idev != NONE, "idev is NULL")
        s.slots[slot].idev = NONE


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


@overrides(has_get_msi_direct_gpa)
@mirrors("001 16/37 get_msi_direct_gpa", "defects S-35")
def no_direct_gpa(s: PCIHost, viommu: Id[VIOMMU]) -> bool:
    """No vIOMMU has the callback; QEMU walks the guest's tables, which the host walks too."""
    return False


@overrides(msi_doorbell_known)
@mirrors("001 17/37 smmuv3_accel_get_msi_gpa", "defects S-36")
def doorbell_is_taken_for_granted(type: IOMMUType, msi_gpa: bool) -> bool:
    """A machine without an MSI controller has an accelerated vIOMMU all the same."""
    return True


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


def _one(
    name: str,
    about: str,
    source: str,
    expects: dict[str, int],
    *functions: Function,
    bounds: str = "small",
) -> Variant:
    """A variant with these overrides."""
    return Variant(
        name=f"pci-hotplug-{name}",
        machine="pci-hotplug",
        overrides=overriding(*functions),
        expects=expects,
        bounds=bounds,
        source=source,
        about=about,
    )


VARIANTS = (
    _one(
        "v9",
        "001 as merged: devices behind a bridge are judged by slot 0 of its bus; an mdev is "
        "attached; a vIOMMU may come after its devices, and have no doorbell.",
        "001 04/37, 10/37, 12/37, 17/37",
        {
            "address-space-of-its-place": 3,
            "a-group-has-one-address-space": 4,
            "vfio-maps-what-the-device-reaches": 2,
            "a-nesting-parent-where-wanted": 2,
            "no-emulated-device-behind-an-accelerated-viommu": 2,
            "every-host-iommu-device-is-set": 2,
            "accelerated-with-a-doorbell": 1,
            "no-failed-check": 3,
            "teardown-reachable": 2,
        },
        device_of_the_requester_id,
        space_of_the_requester_id,
        mdev_is_attached,
        never_too_late,
        doorbell_is_taken_for_granted,
    ),
    _one(
        "slot-0-is-asked",
        "Behind a PCIe-to-PCI bridge the accelerated SMMU looks at slot 0 of the bus, which has "
        "another device or none: an emulated device is let in, and one of the host gets the "
        "IOMMU's address space.",
        "001 10/37",
        {
            "address-space-of-its-place": 3,
            "a-group-has-one-address-space": 4,
            "vfio-maps-what-the-device-reaches": 2,
            "no-emulated-device-behind-an-accelerated-viommu": 2,
        },
        device_of_the_requester_id,
        space_of_the_requester_id,
    ),
    _one(
        "viommu-after-device",
        "A device is on the bus before the vIOMMU is made: nobody asks whether it may be, and QEMU "
        "aborts when the machine is ready; VFIO maps memory for what a vIOMMU translates.",
        "001 04/37, 10/37",
        {
            "vfio-maps-what-the-device-reaches": 2,
            "a-nesting-parent-where-wanted": 2,
            "no-emulated-device-behind-an-accelerated-viommu": 2,
            "every-host-iommu-device-is-set": 2,
            "no-failed-check": 3,
            "teardown-reachable": 2,
        },
        never_too_late,
    ),
    _one(
        "mdev",
        "It has the shared alias of memory, and what the guest tells the SMMU has no effect.",
        "001 12/37; defects S-37",
        {"no-emulated-device-behind-an-accelerated-viommu": 2},
        mdev_is_attached,
    ),
    _one(
        "no-doorbell",
        "QEMU aborts when a device uses an MSI.",
        "001 17/37; defects S-36",
        {"accelerated-with-a-doorbell": 1, "no-failed-check": 4},
        doorbell_is_taken_for_granted,
    ),
    _one(
        "doorbell-walked",
        "Up to v5 QEMU walks tables of the guest that it does not see change.",
        "001 16/37; defects S-35",
        {"no-walk-where-the-host-walks": 4},
        no_direct_gpa,
    ),
    _one(
        "bus-master-first",
        "Before 001 07/37: the look-up finds no device, and a hot-plugged vfio-pci device gets the "
        "IOMMU's address space.",
        "001 07/37; defects S-29",
        {"address-space-of-its-place": 3, "a-group-has-one-address-space": 4},
        bus_master_first,
    ),
    _one(
        "nobody-asks",
        "Before 001 08/37 there was nothing to refuse a device with.",
        "001 08/37",
        {
            "no-emulated-device-behind-an-accelerated-viommu": 2,
            "no-failed-check": 2,
            "teardown-reachable": 2,
        },
        every_device_is_taken,
    ),
    _one(
        "nesting-unknown",
        "The capability was first asked of the host IOMMU device, which is made after the HWPT.",
        "000 02/20; defects S-41",
        {"a-nesting-parent-where-wanted": 2},
        flags_are_asked_of_the_host_device,
    ),
    _one(
        "two-iommus",
        "The last wins; devices of the first are translated by the second.",
        "defects S-30",
        {
            "vfio-maps-what-the-device-reaches": 3,
            "a-nesting-parent-where-wanted": 3,
            "no-emulated-device-behind-an-accelerated-viommu": 3,
            "one-iommu-on-a-bus": 2,
            "every-host-iommu-device-is-set": 3,
            "no-failed-check": 4,
            "teardown-reachable": 3,
        },
        the_last_iommu_wins,
        bounds="roots",
    ),
    _one(
        "buses-swapped",
        "Of devices behind a bridge the wrong bus is asked for its vIOMMU. The posted helpers are "
        "those of ATS and PRI; here it is that of MSIs, which asks in the same way.",
        "defects V-41",
        {"no-failed-check": 4},
        buses_are_swapped,
    ),
    _one(
        "own-requester-id",
        "Devices of a group have an address space each.",
        "no series",
        {
            "address-space-of-its-place": 3,
            "a-group-has-one-address-space": 4,
            "vfio-maps-what-the-device-reaches": 2,
        },
        own_requester_id,
    ),
    _one(
        "per-bus-ignored",
        "A vIOMMU that was made for one root bus translates for another.",
        "no series",
        {
            "address-space-of-its-place": 3,
            "vfio-maps-what-the-device-reaches": 2,
            "a-nesting-parent-where-wanted": 2,
            "every-host-iommu-device-is-set": 2,
        },
        every_root_bus_is_below_the_first,
        bounds="roots",
    ),
    _one(
        "set-is-null",
        "QEMU crashes where the vIOMMU does not have the callback.",
        "no series",
        {"no-failed-check": 2},
        set_iommu_device_is_not_looked_for,
    ),
    _one(
        "flags-is-null",
        "QEMU crashes where the vIOMMU does not have the callback.",
        "no series",
        {"no-failed-check": 2},
        flags_are_not_looked_for,
    ),
    _one(
        "refused-stays",
        "It is found there.",
        "no series",
        {
            "address-space-of-its-place": 3,
            "vfio-maps-what-the-device-reaches": 2,
            "a-nesting-parent-where-wanted": 2,
            "no-emulated-device-behind-an-accelerated-viommu": 2,
            "every-host-iommu-device-is-set": 2,
            "a-refused-device-leaves-nothing": 2,
            "no-failed-check": 3,
            "teardown-reachable": 2,
        },
        refused_stays,
    ),
    _one(
        "dangling",
        "What the bus finds is freed.",
        "no series",
        {
            "address-space-of-its-place": 2,
            "a-group-has-one-address-space": 4,
            "a-bus-finds-its-devices": 1,
            "a-refused-device-leaves-nothing": 1,
        },
        the_bus_still_finds_it,
    ),
    _one(
        "mark-stays",
        "It is for a vIOMMU that is not there.",
        "no series",
        {"an-iommu-is-on-a-root-bus": 2, "a-refused-device-leaves-nothing": 2},
        bus_is_left_to_itself,
    ),
    _one(
        "unset-without-set",
        "QEMU crashes.",
        "no series",
        {"no-failed-check": 2, "teardown-reachable": 2},
        unset_without_set,
    ),
    _one(
        "not-unset",
        "The next device there is refused.",
        "no series",
        {
            "set-for-host-iommu-devices-only": 4,
            "every-host-iommu-device-is-set": 4,
            "teardown-reachable": 2,
        },
        not_unset,
    ),
    _one(
        "not-taken-back",
        "The next device there is refused.",
        "no series",
        {
            "set-for-host-iommu-devices-only": 2,
            "every-host-iommu-device-is-set": 2,
            "a-refused-device-leaves-nothing": 2,
            "teardown-reachable": 2,
        },
        not_taken_back,
    ),
    _one(
        "cold-without-dma",
        "They never will.",
        "no series",
        {"address-space-of-its-place": 1},
        cold_plugged_have_no_dma,
    ),
    _one(
        "bridge-unplugged",
        "What is behind it is cut off.",
        "no series",
        {"the-bridges-stay": 2},
        bridges_go,
    ),
)

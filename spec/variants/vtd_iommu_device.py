"""Set and unset of VT-d: what releases and 002 do otherwise, and what nobody did."""

from __future__ import annotations

from functools import partial

from spec.iommufd.objects import Errno
from spec.language import (
    MUTANT,
    NONE,
    Fault,
    Id,
    mirrors,
    overrides,
    posted,
    released,
    variant_of,
)
from spec.variants.seen import seen
from spec.vtd.set_unset.device import (
    HostDevice,
    PCISlot,
    SetUnset,
    iommufd_backend_free_id,
    object_unref,
    vfio_exitfn,
    vtd_check_hiod,
    vtd_dev_set_iommu_device,
    vtd_dev_unset_iommu_device,
    vtd_free,
    vtd_unbind_all,
)


@overrides(vtd_unbind_all)
@mirrors("qemu hw/i386/intel_iommu.c vtd_dev_unset_iommu_device", "defects V-25", "defects V-10")
def nothing_is_unbound(s: SetUnset, slot: Id[PCISlot], fault: Fault) -> None:
    """An entry goes with what is bound, and nobody knows of the nested HWPTs any more."""
    s.slots[slot].rid = False
    s.slots[slot].pasid = False


@overrides(vtd_free)
@mirrors("qemu hw/i386/intel_iommu_accel.c vtd_destroy_old_fs_hwpt", "defects V-24", "defects C-14")
def a_refused_destroy_is_forgotten(
    s: SetUnset, dev: Id[HostDevice], parent: bool, fault: Fault
) -> None:
    """What the host would not destroy is forgotten."""
    iommufd_backend_free_id(s, dev, parent, fault)


@overrides(vtd_unbind_all)
@mirrors("defects V-26")
def bound_for_the_next(s: SetUnset, slot: Id[PCISlot], fault: Fault) -> None:
    """What is bound is remembered of the bus and devfn, and taken for that of the next device."""


@overrides(vtd_check_hiod)
@mirrors("002 10/21 vtd_dev_set_iommu_device")
def a_bridge_is_not_seen(s: SetUnset, slot: Id[PCISlot], fits: bool) -> bool:
    """A device behind a bridge has an entry that no requester id of the guest's names."""
    return fits


@overrides(vtd_dev_set_iommu_device)
@mirrors("002 10/21 vtd_dev_set_iommu_device")
def put_in_before_the_check(
    s: SetUnset, slot: Id[PCISlot], dev: Id[HostDevice], fits: bool
) -> Errno:
    """An entry is made before the device is looked at, and stays when it is refused."""
    err = vtd_dev_set_iommu_device(s, slot, dev, fits)
    if err == Errno.EINVAL:
        s.slots[slot].hiod = dev
        s.devices[dev].refs += 1
    return err


@overrides(vtd_dev_set_iommu_device)
@mirrors("qemu hw/i386/intel_iommu.c vtd_dev_set_iommu_device")
def the_last_one_counts(
    s: SetUnset, slot: Id[PCISlot], dev: Id[HostDevice], fits: bool
) -> Errno:
    """A slot that is set twice has the second device, though its caller is told that it has not."""
    err = vtd_dev_set_iommu_device(s, slot, dev, fits)
    if err == Errno.EEXIST:
        s.slots[slot].hiod = dev
    return err


@overrides(vtd_dev_set_iommu_device)
@mirrors("qemu hw/i386/intel_iommu.c vtd_dev_set_iommu_device")
def not_held(s: SetUnset, slot: Id[PCISlot], dev: Id[HostDevice], fits: bool) -> Errno:
    """An entry does not hold its host IOMMU device, and lets go of it all the same."""
    err = vtd_dev_set_iommu_device(s, slot, dev, fits)
    if err == Errno.OK:
        s.devices[dev].refs -= 1
    return err


@overrides(vtd_dev_unset_iommu_device)
@mirrors("qemu hw/i386/intel_iommu.c vtd_dev_unset_iommu_device")
def unset_without_a_look(s: SetUnset, slot: Id[PCISlot], fault: Fault) -> None:
    """Nobody looks whether there is an entry."""
    vtd_unbind_all(s, slot, fault)
    object_unref(s, s.slots[slot].hiod)
    s.slots[slot].hiod = NONE


@overrides(iommufd_backend_free_id)
@mirrors("kernel R0.3")
def the_parent_goes_first(
    s: SetUnset, dev: Id[HostDevice], parent: bool, fault: Fault
) -> Errno:
    """A parent goes in place of what is nested over it."""
    if s.devices[dev].parent:
        s.devices[dev].parent = False
    else:
        s.devices[dev].nested -= 1
    return Errno.OK


@overrides(vfio_exitfn)
@mirrors("qemu hw/vfio/pci.c vfio_pci_realize")
def the_slot_is_kept(s: SetUnset, dev: Id[HostDevice], fault: Fault) -> None:
    """A device that has left is still said to be in its slot."""
    slot = s.devices[dev].slot
    vfio_exitfn(s, dev, fault)
    s.devices[dev].slot = slot


variant = partial(variant_of, "vtd-iommu-device", standing=MUTANT)
VARIANTS = (
    variant(
        "vtd-set-11.1", nothing_is_unbound, a_refused_destroy_is_forgotten,
        standing=released(
            "QEMU 11.1", "hw/i386/intel_iommu.c vtd_dev_unset_iommu_device; defects V-24, V-25",
            "reachable",
            seen("V-25", "vtd-refused-destroy"),
        ),
        about="An entry goes with what is bound, and what the host will not destroy is forgotten.",
        without=("left-and-waits", "destroy_deferred"),
        what_is_nested_is_known=1, no_failed_check=7, teardown_reachable=1,
    ),
    variant(
        "vtd-set-nothing-unbound", nothing_is_unbound,
        standing=released(
            "QEMU 11.1", "hw/i386/intel_iommu.c vtd_dev_unset_iommu_device; defects V-25",
            "reachable", seen("V-25"),
        ),
        what_is_nested_is_known=3, no_failed_check=15, teardown_reachable=2,
    ),
    variant(
        "vtd-set-destroy-forgotten", a_refused_destroy_is_forgotten,
        standing=released(
            "QEMU 11.1", "hw/i386/intel_iommu_accel.c vtd_destroy_old_fs_hwpt; defects V-24",
            "reachable", seen("vtd-refused-destroy"),
        ),
        without=("left-and-waits", "destroy_deferred"),
        what_is_nested_is_known=1, no_failed_check=7, teardown_reachable=1,
    ),
    variant(
        "vtd-set-bound-for-the-next", bound_for_the_next,
        standing=released(
            "QEMU 11.0", "VTDAddressSpace; defects V-26", "fixed in QEMU 11.1",
        ),
        what_is_nested_is_known=3, what_is_nested_has_a_parent=8, only_an_entry_is_bound=3,
        no_failed_check=7, teardown_reachable=2,
    ),
    variant(
        "vtd-set-behind-a-bridge", a_bridge_is_not_seen,
        standing=posted("002 rfcv3", "002 10/21", "fixed in QEMU 11.0: merged with the check"),
        own_requester_ids_alone_are_walked=1,
    ),
    variant(
        "vtd-set-before-the-check", put_in_before_the_check,
        an_entry_for_each_device_that_is_there=1, own_requester_ids_alone_are_walked=1,
        a_host_iommu_device_is_held_once_by_each=2, what_is_nested_is_known=5,
        what_is_nested_has_a_parent=2, a_refusal_leaves_entries_as_they_were=1,
        no_failed_check=3, teardown_reachable=1,
    ),
    variant(
        "vtd-set-last-counts", the_last_one_counts, bounds="standard",
        an_entry_for_each_device_that_is_there=3,
        a_host_iommu_device_is_held_once_by_each=3, what_is_nested_is_known=5,
        what_is_nested_has_a_parent=7, a_refusal_leaves_entries_as_they_were=3,
        no_failed_check=6, teardown_reachable=3,
    ),
    variant(
        "vtd-set-not-held", not_held, without=("vfio_instance_finalize",),
        a_host_iommu_device_is_held_once_by_each=1, no_failed_check=1, teardown_reachable=1,
    ),
    variant(
        "vtd-set-without-a-look", unset_without_a_look,
        no_failed_check=1,
    ),
    variant(
        "vtd-set-parent-first", the_parent_goes_first,
        what_is_nested_is_known=3, what_is_nested_has_a_parent=3,
    ),
    variant(
        "vtd-set-slot-kept", the_slot_is_kept,
        a_slot_while_it_is_there=2,
    ),
)

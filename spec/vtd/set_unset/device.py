"""Set and unset: the table of host IOMMU devices by bus and devfn, and who holds them."""

from __future__ import annotations

from enum import IntEnum
from typing import Annotated

from spec.iommufd.objects import Errno
from spec.language import (
    CONST,
    NONE,
    Fault,
    Id,
    Range,
    Record,
    State,
    Table,
    check,
    host_call,
    mirrors,
    require,
)


class Phase(IntEnum):
    """Whether a device is on its bus, has left it and waits to be finalized, or is not there."""

    ABSENT = 0
    LEFT = 1
    REALIZED = 2


class HostDevice(Record):
    """A device of the host that VFIO has, with its host IOMMU device.

    `refs` of that are held. `parent`: the nesting parent that VFIO made for it lives; `nested`
    HWPTs live over that, `deferred` of them and of it are to be destroyed later.
    """

    phase: Phase
    slot: Id[PCISlot]
    refs: Annotated[int, Range(0, 3)]
    parent: bool
    nested: Annotated[int, Range(0, 3)]
    deferred: Annotated[int, Range(0, 3)]


class PCISlot(Record):
    """A bus and devfn. `aliased`: behind a bridge, so that its requester id is another.

    `hiod` is the vIOMMU's entry for it, with a nested HWPT for requests without a PASID (`rid`) and
    with one (`pasid`).
    """

    aliased: Annotated[bool, CONST]
    hiod: Id[HostDevice]
    rid: bool
    pasid: bool


class SetUnset(State):
    """A vIOMMU of which the host walks the first stage (`fsts`) or QEMU all tables."""

    fsts: bool
    slots: Table[PCISlot]
    devices: Table[HostDevice]


@mirrors("qemu hw/vfio/iommufd.c iommufd_cdev_attach")
@host_call("iommufd_cdev_attach_ioas_hwpt {dev} ({ret})", fails=Errno.EBUSY)
def iommufd_cdev_attach(s: SetUnset, dev: Id[HostDevice], fault: Fault) -> Errno:
    """VFIO attaches a device to an HWPT of its own, and realizes its host IOMMU device."""
    s.devices[dev].parent = True
    s.devices[dev].refs = 1
    return Errno.OK


@mirrors("qemu backends/iommufd.c iommufd_backend_free_id", "kernel R0.3")
@host_call("iommufd_backend_free_id {dev} parent={parent} ({ret})", fails=Errno.EBUSY)
def iommufd_backend_free_id(
    s: SetUnset, dev: Id[HostDevice], parent: bool, fault: Fault
) -> Errno:
    """IOMMU_DESTROY of a nested HWPT, or of the parent that none is over."""
    if not parent:
        s.devices[dev].nested -= 1
    elif s.devices[dev].nested > 0:
        return Errno.EBUSY
    else:
        s.devices[dev].parent = False
    return Errno.OK


@mirrors("qemu hw/i386/intel_iommu_accel.c vtd_destroy_old_fs_hwpt", "defects C-14")
def vtd_free(s: SetUnset, dev: Id[HostDevice], parent: bool, fault: Fault) -> None:
    """Destroy an HWPT, now or, if the host refuses, later."""
    err = iommufd_backend_free_id(s, dev, parent, fault)
    if err != Errno.OK:
        s.devices[dev].deferred += 1


@mirrors("qemu hw/i386/intel_iommu_accel.c vtd_check_hiod_accel")
def vtd_check_hiod(s: SetUnset, slot: Id[PCISlot], fits: bool) -> bool:
    """Whether the host can do what the guest is told, for a requester id of the device's own."""
    return fits and not (s.fsts and s.slots[slot].aliased)


@mirrors("qemu hw/i386/intel_iommu.c vtd_dev_set_iommu_device",
         "002 10/21 vtd_dev_set_iommu_device")
def vtd_dev_set_iommu_device(
    s: SetUnset, slot: Id[PCISlot], dev: Id[HostDevice], fits: bool
) -> Errno:
    """One entry for a bus and devfn, which holds the host IOMMU device; none if it is refused."""
    if s.slots[slot].hiod != NONE:
        return Errno.EEXIST
    if not vtd_check_hiod(s, slot, fits):
        return Errno.EINVAL
    s.slots[slot].hiod = dev
    s.devices[dev].refs += 1
    return Errno.OK


@mirrors("qemu hw/i386/intel_iommu.c vtd_dev_unset_iommu_device", "002 10/21 vtd_hiod_destroy")
def vtd_dev_unset_iommu_device(s: SetUnset, slot: Id[PCISlot], fault: Fault) -> None:
    """What is bound is unbound, then the entry goes, if there is one, and what it holds."""
    dev = s.slots[slot].hiod
    if dev == NONE:
        return
    vtd_unbind_all(s, slot, fault)
    s.slots[slot].hiod = NONE
    object_unref(s, dev)


@mirrors("defects V-25", "defects V-10")
def vtd_unbind_all(s: SetUnset, slot: Id[PCISlot], fault: Fault) -> None:
    """The nested HWPTs of an entry go: requests without a PASID, then those with one."""
    if s.slots[slot].rid:
        vtd_free(s, s.slots[slot].hiod, False, fault)
    if s.slots[slot].pasid:
        vtd_free(s, s.slots[slot].hiod, False, fault)
    s.slots[slot].rid = False
    s.slots[slot].pasid = False


@mirrors("002 10/21 vtd_hiod_destroy")
def object_unref(s: SetUnset, dev: Id[HostDevice]) -> None:
    """A host IOMMU device is held once less."""
    check(s.devices[dev].refs > 0, "object_unref: assertion obj->ref > 0 failed")
    s.devices[dev].refs -= 1


@mirrors("qemu hw/vfio/pci.c vfio_pci_realize")
def vfio_pci_realize(
    s: SetUnset, dev: Id[HostDevice], slot: Id[PCISlot], fits: bool, goes_on: bool, fault: Fault
) -> Errno:
    """A device comes to a slot, is attached and set; what comes after that may fail, too."""
    x = s.devices[dev]
    require(x.phase == Phase.ABSENT and x.deferred == 0)
    require(not any(y.phase == Phase.REALIZED and y.slot == slot for y in s.devices))
    err = iommufd_cdev_attach(s, dev, fault)
    if err != Errno.OK:
        return err
    err = vtd_dev_set_iommu_device(s, slot, dev, fits)
    if err == Errno.OK and not goes_on:
        vtd_dev_unset_iommu_device(s, slot, fault)
        err = Errno.EINVAL
    if err != Errno.OK:
        vfio_pci_put_device(s, dev, fault)
        return err
    x.phase = Phase.REALIZED
    x.slot = slot
    return Errno.OK


@mirrors("qemu hw/vfio/pci.c vfio_pci_put_device", "qemu hw/vfio/iommufd.c iommufd_cdev_detach")
def vfio_pci_put_device(s: SetUnset, dev: Id[HostDevice], fault: Fault) -> None:
    """VFIO lets go of a host IOMMU device, and of the HWPT it made."""
    object_unref(s, dev)
    vtd_free(s, dev, True, fault)


@mirrors("qemu hw/i386/intel_iommu.c vtd_dev_unset_iommu_device",
         "qemu hw/vfio/pci.c vfio_pci_realize")
def vfio_exitfn(s: SetUnset, dev: Id[HostDevice], fault: Fault) -> None:
    """A device leaves its bus, bound or not: the vIOMMU lets go of it."""
    require(s.devices[dev].phase == Phase.REALIZED)
    vtd_dev_unset_iommu_device(s, s.devices[dev].slot, fault)
    s.devices[dev].phase = Phase.LEFT
    s.devices[dev].slot = NONE


@mirrors("qemu hw/vfio/pci.c vfio_pci_put_device")
def vfio_instance_finalize(s: SetUnset, dev: Id[HostDevice], fault: Fault) -> None:
    """A device that has left is finalized, when what is left over its parent has gone."""
    require(s.devices[dev].phase == Phase.LEFT and s.devices[dev].deferred == 0)
    vfio_pci_put_device(s, dev, fault)
    s.devices[dev].phase = Phase.ABSENT


@mirrors("002 10/21 vtd_dev_set_iommu_device")
def set_again(s: SetUnset, slot: Id[PCISlot], dev: Id[HostDevice], fits: bool) -> Errno:
    """A slot that has an entry is set once more, with the same device or another: refused."""
    require(s.slots[slot].hiod != NONE and s.devices[dev].refs > 0)
    return vtd_dev_set_iommu_device(s, slot, dev, fits)


@mirrors("qemu hw/i386/intel_iommu.c vtd_dev_unset_iommu_device")
def unset_unasked(s: SetUnset, slot: Id[PCISlot], fault: Fault) -> None:
    """A slot that has no entry is unset, as of a device that came before its vIOMMU."""
    require(s.slots[slot].hiod == NONE)
    vtd_dev_unset_iommu_device(s, slot, fault)


@mirrors("qemu hw/i386/intel_iommu_accel.c vtd_device_attach_iommufd")
@host_call("iommufd_backend_alloc_hwpt dev_id={dev} ({ret})", fails=Errno.ENOMEM)
def vtd_create_fs_hwpt(s: SetUnset, dev: Id[HostDevice], fault: Fault) -> Errno:
    """IOMMU_HWPT_ALLOC of a guest's table over the parent of a device."""
    check(s.devices[dev].refs > 0, "the host IOMMU device is used after it was freed")
    s.devices[dev].nested += 1
    return Errno.OK


@mirrors("qemu hw/i386/intel_iommu_accel.c vtd_device_attach_iommufd")
def guest_binds(s: SetUnset, slot: Id[PCISlot], pasid: bool, fault: Fault) -> Errno:
    """The guest binds a device or a PASID of it, by the requester id: that has to be its own."""
    x = s.slots[slot]
    require(s.fsts and x.hiod != NONE and s.devices[x.hiod].deferred == 0)
    require(not x.pasid if pasid else not x.rid)
    err = vtd_create_fs_hwpt(s, x.hiod, fault)
    if err == Errno.OK and pasid:
        x.pasid = True
    elif err == Errno.OK:
        x.rid = True
    return err


@mirrors("qemu hw/i386/intel_iommu_accel.c vtd_destroy_old_fs_hwpt")
def guest_unbinds(s: SetUnset, slot: Id[PCISlot], pasid: bool, fault: Fault) -> None:
    """The guest takes an entry away."""
    x = s.slots[slot]
    require(x.hiod != NONE and (x.pasid if pasid else x.rid))
    vtd_free(s, x.hiod, False, fault)
    if pasid:
        x.pasid = False
    else:
        x.rid = False


@mirrors("defects C-14")
def destroy_deferred(s: SetUnset, dev: Id[HostDevice], fault: Fault) -> None:
    """What the host would not destroy is asked for again: nested HWPTs, then the parent."""
    require(s.devices[dev].deferred > 0)
    parent = s.devices[dev].nested == 0
    err = iommufd_backend_free_id(s, dev, parent, fault)
    if err == Errno.OK:
        s.devices[dev].deferred -= 1

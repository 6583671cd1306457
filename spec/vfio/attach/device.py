"""The life of a VFIO device in the guest: realize, exit, finalize; what its memory is; resets."""

from __future__ import annotations

from spec.iommufd.objects import Errno
from spec.iommufd.uapi.state import Driver
from spec.language import NONE, Fault, Id, first, mirrors, require
from spec.memory.section import Section, View
from spec.smmuv3.iommu_device import (
    pci_device_set_iommu_device,
    pci_device_supports_address_space,
    pci_device_unset_iommu_device,
    smmuv3_accel_attach_gbpa_hwpt,
)
from spec.vfio.bottom_halves import bottom_halves_are_done
from spec.vfio.calls import (
    vfio_device_feature,
    vfio_device_get_irq_info,
    vfio_device_get_region_info,
    vfio_device_reset,
)
from spec.vfio.iommufd import (
    finds_nothing,
    iommufd_cdev_attach,
    iommufd_cdev_detach,
    vfio_container_forget,
    vfio_container_new,
)
from spec.vfio.listener import (
    memory_region_transaction_commit,
    vfio_iommu_map_notify,
    vfio_iommu_unmap_notify,
)
from spec.vfio.state import (
    VFIOAddressSpace,
    VFIODevice,
    VFIOKind,
    VFIOState,
)


@mirrors("defects C-14")
def next_event(s: VFIOState) -> None:
    """Nothing waits for the kernel to let go of it, and every device is where GBPA says."""
    bottom_halves_are_done(s)
    require(not s.gbpa_update)


@mirrors("qemu hw/arm/smmuv3-accel.c smmuv3_accel_attach_gbpa_hwpt")
def gbpa_bh(s: VFIOState, fault: Fault) -> None:
    """A bottom half tries again to have every device go where GBPA says."""
    require(s.gbpa_update)
    smmuv3_accel_attach_gbpa_hwpt(s, fault)


@mirrors("qemu hw/pci/pci.c do_pci_register_device")
def slot_is_free(s: VFIOState, vdev: Id[VFIODevice]) -> bool:
    """Whether no device is plugged in a slot; one that has exited is not."""
    return not any(
        x.slot == s.vdevs[vdev].slot and x.container != NONE and not x.exited for x in s.vdevs
    )


@mirrors("000 02/20 pci_device_get_viommu_cap", "qemu hw/vfio/pci.c vfio_pci_realize")
def vfio_pci_realize(s: VFIOState, vdev: Id[VFIODevice], fault: Fault) -> Errno:
    """A device is plugged: attached, looked at, handed to the vIOMMU, and reset.

    One that is refused is finalized at once.
    """
    require(s.vdevs[vdev].container == NONE and slot_is_free(s, vdev))
    next_event(s)
    if not pci_device_supports_address_space(s, vdev):
        return Errno.EOPNOTSUPP
    err = vfio_device_attach(s, vdev, fault)
    s.vdevs[vdev].incompatible = finds_nothing(s, vdev, err)
    if err == Errno.OK:
        err = vfio_pci_set_up(s, vdev, fault)
    if err != Errno.OK:
        vfio_pci_undo(s, vdev, fault)
        return err
    vfio_device_feature(s, s.vdevs[vdev].dev, fault)
    vfio_device_reset(s, s.vdevs[vdev].dev, fault)
    return Errno.OK


@mirrors("qemu hw/vfio/iommufd.c iommufd_cdev_attach", "qemu hw/vfio/pci.c vfio_pci_put_device")
def vfio_pci_undo(s: VFIOState, vdev: Id[VFIODevice], fault: Fault) -> None:
    """What is refused once it is attached is detached."""
    if s.vdevs[vdev].container != NONE:
        vfio_device_detach(s, vdev, fault)


@mirrors("qemu hw/vfio/pci.c vfio_pci_realize", "defects S-37")
def vfio_pci_set_up(s: VFIOState, vdev: Id[VFIODevice], fault: Fault) -> Errno:
    """An attached device is looked at, then handed to the vIOMMU, which never hears of an mdev."""
    err = vfio_device_get_region_info(s, s.vdevs[vdev].dev, fault)
    if err != Errno.OK:
        return err
    vfio_device_get_irq_info(s, s.vdevs[vdev].dev, fault)
    if s.vdevs[vdev].kind == VFIOKind.MDEV:
        return Errno.OK
    return pci_device_set_iommu_device(s, vdev, fault)


@mirrors("qemu hw/vfio/pci.c vfio_pci_realize")
def vfio_device_attach(s: VFIOState, vdev: Id[VFIODevice], fault: Fault) -> Errno:
    """A device is attached by the backend that its command line asks for."""
    if s.vdevs[vdev].kind == VFIOKind.LEGACY:
        vfio_legacy_attach_device(s, vdev)
        return Errno.OK
    return iommufd_cdev_attach(s, vdev, fault)


@mirrors("qemu hw/vfio/pci.c vfio_pci_put_device")
def vfio_device_detach(s: VFIOState, vdev: Id[VFIODevice], fault: Fault) -> None:
    """A device is detached by the backend that attached it."""
    if s.vdevs[vdev].kind == VFIOKind.LEGACY:
        vfio_legacy_detach_device(s, vdev)
    else:
        iommufd_cdev_detach(s, vdev, fault)


@mirrors("001 10/37 smmuv3_accel_supports_as")
def vfio_legacy_attach_device(s: VFIOState, vdev: Id[VFIODevice]) -> None:
    """A device without iommufd uses tables of its own kind, and has a host IOMMU device of it.

    What it asks of the host is not modelled.
    """
    container = first(
        x.id for x in s.containers if x.space == s.vdevs[vdev].space and x.be == NONE
    )
    if container == NONE:
        container = vfio_container_new(s, vdev, NONE)
    s.vdevs[vdev].container = container
    s.vdevs[vdev].hiod = True


@mirrors("002 10/21 vtd_hiod_destroy", "001 12/37 smmuv3_accel_unset_iommu_device")
def vfio_exitfn(s: VFIOState, vdev: Id[VFIODevice], fault: Fault) -> None:
    """A device is unplugged: the vIOMMU lets go of it, and its slot is free."""
    require(s.vdevs[vdev].container != NONE and not s.vdevs[vdev].exited)
    next_event(s)
    if s.vdevs[vdev].kind != VFIOKind.MDEV:
        pci_device_unset_iommu_device(s, vdev, fault)
    s.vdevs[vdev].exited = True


@mirrors("qemu hw/vfio/pci.c vfio_pci_put_device")
def vfio_pci_finalize(s: VFIOState, vdev: Id[VFIODevice], fault: Fault) -> None:
    """Nothing refers to an unplugged device any more: it is detached, and its file closed.

    That may be at once or later, and waits for no bottom half.
    """
    require(s.vdevs[vdev].exited)
    vfio_device_detach(s, vdev, fault)


@mirrors("qemu hw/vfio/iommufd.c iommufd_cdev_container_destroy")
def vfio_legacy_detach_device(s: VFIOState, vdev: Id[VFIODevice]) -> None:
    """A device leaves its container, which goes with the last one."""
    container = s.vdevs[vdev].container
    s.vdevs[vdev].container = NONE
    s.vdevs[vdev].hiod = False
    s.vdevs[vdev].exited = False
    if not any(x.container == container for x in s.vdevs):
        vfio_container_forget(s, container)


@mirrors("qemu hw/vfio/listener.c vfio_container_region_add")
def memory_map_changes(s: VFIOState, view: Id[View], fault: Fault) -> None:
    """The guest's memory map changes, as where its firmware makes RAM read-only."""
    require(any(x.next != x.id for x in s.views) and view != s.view)
    next_event(s)
    memory_region_transaction_commit(s, view, fault)


@mirrors("qemu hw/vfio/listener.c vfio_iommu_map_notify")
def guest_maps(
    s: VFIOState, space: Id[VFIOAddressSpace], section: Id[Section], fault: Fault
) -> None:
    """The guest maps memory in an address space that a vIOMMU translates, and invalidates."""
    require(s.spaces[space].iommu and section not in s.spaces[space].translated)
    require(s.sections[section].ram)
    next_event(s)
    vfio_iommu_map_notify(s, space, section, fault)


@mirrors("qemu hw/vfio/listener.c vfio_iommu_map_notify")
def guest_unmaps(
    s: VFIOState, space: Id[VFIOAddressSpace], section: Id[Section], fault: Fault
) -> None:
    """The guest unmaps memory there, and invalidates."""
    require(s.spaces[space].iommu and section in s.spaces[space].translated)
    next_event(s)
    vfio_iommu_unmap_notify(s, space, section, fault)


@mirrors("qemu hw/arm/smmuv3.c smmu_writel")
def guest_writes_gbpa(s: VFIOState, abort: bool, fault: Fault) -> None:
    """The guest writes GBPA with UPDATE: every device behind the SMMUv3 aborts, or is bypassed."""
    require(s.driver == Driver.ARM and any(x.nesting for x in s.vdevs))
    next_event(s)
    s.gbpa_abort = abort
    smmuv3_accel_attach_gbpa_hwpt(s, fault)


@mirrors("qemu hw/arm/smmuv3.c smmu_reset_exit")
def system_reset(s: VFIOState, fault: Fault) -> None:
    """The system is reset, as at start: its devices first, then the SMMUv3, whose GBPA bypasses.

    What has exited is reset no more, and a legacy device asks its own files.
    """
    next_event(s)
    for x in s.vdevs:
        if x.container != NONE and not x.exited and x.kind != VFIOKind.LEGACY:
            vfio_device_reset(s, x.dev, fault)
    if s.driver == Driver.ARM:
        s.gbpa_abort = False
        smmuv3_accel_attach_gbpa_hwpt(s, fault)

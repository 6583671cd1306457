"""What comes to an address space behind VT-d: devices, the guest's writes, its invalidations."""

from __future__ import annotations

from typing import Annotated

from spec.iommufd.calls import iommufd_backend_alloc_ioas
from spec.iommufd.objects import Errno
from spec.language import NONE, NULLABLE, Fault, Id, first, mirrors, require
from spec.memory.section import Section
from spec.vfio.bottom_halves import bottom_halves_are_done, vfio_free
from spec.vfio.iommufd import vfio_container_forget
from spec.vfio.listener import vfio_listener_register, vfio_listener_unregister
from spec.vtd.regions.state import (
    Asks,
    VTDAddressSpace,
    VTDDevice,
    VTDRegions,
    passed_through,
)
from spec.vtd.regions.switching import (
    region_of,
    vtd_address_space_refresh_all,
    vtd_iommu_replay,
    vtd_switch_address_space,
    vtd_sync_shadow_page_table,
)


@mirrors("qemu hw/i386/intel_iommu.c vtd_find_add_as")
def plug(s: VTDRegions, dev: Id[VTDDevice], fault: Fault) -> Errno:
    """A device is plugged: its address space is found, or made; VFIO's are given to the vIOMMU."""
    x = s.pci_devices[dev]
    require(not any(d.there and d.slot == x.slot for d in s.pci_devices))
    bottom_halves_are_done(s)
    vtd_find_add_as(s, x.vtd_as, fault)
    if x.emulated:
        x.there = True
        return Errno.OK
    err = vfio_device_attach(s, dev, fault)
    if err == Errno.OK:
        err = vtd_dev_set_iommu_device(s, dev, fault)
    if err != Errno.OK:
        vfio_device_detach(s, dev, fault)
    return err


@mirrors("qemu hw/i386/intel_iommu.c vtd_find_add_as")
def vtd_find_add_as(s: VTDRegions, vtd_as: Id[VTDAddressSpace], fault: Fault) -> None:
    """The address space of a place is made once; who comes later finds the region on that is due.

    Whoever was there before may have had it otherwise.
    """
    s.address_spaces[vtd_as].there = True
    vtd_switch_address_space(s, vtd_as, fault)


@mirrors("qemu hw/vfio/iommufd.c iommufd_cdev_attach")
def vfio_device_attach(s: VTDRegions, dev: Id[VTDDevice], fault: Fault) -> Errno:
    """VFIO attaches a device in the container of its address space, or makes one that listens."""
    x = s.pci_devices[dev]
    c = s.containers[s.address_spaces[x.vtd_as].container]
    x.there = True
    if c.space != NONE:
        return Errno.OK
    fd = first(f.id for f in s.iommufds)
    err, ioas = iommufd_backend_alloc_ioas(s, fd, fault)
    if err != Errno.OK:
        return err
    c.be = fd
    c.ioas_id = ioas
    c.space = region_of(s, x.vtd_as)
    vtd_iommu_replay(s, x.vtd_as)
    return vfio_listener_register(s, c.id, fault)


@mirrors("qemu hw/i386/intel_iommu.c vtd_dev_set_iommu_device",
         "qemu hw/i386/intel_iommu_accel.c vtd_check_hiod_accel")
def vtd_dev_set_iommu_device(s: VTDRegions, dev: Id[VTDDevice], fault: Fault) -> Errno:
    """The vIOMMU takes a device, and its address space the region that is for it.

    With first stage none behind a bridge, where others are in the same address space.
    """
    x = s.pci_devices[dev]
    if x.bridge and s.address_spaces[x.vtd_as].first_stage:
        return Errno.EINVAL
    x.hiod = True
    vtd_switch_address_space(s, x.vtd_as, fault)
    return Errno.OK


@mirrors("qemu hw/vfio/iommufd.c iommufd_cdev_detach")
def vfio_device_detach(s: VTDRegions, dev: Id[VTDDevice], fault: Fault) -> None:
    """VFIO detaches a device; with the last one the container goes, its listener and its IOAS."""
    vtd_as = s.pci_devices[dev].vtd_as
    s.pci_devices[dev].there = False
    container = s.address_spaces[vtd_as].container
    if s.containers[container].space == NONE or passed_through(s, vtd_as):
        return
    vfio_listener_unregister(s, container, fault)
    vfio_free(s, s.containers[container].ioas_id, fault)
    vfio_container_forget(s, container)
    s.spaces[s.address_spaces[vtd_as].dmar].translated.clear()


@mirrors("qemu hw/vfio/pci.c vfio_exitfn", "qemu hw/i386/intel_iommu.c vtd_dev_unset_iommu_device")
def unplug(s: VTDRegions, dev: Id[VTDDevice], fault: Fault) -> None:
    """A device is unplugged; its address space stays as it is."""
    require(s.pci_devices[dev].there)
    bottom_halves_are_done(s)
    s.pci_devices[dev].hiod = False
    if s.pci_devices[dev].emulated:
        s.pci_devices[dev].there = False
    else:
        vfio_device_detach(s, dev, fault)


@mirrors("002 08/21 vtd_dev_to_context_entry")
def guest_writes_context(s: VTDRegions, vtd_as: Id[VTDAddressSpace], asks: Asks) -> None:
    """The guest writes the entry of a requester: it need not be in force yet."""
    x = s.address_spaces[vtd_as]
    require(x.asks != asks)
    x.asks = asks
    x.due = False


@mirrors("qemu hw/i386/intel_iommu.c vtd_page_walk")
def guest_writes_table(
    s: VTDRegions, vtd_as: Id[VTDAddressSpace], section: Id[Section], maps: bool
) -> None:
    """The guest maps or unmaps a section in its second-level table: it need not be in force yet."""
    x = s.address_spaces[vtd_as]
    require(not s.sections[section].ram and (section in x.table) != maps)
    if maps:
        x.table.add(section)
    else:
        x.table.discard(section)
    if passed_through(s, vtd_as):
        x.unsynced.add(section)


@mirrors("qemu hw/i386/intel_iommu.c vtd_context_global_invalidate",
         "qemu hw/i386/intel_iommu.c vtd_context_device_invalidate")
def context_cache_invalidate(
    s: VTDRegions, vtd_as: Annotated[Id[VTDAddressSpace], NULLABLE], fault: Fault
) -> None:
    """The guest invalidates the context cache, of one requester or (none) of all."""
    bottom_halves_are_done(s)
    for x in s.address_spaces:
        if vtd_as in (NONE, x.id):
            x.due = True
            vtd_switch_address_space(s, x.id, fault)
            vtd_sync_shadow_page_table(s, x.id, fault)


@mirrors("qemu hw/i386/intel_iommu.c vtd_iotlb_domain_invalidate")
def iotlb_invalidate(s: VTDRegions, vtd_as: Id[VTDAddressSpace], fault: Fault) -> None:
    """The guest invalidates what is cached of a requester's table."""
    bottom_halves_are_done(s)
    vtd_sync_shadow_page_table(s, vtd_as, fault)


@mirrors("qemu hw/i386/intel_iommu.c vtd_handle_gcmd_te")
def gcmd_translation_enable(s: VTDRegions, enable: bool, fault: Fault) -> None:
    """GCMD.TE: remapping begins, or ends."""
    require(s.dmar_enabled != enable)
    bottom_halves_are_done(s)
    s.dmar_enabled = enable
    vtd_address_space_refresh_all(s, fault)


@mirrors("qemu hw/i386/intel_iommu.c vtd_handle_gcmd_srtp")
def gcmd_set_root_table(s: VTDRegions, scalable: bool, fault: Fault) -> None:
    """GCMD.SRTP: a root table of legacy or of scalable mode, as when a new kernel takes over."""
    bottom_halves_are_done(s)
    s.root_scalable = scalable
    vtd_address_space_refresh_all(s, fault)


@mirrors("qemu hw/i386/intel_iommu.c vtd_reset_exit")
def system_reset(s: VTDRegions, fault: Fault) -> None:
    """The machine is reset: no remapping, no root table; memory is as it was."""
    bottom_halves_are_done(s)
    s.dmar_enabled = False
    s.root_scalable = False
    vtd_address_space_refresh_all(s, fault)

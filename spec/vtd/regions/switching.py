"""The region of an address space that is on, and what a container's IOAS has of it."""

from __future__ import annotations

from spec.iommufd.objects import Errno
from spec.language import Fault, Id, mirrors
from spec.memory.section import Section
from spec.vfio.calls import vfio_unmap_all
from spec.vfio.listener import (
    mapped,
    present,
    vfio_container_region_add,
    vfio_container_region_del,
    vfio_iommu_map_notify,
    vfio_iommu_unmap_notify,
    vfio_unmap_refused,
)
from spec.vfio.state import VFIOAddressSpace
from spec.vtd.regions.state import Asks, VTDAddressSpace, VTDRegions, passed_through


@mirrors("qemu hw/i386/intel_iommu_accel.c vtd_find_hiod_iommufd")
def vtd_find_hiod_iommufd(s: VTDRegions, vtd_as: Id[VTDAddressSpace]) -> bool:
    """Whether the vIOMMU knows a host IOMMU device for an address space."""
    return any(d.hiod and d.vtd_as == vtd_as for d in s.pci_devices)


@mirrors("qemu hw/i386/intel_iommu.c vtd_switch_address_space", "002 19/21 vtd_refresh_pasid_bind")
def vtd_uses_iommu(s: VTDRegions, vtd_as: Id[VTDAddressSpace]) -> bool:
    """Whether requests are translated in QEMU: not by the host, and not passed through.

    In scalable mode with first stage a passthrough device is nested over all memory, or on it.
    """
    x = s.address_spaces[vtd_as]
    if not s.dmar_enabled or x.asks == Asks.PASS_THROUGH:
        return False
    return not (s.root_scalable and x.first_stage and vtd_find_hiod_iommufd(s, vtd_as))


@mirrors("qemu hw/i386/intel_iommu.c vtd_switch_address_space")
def vtd_switch_address_space(s: VTDRegions, vtd_as: Id[VTDAddressSpace], fault: Fault) -> None:
    """Turn the region on that the guest asks for: the other one is turned off before."""
    wanted = vtd_uses_iommu(s, vtd_as)
    if s.address_spaces[vtd_as].use_iommu == wanted:
        return
    region_off(s, vtd_as, fault)
    s.address_spaces[vtd_as].use_iommu = wanted
    region_on(s, vtd_as, fault)


@mirrors("qemu hw/vfio/listener.c vfio_container_region_del")
def region_off(s: VTDRegions, vtd_as: Id[VTDAddressSpace], fault: Fault) -> None:
    """A container that listens unmaps all that the region shows."""
    x = s.address_spaces[vtd_as]
    if not s.containers[x.container].listening:
        return
    if x.use_iommu:
        vtd_address_space_unmap(s, vtd_as, fault)
        return
    for section in s.sections:
        if present(s, x.nodmar, section.id):
            vfio_container_region_del(s, x.container, section.id, fault)


@mirrors("qemu hw/i386/intel_iommu.c vtd_address_space_unmap")
def vtd_address_space_unmap(s: VTDRegions, vtd_as: Id[VTDAddressSpace], fault: Fault) -> None:
    """A container unmaps all that was translated, in one call; what it cannot it tries again."""
    x = s.address_spaces[vtd_as]
    if not x.use_iommu or not s.containers[x.container].listening:
        return
    err = vfio_unmap_all(s, s.containers[x.container].ioas_id, fault)
    for section in s.sections:
        s.containers[x.container].missing.discard(section.id)
        if err != Errno.OK and section.id in s.spaces[x.dmar].translated:
            if mapped(s, x.container, section.id):
                vfio_unmap_refused(s, x.container, section.id)
        s.spaces[x.dmar].translated.discard(section.id)


@mirrors("qemu hw/vfio/listener.c vfio_container_region_add",
         "qemu hw/i386/intel_iommu.c vtd_iommu_replay")
def region_on(s: VTDRegions, vtd_as: Id[VTDAddressSpace], fault: Fault) -> None:
    """A container that listens maps all that the region shows, what the guest's table maps too."""
    x = s.address_spaces[vtd_as]
    c = s.containers[x.container]
    if not c.listening:
        return
    c.space = region_of(s, vtd_as)
    vtd_iommu_replay(s, vtd_as)
    for section in s.sections:
        if present(s, c.space, section.id):
            vfio_container_region_add(s, x.container, section.id, fault)


def region_of(s: VTDRegions, vtd_as: Id[VTDAddressSpace]) -> Id[VFIOAddressSpace]:
    """The region of an address space that is on."""
    x = s.address_spaces[vtd_as]
    return x.dmar if x.use_iommu else x.nodmar


@mirrors("qemu hw/i386/intel_iommu.c vtd_iommu_replay", "002 20/21 vtd_iommu_replay")
def vtd_iommu_replay(s: VTDRegions, vtd_as: Id[VTDAddressSpace]) -> None:
    """The guest's table is walked: what it maps is translated from now on."""
    x = s.address_spaces[vtd_as]
    for section in s.sections:
        if x.use_iommu and vtd_walks_to(s, vtd_as, section.id):
            s.spaces[x.dmar].translated.add(section.id)
    x.unsynced.clear()


@mirrors("qemu hw/i386/intel_iommu.c vtd_page_walk", "002 20/21 vtd_iommu_replay")
def vtd_walks_to(s: VTDRegions, vtd_as: Id[VTDAddressSpace], section: Id[Section]) -> bool:
    """Whether a walk of the guest's second-level table finds a section mapped.

    A first-stage table is the host's to walk: in scalable mode there is none of the other kind.
    """
    x = s.address_spaces[vtd_as]
    if s.root_scalable and x.first_stage:
        return False
    return x.asks == Asks.TABLE and section in x.table


@mirrors("qemu hw/i386/intel_iommu.c vtd_sync_shadow_page_table")
def vtd_sync_shadow_page_table(s: VTDRegions, vtd_as: Id[VTDAddressSpace], fault: Fault) -> None:
    """What the guest's table maps and unmaps since it was last walked is told to the container."""
    x = s.address_spaces[vtd_as]
    if x.use_iommu and s.containers[x.container].listening:
        for section in s.sections:
            known = section.id in s.spaces[x.dmar].translated
            if known and not vtd_walks_to(s, vtd_as, section.id):
                vfio_iommu_unmap_notify(s, x.dmar, section.id, fault)
            if not known and vtd_walks_to(s, vtd_as, section.id):
                vfio_iommu_map_notify(s, x.dmar, section.id, fault)
    x.unsynced.clear()


@mirrors("qemu hw/i386/intel_iommu.c vtd_address_space_refresh_all")
def vtd_address_space_refresh_all(s: VTDRegions, fault: Fault) -> None:
    """Nothing translated before is any more, and each address space goes by the new registers.

    What a table maps that stays in use is mapped by the invalidation that the guest owes.
    """
    for x in s.address_spaces:
        vtd_address_space_unmap(s, x.id, fault)
        x.due = True
        if passed_through(s, x.id):
            for section in s.sections:
                x.unsynced.add(section.id)
    for x in s.address_spaces:
        vtd_switch_address_space(s, x.id, fault)

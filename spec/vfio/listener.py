"""The memory listener of a container: all RAM of system memory, or what a vIOMMU translates."""

from __future__ import annotations

from spec.iommufd.calls import iommufd_backend_map_dma, iommufd_backend_unmap_dma
from spec.iommufd.objects import Errno
from spec.language import NONE, Fault, Id, mirrors
from spec.memory.section import Section
from spec.vfio.state import VFIOAddressSpace, VFIOIOMMUFDContainer, VFIOState


@mirrors("001 10/37 vfio_container_region_add")
def present(s: VFIOState, space: Id[VFIOAddressSpace], section: Id[Section]) -> bool:
    """Whether devices in an address space reach a section: RAM, or as far as the guest maps it."""
    if s.spaces[space].iommu:
        return section in s.spaces[space].translated
    return s.sections[section].ram


@mirrors("002 16/21 iommufd_listener_skipped_section", "defects V-33")
def vfio_listener_skips(
    s: VFIOState, container: Id[VFIOIOMMUFDContainer], section: Id[Section]
) -> bool:
    """Whether a section is never mapped: read-only, in a container that leaves those out."""
    return s.containers[container].bypass_ro and s.sections[section].readonly


@mirrors("001 10/37 vfio_container_region_add")
def vfio_container_region_add(
    s: VFIOState, container: Id[VFIOIOMMUFDContainer], section: Id[Section], fault: Fault
) -> Errno:
    """Map a section into a container."""
    if s.containers[container].be == NONE or vfio_listener_skips(s, container, section):
        return Errno.OK
    return iommufd_backend_map_dma(s, s.containers[container].ioas_id, section, fault)


@mirrors("001 10/37 vfio_container_region_add")
def vfio_container_region_del(
    s: VFIOState, container: Id[VFIOIOMMUFDContainer], section: Id[Section], fault: Fault
) -> Errno:
    """Unmap a section from a container."""
    if s.containers[container].be == NONE or vfio_listener_skips(s, container, section):
        return Errno.OK
    return iommufd_backend_unmap_dma(s, s.containers[container].ioas_id, section, fault)


@mirrors("qemu hw/vfio/listener.c vfio_listener_register")
def vfio_listener_register(
    s: VFIOState, container: Id[VFIOIOMMUFDContainer], fault: Fault
) -> Errno:
    """Register a listener: RAM is mapped; of a vIOMMU's space what the guest maps is replayed."""
    s.containers[container].listening = True
    error = Errno.OK
    for section in s.sections:
        if present(s, s.containers[container].space, section.id):
            err = vfio_container_region_add(s, container, section.id, fault)
            error = err if error == Errno.OK else error
    return error


@mirrors("qemu hw/vfio/listener.c vfio_listener_unregister")
def vfio_listener_unregister(
    s: VFIOState, container: Id[VFIOIOMMUFDContainer], fault: Fault
) -> None:
    """Unregister: what is mapped is unmapped. A refusal is reported; the IOAS goes next anyway."""
    s.containers[container].listening = False
    for section in s.sections:
        if present(s, s.containers[container].space, section.id):
            vfio_container_region_del(s, container, section.id, fault)


@mirrors("qemu hw/vfio/listener.c vfio_iommu_map_notify")
def vfio_iommu_map_notify(
    s: VFIOState, space: Id[VFIOAddressSpace], section: Id[Section], fault: Fault
) -> None:
    """The guest maps a section through its vIOMMU: every container that hears of it follows.

    A refusal is reported, and forbids migration; the device faults there.
    """
    s.spaces[space].translated.add(section)
    for x in s.containers:
        if x.listening and x.space == space:
            err = vfio_container_region_add(s, x.id, section, fault)
            if err != Errno.OK:
                x.incomplete = True


@mirrors("qemu hw/vfio/listener.c vfio_iommu_map_notify")
def vfio_iommu_unmap_notify(
    s: VFIOState, space: Id[VFIOAddressSpace], section: Id[Section], fault: Fault
) -> Errno:
    """The guest unmaps a section: its invalidation is done when every container has unmapped it.

    If the kernel refuses the mapping stays, and the guest is not told that it is gone.
    """
    for x in s.containers:
        if x.listening and x.space == space and mapped(s, x.id, section):
            err = vfio_container_region_del(s, x.id, section, fault)
            if err != Errno.OK:
                return err
            x.incomplete = True
    s.spaces[space].translated.discard(section)
    vfio_complete(s, space)
    return Errno.OK


def mapped(s: VFIOState, container: Id[VFIOIOMMUFDContainer], section: Id[Section]) -> bool:
    """Whether a container's IOAS maps a section."""
    x = s.containers[container]
    return x.be != NONE and section in s.objects[x.ioas_id].areas


@mirrors("qemu hw/vfio/listener.c vfio_iommu_map_notify")
def vfio_complete(s: VFIOState, space: Id[VFIOAddressSpace]) -> None:
    """A container that lacks nothing any more has caught up with the guest."""
    for x in s.containers:
        if x.space == space and x.incomplete:
            x.incomplete = any(
                y.id in s.spaces[space].translated and not mapped(s, x.id, y.id)
                for y in s.sections
            )

"""The memory listener of a container: all RAM of system memory, or what a vIOMMU translates."""

from __future__ import annotations

from spec.iommufd.calls import iommufd_backend_map_dma, iommufd_backend_unmap_dma
from spec.iommufd.objects import Errno
from spec.language import NONE, Fault, Id, mirrors
from spec.memory.section import Section, View
from spec.vfio.calls import vfio_unmap_all
from spec.vfio.state import Containers, VFIOAddressSpace, VFIOIOMMUFDContainer


@mirrors("001 10/37 vfio_container_region_add")
def present(s: Containers, space: Id[VFIOAddressSpace], section: Id[Section]) -> bool:
    """Whether devices in an address space reach a section: RAM, or as far as the guest maps it."""
    if s.spaces[space].iommu:
        return section in s.spaces[space].translated
    return s.sections[section].ram and s.view in s.sections[section].views


@mirrors("002 16/21 iommufd_listener_skipped_section", "defects V-33")
def vfio_listener_skips(
    s: Containers, container: Id[VFIOIOMMUFDContainer], section: Id[Section]
) -> bool:
    """Whether a section is never mapped: read-only, in a container that leaves those out."""
    return s.containers[container].bypass_ro and s.sections[section].readonly


@mirrors("001 10/37 vfio_container_region_add", "qemu hw/vfio/listener.c vfio_iommu_map_notify")
def vfio_container_region_add(
    s: Containers, container: Id[VFIOIOMMUFDContainer], section: Id[Section], fault: Fault
) -> Errno:
    """Map a section into a container; what a vIOMMU maps and a RAM device are no error."""
    x = s.containers[container]
    if x.be == NONE or vfio_listener_skips(s, container, section):
        return Errno.OK
    err = iommufd_backend_map_dma(s, x.ioas_id, section, fault)
    if err != Errno.OK:
        vfio_map_refused(s, container, section)
    reported = s.spaces[x.space].iommu or s.sections[section].ram_device
    return Errno.OK if reported else err


@mirrors("qemu hw/vfio/listener.c vfio_container_region_add")
def vfio_map_refused(
    s: Containers, container: Id[VFIOIOMMUFDContainer], section: Id[Section]
) -> None:
    """What cannot be mapped is reported and known to be missing: devices fault there."""
    s.containers[container].missing.add(section)


@mirrors("001 10/37 vfio_container_region_add", "qemu backends/iommufd.c iommufd_backend_unmap_dma")
def vfio_container_region_del(
    s: Containers, container: Id[VFIOIOMMUFDContainer], section: Id[Section], fault: Fault
) -> None:
    """Unmap a section from a container; what was not mapped is gone as well."""
    x = s.containers[container]
    if x.be == NONE or vfio_listener_skips(s, container, section):
        return
    x.missing.discard(section)
    err = iommufd_backend_unmap_dma(s, x.ioas_id, section, fault)
    if err not in (Errno.OK, Errno.ENOENT):
        vfio_unmap_refused(s, container, section)


@mirrors("qemu hw/vfio/listener.c vfio_container_region_del")
def vfio_unmap_refused(
    s: Containers, container: Id[VFIOIOMMUFDContainer], section: Id[Section]
) -> None:
    """What cannot be unmapped is unmapped before the next event."""
    s.containers[container].stale.add(section)


@mirrors("qemu hw/vfio/listener.c vfio_listener_register")
def vfio_listener_register(
    s: Containers, container: Id[VFIOIOMMUFDContainer], fault: Fault
) -> Errno:
    """Register a listener: RAM is mapped; of a vIOMMU's space what the guest maps is replayed.

    All is tried, and the first error is the answer.
    """
    error = Errno.OK
    for section in s.sections:
        if present(s, s.containers[container].space, section.id):
            err = vfio_container_region_add(s, container, section.id, fault)
            error = err if error == Errno.OK else error
    s.containers[container].listening = True
    return error


@mirrors("qemu hw/vfio/listener.c vfio_listener_unregister")
def vfio_listener_unregister(
    s: Containers, container: Id[VFIOIOMMUFDContainer], fault: Fault
) -> None:
    """Unregister: all is unmapped. A refusal is reported; the IOAS goes next anyway."""
    s.containers[container].listening = False
    if s.spaces[s.containers[container].space].iommu:
        vfio_unmap_all(s, s.containers[container].ioas_id, fault)
        return
    for section in s.sections:
        if present(s, s.containers[container].space, section.id):
            vfio_container_region_del(s, container, section.id, fault)


@mirrors("qemu hw/vfio/listener.c vfio_container_region_add")
def memory_region_transaction_commit(s: Containers, view: Id[View], fault: Fault) -> None:
    """The memory map changes: each listener unmaps what has gone, then maps what has come."""
    old = s.view
    s.view = view
    for x in s.containers:
        if x.listening and not s.spaces[x.space].iommu:
            for gone in s.sections:
                if gone.ram and old in gone.views and view not in gone.views:
                    vfio_container_region_del(s, x.id, gone.id, fault)
            for come in s.sections:
                if come.ram and view in come.views and old not in come.views:
                    vfio_container_region_add(s, x.id, come.id, fault)


@mirrors("qemu hw/vfio/listener.c vfio_iommu_map_notify")
def vfio_iommu_map_notify(
    s: Containers, space: Id[VFIOAddressSpace], section: Id[Section], fault: Fault
) -> None:
    """The guest maps a section through its vIOMMU: every container that hears of it follows.

    A refusal is reported, and the guest's invalidation completes.
    """
    s.spaces[space].translated.add(section)
    for x in s.containers:
        if x.listening and x.space == space:
            vfio_container_region_add(s, x.id, section, fault)


@mirrors("qemu hw/vfio/listener.c vfio_iommu_map_notify")
def vfio_iommu_unmap_notify(
    s: Containers, space: Id[VFIOAddressSpace], section: Id[Section], fault: Fault
) -> None:
    """The guest unmaps a section: every container that hears of it follows.

    Its invalidation is complete when no container has the section mapped any more.
    """
    s.spaces[space].translated.discard(section)
    for x in s.containers:
        if x.listening and x.space == space:
            vfio_container_region_del(s, x.id, section, fault)


@mirrors("qemu hw/vfio/listener.c vfio_container_region_del")
def vfio_listener_tries_again(
    s: Containers, container: Id[VFIOIOMMUFDContainer], section: Id[Section], fault: Fault
) -> None:
    """The kernel is asked again to unmap what must not be mapped."""
    x = s.containers[container]
    err = iommufd_backend_unmap_dma(s, x.ioas_id, section, fault)
    if err in (Errno.OK, Errno.ENOENT):
        x.stale.discard(section)


def mapped(s: Containers, container: Id[VFIOIOMMUFDContainer], section: Id[Section]) -> bool:
    """Whether a container's IOAS maps a section."""
    x = s.containers[container]
    return x.be != NONE and section in s.objects[x.ioas_id].areas

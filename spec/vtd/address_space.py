"""As posted: the listener that keeps a container's IOAS equal to the guest's memory map."""

from __future__ import annotations

from spec.iommufd.calls import iommufd_backend_map_dma, iommufd_backend_unmap_dma
from spec.iommufd.objects import Errno, Kind, free_object
from spec.language import NONE, NULL, Fault, Id, check, mirrors
from spec.memory.section import Section, View
from spec.vtd.state import IntelIOMMUState, Pgtt, VTDIOASContainer


@mirrors("002 15/21 iommufd_listener_skipped_section", "002 16/21 iommufd_listener_skipped_section")
def iommufd_listener_skipped_section(
    s: IntelIOMMUState, container: Id[VTDIOASContainer], section: Id[Section]
) -> bool:
    """Whether a section is never mapped: no RAM, a BAR being sized, read-only under the erratum."""
    x = s.sections[section]
    return not x.ram or x.upper_half or (s.containers[container].errata and x.readonly)


@mirrors("002 15/21 iommufd_listener_region_add_s2domain")
def iommufd_listener_region_add(
    s: IntelIOMMUState, container: Id[VTDIOASContainer], section: Id[Section], fault: Fault
) -> Errno:
    """Map a section that has come; a RAM device that cannot be mapped is no error."""
    if iommufd_listener_skipped_section(s, container, section):
        return Errno.OK
    err = iommufd_backend_map_dma(s, s.containers[container].ioas_id, section, fault)
    return Errno.OK if s.sections[section].ram_device else err


@mirrors("002 15/21 iommufd_listener_region_del_s2domain")
def iommufd_listener_region_del(
    s: IntelIOMMUState, container: Id[VTDIOASContainer], section: Id[Section], fault: Fault
) -> Errno:
    """Unmap a section that has gone; a RAM device may never have been mapped."""
    if iommufd_listener_skipped_section(s, container, section):
        return Errno.OK
    err = iommufd_backend_unmap_dma(s, s.containers[container].ioas_id, section, fault)
    return Errno.OK if s.sections[section].ram_device and err == Errno.ENOENT else err


@mirrors("002 15/21 memory_listener_register")
def memory_listener_register(
    s: IntelIOMMUState, container: Id[VTDIOASContainer], fault: Fault
) -> Errno:
    """Register a container's listener: it maps every section of the view in force.

    The first refusal is answered once all sections have been tried; what was mapped stays.
    """
    s.containers[container].listening = True
    error = Errno.OK
    for section in s.sections:
        if s.view in section.views:
            err = iommufd_listener_region_add(s, container, section.id, fault)
            if error == Errno.OK:
                error = err
    return error


@mirrors("002 15/21 memory_listener_unregister")
def memory_listener_unregister(
    s: IntelIOMMUState, container: Id[VTDIOASContainer], fault: Fault
) -> None:
    """Unregister: every section is unmapped. A refusal is reported; the IOAS goes next anyway."""
    s.containers[container].listening = False
    for section in s.sections:
        if s.view in section.views:
            iommufd_listener_region_del(s, container, section.id, fault)


@mirrors("002 15/21 iommufd_s2domain_memory_listener")
def listener_follows(s: IntelIOMMUState, container: Id[VTDIOASContainer]) -> bool:
    """Whether a container hears of changes of the memory map."""
    return s.containers[container].listening


@mirrors("002 15/21 iommufd_s2domain_memory_listener")
def memory_region_transaction_commit(s: IntelIOMMUState, view: Id[View], fault: Fault) -> Errno:
    """The memory map changes: each listener unmaps what has gone, then maps what has come."""
    old = s.view
    s.view = view
    error = Errno.OK
    for container in s.containers:
        if listener_follows(s, container.id):
            check(container.iommufd != NONE, "memory listener called on a freed container")
            for section in s.sections:
                if old in section.views and view not in section.views:
                    err = iommufd_listener_region_del(s, container.id, section.id, fault)
                    error = err if error == Errno.OK else error
            for section in s.sections:
                if view in section.views and old not in section.views:
                    err = iommufd_listener_region_add(s, container.id, section.id, fault)
                    error = err if error == Errno.OK else error
    return error


@mirrors("002 15/21 iommufd_listener_region_add_s2domain")
def listener_runtime_error(s: IntelIOMMUState) -> None:
    """A map that cannot follow the guest's memory is fatal: QEMU stops, and the kernel frees all.

    This is what VFIO's own listener does. The close of every file leaves an empty host.
    """
    s.running = False
    s.dmar_enabled = False
    s.deferred.clear()
    s.view = NONE
    for o in s.objects:
        if o.kind != Kind.FREE:
            free_object(s, o.id)
    for d in s.devices:
        d.object = NONE
        d.attached = NONE
    for container in s.containers:
        container.iommufd = NONE
        container.ioas_id = NONE
        container.errata = False
        container.listening = False
    for s2_hwpt in s.s2_hwpts:
        s2_hwpt.container = NONE
        s2_hwpt.hwpt_id = NONE
        s2_hwpt.users = 0
    for vtd_as in s.address_spaces:
        vtd_as.hiod_set = False
        vtd_as.pgtt = Pgtt.NONE
        vtd_as.did = NULL
        vtd_as.flpt = NULL
        vtd_as.hwpt_id = NONE
        vtd_as.s2_hwpt = NONE

"""As posted: containers per iommufd, stage-2 tables in them, which of these a PASID entry gets.

The order of every operation is: make the new thing, attach it, remember it, let go of the old one.
So a refusal at any point leaves the device where it was, and nothing is forgotten: an id whose
DESTROY is refused goes into `deferred`.
"""

from __future__ import annotations

from spec.iommufd.calls import (
    iommufd_backend_alloc_hwpt,
    iommufd_backend_alloc_ioas,
    iommufd_backend_free_id,
    iommufd_cdev_attach_ioas_hwpt,
    iommufd_cdev_detach_ioas_hwpt,
    tries_on,
)
from spec.iommufd.objects import Errno, Iommufd, Object, PgTable
from spec.language import NONE, NULL, Fault, Id, first, limit, mirrors
from spec.vtd.address_space import memory_listener_register, memory_listener_unregister
from spec.vtd.state import (
    IntelIOMMUState,
    Pgtt,
    VTDAddressSpace,
    VTDIOASContainer,
    VTDS2Hwpt,
)


@mirrors("002 15/21 iommufd_backend_free_id", "defects C-14")
def vtd_free_id(s: IntelIOMMUState, obj: Id[Object], fault: Fault) -> None:
    """Destroy an object that is no longer wanted, now or, if the kernel still uses it, later."""
    err = iommufd_backend_free_id(s, obj, fault)
    if err != Errno.OK:
        s.deferred.add(obj)


@mirrors("002 15/21 vtd_create_s1_hwpt")
def vtd_create_s1_hwpt(
    s: IntelIOMMUState, vtd_as: Id[VTDAddressSpace], s2: Id[VTDS2Hwpt], flpt: PgTable, fault: Fault
) -> tuple[Errno, Id[Object]]:
    """Allocate a nested HWPT for the guest's first-stage table over a stage-2."""
    dev = s.address_spaces[vtd_as].hiod
    return iommufd_backend_alloc_hwpt(s, dev, s.s2_hwpts[s2].hwpt_id, False, flpt, fault)


@mirrors("002 15/21 vtd_destroy_s1_hwpt")
def vtd_destroy_s1_hwpt(s: IntelIOMMUState, hwpt: Id[Object], fault: Fault) -> None:
    """Destroy a nested HWPT."""
    vtd_free_id(s, hwpt, fault)


@mirrors("002 15/21 vtd_ioas_container_get_s2_hwpt")
def vtd_ioas_container_get_s2_hwpt(
    s: IntelIOMMUState, container: Id[VTDIOASContainer], hwpt: Id[Object]
) -> Id[VTDS2Hwpt]:
    """Remember a stage-2 table of a container; it has no users yet."""
    row = first(x.id for x in s.s2_hwpts if x.container == NONE)
    limit(row != NONE, "s2_hwpts")
    s.s2_hwpts[row].container = container
    s.s2_hwpts[row].hwpt_id = hwpt
    s.s2_hwpts[row].users = 0
    return row


@mirrors("002 15/21 vtd_ioas_container_put_s2_hwpt")
def vtd_s2_unused(s: IntelIOMMUState, s2: Id[VTDS2Hwpt]) -> bool:
    """Whether a stage-2 table has no users left."""
    return s.s2_hwpts[s2].users == 0


@mirrors("002 15/21 vtd_ioas_container_put_s2_hwpt")
def vtd_ioas_container_put_s2_hwpt(s: IntelIOMMUState, s2: Id[VTDS2Hwpt], fault: Fault) -> None:
    """Free a stage-2 table that has no users left."""
    if not vtd_s2_unused(s, s2):
        return
    vtd_free_id(s, s.s2_hwpts[s2].hwpt_id, fault)
    s.s2_hwpts[s2].container = NONE
    s.s2_hwpts[s2].hwpt_id = NONE


@mirrors("002 15/21 vtd_device_attach_iommufd", "002 16/21 vtd_device_attach_iommufd")
def vtd_ioas_container_new(
    s: IntelIOMMUState, fd: Id[Iommufd], ioas: Id[Object], errata: bool
) -> Id[VTDIOASContainer]:
    """Remember a container for an IOAS; nothing is mapped into it yet."""
    row = first(x.id for x in s.containers if x.iommufd == NONE and not x.listening)
    limit(row != NONE, "containers")
    s.containers[row].iommufd = fd
    s.containers[row].ioas_id = ioas
    s.containers[row].errata = errata
    return row


@mirrors("002 15/21 vtd_ioas_container_destroy")
def vtd_ioas_container_destroy(
    s: IntelIOMMUState, container: Id[VTDIOASContainer], fault: Fault
) -> None:
    """Free a container that has no stage-2 table left: listener first, then the IOAS."""
    if any(x.container == container for x in s.s2_hwpts):
        return
    memory_listener_unregister(s, container, fault)
    vtd_free_id(s, s.containers[container].ioas_id, fault)
    vtd_ioas_container_forget(s, container)


def vtd_ioas_container_forget(s: IntelIOMMUState, container: Id[VTDIOASContainer]) -> None:
    """The memory of a container is freed."""
    s.containers[container].iommufd = NONE
    s.containers[container].ioas_id = NONE
    s.containers[container].errata = False


@mirrors("002 15/21 vtd_device_detach_container")
def vtd_release_s2(s: IntelIOMMUState, hwpt: Id[Object], s2: Id[VTDS2Hwpt], fault: Fault) -> None:
    """Let go of what a device used in a container: its nested HWPT, its share of the stage-2."""
    if hwpt != s.s2_hwpts[s2].hwpt_id:
        vtd_destroy_s1_hwpt(s, hwpt, fault)
    s.s2_hwpts[s2].users -= 1
    vtd_ioas_container_put_s2_hwpt(s, s2, fault)


@mirrors("002 15/21 vtd_device_detach_iommufd")
def vtd_release_hwpt(s: IntelIOMMUState, hwpt: Id[Object], s2: Id[VTDS2Hwpt], fault: Fault) -> None:
    """Let go of what a device used, and of the container if it was the last one in it."""
    container = s.s2_hwpts[s2].container
    vtd_release_s2(s, hwpt, s2, fault)
    vtd_ioas_container_destroy(s, container, fault)


@mirrors("002 15/21 vtd_device_attach_hwpt")
def vtd_set_hwpt(
    s: IntelIOMMUState,
    vtd_as: Id[VTDAddressSpace],
    hwpt: Id[Object],
    s2: Id[VTDS2Hwpt],
    fault: Fault,
) -> None:
    """Remember what a device is attached to now, then let go of what it was attached to before."""
    old_hwpt = s.address_spaces[vtd_as].hwpt_id
    old_s2 = s.address_spaces[vtd_as].s2_hwpt
    s.s2_hwpts[s2].users += 1
    s.address_spaces[vtd_as].hwpt_id = hwpt
    s.address_spaces[vtd_as].s2_hwpt = s2
    if old_hwpt != NONE:
        vtd_release_hwpt(s, old_hwpt, old_s2, fault)


@mirrors("002 15/21 vtd_device_attach_hwpt")
def vtd_device_attach_hwpt(
    s: IntelIOMMUState,
    vtd_as: Id[VTDAddressSpace],
    s2: Id[VTDS2Hwpt],
    pgtt: Pgtt,
    flpt: PgTable,
    fault: Fault,
) -> tuple[Errno, Id[Object]]:
    """Attach a device to a stage-2 table, or to a new nested HWPT over it.

    On refusal the new HWPT is destroyed and the device stays where it was.
    """
    err = Errno.OK
    hwpt = s.s2_hwpts[s2].hwpt_id
    if pgtt == Pgtt.FLT:
        err, hwpt = vtd_create_s1_hwpt(s, vtd_as, s2, flpt, fault)
        if err != Errno.OK:
            return err, NONE
    err = iommufd_cdev_attach_ioas_hwpt(s, s.address_spaces[vtd_as].hiod, hwpt, fault)
    if err != Errno.OK:
        if pgtt == Pgtt.FLT:
            vtd_destroy_s1_hwpt(s, hwpt, fault)
        return err, NONE
    return Errno.OK, hwpt


@mirrors("002 15/21 vtd_device_attach_container")
def vtd_device_attach_container(
    s: IntelIOMMUState,
    vtd_as: Id[VTDAddressSpace],
    container: Id[VTDIOASContainer],
    pgtt: Pgtt,
    flpt: PgTable,
    fault: Fault,
) -> tuple[Errno, Id[Object], Id[VTDS2Hwpt]]:
    """Attach a device to the first stage-2 of a container that takes it, else to a new one."""
    dev = s.address_spaces[vtd_as].hiod
    for s2_hwpt in s.s2_hwpts:
        if s2_hwpt.container == container:
            err, hwpt = vtd_device_attach_hwpt(s, vtd_as, s2_hwpt.id, pgtt, flpt, fault)
            if not tries_on(err):
                return err, hwpt, s2_hwpt.id
    ioas = s.containers[container].ioas_id
    error, parent = iommufd_backend_alloc_hwpt(s, dev, ioas, True, NULL, fault)
    if error != Errno.OK:
        return error, NONE, NONE
    s2 = vtd_ioas_container_get_s2_hwpt(s, container, parent)
    error, attached = vtd_device_attach_hwpt(s, vtd_as, s2, pgtt, flpt, fault)
    if error != Errno.OK:
        vtd_ioas_container_put_s2_hwpt(s, s2, fault)
    return error, attached, s2


@mirrors("002 15/21 vtd_device_attach_iommufd")
def vtd_device_attach_new_container(
    s: IntelIOMMUState, vtd_as: Id[VTDAddressSpace], pgtt: Pgtt, flpt: PgTable, fault: Fault
) -> tuple[Errno, Id[Object], Id[VTDS2Hwpt]]:
    """Attach a device in a container of its own; on refusal the container goes again."""
    device = s.devices[s.address_spaces[vtd_as].hiod]
    err, ioas = iommufd_backend_alloc_ioas(s, device.fd, fault)
    if err != Errno.OK:
        return err, NONE, NONE
    container = vtd_ioas_container_new(s, device.fd, ioas, device.erratum)
    err, hwpt, s2 = vtd_ioas_container_populate(s, vtd_as, container, pgtt, flpt, fault)
    if err != Errno.OK:
        vtd_ioas_container_abandon(s, container, fault)
    return err, hwpt, s2


@mirrors("002 15/21 vtd_device_attach_iommufd")
def vtd_ioas_container_populate(
    s: IntelIOMMUState,
    vtd_as: Id[VTDAddressSpace],
    container: Id[VTDIOASContainer],
    pgtt: Pgtt,
    flpt: PgTable,
    fault: Fault,
) -> tuple[Errno, Id[Object], Id[VTDS2Hwpt]]:
    """Map the guest's memory, then attach the device: it never uses a map that is not complete."""
    err = memory_listener_register(s, container, fault)
    if err != Errno.OK:
        return err, NONE, NONE
    return vtd_device_attach_container(s, vtd_as, container, pgtt, flpt, fault)


@mirrors("002 15/21 vtd_device_attach_iommufd")
def vtd_ioas_container_abandon(
    s: IntelIOMMUState, container: Id[VTDIOASContainer], fault: Fault
) -> None:
    """Undo a container that no device could use."""
    vtd_ioas_container_destroy(s, container, fault)


@mirrors("002 16/21 vtd_device_attach_iommufd")
def vtd_container_matches(
    s: IntelIOMMUState, container: Id[VTDIOASContainer], vtd_as: Id[VTDAddressSpace]
) -> bool:
    """Whether a device may use a container: the same iommufd, and both or neither the erratum."""
    device = s.devices[s.address_spaces[vtd_as].hiod]
    found = s.containers[container]
    return found.iommufd == device.fd and found.errata == device.erratum


@mirrors("002 15/21 vtd_device_attach_iommufd", "002 16/21 vtd_device_attach_iommufd")
def vtd_device_attach_any_container(
    s: IntelIOMMUState, vtd_as: Id[VTDAddressSpace], pgtt: Pgtt, flpt: PgTable, fault: Fault
) -> tuple[Errno, Id[Object], Id[VTDS2Hwpt]]:
    """Attach a device in the container that suits it, or in a new one."""
    for container in s.containers:
        if vtd_container_matches(s, container.id, vtd_as):
            err, hwpt, s2 = vtd_device_attach_container(s, vtd_as, container.id, pgtt, flpt, fault)
            if not tries_on(err):
                return err, hwpt, s2
    return vtd_device_attach_new_container(s, vtd_as, pgtt, flpt, fault)


@mirrors("002 15/21 vtd_device_attach_iommufd")
def vtd_device_attach_iommufd(
    s: IntelIOMMUState, vtd_as: Id[VTDAddressSpace], pgtt: Pgtt, flpt: PgTable, fault: Fault
) -> Errno:
    """Attach a device as its PASID entry asks, remember that, and let go of what it had before."""
    err, hwpt, s2 = vtd_device_attach_any_container(s, vtd_as, pgtt, flpt, fault)
    if err == Errno.OK:
        vtd_set_hwpt(s, vtd_as, hwpt, s2, fault)
    return err


@mirrors("002 15/21 vtd_device_detach_hwpt")
def vtd_device_detach_hwpt(s: IntelIOMMUState, vtd_as: Id[VTDAddressSpace], fault: Fault) -> Errno:
    """Take a device off its page table: its DMA is blocked, or VFIO's own table if DMAR is off."""
    device = s.devices[s.address_spaces[vtd_as].hiod]
    if s.dmar_enabled:
        return iommufd_cdev_detach_ioas_hwpt(s, device.id, fault)
    return iommufd_cdev_attach_ioas_hwpt(s, device.id, s.iommufds[device.fd].vfio_hwpt, fault)


@mirrors("002 15/21 vtd_device_detach_iommufd")
def vtd_forget_hwpt(s: IntelIOMMUState, vtd_as: Id[VTDAddressSpace], fault: Fault) -> None:
    """The vIOMMU no longer uses a page table for a device."""
    hwpt = s.address_spaces[vtd_as].hwpt_id
    s2 = s.address_spaces[vtd_as].s2_hwpt
    s.address_spaces[vtd_as].hwpt_id = NONE
    s.address_spaces[vtd_as].s2_hwpt = NONE
    vtd_release_hwpt(s, hwpt, s2, fault)


@mirrors("002 15/21 vtd_device_detach_iommufd")
def vtd_device_detach_iommufd(
    s: IntelIOMMUState, vtd_as: Id[VTDAddressSpace], fault: Fault
) -> Errno:
    """Take a device off its page table and let go of it; on refusal the binding stays."""
    err = vtd_device_detach_hwpt(s, vtd_as, fault)
    if err == Errno.OK:
        vtd_forget_hwpt(s, vtd_as, fault)
    return err

"""The calls QEMU makes of iommufd and of a VFIO device file: each is one ioctl, each may fail.

Beside the refusals written out here, every call may fail for reasons outside the model (`fault`).
"""

from __future__ import annotations

from spec.iommufd.objects import (
    Device,
    Errno,
    Iommufd,
    Kernel,
    Kind,
    Object,
    PgTable,
    free_object,
    new_object,
    object_over,
    stage2_of,
)
from spec.language import NONE, Fault, Id, check, host_call, mirrors
from spec.memory.section import Section


@mirrors("kernel R1.1")
@host_call("iommufd_backend_alloc_ioas iommufd={fd} ioas={out} ({ret})", fails=Errno.ENOMEM)
def iommufd_backend_alloc_ioas(
    s: Kernel, fd: Id[Iommufd], fault: Fault
) -> tuple[Errno, Id[Object]]:
    """IOMMU_IOAS_ALLOC: a new, empty IOAS."""
    return Errno.OK, new_object(s, fd, Kind.IOAS)


@mirrors("kernel R2.1", "kernel R2.2", "kernel R2.4")
@host_call(
    "iommufd_backend_alloc_hwpt dev_id={dev} pt_id={pt} nest_parent={nest_parent} "
    "pgtbl={table} out_hwpt={out} ({ret})",
    fails=Errno.ENOMEM,
)
def iommufd_backend_alloc_hwpt(
    s: Kernel, dev: Id[Device], pt: Id[Object], nest_parent: bool, table: PgTable, fault: Fault
) -> tuple[Errno, Id[Object]]:
    """IOMMU_HWPT_ALLOC: a paging HWPT over an IOAS, a nested one over a nesting parent."""
    if s.devices[dev].object == NONE:
        return Errno.ENOENT, NONE
    if pt == NONE:
        return Errno.EINVAL, NONE
    if s.objects[pt].kind == Kind.IOAS:
        return hwpt_paging_alloc(s, dev, pt, nest_parent)
    if s.objects[pt].kind == Kind.HWPT_PAGING:
        return hwpt_nested_alloc(s, dev, pt, table)
    return Errno.EINVAL, NONE


@mirrors("kernel R2.2", "kernel R2.3", "kernel R2.7")
def hwpt_paging_alloc(
    s: Kernel, dev: Id[Device], ioas: Id[Object], nest_parent: bool
) -> tuple[Errno, Id[Object]]:
    """A stage-2 table over an IOAS, unless that has what the table must not map."""
    err = hwpt_paging_refusal(s, dev, ioas, nest_parent)
    if err != Errno.OK:
        return err, NONE
    return Errno.OK, hwpt_paging_over(s, dev, ioas, nest_parent)


@mirrors("kernel R2.7")
def hwpt_paging_refusal(
    s: Kernel, dev: Id[Device], ioas: Id[Object], nest_parent: bool
) -> Errno:
    """An IOAS that maps anything read-only takes no stage-2 that must be writeable only."""
    if must_be_writeable(s, dev, nest_parent) and has_read_only(s, ioas):
        return Errno.EINVAL
    return Errno.OK


@mirrors("kernel R2.7")
def must_be_writeable(s: Kernel, dev: Id[Device], nest_parent: bool) -> bool:
    """Whether a stage-2 for a device is for writeable mappings only: to nest over, by erratum."""
    return nest_parent and s.devices[dev].erratum


@mirrors("kernel R2.2", "kernel R2.3")
def hwpt_paging_over(
    s: Kernel, dev: Id[Device], ioas: Id[Object], nest_parent: bool
) -> Id[Object]:
    """A new stage-2 table over an IOAS: as coherent as the device, writeable only if it must be."""
    hwpt = object_over(s, s.devices[dev].fd, ioas, Kind.HWPT_PAGING)
    s.objects[hwpt].nest_parent = nest_parent
    s.objects[hwpt].enforced = s.devices[dev].coherent
    s.objects[hwpt].writeable_only = must_be_writeable(s, dev, nest_parent)
    return hwpt


@mirrors("kernel R2.7")
def has_read_only(s: Kernel, ioas: Id[Object]) -> bool:
    """Whether an IOAS maps anything read-only."""
    return any(x.readonly and x.id in s.objects[ioas].areas for x in s.sections)


@mirrors("kernel R2.4", "kernel R2.8")
def hwpt_nested_alloc(
    s: Kernel, dev: Id[Device], parent: Id[Object], table: PgTable
) -> tuple[Errno, Id[Object]]:
    """A stage-1 table of the guest over a nesting parent; the table's address is not validated."""
    err = hwpt_nested_refusal(s, parent)
    if err != Errno.OK:
        return err, NONE
    return Errno.OK, hwpt_nested_over(s, s.devices[dev].fd, parent, table)


@mirrors("kernel R2.4", "kernel R2.8")
def hwpt_nested_refusal(s: Kernel, parent: Id[Object]) -> Errno:
    """Only a nesting parent is nested over."""
    return Errno.OK if s.objects[parent].nest_parent else Errno.EINVAL


@mirrors("kernel R2.4", "kernel R2.5")
def hwpt_nested_over(
    s: Kernel, fd: Id[Iommufd], parent: Id[Object], table: PgTable
) -> Id[Object]:
    """A new nested HWPT with a table of the guest."""
    hwpt = object_over(s, fd, parent, Kind.HWPT_NESTED)
    s.objects[hwpt].table = table
    return hwpt


@mirrors("kernel R0.6", "kernel R0.7")
@host_call("iommufd_backend_free_id id={obj} ({ret})", fails=Errno.EBUSY)
def iommufd_backend_free_id(s: Kernel, obj: Id[Object], fault: Fault) -> Errno:
    """IOMMU_DESTROY: refused while anything holds the object, an ioctl under way among it."""
    return iommufd_destroy(s, obj)


@mirrors("kernel R0.6")
def iommufd_destroy(s: Kernel, obj: Id[Object]) -> Errno:
    """An object that nobody holds goes, and lets go of what it was made on."""
    if obj == NONE:
        return Errno.ENOENT
    if s.objects[obj].kind == Kind.FREE:
        return Errno.ENOENT
    if held(s, obj):
        return Errno.EBUSY
    put_parent(s, obj)
    free_object(s, obj)
    return Errno.OK


@mirrors("kernel R0.6")
def held(s: Kernel, obj: Id[Object]) -> bool:
    """Whether anything but the id table holds an object."""
    return s.objects[obj].refs != 1


@mirrors("kernel R0.7")
def put_parent(s: Kernel, obj: Id[Object]) -> None:
    """An object that goes lets go of what it was made on."""
    if s.objects[obj].parent != NONE:
        s.objects[s.objects[obj].parent].refs -= 1


@mirrors("kernel R1.2", "kernel R1.4", "kernel R1.6")
@host_call("iommufd_backend_map_dma ioas={ioas} section={section} ({ret})", fails=Errno.ENOMEM)
def iommufd_backend_map_dma(
    s: Kernel, ioas: Id[Object], section: Id[Section], fault: Fault
) -> Errno:
    """IOMMU_IOAS_MAP at a fixed address, into every HWPT of the IOAS or into none."""
    if not names_ioas(s, ioas):
        return Errno.ENOENT
    if any(
        x.id in s.objects[ioas].areas and x.id in s.sections[section].overlapping
        for x in s.sections
    ):
        return Errno.EEXIST
    if s.sections[section].readonly and refuses_read_only(s, ioas):
        return Errno.EINVAL
    s.objects[ioas].areas.add(section)
    return Errno.OK


@mirrors("kernel R2.7")
def refuses_read_only(s: Kernel, ioas: Id[Object]) -> bool:
    """Whether a stage-2 over an IOAS takes writeable mappings only."""
    return any(
        o.kind == Kind.HWPT_PAGING and o.parent == ioas and o.writeable_only for o in s.objects
    )


@mirrors("kernel R0.5")
def names_ioas(s: Kernel, obj: Id[Object]) -> bool:
    """Whether an id names an IOAS: one that names anything else counts as absent."""
    return obj != NONE and s.objects[obj].kind == Kind.IOAS


@mirrors("kernel R1.9")
@host_call("iommufd_backend_unmap_dma ioas={ioas} section={section} ({ret})", fails=Errno.EBUSY)
def iommufd_backend_unmap_dma(
    s: Kernel, ioas: Id[Object], section: Id[Section], fault: Fault
) -> Errno:
    """IOMMU_IOAS_UNMAP of one area."""
    if not names_ioas(s, ioas):
        return Errno.ENOENT
    if section not in s.objects[ioas].areas:
        return Errno.ENOENT
    s.objects[ioas].areas.discard(section)
    return Errno.OK


@mirrors("kernel R5.1")
@host_call("iommufd_backend_get_device_info devid={dev} ({ret})", fails=Errno.ENOMEM)
def iommufd_backend_get_device_info(s: Kernel, dev: Id[Device], fault: Fault) -> Errno:
    """IOMMU_GET_HW_INFO: what the device's IOMMU can do, the erratum among it."""
    return Errno.ENOENT if s.devices[dev].object == NONE else Errno.OK


@mirrors("kernel R6.1", "kernel R0.6")
@host_call("iommufd_cdev_connect_and_bind {dev} ({ret})", fails=Errno.ENOMEM)
def iommufd_cdev_connect_and_bind(s: Kernel, dev: Id[Device], fault: Fault) -> Errno:
    """VFIO_DEVICE_BIND_IOMMUFD: the device gets an id, which VFIO itself holds."""
    if s.devices[dev].object != NONE:
        return Errno.EINVAL
    obj = new_object(s, s.devices[dev].fd, Kind.DEVICE)
    s.objects[obj].refs = 2
    s.devices[dev].object = obj
    return Errno.OK


@mirrors("kernel R6.3")
def iommufd_cdev_unbind(s: Kernel, dev: Id[Device]) -> None:
    """Close of the device's file: it is detached from everything, and its id is free."""
    detach(s, dev)
    free_object(s, s.devices[dev].object)
    s.devices[dev].object = NONE


@mirrors("kernel R7.2", "kernel R7.3", "kernel R7.5", "kernel R7.6", "kernel R7.10")
@host_call("iommufd_cdev_attach_ioas_hwpt {dev} id={pt} ({ret})", fails=Errno.ENOMEM)
def iommufd_cdev_attach_ioas_hwpt(
    s: Kernel, dev: Id[Device], pt: Id[Object], fault: Fault
) -> Errno:
    """VFIO_DEVICE_ATTACH_IOMMUFD_PT: attach, or replace what is attached in one step."""
    device = s.devices[dev]
    if device.object == NONE:
        return Errno.EINVAL
    if pt == NONE:
        return Errno.ENOENT
    if s.objects[pt].kind == Kind.FREE:
        return Errno.ENOENT
    check(s.objects[pt].kind != Kind.IOAS, "attach to an IOAS (auto domains) is not modelled")
    if s.objects[pt].kind not in (Kind.HWPT_PAGING, Kind.HWPT_NESTED):
        return Errno.EINVAL
    if not suits(s, dev, pt):
        return Errno.EINVAL
    detach(s, dev)
    device.attached = pt
    s.objects[pt].refs += 1
    s.objects[device.object].refs += 1
    return Errno.OK


@mirrors("kernel R2.3", "kernel R7.10")
def suits(s: Kernel, dev: Id[Device], hwpt: Id[Object]) -> bool:
    """Whether a device can use an HWPT, which is as coherent as its stage-2."""
    return suits_stage2(s, dev, stage2_of(s, hwpt))


@mirrors("kernel R2.3", "kernel R7.10")
def suits_stage2(s: Kernel, dev: Id[Device], stage2: Id[Object]) -> bool:
    """Whether a device can use a stage-2: enforced coherency needs a device that enforces it."""
    return suits_coherency(s, dev, s.objects[stage2].enforced)


@mirrors("kernel R2.3", "kernel R7.10")
def suits_coherency(s: Kernel, dev: Id[Device], enforced: bool) -> bool:
    """Whether a device can be where coherency is enforced, or is not."""
    return s.devices[dev].coherent or not enforced


@mirrors(
    "002 15/21 vtd_device_attach_container",
    "qemu hw/vfio/iommufd.c iommufd_cdev_autodomains_get",
    "defects C-01",
)
def tries_on(err: Errno) -> bool:
    """Whether an answer to an attach says no more than that the HWPT is not for the device.

    Then QEMU tries another HWPT or container; any other refusal ends its search.
    """
    return err == Errno.EINVAL


@mirrors("kernel R7.7")
@host_call("iommufd_cdev_detach_ioas_hwpt {dev} ({ret})", fails=Errno.EBUSY)
def iommufd_cdev_detach_ioas_hwpt(s: Kernel, dev: Id[Device], fault: Fault) -> Errno:
    """VFIO_DEVICE_DETACH_IOMMUFD_PT: the device's DMA is blocked; nothing to do if it was."""
    detach(s, dev)
    return Errno.OK


@mirrors("kernel R7.7")
def detach(s: Kernel, dev: Id[Device]) -> None:
    """The device lets go of what it is attached to, if anything."""
    device = s.devices[dev]
    if device.attached != NONE:
        s.objects[device.attached].refs -= 1
        s.objects[device.object].refs -= 1
        device.attached = NONE

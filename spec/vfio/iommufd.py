"""A VFIO device comes to an iommufd: which container it joins, which HWPT, and what goes with it.

What a refusal leaves is what was there before: the order is bind, attach, remember, and on the way
back the other way round. An id whose DESTROY is refused waits in `deferred`.
"""

from __future__ import annotations

from spec.iommufd.calls import (
    iommufd_backend_alloc_ioas,
    iommufd_backend_get_device_info,
    tries_on,
)
from spec.iommufd.objects import Errno, Object
from spec.iommufd.uapi.device import vfio_bind
from spec.language import NONE, Fault, Id, first, limit, mirrors
from spec.vfio.calls import (
    vfio_access_attach,
    vfio_access_detach,
    vfio_alloc_hwpt,
    vfio_attach_pt,
    vfio_detach_pt,
    vfio_device_get_info,
    vfio_free_id,
    vfio_unbind,
)
from spec.vfio.listener import vfio_listener_register, vfio_listener_unregister
from spec.vfio.state import (
    VFIODevice,
    VFIOIOASHwpt,
    VFIOIOMMUFDContainer,
    VFIOKind,
    VFIOState,
)


@mirrors("002 15/21 iommufd_backend_free_id", "defects C-14")
def vfio_free(s: VFIOState, obj: Id[Object], fault: Fault) -> None:
    """Destroy an object that is no longer wanted, now or, if the kernel still uses it, later."""
    err = vfio_free_id(s, obj, fault)
    if err != Errno.OK:
        s.deferred.add(obj)


@mirrors("000 02/20 pci_device_get_viommu_cap", "001 11/37 smmuv3_accel_get_viommu_flags")
def vfio_device_get_viommu_flags_want_nesting(s: VFIOState, vdev: Id[VFIODevice]) -> bool:
    """Whether the vIOMMU wants nesting parents: its own configuration, no matter which host."""
    return s.vdevs[vdev].nesting


@mirrors("002 16/21 vtd_check_hiod", "defects V-34")
def vfio_bypasses_ro(s: VFIOState, vdev: Id[VFIODevice]) -> bool:
    """Whether a device needs a container without read-only mappings: nesting with the erratum."""
    return vfio_device_get_viommu_flags_want_nesting(s, vdev) and (
        s.devices[s.vdevs[vdev].dev].erratum
    )


@mirrors("001 12/37 host_iommu_device_iommufd_attach_hwpt")
def vfio_attach(s: VFIOState, vdev: Id[VFIODevice], pt: Id[Object], fault: Fault) -> Errno:
    """Attach a device to an HWPT, in place of what it is attached to; remember it if it is done."""
    err = vfio_attach_pt(s, s.vdevs[vdev].dev, pt, fault)
    if err == Errno.OK:
        s.vdevs[vdev].attached = pt
    return err


@mirrors("kernel R7.4")
def same_group(s: VFIOState, a: Id[VFIODevice], b: Id[VFIODevice]) -> bool:
    """Whether two devices are of one group of the host, which sysfs says."""
    return s.devices[s.vdevs[a].dev].group == s.devices[s.vdevs[b].dev].group


@mirrors("defects S-01")
def group_mate(
    s: VFIOState, vdev: Id[VFIODevice], container: Id[VFIOIOMMUFDContainer]
) -> Id[VFIODevice]:
    """Another device of the same group in a container, which says where this one has to go."""
    return first(
        x.id
        for x in s.vdevs
        if x.id != vdev and x.container == container and x.attached != NONE
        and same_group(s, vdev, x.id)
    )


@mirrors("qemu hw/vfio/iommufd.c iommufd_cdev_autodomains_get")
def suits_hwpt(s: VFIOState, vdev: Id[VFIODevice], hwpt: Id[VFIOIOASHwpt]) -> bool:
    """Whether an HWPT is worth trying: it is a nesting parent if the vIOMMU wants one."""
    return s.hwpts[hwpt].nest_parent or not vfio_device_get_viommu_flags_want_nesting(s, vdev)


@mirrors("qemu hw/vfio/iommufd.c iommufd_cdev_autodomains_get", "kernel R7.5", "defects S-01")
def iommufd_cdev_autodomains_get(
    s: VFIOState, vdev: Id[VFIODevice], container: Id[VFIOIOMMUFDContainer], fault: Fault
) -> Errno:
    """Find an HWPT of a container for a device: its group's, one that takes it, or a new one."""
    mate = group_mate(s, vdev, container)
    if mate != NONE:
        return join_group(s, vdev, mate, fault)
    for x in s.hwpts:
        if x.container == container and suits_hwpt(s, vdev, x.id):
            err = vfio_attach(s, vdev, x.hwpt_id, fault)
            if err == Errno.OK:
                s.vdevs[vdev].hwpt = x.id
            if not tries_on(err):
                return err
    return iommufd_cdev_new_hwpt(s, vdev, container, fault)


@mirrors("defects S-01")
def join_group(
    s: VFIOState, vdev: Id[VFIODevice], mate: Id[VFIODevice], fault: Fault
) -> Errno:
    """A device goes where its group is, which may be an HWPT of the vIOMMU over VFIO's."""
    err = vfio_attach(s, vdev, s.vdevs[mate].attached, fault)
    if err == Errno.OK:
        s.vdevs[vdev].hwpt = s.vdevs[mate].hwpt
    return err


@mirrors("qemu hw/vfio/iommufd.c iommufd_cdev_autodomains_get")
def iommufd_cdev_new_hwpt(
    s: VFIOState, vdev: Id[VFIODevice], container: Id[VFIOIOMMUFDContainer], fault: Fault
) -> Errno:
    """Make an HWPT in a container for a device, a nesting parent if the vIOMMU wants one."""
    dev = s.vdevs[vdev].dev
    err = iommufd_backend_get_device_info(s, dev, fault)
    if err != Errno.OK:
        return err
    nest_parent = vfio_device_get_viommu_flags_want_nesting(s, vdev)
    err, hwpt = vfio_alloc_hwpt(s, dev, s.containers[container].ioas_id, nest_parent, fault)
    if err != Errno.OK:
        return err
    err = vfio_attach(s, vdev, hwpt, fault)
    if err != Errno.OK:
        vfio_free(s, hwpt, fault)
        return err
    row = first(x.id for x in s.hwpts if x.container == NONE)
    limit(row != NONE, "hwpts")
    s.hwpts[row].container = container
    s.hwpts[row].hwpt_id = hwpt
    s.hwpts[row].nest_parent = nest_parent
    s.vdevs[vdev].hwpt = row
    return Errno.OK


@mirrors("qemu hw/vfio/iommufd.c iommufd_cdev_autodomains_put")
def iommufd_cdev_autodomains_put(s: VFIOState, vdev: Id[VFIODevice], fault: Fault) -> None:
    """A device leaves its HWPT, which goes with the last one."""
    hwpt = s.vdevs[vdev].hwpt
    s.vdevs[vdev].hwpt = NONE
    if not any(x.hwpt == hwpt for x in s.vdevs):
        vfio_free(s, s.hwpts[hwpt].hwpt_id, fault)
        s.hwpts[hwpt].container = NONE
        s.hwpts[hwpt].hwpt_id = NONE
        s.hwpts[hwpt].nest_parent = False


@mirrors("qemu hw/vfio/iommufd.c iommufd_cdev_attach_container")
def iommufd_cdev_attach_container(
    s: VFIOState, vdev: Id[VFIODevice], container: Id[VFIOIOMMUFDContainer], fault: Fault
) -> Errno:
    """Attach a device in a container: an mdev to the IOAS itself, others to an HWPT."""
    if s.vdevs[vdev].kind == VFIOKind.MDEV:
        ioas = s.containers[container].ioas_id
        return vfio_access_attach(s, s.vdevs[vdev].dev, ioas, fault)
    return iommufd_cdev_autodomains_get(s, vdev, container, fault)


@mirrors("qemu hw/vfio/iommufd.c iommufd_cdev_detach_container")
def iommufd_cdev_detach_container(s: VFIOState, vdev: Id[VFIODevice], fault: Fault) -> None:
    """Detach a device and leave its HWPT. If the kernel refuses, the close of its file does it."""
    if s.vdevs[vdev].kind == VFIOKind.MDEV:
        vfio_access_detach(s, s.vdevs[vdev].dev, fault)
    else:
        vfio_detach_pt(s, s.vdevs[vdev].dev, fault)
        s.vdevs[vdev].attached = NONE
        iommufd_cdev_autodomains_put(s, vdev, fault)


@mirrors("qemu hw/vfio/iommufd.c iommufd_cdev_container_destroy")
def iommufd_cdev_container_destroy(
    s: VFIOState, container: Id[VFIOIOMMUFDContainer], fault: Fault
) -> None:
    """A container that no device is in goes: its listener, then its IOAS."""
    if any(x.container == container for x in s.vdevs):
        return
    if s.containers[container].listening:
        vfio_listener_unregister(s, container, fault)
    vfio_free(s, s.containers[container].ioas_id, fault)
    vfio_container_forget(s, container)


def vfio_container_forget(s: VFIOState, container: Id[VFIOIOMMUFDContainer]) -> None:
    """The memory of a container is freed."""
    s.containers[container].space = NONE
    s.containers[container].be = NONE
    s.containers[container].ioas_id = NONE
    s.containers[container].bypass_ro = False
    s.containers[container].listening = False
    s.containers[container].incomplete = False


@mirrors("qemu hw/vfio/container.c vfio_address_space_insert")
def vfio_container_new(
    s: VFIOState, vdev: Id[VFIODevice], ioas: Id[Object]
) -> Id[VFIOIOMMUFDContainer]:
    """A container for the address space of a device: it listens to nothing yet."""
    row = first(x.id for x in s.containers if x.space == NONE)
    limit(row != NONE, "containers")
    s.containers[row].space = s.vdevs[vdev].space
    if ioas != NONE:
        s.containers[row].be = s.devices[s.vdevs[vdev].dev].fd
        s.containers[row].ioas_id = ioas
        s.containers[row].bypass_ro = vfio_bypasses_ro(s, vdev)
    return row


@mirrors("qemu hw/vfio/iommufd.c iommufd_cdev_attach", "defects V-34")
def takes_device(
    s: VFIOState, vdev: Id[VFIODevice], container: Id[VFIOIOMMUFDContainer]
) -> bool:
    """Whether a container is of the device's address space, iommufd and kind of mappings."""
    x = s.containers[container]
    return (
        x.space == s.vdevs[vdev].space
        and x.be == s.devices[s.vdevs[vdev].dev].fd
        and x.bypass_ro == vfio_bypasses_ro(s, vdev)
    )


@mirrors("qemu hw/vfio/iommufd.c iommufd_cdev_attach", "000 02/20 pci_device_get_viommu_cap")
def iommufd_cdev_attach(s: VFIOState, vdev: Id[VFIODevice], fault: Fault) -> Errno:
    """A device is bound, attached in a container of its address space, then handed to QEMU."""
    err = vfio_bind(s, s.vdevs[vdev].dev, fault)
    if err != Errno.OK:
        return err
    for x in s.containers:
        if takes_device(s, vdev, x.id):
            err = iommufd_cdev_attach_container(s, vdev, x.id, fault)
            if err == Errno.OK:
                return iommufd_cdev_found_container(s, vdev, x.id, fault)
            if not tries_on(err):
                return iommufd_cdev_refused(s, vdev, err)
    return iommufd_cdev_attach_new(s, vdev, fault)


@mirrors("qemu hw/vfio/iommufd.c iommufd_cdev_attach")
def iommufd_cdev_attach_new(s: VFIOState, vdev: Id[VFIODevice], fault: Fault) -> Errno:
    """Make a container for a device; its listener comes last, when there is something to map."""
    err, ioas = iommufd_backend_alloc_ioas(s, s.devices[s.vdevs[vdev].dev].fd, fault)
    if err != Errno.OK:
        return iommufd_cdev_refused(s, vdev, err)
    container = vfio_container_new(s, vdev, ioas)
    err = iommufd_cdev_attach_container(s, vdev, container, fault)
    if err != Errno.OK:
        iommufd_cdev_container_destroy(s, container, fault)
        return iommufd_cdev_refused(s, vdev, err)
    err = vfio_listener_register(s, container, fault)
    if err != Errno.OK:
        return iommufd_cdev_undo(s, vdev, container, err, fault)
    return iommufd_cdev_found_container(s, vdev, container, fault)


@mirrors("qemu hw/vfio/iommufd.c iommufd_cdev_attach", "000 02/20 pci_device_get_viommu_cap")
def iommufd_cdev_found_container(
    s: VFIOState, vdev: Id[VFIODevice], container: Id[VFIOIOMMUFDContainer], fault: Fault
) -> Errno:
    """An attached device gets its host IOMMU device, which an mdev has not, and is in the list."""
    err = vfio_device_get_info(s, s.vdevs[vdev].dev, fault)
    if err == Errno.OK and has_host_iommu(s, vdev):
        err = hiod_iommufd_vfio_realize(s, vdev, fault)
    if err != Errno.OK:
        return iommufd_cdev_undo(s, vdev, container, err, fault)
    s.vdevs[vdev].container = container
    s.vdevs[vdev].incompatible = False
    return Errno.OK


@mirrors("004 32/33 vfio_pci_synthesize_pasid_cap", "defects C-04")
def has_host_iommu(s: VFIOState, vdev: Id[VFIODevice]) -> bool:
    """Whether a device is behind an IOMMU of the host, which an mdev is not."""
    return s.vdevs[vdev].kind != VFIOKind.MDEV


@mirrors("002 03/21 hiod_iommufd_vfio_realize", "kernel R5.1")
def hiod_iommufd_vfio_realize(s: VFIOState, vdev: Id[VFIODevice], fault: Fault) -> Errno:
    """Ask what the device's IOMMU can do. The id of an mdev is an access, which is no device."""
    if s.vdevs[vdev].kind == VFIOKind.MDEV:
        return Errno.ENOENT
    err = iommufd_backend_get_device_info(s, s.vdevs[vdev].dev, fault)
    s.vdevs[vdev].hiod = err == Errno.OK
    return err


@mirrors("qemu hw/vfio/iommufd.c iommufd_cdev_attach")
def iommufd_cdev_undo(
    s: VFIOState,
    vdev: Id[VFIODevice],
    container: Id[VFIOIOMMUFDContainer],
    err: Errno,
    fault: Fault,
) -> Errno:
    """An attached device is detached again, and leaves a container that was made for it."""
    iommufd_cdev_detach_container(s, vdev, fault)
    iommufd_cdev_container_destroy(s, container, fault)
    return iommufd_cdev_refused(s, vdev, err)


@mirrors("qemu hw/vfio/iommufd.c iommufd_cdev_unbind_and_disconnect")
def iommufd_cdev_refused(s: VFIOState, vdev: Id[VFIODevice], err: Errno) -> Errno:
    """The file of a device that cannot be attached is closed."""
    vfio_unbind(s, s.vdevs[vdev].dev)
    s.vdevs[vdev].incompatible = err in (Errno.EINVAL, Errno.ENOENT)
    return err


@mirrors("qemu hw/vfio/iommufd.c iommufd_cdev_detach", "defects C-11")
def iommufd_cdev_detach(s: VFIOState, vdev: Id[VFIODevice], fault: Fault) -> None:
    """A device leaves its container, and what it was the last to use goes; its file is closed."""
    container = s.vdevs[vdev].container
    s.vdevs[vdev].container = NONE
    s.vdevs[vdev].hiod = False
    iommufd_cdev_detach_container(s, vdev, fault)
    iommufd_cdev_container_destroy(s, container, fault)
    vfio_unbind(s, s.vdevs[vdev].dev)

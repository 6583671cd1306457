"""A VFIO device comes to an iommufd: which container it joins, which HWPT, and what goes with it.

What a refusal leaves is what was there before: the order is bind, attach, remember, and on the way
back the other way round. An id whose DESTROY is refused waits in `deferred`. Containers of an
address space and HWPTs of a container are tried newest first, as they stand in QEMU's lists.
"""

from __future__ import annotations

from spec.iommufd.calls import (
    iommufd_backend_alloc_ioas,
    iommufd_backend_get_device_info,
    tries_on,
)
from spec.iommufd.objects import Errno, Iommufd, Object
from spec.iommufd.uapi.device import vfio_bind
from spec.language import NONE, Fault, Id, first, limit, mirrors
from spec.vfio.bottom_halves import vfio_free
from spec.vfio.calls import (
    iommufd_change_process,
    vfio_access_attach,
    vfio_access_detach,
    vfio_alloc_hwpt,
    vfio_attach_pt,
    vfio_detach_pt,
    vfio_device_get_info,
    vfio_iova_ranges,
    vfio_unbind,
)
from spec.vfio.listener import vfio_listener_register, vfio_listener_unregister
from spec.vfio.state import (
    Containers,
    VFIODevice,
    VFIOIOASHwpt,
    VFIOIOMMUFDContainer,
    VFIOKind,
    VFIOState,
)


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
    """Attach a device to an HWPT, in place of what its group is attached to; remember what is."""
    err = vfio_attach_pt(s, s.vdevs[vdev].dev, pt, fault)
    if err == Errno.OK:
        for x in s.vdevs:
            if x.id == vdev or (x.attached != NONE and same_group(s, vdev, x.id)):
                x.attached = pt
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
    hwpt = s.containers[container].newest_hwpt
    for _ in s.hwpts:
        if hwpt != NONE:
            if suits_hwpt(s, vdev, hwpt):
                err = vfio_attach(s, vdev, s.hwpts[hwpt].hwpt_id, fault)
                if err == Errno.OK:
                    s.vdevs[vdev].hwpt = hwpt
                if not tries_on(err):
                    return err
            hwpt = s.hwpts[hwpt].older
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
    if vfio_bypasses_ro(s, vdev):
        s.containers[container].bypass_ro = True
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
    s.hwpts[row].older = s.containers[container].newest_hwpt
    s.containers[container].newest_hwpt = row
    s.vdevs[vdev].hwpt = row
    return Errno.OK


@mirrors("qemu hw/vfio/iommufd.c iommufd_cdev_autodomains_put")
def iommufd_cdev_autodomains_put(s: VFIOState, vdev: Id[VFIODevice], fault: Fault) -> None:
    """A device leaves its HWPT, which goes with the last one."""
    hwpt = s.vdevs[vdev].hwpt
    s.vdevs[vdev].hwpt = NONE
    if not any(x.hwpt == hwpt for x in s.vdevs):
        vfio_free(s, s.hwpts[hwpt].hwpt_id, fault)
        vfio_hwpt_forget(s, hwpt)


@mirrors("qemu hw/vfio/iommufd.c iommufd_cdev_autodomains_put")
def vfio_hwpt_forget(s: VFIOState, hwpt: Id[VFIOIOASHwpt]) -> None:
    """The memory of an HWPT is freed."""
    vfio_hwpt_unlist(s, hwpt)
    s.hwpts[hwpt].older = NONE
    s.hwpts[hwpt].container = NONE
    s.hwpts[hwpt].hwpt_id = NONE
    s.hwpts[hwpt].nest_parent = False


@mirrors("qemu hw/vfio/iommufd.c iommufd_cdev_autodomains_put")
def vfio_hwpt_unlist(s: VFIOState, hwpt: Id[VFIOIOASHwpt]) -> None:
    """An HWPT goes out of the list of its container."""
    container, older = s.hwpts[hwpt].container, s.hwpts[hwpt].older
    if s.containers[container].newest_hwpt == hwpt:
        s.containers[container].newest_hwpt = older
    for x in s.hwpts:
        if x.older == hwpt:
            x.older = older


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


@mirrors("qemu hw/vfio/container.c vfio_address_space_get")
def vfio_container_forget(s: Containers, container: Id[VFIOIOMMUFDContainer]) -> None:
    """The memory of a container is freed."""
    vfio_container_unlist(s, container)
    gone = s.containers[container]
    gone.older = NONE
    gone.space = NONE
    gone.be = NONE
    gone.ioas_id = NONE
    gone.newest_hwpt = NONE
    gone.bypass_ro = False
    gone.listening = False
    gone.missing.clear()
    gone.stale.clear()


@mirrors("qemu hw/vfio/container.c vfio_address_space_get")
def vfio_container_unlist(s: Containers, container: Id[VFIOIOMMUFDContainer]) -> None:
    """A container goes out of the list of its address space."""
    space, older = s.containers[container].space, s.containers[container].older
    if s.spaces[space].newest == container:
        s.spaces[space].newest = older
    for x in s.containers:
        if x.older == container:
            x.older = older


@mirrors("qemu hw/vfio/container.c vfio_address_space_insert")
def vfio_container_new(
    s: VFIOState, vdev: Id[VFIODevice], ioas: Id[Object]
) -> Id[VFIOIOMMUFDContainer]:
    """A container for the address space of a device: it listens to nothing yet."""
    row = first(x.id for x in s.containers if x.space == NONE)
    limit(row != NONE, "containers")
    space = s.vdevs[vdev].space
    s.containers[row].space = space
    s.containers[row].older = s.spaces[space].newest
    s.spaces[space].newest = row
    if ioas != NONE:
        s.containers[row].be = s.devices[s.vdevs[vdev].dev].fd
        s.containers[row].ioas_id = ioas
    return row


@mirrors("qemu hw/vfio/iommufd.c iommufd_cdev_attach", "defects V-34")
def takes_device(
    s: VFIOState, vdev: Id[VFIODevice], container: Id[VFIOIOMMUFDContainer]
) -> bool:
    """Whether a container of the device's address space is of its iommufd and kind of mappings."""
    x = s.containers[container]
    return x.be == s.devices[s.vdevs[vdev].dev].fd and x.bypass_ro == vfio_bypasses_ro(s, vdev)


@mirrors("qemu hw/vfio/container.c vfio_address_space_get")
def newest_container(s: VFIOState, vdev: Id[VFIODevice]) -> Id[VFIOIOMMUFDContainer]:
    """The container that a device tries first: the newest of its own address space."""
    return s.spaces[s.vdevs[vdev].space].newest


@mirrors("qemu hw/vfio/iommufd.c iommufd_cdev_attach", "defects C-01")
def tries_next_container(err: Errno) -> bool:
    """Whether what a container answers says no more than that it is not for the device."""
    return tries_on(err)


@mirrors("qemu hw/vfio/iommufd.c iommufd_cdev_attach", "000 02/20 pci_device_get_viommu_cap")
def iommufd_cdev_attach(s: VFIOState, vdev: Id[VFIODevice], fault: Fault) -> Errno:
    """A device is bound, attached in a container of its address space, and asked what it is.

    It gets its host IOMMU device then, which an mdev has not. What fails once it is attached leaves
    it so: who asked detaches it.
    """
    iommufd_backend_connect(s, s.devices[s.vdevs[vdev].dev].fd, fault)
    err = vfio_bind(s, s.vdevs[vdev].dev, fault)
    if err != Errno.OK:
        return err
    err = iommufd_cdev_join(s, vdev, fault)
    if s.vdevs[vdev].container == NONE:
        iommufd_cdev_refused(s, vdev)
        return err
    if err == Errno.OK:
        err = vfio_device_get_info(s, s.vdevs[vdev].dev, fault)
    if err == Errno.OK and has_host_iommu(s, vdev):
        err = hiod_iommufd_vfio_realize(s, vdev, fault)
    return err


@mirrors("qemu backends/iommufd.c iommufd_backend_connect")
def iommufd_backend_connect(s: VFIOState, fd: Id[Iommufd], fault: Fault) -> None:
    """The first device on an iommufd has it asked whether its process may change."""
    if not any(d.fd == fd and d.object != NONE for d in s.devices):
        iommufd_change_process(s, fd, fault)


@mirrors("qemu hw/vfio/iommufd.c iommufd_cdev_attach")
def iommufd_cdev_join(s: VFIOState, vdev: Id[VFIODevice], fault: Fault) -> Errno:
    """A device is attached in the first container that takes it, or in a new one."""
    container = newest_container(s, vdev)
    for _ in s.containers:
        if container != NONE:
            if takes_device(s, vdev, container):
                err = iommufd_cdev_attach_container(s, vdev, container, fault)
                if err == Errno.OK:
                    s.vdevs[vdev].container = container
                if not tries_next_container(err):
                    return err
            container = s.containers[container].older
    return iommufd_cdev_attach_new(s, vdev, fault)


@mirrors("qemu hw/vfio/iommufd.c iommufd_cdev_attach")
def iommufd_cdev_attach_new(s: VFIOState, vdev: Id[VFIODevice], fault: Fault) -> Errno:
    """Make a container for a device; its listener comes last, when there is something to map."""
    err, ioas = iommufd_backend_alloc_ioas(s, s.devices[s.vdevs[vdev].dev].fd, fault)
    if err != Errno.OK:
        return err
    container = vfio_container_new(s, vdev, ioas)
    err = iommufd_cdev_attach_container(s, vdev, container, fault)
    if err != Errno.OK:
        iommufd_cdev_container_destroy(s, container, fault)
        return err
    s.vdevs[vdev].container = container
    iommufd_cdev_get_info_iova_range(s, ioas, fault)
    return vfio_listener_register(s, container, fault)


@mirrors("qemu hw/vfio/iommufd.c iommufd_cdev_attach")
def iommufd_cdev_get_info_iova_range(s: VFIOState, ioas: Id[Object], fault: Fault) -> None:
    """Which addresses an IOAS takes, asked in two calls; without an answer QEMU assumes all."""
    err = vfio_iova_ranges(s, ioas, fault)
    if err == Errno.OK:
        vfio_iova_ranges(s, ioas, fault)


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


@mirrors("qemu hw/vfio/iommufd.c iommufd_cdev_unbind_and_disconnect")
def iommufd_cdev_refused(s: VFIOState, vdev: Id[VFIODevice]) -> None:
    """The file of a device that cannot be attached is closed."""
    vfio_unbind(s, s.vdevs[vdev].dev)


@mirrors("qemu hw/vfio/iommufd.c iommufd_cdev_attach", "kernel R7.5")
def finds_nothing(s: VFIOState, vdev: Id[VFIODevice], err: Errno) -> bool:
    """Whether an answer says that nothing is for a device, though its group is nowhere else."""
    return err in (Errno.EINVAL, Errno.ENOENT) and not group_is_elsewhere(s, vdev)


@mirrors("kernel R7.5")
def group_is_elsewhere(s: VFIOState, vdev: Id[VFIODevice]) -> bool:
    """Whether a device of the same group is in another address space, and the group bound to it."""
    return any(
        x.attached != NONE and x.space != s.vdevs[vdev].space and same_group(s, vdev, x.id)
        for x in s.vdevs
    )


@mirrors("qemu hw/vfio/iommufd.c iommufd_cdev_detach", "defects C-11")
def iommufd_cdev_detach(s: VFIOState, vdev: Id[VFIODevice], fault: Fault) -> None:
    """A device leaves its container, and what it was the last to use goes; its file is closed."""
    container = s.vdevs[vdev].container
    s.vdevs[vdev].container = NONE
    s.vdevs[vdev].hiod = False
    s.vdevs[vdev].exited = False
    iommufd_cdev_detach_container(s, vdev, fault)
    iommufd_cdev_container_destroy(s, container, fault)
    vfio_unbind(s, s.vdevs[vdev].dev)

"""The calls that QEMU's VFIO core makes of an iommufd, with groups and vIOMMUs.

Each may also fail for reasons outside the model (`fault`). A driver that refuses to attach leaves
all as it was, so it is the same as a call that fails.
"""

from __future__ import annotations

from spec.iommufd.objects import (
    Device,
    Errno,
    Iommufd,
    Kind,
    Object,
    clear_areas,
    free_object,
)
from spec.iommufd.uapi.access import iommufd_access_attach, iommufd_access_detach
from spec.iommufd.uapi.alloc import Data, iommufd_hwpt_alloc, iommufd_viommu_alloc
from spec.iommufd.uapi.attach import (
    iommufd_device_detach,
    vfio_attach_hwpt,
    vfio_detach,
)
from spec.iommufd.uapi.lifetime import iommufd_ioctl_destroy
from spec.iommufd.uapi.state import Uapi, names
from spec.language import NONE, NULL, Fault, Id, host_call, limit, mirrors


def ids_left(s: Uapi) -> None:
    """The bounds have an id for what QEMU makes next."""
    limit(any(o.kind == Kind.FREE for o in s.objects), "objects")


@mirrors("kernel R2.1", "kernel R2.2")
@host_call(
    "iommufd_backend_alloc_hwpt dev_id={dev} pt_id={pt} nest_parent={nest_parent} "
    "out_hwpt={out} ({ret})",
    fails=Errno.ENOMEM,
)
def vfio_alloc_hwpt(
    s: Uapi, dev: Id[Device], pt: Id[Object], nest_parent: bool, fault: Fault
) -> tuple[Errno, Id[Object]]:
    """IOMMU_HWPT_ALLOC: over an IOAS, or under a vIOMMU with the STE of abort or of bypass."""
    ids_left(s)
    data = Data.OF_ITS_TYPE if names(s, pt, Kind.VIOMMU) else Data.NONE
    return iommufd_hwpt_alloc(
        s, s.devices[dev].object, pt, nest_parent, False, False, False, NONE, data, NULL
    )


@mirrors("kernel R3.1")
@host_call("iommufd_backend_alloc_viommu dev_id={dev} hwpt={hwpt} viommu={out} ({ret})",
           fails=Errno.ENOMEM)
def iommufd_backend_alloc_viommu(
    s: Uapi, dev: Id[Device], hwpt: Id[Object], fault: Fault
) -> tuple[Errno, Id[Object]]:
    """IOMMU_VIOMMU_ALLOC over a nesting parent."""
    ids_left(s)
    return iommufd_viommu_alloc(s, s.devices[dev].object, hwpt, True)


@mirrors("kernel R0.6")
@host_call("iommufd_backend_free_id id={obj} ({ret})", fails=Errno.EBUSY)
def vfio_free_id(s: Uapi, obj: Id[Object], fault: Fault) -> Errno:
    """IOMMU_DESTROY."""
    return iommufd_ioctl_destroy(s, obj)


@mirrors("kernel R7.2", "kernel R7.3")
@host_call("iommufd_cdev_attach_ioas_hwpt {dev} id={pt} ({ret})", fails=Errno.ENOMEM)
def vfio_attach_pt(s: Uapi, dev: Id[Device], pt: Id[Object], fault: Fault) -> Errno:
    """VFIO_DEVICE_ATTACH_IOMMUFD_PT of an HWPT: attach at first, replace from then on."""
    return vfio_attach_hwpt(s, dev, False, pt)


@mirrors("kernel R7.7")
@host_call("iommufd_cdev_detach_ioas_hwpt {dev} ({ret})", fails=Errno.EBUSY)
def vfio_detach_pt(s: Uapi, dev: Id[Device], fault: Fault) -> Errno:
    """VFIO_DEVICE_DETACH_IOMMUFD_PT."""
    vfio_detach(s, dev, False)
    return Errno.OK


@mirrors("kernel R0.7")
@host_call("iommufd_cdev_attach_ioas_hwpt {dev} id={ioas} ({ret})", fails=Errno.ENOMEM)
def vfio_access_attach(s: Uapi, dev: Id[Device], ioas: Id[Object], fault: Fault) -> Errno:
    """VFIO_DEVICE_ATTACH_IOMMUFD_PT of an mdev: an access, which holds the IOAS itself."""
    return iommufd_access_attach(s, dev, ioas)


@mirrors("kernel R0.7")
@host_call("iommufd_cdev_detach_ioas_hwpt {dev} ({ret})", fails=Errno.EBUSY)
def vfio_access_detach(s: Uapi, dev: Id[Device], fault: Fault) -> Errno:
    """VFIO_DEVICE_DETACH_IOMMUFD_PT of an mdev."""
    iommufd_access_detach(s, dev)
    return Errno.OK


@mirrors("kernel R6.3")
def vfio_unbind(s: Uapi, dev: Id[Device]) -> None:
    """Close of a device's file: what is attached is detached, and its id is free."""
    if s.devices[dev].attached != NONE:
        iommufd_device_detach(s, dev, False)
    iommufd_access_detach(s, dev)
    free_object(s, s.devices[dev].object)
    s.devices[dev].object = NONE


@mirrors("qemu backends/iommufd.c iommufd_backend_connect")
@host_call("iommufd_change_process_capable iommufd={fd} ({ret})", fails=Errno.ENOMEM)
def iommufd_change_process(s: Uapi, fd: Id[Iommufd], fault: Fault) -> Errno:
    """IOMMU_IOAS_CHANGE_PROCESS: whether a live update may take the mappings over."""
    return Errno.OK


@mirrors("qemu hw/vfio/iommufd.c iommufd_cdev_attach")
@host_call("iommufd_cdev_get_info_iova_range ioas={ioas} ({ret})", fails=Errno.ENOMEM)
def vfio_iova_ranges(s: Uapi, ioas: Id[Object], fault: Fault) -> Errno:
    """IOMMU_IOAS_IOVA_RANGES: first how many there are (which Linux answers with EMSGSIZE)."""
    return Errno.OK


@mirrors("qemu hw/vfio/listener.c vfio_container_region_del")
@host_call("iommufd_backend_unmap_dma ioas={ioas} all ({ret})", fails=Errno.EBUSY)
def vfio_unmap_all(s: Uapi, ioas: Id[Object], fault: Fault) -> Errno:
    """IOMMU_IOAS_UNMAP of all that a vIOMMU could have mapped."""
    clear_areas(s, ioas)
    return Errno.OK


@mirrors("qemu hw/vfio/iommufd.c iommufd_cdev_attach")
@host_call("vfio_device_get_info {dev} ({ret})", fails=Errno.EIO)
def vfio_device_get_info(s: Uapi, dev: Id[Device], fault: Fault) -> Errno:
    """VFIO_DEVICE_GET_INFO: how many regions and interrupts a device has."""
    return Errno.OK


@mirrors("qemu hw/vfio/pci.c vfio_pci_realize")
@host_call("vfio_device_get_region_info {dev} ({ret})", fails=Errno.EIO)
def vfio_device_get_region_info(s: Uapi, dev: Id[Device], fault: Fault) -> Errno:
    """VFIO_DEVICE_GET_REGION_INFO, which stands for those of all regions in a row."""
    return Errno.OK


@mirrors("qemu hw/vfio/pci.c vfio_pci_realize")
@host_call("vfio_device_get_irq_info {dev} ({ret})", fails=Errno.EIO)
def vfio_device_get_irq_info(s: Uapi, dev: Id[Device], fault: Fault) -> Errno:
    """VFIO_DEVICE_GET_IRQ_INFO of the interrupt that tells of errors."""
    return Errno.OK


@mirrors("qemu hw/vfio/pci.c vfio_pci_realize")
@host_call("vfio_device_feature {dev} ({ret})", fails=Errno.EIO)
def vfio_device_feature(s: Uapi, dev: Id[Device], fault: Fault) -> Errno:
    """VFIO_DEVICE_FEATURE: whether a device can migrate, which ENOTTY denies."""
    return Errno.OK


@mirrors("qemu hw/vfio/pci.c vfio_pci_realize")
@host_call("vfio_pci_reset {dev} ({ret})", fails=Errno.EIO)
def vfio_device_reset(s: Uapi, dev: Id[Device], fault: Fault) -> Errno:
    """VFIO_DEVICE_RESET."""
    return Errno.OK


@mirrors("qemu hw/arm/smmuv3-accel.c smmuv3_accel_select_cmdqv")
@host_call("iommufd_backend_get_device_info devid={dev} cmdqv ({ret})", fails=Errno.ENOMEM)
def smmuv3_accel_probe_cmdqv(s: Uapi, dev: Id[Device], fault: Fault) -> Errno:
    """IOMMU_GET_HW_INFO of the type of a command queue for guests, which no host here has."""
    return Errno.EOPNOTSUPP

"""The calls that the vIOMMU makes of the host for one device: each is one ioctl, each may fail."""

from __future__ import annotations

from spec.iommufd.objects import Device, Errno, Object, PgTable
from spec.iommufd.uapi.alloc import Data, iommufd_hwpt_alloc
from spec.iommufd.uapi.attach import vfio_attach_hwpt, vfio_detach
from spec.language import NONE, Fault, Id, host_call, mirrors
from spec.vfio.calls import ids_left
from spec.vtd.accel.state import PasidCacheState


@mirrors("qemu hw/i386/intel_iommu_accel.c vtd_create_fs_hwpt", "kernel R2.4")
@host_call(
    "iommufd_backend_alloc_hwpt dev_id={dev} pt_id={pt} pgtbl={table} out_hwpt={out} ({ret})",
    fails=Errno.ENOMEM,
)
def vtd_create_fs_hwpt(
    s: PasidCacheState, dev: Id[Device], pt: Id[Object], table: PgTable, fault: Fault
) -> tuple[Errno, Id[Object]]:
    """IOMMU_HWPT_ALLOC of a guest's first-stage table over the nesting parent."""
    ids_left(s)
    return iommufd_hwpt_alloc(
        s, s.devices[dev].object, pt, False, False, s.devices[dev].can_pasid, False, NONE,
        Data.OF_ITS_TYPE, table,
    )


@mirrors("kernel R7.2", "kernel R7.3", "kernel R7.11")
@host_call(
    "iommufd_cdev_pasid_attach_ioas_hwpt {dev} pasid={pasid} id={hwpt} ({ret})",
    fails=Errno.ENOMEM,
)
def host_iommu_device_iommufd_attach_hwpt(
    s: PasidCacheState, dev: Id[Device], pasid: bool, hwpt: Id[Object], fault: Fault
) -> Errno:
    """VFIO_DEVICE_ATTACH_IOMMUFD_PT: an attach at first, a replacement from then on."""
    return vfio_attach_hwpt(s, dev, pasid, hwpt)


@mirrors("kernel R7.7")
@host_call("iommufd_cdev_pasid_detach_ioas_hwpt {dev} pasid={pasid} ({ret})", fails=Errno.EBUSY)
def host_iommu_device_iommufd_detach_hwpt(
    s: PasidCacheState, dev: Id[Device], pasid: bool, fault: Fault
) -> Errno:
    """VFIO_DEVICE_DETACH_IOMMUFD_PT: requests are blocked from then on."""
    vfio_detach(s, dev, pasid)
    return Errno.OK

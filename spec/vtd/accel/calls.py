"""The calls that the vIOMMU makes of the host for one device: each is one ioctl, each may fail."""

from __future__ import annotations

from spec.iommufd.objects import Device, Errno, Kind, Object, PgTable
from spec.iommufd.uapi.alloc import Data, iommufd_hwpt_alloc
from spec.iommufd.uapi.attach import take_over, vfio_detach
from spec.iommufd.uapi.refusals import refusal
from spec.iommufd.uapi.state import absent, attached_to, group_hwpt, set_group_hwpt
from spec.language import NONE, Fault, Id, host_call, mirrors
from spec.vfio.calls import ids_left, vfio_free_id
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
    if s.devices[dev].object == NONE:
        return Errno.EINVAL
    if absent(s, hwpt):
        return Errno.ENOENT
    if s.objects[hwpt].kind not in (Kind.HWPT_PAGING, Kind.HWPT_NESTED):
        return Errno.EINVAL
    replace = attached_to(s, dev, pasid) != NONE
    err = refusal(s, dev, pasid, hwpt, replace)
    if err != Errno.OK:
        return err
    old = group_hwpt(s, dev, pasid)
    set_group_hwpt(s, dev, pasid, hwpt)
    take_over(s, dev, pasid, old, hwpt, replace)
    return Errno.OK


@mirrors("kernel R7.7")
@host_call("iommufd_cdev_pasid_detach_ioas_hwpt {dev} pasid={pasid} ({ret})", fails=Errno.EBUSY)
def host_iommu_device_iommufd_detach_hwpt(
    s: PasidCacheState, dev: Id[Device], pasid: bool, fault: Fault
) -> Errno:
    """VFIO_DEVICE_DETACH_IOMMUFD_PT: requests are blocked from then on."""
    vfio_detach(s, dev, pasid)
    return Errno.OK


@mirrors("qemu backends/iommufd.c iommufd_backend_free_id", "defects V-24", "defects C-14")
def vtd_free(s: PasidCacheState, hwpt: Id[Object], fault: Fault) -> None:
    """Destroy a nested HWPT that is no longer wanted, now or, if the kernel refuses, later."""
    err = vfio_free_id(s, hwpt, fault)
    if err != Errno.OK:
        s.deferred.add(hwpt)

"""A passthrough device comes to an accelerated SMMUv3 and leaves it.

The vIOMMU object and the two HWPTs for abort and bypass are made for the first device. Each device
goes to the one that GBPA says, and with it those of its group.
"""

from __future__ import annotations

from spec.iommufd.objects import Errno, Object
from spec.iommufd.uapi.state import Driver
from spec.language import NONE, Fault, Id, mirrors
from spec.vfio.calls import iommufd_backend_alloc_viommu, vfio_alloc_hwpt
from spec.vfio.iommufd import same_group, vfio_attach, vfio_free
from spec.vfio.state import VFIODevice, VFIOState


@mirrors("001 12/37 smmuv3_accel_gbpa_hwpt")
def smmuv3_accel_gbpa_hwpt(s: VFIOState) -> Id[Object]:
    """The HWPT that the guest's GBPA asks for."""
    return s.abort_hwpt if s.gbpa_abort else s.bypass_hwpt


@mirrors("001 12/37 smmuv3_accel_alloc_viommu")
def smmuv3_accel_alloc_viommu(s: VFIOState, vdev: Id[VFIODevice], fault: Fault) -> Errno:
    """Make a vIOMMU over the nesting parent that VFIO has for a device, and its two HWPTs."""
    dev = s.vdevs[vdev].dev
    s2_hwpt = s.hwpts[s.vdevs[vdev].hwpt].hwpt_id
    err, viommu = iommufd_backend_alloc_viommu(s, dev, s2_hwpt, fault)
    if err != Errno.OK:
        return err
    err, abort_hwpt = vfio_alloc_hwpt(s, dev, viommu, False, fault)
    if err != Errno.OK:
        vfio_free(s, viommu, fault)
        return err
    err, bypass_hwpt = vfio_alloc_hwpt(s, dev, viommu, False, fault)
    if err != Errno.OK:
        vfio_free(s, abort_hwpt, fault)
        vfio_free(s, viommu, fault)
        return err
    s.viommu = viommu
    s.abort_hwpt = abort_hwpt
    s.bypass_hwpt = bypass_hwpt
    return Errno.OK


@mirrors("001 12/37 smmuv3_accel_unset_iommu_device")
def smmuv3_accel_free_viommu(s: VFIOState, fault: Fault) -> None:
    """The vIOMMU and its two HWPTs go with the last device."""
    if any(x.hiod_set for x in s.vdevs):
        return
    vfio_free(s, s.bypass_hwpt, fault)
    vfio_free(s, s.abort_hwpt, fault)
    vfio_free(s, s.viommu, fault)
    s.viommu = NONE
    s.abort_hwpt = NONE
    s.bypass_hwpt = NONE


@mirrors("001 12/37 smmuv3_accel_set_iommu_device", "defects S-37")
def answer_without_hiod(s: VFIOState) -> Errno:
    """A device without a host IOMMU device cannot be behind a vIOMMU that nests."""
    return Errno.EOPNOTSUPP


@mirrors("001 12/37 smmuv3_accel_set_iommu_device", "defects S-05", "defects S-37")
def smmuv3_accel_set_iommu_device(s: VFIOState, vdev: Id[VFIODevice], fault: Fault) -> Errno:
    """The vIOMMU learns of a host IOMMU device: every one goes to where GBPA says.

    Without a host IOMMU device the guest's tables would mean nothing: that is refused.
    """
    if not s.vdevs[vdev].hiod:
        return answer_without_hiod(s)
    if s.viommu == NONE:
        err = smmuv3_accel_alloc_viommu(s, vdev, fault)
        if err != Errno.OK:
            return err
    err = smmuv3_accel_attach_gbpa(s, vdev, fault)
    if err != Errno.OK:
        smmuv3_accel_free_viommu(s, fault)
        return err
    s.vdevs[vdev].hiod_set = True
    return Errno.OK


@mirrors("001 12/37 smmuv3_accel_alloc_viommu", "defects S-05")
def smmuv3_accel_attach_gbpa(s: VFIOState, vdev: Id[VFIODevice], fault: Fault) -> Errno:
    """A device goes to the HWPT that GBPA asks for."""
    return vfio_attach(s, vdev, smmuv3_accel_gbpa_hwpt(s), fault)


@mirrors("001 12/37 smmuv3_accel_unset_iommu_device")
def smmuv3_accel_unset_iommu_device(s: VFIOState, vdev: Id[VFIODevice], fault: Fault) -> None:
    """The vIOMMU lets go of a device: it goes back to VFIO's HWPT, if its group may go with it.

    If the kernel refuses, VFIO's detach is next, and what cannot be destroyed before waits.
    """
    s.vdevs[vdev].hiod_set = False
    if smmuv3_accel_leaves_alone(s, vdev):
        vfio_attach(s, vdev, s.hwpts[s.vdevs[vdev].hwpt].hwpt_id, fault)
    smmuv3_accel_free_viommu(s, fault)


@mirrors("001 12/37 smmuv3_accel_unset_iommu_device", "kernel R7.6")
def smmuv3_accel_leaves_alone(s: VFIOState, vdev: Id[VFIODevice]) -> bool:
    """Whether no other device of its group is behind the vIOMMU still."""
    return not any(x.hiod_set and same_group(s, vdev, x.id) for x in s.vdevs)


@mirrors("001 12/37 smmuv3_accel_set_iommu_device", "002 10/21 vtd_dev_set_iommu_device")
def pci_device_set_iommu_device(s: VFIOState, vdev: Id[VFIODevice], fault: Fault) -> Errno:
    """What the vIOMMU before a device does with it: here only one that is accelerated has to."""
    if not s.vdevs[vdev].nesting:
        return Errno.OK
    if s.driver == Driver.ARM:
        return smmuv3_accel_set_iommu_device(s, vdev, fault)
    return Errno.OK if s.vdevs[vdev].hiod else answer_without_hiod(s)


@mirrors("001 12/37 smmuv3_accel_unset_iommu_device")
def pci_device_unset_iommu_device(s: VFIOState, vdev: Id[VFIODevice], fault: Fault) -> None:
    """The vIOMMU before a device lets go of it, if it knows it."""
    if s.vdevs[vdev].hiod_set:
        smmuv3_accel_unset_iommu_device(s, vdev, fault)

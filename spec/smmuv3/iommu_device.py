"""A passthrough device comes to an accelerated SMMUv3 and leaves it.

The vIOMMU object and the two HWPTs for abort and bypass are made for the first device. Each device
goes to the one that GBPA says, and with it those of its group.
"""

from __future__ import annotations

from spec.iommufd.calls import iommufd_backend_get_device_info
from spec.iommufd.objects import Errno, Object
from spec.iommufd.uapi.state import Driver
from spec.language import NONE, Fault, Id, mirrors
from spec.vfio.bottom_halves import vfio_free
from spec.vfio.calls import (
    iommufd_backend_alloc_viommu,
    smmuv3_accel_probe_cmdqv,
    vfio_alloc_hwpt,
)
from spec.vfio.iommufd import same_group, vfio_attach
from spec.vfio.state import VFIODevice, VFIOKind, VFIOState


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
    if any(smmuv3_accel_knows(s, x.id) for x in s.vdevs):
        return
    vfio_free(s, s.bypass_hwpt, fault)
    vfio_free(s, s.abort_hwpt, fault)
    vfio_free(s, s.viommu, fault)
    s.viommu = NONE
    s.abort_hwpt = NONE
    s.bypass_hwpt = NONE


@mirrors("001 12/37 smmuv3_accel_set_iommu_device", "defects S-05")
def smmuv3_accel_set_iommu_device(s: VFIOState, vdev: Id[VFIODevice], fault: Fault) -> Errno:
    """The vIOMMU learns of a host IOMMU device: if that has what the guest is shown, it joins."""
    err = smmuv3_accel_hw_compatible(s, vdev, fault)
    if err == Errno.OK and s.viommu == NONE:
        smmuv3_accel_probe_cmdqv(s, s.vdevs[vdev].dev, fault)
        err = smmuv3_accel_alloc_viommu(s, vdev, fault)
    if err != Errno.OK:
        return err
    err = smmuv3_accel_attach_gbpa(s, vdev, fault)
    if err != Errno.OK:
        smmuv3_accel_free_viommu(s, fault)
        return err
    s.vdevs[vdev].hiod_set = True
    return Errno.OK


@mirrors("001 21/37 smmuv3_accel_check_hw_compatible", "kernel R5.1")
def smmuv3_accel_hw_compatible(s: VFIOState, vdev: Id[VFIODevice], fault: Fault) -> Errno:
    """Whether the host's SMMU has what the guest is shown."""
    err = iommufd_backend_get_device_info(s, s.vdevs[vdev].dev, fault)
    return Errno.EOPNOTSUPP if err == Errno.OK and s.vdevs[vdev].unfit else err


@mirrors("001 12/37 smmuv3_accel_alloc_viommu", "defects S-05")
def smmuv3_accel_attach_gbpa(s: VFIOState, vdev: Id[VFIODevice], fault: Fault) -> Errno:
    """A device that comes goes to the HWPT that GBPA asks for."""
    return vfio_attach(s, vdev, smmuv3_accel_gbpa_hwpt(s), fault)


@mirrors("qemu hw/arm/smmuv3-accel.c smmuv3_accel_attach_gbpa_hwpt")
def smmuv3_accel_attach_gbpa_hwpt(s: VFIOState, fault: Fault) -> None:
    """Each device behind the vIOMMU goes where GBPA says; the others go on if one is refused.

    GBPA.UPDATE stays until every one is there.
    """
    s.gbpa_update = False
    for x in s.vdevs:
        if smmuv3_accel_knows(s, x.id):
            err = vfio_attach(s, x.id, smmuv3_accel_gbpa_hwpt(s), fault)
            if err != Errno.OK:
                smmuv3_accel_gbpa_refused(s)


@mirrors("qemu hw/arm/smmuv3-accel.c smmuv3_accel_attach_gbpa_hwpt")
def smmuv3_accel_gbpa_refused(s: VFIOState) -> None:
    """A device is not where GBPA says: the update is not over, and is tried again."""
    s.gbpa_update = True


@mirrors("001 12/37 smmuv3_accel_unset_iommu_device")
def smmuv3_accel_unset_iommu_device(s: VFIOState, vdev: Id[VFIODevice], fault: Fault) -> None:
    """The vIOMMU lets go of a device: it goes back to VFIO's HWPT, if its group may go with it.

    If the kernel refuses, the device stays where it is until VFIO detaches it, and what cannot be
    destroyed before waits.
    """
    s.vdevs[vdev].hiod_set = False
    if smmuv3_accel_leaves_alone(s, vdev):
        vfio_attach(s, vdev, s.hwpts[s.vdevs[vdev].hwpt].hwpt_id, fault)
    smmuv3_accel_free_viommu(s, fault)


@mirrors("001 12/37 smmuv3_accel_unset_iommu_device", "kernel R7.6")
def smmuv3_accel_leaves_alone(s: VFIOState, vdev: Id[VFIODevice]) -> bool:
    """Whether no other device of its group is behind the vIOMMU still."""
    return not any(x.hiod_set and same_group(s, vdev, x.id) for x in s.vdevs)


def smmuv3_accel_knows(s: VFIOState, vdev: Id[VFIODevice]) -> bool:
    """Whether a device is behind an accelerated SMMUv3 that has been given it."""
    return s.driver == Driver.ARM and s.vdevs[vdev].hiod_set


@mirrors("001 10/37 smmuv3_accel_supports_as", "defects S-37")
def pci_device_supports_address_space(s: VFIOState, vdev: Id[VFIODevice]) -> bool:
    """Whether a device may come to its bus: an accelerated SMMUv3 takes PCI devices with iommufd.

    An mdev has no host IOMMU device, so the guest's tables would mean nothing to it.
    """
    x = s.vdevs[vdev]
    return not x.nesting or s.driver != Driver.ARM or x.kind == VFIOKind.PCI


@mirrors("001 12/37 smmuv3_accel_set_iommu_device", "002 10/21 vtd_dev_set_iommu_device")
def pci_device_set_iommu_device(s: VFIOState, vdev: Id[VFIODevice], fault: Fault) -> Errno:
    """The vIOMMU before a device is given its host IOMMU device, which is VFIO's to ask for."""
    if not s.vdevs[vdev].nesting:
        return Errno.OK
    if s.driver == Driver.ARM:
        return smmuv3_accel_set_iommu_device(s, vdev, fault)
    return vtd_dev_set_iommu_device(s, vdev)


@mirrors("002 10/21 vtd_dev_set_iommu_device", "002 09/21 vtd_check_hiod")
def vtd_dev_set_iommu_device(s: VFIOState, vdev: Id[VFIODevice]) -> Errno:
    """VT-d asks nothing of the host here; it takes a device with iommufd that has what it shows."""
    if s.vdevs[vdev].kind != VFIOKind.PCI or s.vdevs[vdev].unfit:
        return Errno.EOPNOTSUPP
    s.vdevs[vdev].hiod_set = True
    return Errno.OK


@mirrors(
    "001 12/37 smmuv3_accel_unset_iommu_device",
    "qemu hw/i386/intel_iommu.c vtd_dev_unset_iommu_device",
)
def pci_device_unset_iommu_device(s: VFIOState, vdev: Id[VFIODevice], fault: Fault) -> None:
    """The vIOMMU that is before a device by now lets go of it."""
    if not s.vdevs[vdev].nesting and not s.vdevs[vdev].early:
        return
    if s.driver == Driver.ARM:
        if smmuv3_accel_was_given(s, vdev):
            smmuv3_accel_unset_iommu_device(s, vdev, fault)
    else:
        s.vdevs[vdev].hiod_set = False


@mirrors("001 12/37 smmuv3_accel_unset_iommu_device")
def smmuv3_accel_was_given(s: VFIOState, vdev: Id[VFIODevice]) -> bool:
    """Whether the vIOMMU has been given a device: if that came first there is nothing to do."""
    return s.vdevs[vdev].hiod_set

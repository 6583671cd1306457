"""A device of the host comes: the host is asked what it can do, and the vIOMMU has a look at it.

On the way back from a refusal nothing fails here; vfio-attach has that.
"""

from __future__ import annotations

from typing import Annotated

from spec.iommufd.objects import Errno
from spec.language import Fault, Id, Range, host_call, mirrors, require
from spec.vtd.capabilities.check import (
    follows_the_guest,
    vtd_check_hiod,
    vtd_check_nesting,
    vtd_iommu_notify_flag_changed,
)
from spec.vtd.capabilities.state import (
    Backend,
    HwInfoType,
    Mismatch,
    Phase,
    VTDCapabilities,
    VTDHostIOMMUDevice,
    Width,
)


@mirrors("000 02/20 target", "qemu hw/vfio/pci.c vfio_pci_realize")
def plug(
    s: VTDCapabilities,
    vtd_hiod: Id[VTDHostIOMMUDevice],
    backend: Backend,
    type: HwInfoType,
    aw_bits: Width,
    nest: bool,
    fs1gp: bool,
    pss: Annotated[int, Range(0, "pasid_bits")],
    erratum: bool,
    pasid: bool,
    bridge: bool,
    fault: Fault,
) -> Errno:
    """A device is plugged, cold or hot: attached by VFIO, and handed to the vIOMMU.

    What the host says of it may be anything, in as far as it tells.
    """
    require(s.realized and s.hiods[vtd_hiod].phase == Phase.ABSENT)
    require(backend == Backend.IOMMUFD or type == HwInfoType.NONE)
    require((backend == Backend.MDEV) == (aw_bits == Width.LESS))
    require(type == HwInfoType.INTEL_VTD or not (nest or fs1gp or erratum or pasid or pss > 0))
    require((pss > 0 or not pasid) and not (s.plain and aw_bits == Width.BITS_57))
    x = s.hiods[vtd_hiod]
    x.backend = backend
    x.type = type
    x.aw_bits = aw_bits
    x.nest = nest
    x.fs1gp = fs1gp
    x.pss = pss
    x.erratum = erratum
    x.pasid = pasid
    x.bridge = bridge
    x.why = vfio_realize(s, vtd_hiod, fault)
    if x.why != Mismatch.NOTHING:
        return refused(s, vtd_hiod)
    x.phase = Phase.PLUGGED
    x.shows_pasid = vtd_shows_pasid(s, vtd_hiod)
    return Errno.OK


@mirrors("qemu hw/vfio/pci.c vfio_pci_realize", "qemu hw/vfio/iommufd.c iommufd_cdev_attach")
def vfio_realize(
    s: VTDCapabilities, vtd_hiod: Id[VTDHostIOMMUDevice], fault: Fault
) -> Mismatch:
    """Attach, follow the guest if it must be followed, ask the vIOMMU; or why not."""
    why = vfio_attach(s, vtd_hiod, fault)
    if why == Mismatch.NOTHING and follows_the_guest(s, vtd_hiod):
        why = vtd_iommu_notify_flag_changed(s)
    if why != Mismatch.NOTHING:
        return why
    return vtd_dev_set_iommu_device(s, vtd_hiod)


@mirrors("qemu hw/vfio/iommufd.c iommufd_cdev_autodomains_get")
def vfio_attach(
    s: VTDCapabilities, vtd_hiod: Id[VTDHostIOMMUDevice], fault: Fault
) -> Mismatch:
    """Bind a device, ask what its IOMMU can do, and attach it as the vIOMMU wants it."""
    err = iommufd_cdev_connect_and_bind(s, vtd_hiod, fault)
    if err == Errno.OK and s.hiods[vtd_hiod].backend == Backend.IOMMUFD:
        err = iommufd_backend_get_device_info(s, vtd_hiod, fault)
        if err != Errno.OK:
            return Mismatch.CALL
        why = vtd_check_nesting(s, vtd_hiod)
        if why != Mismatch.NOTHING:
            return why
        err = iommufd_backend_alloc_hwpt(s, vtd_hiod, s.fsts, fault)
    if err == Errno.OK:
        err = iommufd_cdev_attach_ioas_hwpt(s, vtd_hiod, fault)
    if err == Errno.EOPNOTSUPP:
        return Mismatch.UNNAMED
    return Mismatch.NOTHING if err == Errno.OK else Mismatch.CALL


@mirrors("qemu hw/vfio/iommufd.c iommufd_cdev_attach")
@host_call("iommufd_cdev_connect_and_bind {dev} ({ret})", fails=Errno.EBUSY)
def iommufd_cdev_connect_and_bind(
    s: VTDCapabilities, dev: Id[VTDHostIOMMUDevice], fault: Fault
) -> Errno:
    """VFIO_DEVICE_BIND_IOMMUFD, or the group of a legacy device is opened."""
    return Errno.OK


@mirrors("002 05/21 hiod_iommufd_vfio_realize")
@host_call("iommufd_backend_get_device_info devid={dev} ({ret})", fails=Errno.ENOMEM)
def iommufd_backend_get_device_info(
    s: VTDCapabilities, dev: Id[VTDHostIOMMUDevice], fault: Fault
) -> Errno:
    """IOMMU_GET_HW_INFO: the registers of the IOMMU before the device."""
    s.hiods[dev].known = True
    return Errno.OK


@mirrors("000 02/20 pci_device_get_viommu_cap", "kernel R2.2",
         "qemu hw/i386/intel_iommu_accel.c vtd_get_host_iommu_quirks")
@host_call(
    "iommufd_backend_alloc_hwpt dev_id={dev} nest_parent={nest_parent} ({ret})",
    fails=Errno.ENOMEM,
)
def iommufd_backend_alloc_hwpt(
    s: VTDCapabilities, dev: Id[VTDHostIOMMUDevice], nest_parent: bool, fault: Fault
) -> Errno:
    """IOMMU_HWPT_ALLOC: a nesting parent if the vIOMMU wants one, and the host can."""
    if nest_parent and s.hiods[dev].type == HwInfoType.INTEL_VTD and not s.hiods[dev].nest:
        return Errno.EOPNOTSUPP
    s.hiods[dev].nesting_parent = nest_parent
    s.hiods[dev].bypass_ro = vtd_get_host_iommu_quirks(s, dev) and nest_parent
    return Errno.OK


@mirrors("qemu hw/i386/intel_iommu_accel.c vtd_get_host_iommu_quirks", "002 16/21 vtd_check_hiod")
def vtd_get_host_iommu_quirks(s: VTDCapabilities, vtd_hiod: Id[VTDHostIOMMUDevice]) -> bool:
    """Whether a device has the erratum: nothing read-only may be mapped below its tables."""
    return s.hiods[vtd_hiod].erratum


@mirrors("qemu hw/vfio/iommufd.c iommufd_cdev_attach_container")
@host_call("iommufd_cdev_attach_ioas_hwpt {dev} ({ret})", fails=Errno.EBUSY)
def iommufd_cdev_attach_ioas_hwpt(
    s: VTDCapabilities, dev: Id[VTDHostIOMMUDevice], fault: Fault
) -> Errno:
    """VFIO_DEVICE_ATTACH_IOMMUFD_PT, or the container of a legacy device gets its group."""
    return Errno.OK


@mirrors("qemu hw/i386/intel_iommu.c vtd_dev_set_iommu_device", "002 09/21 vtd_check_hiod")
def vtd_dev_set_iommu_device(
    s: VTDCapabilities, vtd_hiod: Id[VTDHostIOMMUDevice]
) -> Mismatch:
    """The vIOMMU has the device if it can do what the guest was told, and says what it cannot."""
    why = vtd_check_hiod(s, vtd_hiod)
    if why == Mismatch.NOTHING:
        s.hiods[vtd_hiod].set = s.hiods[vtd_hiod].backend != Backend.MDEV
    return why


@mirrors("qemu hw/i386/intel_iommu.c vtd_get_viommu_flags", "001 36/37 vfio_add_ext_cap")
def vtd_shows_pasid(s: VTDCapabilities, vtd_hiod: Id[VTDHostIOMMUDevice]) -> bool:
    """VIOMMU_FLAG_PASID_SUPPORTED: PASIDs are for devices whose tables the host walks."""
    return s.hiods[vtd_hiod].pasid and s.fsts and s.pasid_bits > 0


@mirrors("qemu hw/vfio/iommufd.c iommufd_cdev_detach")
def refused(s: VTDCapabilities, vtd_hiod: Id[VTDHostIOMMUDevice]) -> Errno:
    """A device is refused: what was made for it goes, and the user is told why."""
    x = s.hiods[vtd_hiod]
    x.phase = Phase.REFUSED
    x.nesting_parent = False
    x.bypass_ro = False
    if x.backend == Backend.IOMMUFD and not x.known:
        no_registers(s, vtd_hiod)
    return Errno.EINVAL


def no_registers(s: VTDCapabilities, vtd_hiod: Id[VTDHostIOMMUDevice]) -> None:
    """The host has said nothing of a device."""
    x = s.hiods[vtd_hiod]
    x.type = HwInfoType.NONE
    x.aw_bits = Width.LESS
    x.nest = False
    x.fs1gp = False
    x.pss = 0
    x.erratum = False
    x.pasid = False
    x.known = False


@mirrors("qemu hw/i386/intel_iommu.c vtd_dev_unset_iommu_device",
         "qemu hw/vfio/pci.c vfio_pci_put_device")
def unplug(s: VTDCapabilities, vtd_hiod: Id[VTDHostIOMMUDevice]) -> None:
    """A device goes, or what is left of one that was refused."""
    require(s.hiods[vtd_hiod].phase != Phase.ABSENT)
    x = s.hiods[vtd_hiod]
    x.phase = Phase.ABSENT
    x.backend = Backend.MDEV
    x.bridge = False
    x.why = Mismatch.NOTHING
    x.nesting_parent = False
    x.bypass_ro = False
    x.shows_pasid = False
    x.set = False
    no_registers(s, vtd_hiod)

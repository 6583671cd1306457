"""Whether a device can be behind the vIOMMU, and which region its requests go through."""

from __future__ import annotations

from spec.language import Id, check, mirrors, require
from spec.vtd.capabilities.state import (
    Backend,
    HwInfoType,
    Mismatch,
    Phase,
    VTDCapabilities,
    VTDHostIOMMUDevice,
    wider,
)


@mirrors("qemu hw/i386/intel_iommu.c vtd_check_hiod", "002 09/21 vtd_check_hiod")
def vtd_check_hiod(s: VTDCapabilities, vtd_hiod: Id[VTDHostIOMMUDevice]) -> Mismatch:
    """What of the registers a device cannot do, if anything: the first that is found."""
    x = s.hiods[vtd_hiod]
    why = vtd_check_maps(s)
    if why != Mismatch.NOTHING:
        return why
    if x.backend == Backend.MDEV:
        return vtd_check_mdev(s)
    if wider(s.aw_bits, x.aw_bits):
        return Mismatch.AW_BITS
    return vtd_check_hiod_accel(s, vtd_hiod) if s.fsts else Mismatch.NOTHING


def vtd_check_maps(s: VTDCapabilities) -> Mismatch:
    """Whether the vIOMMU can have a device of the host at all, for which VFIO follows its guest.

    QEMU 11.1 looks at snoop control only when VFIO is to follow (`vtd_iommu_notify_flag_changed`).
    """
    if not s.caching_mode:
        return Mismatch.CACHING_MODE
    return Mismatch.SNOOP_CONTROL if s.snoop_control else Mismatch.NOTHING


def vtd_check_mdev(s: VTDCapabilities) -> Mismatch:
    """An mdev has no IOMMU that could walk the guest's first stage, and QEMU does not for it."""
    return Mismatch.NO_HOST_IOMMU_DEVICE if s.fsts else Mismatch.NOTHING


@mirrors("qemu hw/i386/intel_iommu_accel.c vtd_check_hiod_accel", "002 09/21 vtd_check_hiod")
def vtd_check_hiod_accel(s: VTDCapabilities, vtd_hiod: Id[VTDHostIOMMUDevice]) -> Mismatch:
    """The host's IOMMU is to walk what the guest has for the vIOMMU: whether it can."""
    x = s.hiods[vtd_hiod]
    if x.backend != Backend.IOMMUFD:
        return Mismatch.NO_IOMMUFD
    if x.type != HwInfoType.INTEL_VTD:
        return Mismatch.TYPE
    if s.fs1gp and not x.fs1gp:
        return Mismatch.LARGE_PAGES
    if not vtd_pasids_fit(s, vtd_hiod):
        return Mismatch.PASID_BITS
    return Mismatch.BRIDGE if x.bridge else Mismatch.NOTHING


@mirrors("qemu hw/i386/intel_iommu_accel.c vtd_check_hiod_accel")
def vtd_pasids_fit(s: VTDCapabilities, vtd_hiod: Id[VTDHostIOMMUDevice]) -> bool:
    """Whether the host's IOMMU knows as many PASIDs as the guest may use with a device."""
    return not s.hiods[vtd_hiod].pasid or s.pasid_bits <= s.hiods[vtd_hiod].pss


@mirrors("002 09/21 vtd_check_hiod", "002 06/21 hiod_iommufd_get_vtd_cap")
def vtd_check_nesting(s: VTDCapabilities, vtd_hiod: Id[VTDHostIOMMUDevice]) -> Mismatch:
    """Whether the host's IOMMU can nest, asked before a nesting parent is.

    In QEMU 11.1 the kernel's answer to that is all that the user hears.
    """
    x = s.hiods[vtd_hiod]
    wanted = s.fsts and x.type == HwInfoType.INTEL_VTD
    return Mismatch.NESTING if wanted and not x.nest else Mismatch.NOTHING


@mirrors("qemu hw/i386/intel_iommu.c vtd_switch_address_space")
def follows_the_guest(s: VTDCapabilities, vtd_hiod: Id[VTDHostIOMMUDevice]) -> bool:
    """Whether a device is in the region of the IOMMU, so that VFIO follows the guest's mappings.

    Not while remapping is off, nor while the host walks the guest's tables.
    """
    x = s.hiods[vtd_hiod]
    walked = s.root_scalable and s.fsts and x.set and x.backend == Backend.IOMMUFD
    return s.dmar_enabled and not walked


@mirrors("qemu hw/i386/intel_iommu.c vtd_iommu_notify_flag_changed")
def vtd_iommu_notify_flag_changed(s: VTDCapabilities) -> Mismatch:
    """VFIO asks to be told what the guest maps: why it cannot be, if so."""
    if s.snoop_control:
        return Mismatch.SNOOP_CONTROL
    return Mismatch.NOTHING if s.caching_mode else Mismatch.CACHING_MODE


@mirrors("qemu hw/i386/intel_iommu.c vtd_handle_gcmd_te",
         "qemu hw/i386/intel_iommu.c vtd_handle_gcmd_srtp")
def gcmd(s: VTDCapabilities, dmar_enabled: bool, root_scalable: bool) -> None:
    """The guest turns remapping on or off, or has another kind of root table.

    VFIO follows the guest for devices that come into the region of the IOMMU by it, and at run time
    nothing may be in the way of that: it would end QEMU.
    """
    require(s.realized and (s.ecap_smts or not root_scalable))
    require(s.dmar_enabled != dmar_enabled or s.root_scalable != root_scalable)
    s.dmar_enabled = dmar_enabled
    s.root_scalable = root_scalable
    for x in s.hiods:
        if x.phase == Phase.PLUGGED and follows_the_guest(s, x.id):
            why = vtd_iommu_notify_flag_changed(s)
            check(why == Mismatch.NOTHING, "hw_error: DMA mapping failed, unable to continue")

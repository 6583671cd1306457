"""The command line of the vIOMMU: what is refused of it, and what the guest reads of the rest."""

from __future__ import annotations

from typing import Annotated

from spec.iommufd.objects import Errno
from spec.language import Range, mirrors, require
from spec.vtd.capabilities.state import Phase, VTDCapabilities, Width


@mirrors("qemu hw/i386/intel_iommu.c vtd_realize")
def vtd_realize(
    s: VTDCapabilities,
    scalable_mode: bool,
    fsts: bool,
    fs1gp: bool,
    aw_bits: Width,
    pasid_bits: Annotated[int, Range(0, "asked_pasid_bits")],
    snoop_control: bool,
    caching_mode: bool,
) -> Errno:
    """QEMU starts with a command line; what does not go together ends it."""
    require(not s.realized and (not s.plain or (caching_mode and not snoop_control)))
    if not vtd_decide_config(s, scalable_mode, fsts, aw_bits, pasid_bits):
        return Errno.EINVAL
    s.realized = True
    s.scalable_mode = scalable_mode
    s.fsts = fsts
    s.fs1gp = fs1gp
    s.aw_bits = aw_bits
    s.pasid_bits = pasid_bits
    s.snoop_control = snoop_control
    s.caching_mode = caching_mode
    vtd_cap_init(s)
    return Errno.OK


@mirrors("qemu hw/i386/intel_iommu.c vtd_decide_config")
def vtd_decide_config(
    s: VTDCapabilities, scalable_mode: bool, fsts: bool, aw_bits: Width, pasid_bits: int
) -> bool:
    """Whether a command line goes together: the first stage has tables of four levels alone."""
    if not scalable_mode and (fsts or pasid_bits > 0):
        return False
    if pasid_bits > s.max_pasid_bits:
        return False
    return aw_bits == Width.BITS_48 or (aw_bits == Width.BITS_39 and not fsts)


@mirrors("qemu hw/i386/intel_iommu.c vtd_cap_init")
def vtd_cap_init(s: VTDCapabilities) -> None:
    """CAP and ECAP have what the command line says, whatever devices there are."""
    s.cap_mgaw = s.aw_bits
    s.cap_cm = s.caching_mode
    s.cap_fs1gp = s.fs1gp and s.fsts
    s.ecap_sc = s.snoop_control
    s.ecap_smts = s.scalable_mode
    s.ecap_fsts = s.fsts
    s.ecap_ssts = s.scalable_mode and not s.fsts
    s.ecap_pasid = s.pasid_bits > 0
    s.ecap_pss = s.pasid_bits
    vtd_cap_pass_through(s)


@mirrors("qemu hw/i386/intel_iommu.c vtd_cap_init", "defects V-40")
def vtd_cap_pass_through(s: VTDCapabilities) -> None:
    """Pass-through is a bit of ECAP; the same bit of CAP is PHMR, which no vIOMMU has."""
    s.ecap_pt = True


@mirrors("qemu hw/i386/intel_iommu.c vtd_reset_exit", "qemu hw/i386/intel_iommu.c vtd_init")
def system_reset(s: VTDCapabilities) -> None:
    """The guest starts anew: no remapping, and registers as at the start."""
    require(s.realized)
    s.dmar_enabled = False
    s.root_scalable = False
    vtd_cap_init(s)


@mirrors("qemu system/runstate.c qemu_cleanup")
def qemu_exit(s: VTDCapabilities) -> None:
    """QEMU, that has no device any more, ends."""
    require(s.realized and all(x.phase == Phase.ABSENT for x in s.hiods))
    s.realized = False
    s.scalable_mode = False
    s.fsts = False
    s.fs1gp = False
    s.aw_bits = Width.LESS
    s.pasid_bits = 0
    s.snoop_control = False
    s.caching_mode = False
    s.cap_mgaw = Width.LESS
    s.cap_cm = False
    s.cap_phmr = False
    s.cap_fs1gp = False
    s.ecap_pt = False
    s.ecap_sc = False
    s.ecap_smts = False
    s.ecap_fsts = False
    s.ecap_ssts = False
    s.ecap_pasid = False
    s.ecap_pss = 0
    s.dmar_enabled = False
    s.root_scalable = False

"""What VT-d promises: what releases and series do otherwise, and what nobody did.

`vtd-capabilities-11.1` is QEMU 11.1, `vtd-capabilities-rfcv3` is 002; each of the others is the
reference with a single defect, so that one does not hide another.
"""

from __future__ import annotations

from functools import partial

from spec.iommufd.objects import Errno
from spec.language import MUTANT, Id, mirrors, overrides, posted, released, variant_of
from spec.variants.seen import seen
from spec.vtd.capabilities.check import (
    vtd_check_hiod,
    vtd_check_hiod_accel,
    vtd_check_maps,
    vtd_check_nesting,
    vtd_pasids_fit,
)
from spec.vtd.capabilities.device import (
    no_registers,
    refused,
    vtd_dev_set_iommu_device,
    vtd_get_host_iommu_quirks,
    vtd_shows_pasid,
)
from spec.vtd.capabilities.registers import (
    qemu_exit,
    system_reset,
    vtd_cap_pass_through,
    vtd_decide_config,
)
from spec.vtd.capabilities.state import (
    Backend,
    HwInfoType,
    Mismatch,
    Phase,
    VTDCapabilities,
    VTDHostIOMMUDevice,
    Width,
    wider,
)


@overrides(vtd_check_maps)
@mirrors("qemu hw/i386/intel_iommu.c vtd_dev_set_iommu_device",
         "qemu hw/i386/intel_iommu.c vtd_iommu_notify_flag_changed")
def snoop_control_is_seen_late(s: VTDCapabilities) -> Mismatch:
    """Snoop control is looked at only when VFIO is to follow the guest's mappings."""
    return Mismatch.NOTHING if s.caching_mode else Mismatch.CACHING_MODE


@overrides(vtd_check_nesting)
@mirrors("qemu hw/vfio/iommufd.c iommufd_cdev_autodomains_get")
def nesting_is_the_kernels(s: VTDCapabilities, vtd_hiod: Id[VTDHostIOMMUDevice]) -> Mismatch:
    """Nobody asks whether the host can nest: the kernel refuses the nesting parent."""
    return Mismatch.NOTHING


@overrides(vtd_check_hiod)
@mirrors("qemu hw/vfio/pci.c vfio_pci_realize")
def an_mdev_is_not_asked(s: VTDCapabilities, vtd_hiod: Id[VTDHostIOMMUDevice]) -> Mismatch:
    """An mdev has no host IOMMU device, so the vIOMMU never hears of it."""
    if s.hiods[vtd_hiod].backend == Backend.MDEV:
        return Mismatch.NOTHING
    return vtd_check_hiod(s, vtd_hiod)


@overrides(vtd_cap_pass_through)
@mirrors("defects V-40")
def pass_through_in_the_wrong_register(s: VTDCapabilities) -> None:
    """The bit of ECAP is set in CAP, where it is PHMR."""
    s.cap_phmr = True


@overrides(vtd_check_hiod_accel)
@mirrors("002 09/21 vtd_check_hiod")
def a_bridge_does_not_matter(
    s: VTDCapabilities, vtd_hiod: Id[VTDHostIOMMUDevice]
) -> Mismatch:
    """A device is let in behind a bridge, where its requests are those of another requester."""
    why = vtd_check_hiod_accel(s, vtd_hiod)
    return Mismatch.NOTHING if why == Mismatch.BRIDGE else why


@overrides(vtd_pasids_fit)
@mirrors("002 09/21 vtd_check_hiod")
def pasids_are_not_compared(s: VTDCapabilities, vtd_hiod: Id[VTDHostIOMMUDevice]) -> bool:
    """Nobody looks at how many PASIDs the host knows."""
    return True


@overrides(vtd_check_hiod_accel)
@mirrors("002 21/21 vtd_check_hiod")
def every_device_is_refused(s: VTDCapabilities, vtd_hiod: Id[VTDHostIOMMUDevice]) -> Mismatch:
    """Also a device that can do all is refused, and the message names nothing."""
    why = vtd_check_hiod_accel(s, vtd_hiod)
    return Mismatch.UNNAMED if why == Mismatch.NOTHING else why


@overrides(vtd_check_hiod)
@mirrors("002 09/21 vtd_check_hiod")
def only_the_width_is_asked(s: VTDCapabilities, vtd_hiod: Id[VTDHostIOMMUDevice]) -> Mismatch:
    """The host is asked for its width alone."""
    why = vtd_check_maps(s)
    x = s.hiods[vtd_hiod]
    if why != Mismatch.NOTHING:
        return why
    narrow = x.backend != Backend.MDEV and wider(s.aw_bits, x.aw_bits)
    return Mismatch.AW_BITS if narrow else Mismatch.NOTHING


@overrides(vtd_get_host_iommu_quirks)
@mirrors("002 16/21 vtd_check_hiod")
def erratum_is_not_known(s: VTDCapabilities, vtd_hiod: Id[VTDHostIOMMUDevice]) -> bool:
    """The erratum is not asked for."""
    return False


@overrides(vtd_check_hiod)
@mirrors("qemu hw/i386/intel_iommu.c vtd_check_hiod")
def the_width_is_not_asked(s: VTDCapabilities, vtd_hiod: Id[VTDHostIOMMUDevice]) -> Mismatch:
    """The host may map less than the guest may use."""
    why = vtd_check_hiod(s, vtd_hiod)
    return Mismatch.NOTHING if why == Mismatch.AW_BITS else why


@overrides(vtd_check_maps)
@mirrors("qemu hw/i386/intel_iommu.c vtd_dev_set_iommu_device")
def caching_mode_does_not_matter(s: VTDCapabilities) -> Mismatch:
    """A device comes to a guest that need not tell what it maps."""
    return Mismatch.SNOOP_CONTROL if s.snoop_control else Mismatch.NOTHING


@overrides(vtd_shows_pasid)
@mirrors("qemu hw/i386/intel_iommu.c vtd_get_viommu_flags")
def pasids_without_the_first_stage(
    s: VTDCapabilities, vtd_hiod: Id[VTDHostIOMMUDevice]
) -> bool:
    """PASIDs are shown where the host walks none of their tables."""
    return s.hiods[vtd_hiod].pasid and s.pasid_bits > 0


@overrides(vtd_shows_pasid)
@mirrors("qemu hw/i386/intel_iommu.c vtd_get_viommu_flags")
def pasids_are_kept_back(s: VTDCapabilities, vtd_hiod: Id[VTDHostIOMMUDevice]) -> bool:
    """No device shows any, although the guest is told of PASIDs."""
    return False


@overrides(vtd_decide_config)
@mirrors("qemu hw/i386/intel_iommu.c vtd_decide_config")
def any_command_line_goes_together(
    s: VTDCapabilities, scalable_mode: bool, fsts: bool, aw_bits: Width, pasid_bits: int
) -> bool:
    """The first stage is there in legacy mode, too, and for any width."""
    return pasid_bits <= s.max_pasid_bits


@overrides(system_reset)
@mirrors("qemu hw/i386/intel_iommu.c vtd_reset_exit")
def a_reset_loses_pasids(s: VTDCapabilities) -> None:
    """A reset makes the registers without what the command line says of PASIDs."""
    system_reset(s)
    s.ecap_pasid = False
    s.ecap_pss = 0


@overrides(refused)
@mirrors("qemu hw/i386/intel_iommu.c vtd_dev_set_iommu_device")
def what_is_refused_stays(s: VTDCapabilities, vtd_hiod: Id[VTDHostIOMMUDevice]) -> Errno:
    """The vIOMMU keeps a device that was refused."""
    err = refused(s, vtd_hiod)
    s.hiods[vtd_hiod].set = True
    return err


@overrides(vtd_dev_set_iommu_device)
@mirrors("qemu hw/i386/intel_iommu.c vtd_dev_set_iommu_device")
def all_is_forgotten(s: VTDCapabilities, vtd_hiod: Id[VTDHostIOMMUDevice]) -> Mismatch:
    """A device is looked at, and not remembered."""
    return vtd_check_hiod(s, vtd_hiod)


@overrides(refused)
@mirrors("qemu hw/vfio/iommufd.c iommufd_cdev_detach")
def a_refusal_ends_the_others(s: VTDCapabilities, vtd_hiod: Id[VTDHostIOMMUDevice]) -> Errno:
    """A refusal takes the other devices with it."""
    for x in s.hiods:
        if x.id != vtd_hiod and x.phase == Phase.PLUGGED:
            x.phase = Phase.REFUSED
            x.set = False
            x.why = Mismatch.UNNAMED
            x.nesting_parent = False
            x.bypass_ro = False
            x.shows_pasid = False
    return refused(s, vtd_hiod)


@overrides(no_registers)
@mirrors("002 05/21 hiod_iommufd_vfio_realize")
def what_the_host_said_stays(s: VTDCapabilities, vtd_hiod: Id[VTDHostIOMMUDevice]) -> None:
    """What was heard of a device is believed of the next."""
    x = s.hiods[vtd_hiod]
    x.type = HwInfoType.NONE
    x.aw_bits = Width.LESS


@overrides(qemu_exit)
@mirrors("qemu system/runstate.c qemu_cleanup")
def registers_outlive_qemu(s: VTDCapabilities) -> None:
    """QEMU ends, and its guest's remapping is on."""
    qemu_exit(s)
    s.dmar_enabled = True


variant = partial(variant_of, "vtd-capabilities", standing=MUTANT)
REACHABLE = "reachable"
FIXED = "fixed in QEMU 11.0: merged with the check"


VARIANTS = (
    variant(
        "vtd-capabilities-11.1", snoop_control_is_seen_late, nesting_is_the_kernels,
        an_mdev_is_not_asked,
        standing=released(
            "QEMU 11.1", "hw/i386/intel_iommu.c, intel_iommu_accel.c, hw/vfio/iommufd.c", REACHABLE,
            seen("vtd-snoop-control vtd-cannot-nest"),
        ),
        about="Snoop control is seen late, a host that cannot nest is not named, an mdev is let in "
        "unasked.",
        the_first_stage_is_walked=2, large_pages_are_the_hosts=2,
        no_snoop_control_over_a_host=2, a_guest_tells_what_it_maps=2,
        a_refusal_names_what_mismatched=2, no_failed_check=3,
    ),
    variant(
        "vtd-cap-snoop-control-late", snoop_control_is_seen_late,
        standing=released(
            "QEMU 11.1", "hw/i386/intel_iommu.c vtd_iommu_notify_flag_changed", REACHABLE,
            seen("vtd-snoop-control"),
        ),
        about="A device comes while remapping is off, and the guest turns it on: VFIO cannot "
        "follow the guest then, and QEMU aborts. While the host walks the guest's tables nobody "
        "looks, and the guest is told of ECAP.SC.",
        no_snoop_control_over_a_host=2, no_failed_check=3,
    ),
    variant(
        "vtd-cap-nesting-unnamed", nesting_is_the_kernels,
        standing=released(
            "QEMU 11.1", "hw/vfio/iommufd.c iommufd_cdev_autodomains_get", REACHABLE,
            seen("vtd-cannot-nest"),
        ),
        about="A host that cannot nest is refused with the errno of IOMMU_HWPT_ALLOC, which does "
        "not say why.",
        a_refusal_names_what_mismatched=2,
    ),
    variant(
        "vtd-cap-mdev-unasked", an_mdev_is_not_asked,
        standing=released("QEMU 11.1", "hw/vfio/pci.c vfio_pci_realize", REACHABLE),
        about="An mdev is let in behind first-stage translation, which nobody walks for it, and "
        "without caching mode, where the guest that turns remapping on ends QEMU.",
        the_first_stage_is_walked=2, large_pages_are_the_hosts=2,
        no_snoop_control_over_a_host=2, a_guest_tells_what_it_maps=2, no_failed_check=3,
    ),
    variant(
        "vtd-cap-pass-through-in-cap", pass_through_in_the_wrong_register,
        standing=released(
            "QEMU 11.0", "hw/i386/intel_iommu.c vtd_cap_init; defects V-40", "fixed in QEMU 11.1",
        ),
        a_viommu_that_can_be=1,
    ),
    variant(
        "vtd-capabilities-rfcv3", a_bridge_does_not_matter, pasids_are_not_compared,
        standing=posted("002 rfcv3", "002 09/21, 21/21", FIXED),
        about="002 09/21 and 21/21: a bridge is not seen, and PASIDs are not compared.",
        the_first_stage_is_walked=2, pasids_are_the_hosts=2,
    ),
    variant(
        "vtd-cap-behind-a-bridge", a_bridge_does_not_matter,
        standing=posted("002 rfcv3", "002 09/21", FIXED),
        the_first_stage_is_walked=2,
    ),
    variant(
        "vtd-cap-pasids-not-compared", pasids_are_not_compared,
        standing=posted("002 rfcv3", "002 09/21", "fixed in QEMU 11.1"),
        pasids_are_the_hosts=2,
    ),
    variant(
        "vtd-cap-every-device-refused", every_device_is_refused,
        standing=posted("002 without 21/21", "002 09/21, 21/21", FIXED),
        a_refusal_names_what_mismatched=2,
    ),
    variant(
        "vtd-cap-only-the-width", only_the_width_is_asked, nesting_is_the_kernels,
        standing=posted("002 without 09/21", "002 09/21", "never merged"),
        about="Before 002 09/21 the host was asked for its width alone.",
        the_first_stage_is_walked=2, large_pages_are_the_hosts=2, pasids_are_the_hosts=2,
        a_refusal_names_what_mismatched=2,
    ),
    variant(
        "vtd-cap-erratum-unknown", erratum_is_not_known,
        standing=posted("002 without 16/21", "002 16/21", "never merged"),
        the_erratum_is_heeded=2,
    ),
    variant(
        "vtd-cap-width-not-asked", the_width_is_not_asked,
        the_first_stage_is_walked=2, large_pages_are_the_hosts=2,
        addresses_are_within_the_hosts=2, pasids_are_the_hosts=2,
    ),
    variant(
        "vtd-cap-caching-mode-off", caching_mode_does_not_matter,
        a_guest_tells_what_it_maps=2, no_failed_check=3,
    ),
    variant(
        "vtd-cap-pasids-without-fsts", pasids_without_the_first_stage,
        pasids_are_the_hosts=2,
    ),
    variant(
        "vtd-cap-pasids-kept-back", pasids_are_kept_back,
        pasids_are_shown_where_there_are_any=2,
    ),
    variant(
        "vtd-cap-any-command-line", any_command_line_goes_together,
        a_viommu_that_can_be=1,
    ),
    variant(
        "vtd-cap-reset-loses-pasids", a_reset_loses_pasids,
        pasids_are_the_hosts=3, registers_have_what_was_asked_for=2,
    ),
    variant(
        "vtd-cap-refused-stays", what_is_refused_stays,
        nothing_stays_of_what_was_refused=2, what_has_a_host_iommu_device_is_set=2,
    ),
    variant(
        "vtd-cap-all-forgotten", all_is_forgotten,
        what_has_a_host_iommu_device_is_set=2,
    ),
    variant(
        "vtd-cap-refusal-ends-others", a_refusal_ends_the_others, bounds="standard",
        a_refusal_names_what_mismatched=3, a_refusal_changes_nothing_else=3,
    ),
    variant(
        "vtd-cap-host-said-stays", what_the_host_said_stays,
        a_refusal_names_what_mismatched=4, nothing_stays_of_what_is_gone=3,
    ),
    variant(
        "vtd-cap-registers-outlive-qemu", registers_outlive_qemu,
        nothing_without_a_qemu=2, teardown_reachable=1,
    ),
)

"""What the guest reads of VT-d all devices behind it can do; a refusal says what one cannot."""

from __future__ import annotations

from typing import Final

from spec.language import Id, Invariant, Witness, invariant, on_failure, sometimes
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
from spec.vtd.capabilities.vtd_capabilities import nothing_runs


def plugged(s: VTDCapabilities, dev: Id[VTDHostIOMMUDevice]) -> bool:
    """Whether the guest has a device."""
    return s.hiods[dev].phase == Phase.PLUGGED


def refused_for(s: VTDCapabilities, why: Mismatch) -> bool:
    """Whether a device was refused with that message."""
    return any(x.phase == Phase.REFUSED and x.why == why for x in s.hiods)


@sometimes
def all_is_nested(s: VTDCapabilities) -> bool:
    """Every device has its tables walked by the host, with 1 GiB pages and PASIDs."""
    return s.cap_fs1gp and all(
        x.phase == Phase.PLUGGED and x.nesting_parent and x.shows_pasid for x in s.hiods
    )


@sometimes
def one_with_the_erratum(s: VTDCapabilities) -> bool:
    """A device with the erratum is behind a vIOMMU whose tables the host walks."""
    return any(x.bypass_ro for x in s.hiods)


@sometimes
def more_than_was_asked_for(s: VTDCapabilities) -> bool:
    """A device can do more than the guest is told."""
    return s.ecap_fsts and not s.cap_fs1gp and any(
        x.phase == Phase.PLUGGED and x.fs1gp and wider(x.aw_bits, s.cap_mgaw) and x.pss > s.ecap_pss
        for x in s.hiods
    )


@sometimes
def followed(s: VTDCapabilities) -> bool:
    """VFIO follows the guest's mappings for every device, a legacy one or an mdev among them."""
    return s.dmar_enabled and not s.ecap_fsts and all(
        x.phase == Phase.PLUGGED and x.backend != Backend.IOMMUFD for x in s.hiods
    )


@sometimes
def remapping_with_another_root(s: VTDCapabilities) -> bool:
    """Remapping is on with a legacy root table, and a device has a nesting parent."""
    return s.dmar_enabled and not s.root_scalable and any(x.nesting_parent for x in s.hiods)


@sometimes
def refused_for_nesting(s: VTDCapabilities) -> bool:
    """A device was refused since its IOMMU cannot nest."""
    return refused_for(s, Mismatch.NESTING)


@sometimes
def refused_for_its_width(s: VTDCapabilities) -> bool:
    """A device was refused since its IOMMU maps less than the guest may use."""
    return refused_for(s, Mismatch.AW_BITS)


@sometimes
def refused_for_pasids(s: VTDCapabilities) -> bool:
    """A device was refused since its IOMMU has fewer PASIDs."""
    return refused_for(s, Mismatch.PASID_BITS)


@sometimes
def refused_behind_a_bridge(s: VTDCapabilities) -> bool:
    """A device was refused for the bridge before it alone."""
    return refused_for(s, Mismatch.BRIDGE)


@sometimes
def refused_by_the_host(s: VTDCapabilities) -> bool:
    """A call of the host failed for reasons of its own."""
    return refused_for(s, Mismatch.CALL)


@sometimes
def refused_for_snoop_control(s: VTDCapabilities) -> bool:
    """A device was refused since the guest sees ECAP.SC."""
    return refused_for(s, Mismatch.SNOOP_CONTROL)


@sometimes
def refused_for_caching_mode(s: VTDCapabilities) -> bool:
    """A device was refused since the guest need not tell what it maps."""
    return refused_for(s, Mismatch.CACHING_MODE)


@sometimes
def refused_mdev(s: VTDCapabilities) -> bool:
    """An mdev was refused behind first-stage translation."""
    return refused_for(s, Mismatch.NO_HOST_IOMMU_DEVICE)


@sometimes
def refused_beside_another(s: VTDCapabilities) -> bool:
    """A device was refused while another one is there."""
    return any(x.phase == Phase.REFUSED for x in s.hiods) and any(
        x.phase == Phase.PLUGGED for x in s.hiods
    )


@sometimes
def no_qemu(s: VTDCapabilities) -> bool:
    """No QEMU runs."""
    return not s.realized


@invariant(witness=all_is_nested)
def the_first_stage_is_walked(s: VTDCapabilities, dev: Id[VTDHostIOMMUDevice]) -> bool:
    """With ECAP.FSTS a device is one whose IOMMU, VT-d, nests, by its own requester id."""
    x = s.hiods[dev]
    return not (s.ecap_fsts and plugged(s, dev)) or (
        x.backend == Backend.IOMMUFD
        and x.type == HwInfoType.INTEL_VTD
        and x.nest
        and x.nesting_parent
        and not x.bridge
    )


@invariant(witness=more_than_was_asked_for)
def large_pages_are_the_hosts(s: VTDCapabilities, dev: Id[VTDHostIOMMUDevice]) -> bool:
    """With CAP.FS1GP a device's IOMMU has 1 GiB pages of the first stage."""
    return not (s.cap_fs1gp and plugged(s, dev)) or s.hiods[dev].fs1gp


@invariant(witness=refused_for_its_width)
def addresses_are_within_the_hosts(s: VTDCapabilities, dev: Id[VTDHostIOMMUDevice]) -> bool:
    """CAP.MGAW is no more than the IOMMU of a device has, if one of the host's is before it."""
    x = s.hiods[dev]
    return not plugged(s, dev) or x.backend == Backend.MDEV or not wider(s.cap_mgaw, x.aw_bits)


@invariant(witness=refused_for_pasids)
def pasids_are_the_hosts(s: VTDCapabilities, dev: Id[VTDHostIOMMUDevice]) -> bool:
    """A device shows PASIDs only if its tables are walked, and with all that ECAP.PSS has."""
    x = s.hiods[dev]
    return not x.shows_pasid or (
        plugged(s, dev) and x.nesting_parent and s.ecap_pasid and s.ecap_pss <= x.pss
    )


@invariant(witness=all_is_nested)
def pasids_are_shown_where_there_are_any(
    s: VTDCapabilities, dev: Id[VTDHostIOMMUDevice]
) -> bool:
    """A device that has PASIDs shows them behind a vIOMMU with PASIDs and the first stage."""
    x = s.hiods[dev]
    due = plugged(s, dev) and x.pasid and s.ecap_pasid and s.ecap_fsts
    return not due or x.shows_pasid


@invariant(witness=refused_for_snoop_control)
def no_snoop_control_over_a_host(s: VTDCapabilities, dev: Id[VTDHostIOMMUDevice]) -> bool:
    """With ECAP.SC there is no device of the host, for QEMU tells the host nothing of snooping."""
    return not (s.ecap_sc and plugged(s, dev))


@invariant(witness=refused_for_caching_mode)
def a_guest_tells_what_it_maps(s: VTDCapabilities, dev: Id[VTDHostIOMMUDevice]) -> bool:
    """Where a device of the host is the guest sees CAP.CM, and invalidates what becomes present."""
    return not plugged(s, dev) or s.cap_cm


@invariant(witness=one_with_the_erratum)
def the_erratum_is_heeded(s: VTDCapabilities, dev: Id[VTDHostIOMMUDevice]) -> bool:
    """Of devices with the erratum alone nothing is read-only below the nesting parent."""
    x = s.hiods[dev]
    return x.bypass_ro == (x.nesting_parent and x.erratum)


@invariant(witness=all_is_nested)
def a_viommu_that_can_be(s: VTDCapabilities) -> bool:
    """ECAP and CAP go together as the architecture has it, and have what there is."""
    first_stage = not s.ecap_fsts or (s.ecap_smts and s.cap_mgaw == Width.BITS_48)
    pasids = s.ecap_pasid == (s.ecap_pss > 0) and (s.ecap_smts or not s.ecap_pasid)
    stages = s.ecap_smts == (s.ecap_fsts or s.ecap_ssts)
    width = s.cap_mgaw in (Width.BITS_39, Width.BITS_48)
    return first_stage and pasids and stages and (s.ecap_fsts or not s.cap_fs1gp) and (
        not s.realized or (width and s.ecap_pt and not s.cap_phmr)
    )


@invariant(witness=more_than_was_asked_for)
def registers_have_what_was_asked_for(s: VTDCapabilities) -> bool:
    """CAP and ECAP are what the command line says, whatever has come, gone, or been reset."""
    return (
        s.cap_mgaw == s.aw_bits
        and s.cap_cm == s.caching_mode
        and s.cap_fs1gp == (s.fs1gp and s.fsts)
        and s.ecap_sc == s.snoop_control
        and s.ecap_smts == s.scalable_mode
        and s.ecap_fsts == s.fsts
        and s.ecap_pss == s.pasid_bits
    )


def fails_it(s: VTDCapabilities, dev: Id[VTDHostIOMMUDevice], why: Mismatch) -> bool:
    """Whether a device has what a message says of it."""
    x = s.hiods[dev]
    accel = s.fsts and x.backend == Backend.IOMMUFD
    if why == Mismatch.CACHING_MODE:
        return not s.caching_mode
    if why == Mismatch.SNOOP_CONTROL:
        return s.snoop_control
    if why == Mismatch.NO_HOST_IOMMU_DEVICE:
        return s.fsts and x.backend == Backend.MDEV
    if why == Mismatch.NO_IOMMUFD:
        return s.fsts and x.backend == Backend.LEGACY
    if why == Mismatch.AW_BITS:
        return wider(s.aw_bits, x.aw_bits)
    if why == Mismatch.TYPE:
        return accel and x.type != HwInfoType.INTEL_VTD
    if why == Mismatch.NESTING:
        return accel and x.type == HwInfoType.INTEL_VTD and not x.nest
    if why == Mismatch.LARGE_PAGES:
        return accel and s.fs1gp and not x.fs1gp
    if why == Mismatch.PASID_BITS:
        return accel and x.pasid and s.pasid_bits > x.pss
    return why == Mismatch.BRIDGE and accel and x.bridge


@invariant(witness=refused_for_nesting)
def a_refusal_names_what_mismatched(
    s: VTDCapabilities, dev: Id[VTDHostIOMMUDevice]
) -> bool:
    """Of a device that is refused the user hears what it lacks, or which call of the host failed.

    That is enough only if the host has not told more by then.
    """
    x = s.hiods[dev]
    if x.phase != Phase.REFUSED:
        return x.why == Mismatch.NOTHING
    if x.why == Mismatch.CALL:
        return not (x.known and fails_it(s, dev, Mismatch.NESTING))
    return fails_it(s, dev, x.why)


@invariant(witness=refused_beside_another)
def nothing_stays_of_what_was_refused(
    s: VTDCapabilities, dev: Id[VTDHostIOMMUDevice]
) -> bool:
    """The vIOMMU has the device of a guest alone, and so has VFIO a nesting parent."""
    x = s.hiods[dev]
    return plugged(s, dev) or not (x.set or x.nesting_parent or x.bypass_ro or x.shows_pasid)


@invariant(witness=no_qemu)
def nothing_stays_of_what_is_gone(
    s: VTDCapabilities, dev: Id[VTDHostIOMMUDevice]
) -> bool:
    """Of a device that is not there the vIOMMU and VFIO know nothing, and the user is told none."""
    x = s.hiods[dev]
    facts = x.nest or x.fs1gp or x.erratum or x.pasid or x.pss > 0 or x.known or x.bridge
    return x.phase != Phase.ABSENT or not (facts or x.set or x.why != Mismatch.NOTHING)


@invariant(witness=followed)
def what_has_a_host_iommu_device_is_set(
    s: VTDCapabilities, dev: Id[VTDHostIOMMUDevice]
) -> bool:
    """The vIOMMU has every device of the guest but mdevs."""
    return s.hiods[dev].set == (plugged(s, dev) and s.hiods[dev].backend != Backend.MDEV)


@invariant(witness=no_qemu)
def nothing_without_a_qemu(s: VTDCapabilities) -> bool:
    """Without a QEMU there is nothing."""
    return s.realized or nothing_runs(s)


@on_failure(witness=refused_by_the_host)
def a_refusal_changes_nothing_else(before: VTDCapabilities, s: VTDCapabilities) -> bool:
    """Registers and other devices are as before, when a device or a command line is refused."""
    return (
        s.realized == before.realized
        and s.ecap_fsts == before.ecap_fsts
        and s.ecap_pss == before.ecap_pss
        and s.cap_fs1gp == before.cap_fs1gp
        and s.cap_mgaw == before.cap_mgaw
        and all(
            before.hiods[x.id].phase != Phase.PLUGGED
            or (x.phase == Phase.PLUGGED and x.set == before.hiods[x.id].set)
            for x in s.hiods
        )
    )


RULES: Final[tuple[Invariant, ...]] = (
    the_first_stage_is_walked,
    large_pages_are_the_hosts,
    addresses_are_within_the_hosts,
    pasids_are_the_hosts,
    pasids_are_shown_where_there_are_any,
    no_snoop_control_over_a_host,
    a_guest_tells_what_it_maps,
    the_erratum_is_heeded,
    a_viommu_that_can_be,
    registers_have_what_was_asked_for,
    a_refusal_names_what_mismatched,
    nothing_stays_of_what_was_refused,
    nothing_stays_of_what_is_gone,
    what_has_a_host_iommu_device_is_set,
    nothing_without_a_qemu,
    a_refusal_changes_nothing_else,
)

MORE: Final[tuple[Witness, ...]] = (
    remapping_with_another_root,
    refused_behind_a_bridge,
    refused_mdev,
)

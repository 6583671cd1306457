"""A command line, the registers that the guest reads, and what the host says of each device."""

from __future__ import annotations

from enum import IntEnum
from typing import Annotated

from spec.language import CONST, Range, Record, State, Table


class Width(IntEnum):
    """How far addresses go: up to 57 bits, 48, 39, or less than that, in as far as it matters."""

    LESS = 0
    BITS_39 = 1
    BITS_48 = 2
    BITS_57 = 3


def wider(a: Width, b: Width) -> bool:
    """Whether one goes further than another."""
    if a == Width.BITS_57:
        return b != Width.BITS_57
    if a == Width.BITS_48:
        return b in (Width.BITS_39, Width.LESS)
    return a == Width.BITS_39 and b == Width.LESS


class Backend(IntEnum):
    """How VFIO has a device: by a legacy container, by iommufd, or as an mdev.

    Of an mdev there is no host IOMMU device, for no IOMMU of the host is before it.
    """

    MDEV = 0
    LEGACY = 1
    IOMMUFD = 2


class HwInfoType(IntEnum):
    """Whose registers IOMMU_GET_HW_INFO has; NONE of a driver that does not tell."""

    NONE = 0
    INTEL_VTD = 1
    ARM_SMMUV3 = 2


class Mismatch(IntEnum):
    """What a message says of a device that is refused.

    CALL: that a call failed, for reasons which only the host knows. UNNAMED: that a call failed, of
    a device that cannot do what was asked for; or nothing at all.
    """

    NOTHING = 0
    CALL = 1
    UNNAMED = 2
    CACHING_MODE = 3
    SNOOP_CONTROL = 4
    NO_HOST_IOMMU_DEVICE = 5
    AW_BITS = 6
    NO_IOMMUFD = 7
    TYPE = 8
    NESTING = 9
    LARGE_PAGES = 10
    PASID_BITS = 11
    BRIDGE = 12


class Phase(IntEnum):
    """Whether a device is there; one that was refused is, until VFIO has taken it apart."""

    ABSENT = 0
    REFUSED = 1
    PLUGGED = 2


class VTDHostIOMMUDevice(Record):
    """A device of the host that is to be the guest's, with what the host says of its IOMMU.

    `aw_bits`: how far what it can map goes. `nest`, `fs1gp`, `pss` are ECAP.NEST, CAP.FS1GP and
    ECAP.PSS + 1, 0 without ECAP.PASID; `erratum` is IOMMU_HW_INFO_VTD_ERRATA_772415_SPR17. `pasid`:
    the device has PASIDs. `bridge`: it is behind a bridge to conventional PCI. `known`: the host
    has told. `why` it was refused.

    `nesting_parent`: what VFIO has attached it to is one, `bypass_ro`: that maps nothing read-only.
    `shows_pasid`: the guest sees a PASID capability. `set`: the vIOMMU has its host IOMMU device.
    """

    phase: Phase
    backend: Backend
    type: HwInfoType
    aw_bits: Width
    nest: bool
    fs1gp: bool
    pss: Annotated[int, Range(0, "pasid_bits")]
    erratum: bool
    pasid: bool
    bridge: bool
    known: bool
    why: Mismatch
    nesting_parent: bool
    bypass_ro: bool
    shows_pasid: bool
    set: bool


class VTDCapabilities(State):
    """A vIOMMU and its devices. Of PASIDs a guest can have `max_pasid_bits` at most.

    `plain`: command lines are with caching mode and without snoop control, as every device needs
    it, and no host has more than 48 bits.

    First what the command line says, then the fields of the registers CAP and ECAP; `ecap_pss` is
    one more than in ECAP. `dmar_enabled` is GSTS.TES, `root_scalable`: the root table is of
    scalable mode.
    """

    realized: bool
    scalable_mode: bool
    fsts: bool
    fs1gp: bool
    aw_bits: Width
    pasid_bits: Annotated[int, Range(0, "asked_pasid_bits")]
    snoop_control: bool
    caching_mode: bool
    cap_mgaw: Width
    cap_cm: bool
    cap_phmr: bool
    cap_fs1gp: bool
    ecap_pt: bool
    ecap_sc: bool
    ecap_smts: bool
    ecap_fsts: bool
    ecap_ssts: bool
    ecap_pasid: bool
    ecap_pss: Annotated[int, Range(0, "pasid_bits")]
    dmar_enabled: bool
    root_scalable: bool
    max_pasid_bits: Annotated[int, Range(0, "pasid_bits"), CONST]
    plain: Annotated[bool, CONST]
    hiods: Table[VTDHostIOMMUDevice]

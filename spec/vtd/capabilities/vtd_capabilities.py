"""The machine `vtd-capabilities`: what VT-d promises its guest, and which devices can keep it."""

from __future__ import annotations

from collections.abc import Mapping

from spec.language import Bounds, Machine, Of, Shape, Teardown, count
from spec.vtd.capabilities.check import gcmd
from spec.vtd.capabilities.device import plug, unplug
from spec.vtd.capabilities.registers import qemu_exit, system_reset, vtd_realize
from spec.vtd.capabilities.state import Phase, VTDCapabilities, Width


def shape(values: Mapping[str, int]) -> Shape:
    """So many devices, and PASIDs of so many bits."""
    return Shape(
        {"hiods": values["devices"]},
        {"": {"max_pasid_bits": (values["pasid_bits"],), "plain": (bool(values["plain"]),)}},
    )


def init(s: VTDCapabilities) -> None:
    """No QEMU runs."""


def nothing_runs(s: VTDCapabilities) -> bool:
    """There is no QEMU, and no device or register of one."""
    return (
        not s.realized
        and s.cap_mgaw == Width.LESS
        and s.ecap_pss == 0
        and not (s.cap_cm or s.cap_phmr or s.cap_fs1gp or s.ecap_pt or s.ecap_sc or s.ecap_smts)
        and not (s.ecap_fsts or s.ecap_ssts or s.ecap_pasid or s.dmar_enabled or s.root_scalable)
        and all(x.phase == Phase.ABSENT for x in s.hiods)
    )


def left(s: VTDCapabilities) -> int:
    """How many devices there are, and QEMU: what every step of a teardown lowers."""
    return count(x.phase != Phase.ABSENT for x in s.hiods) + (1 if s.realized else 0)


VTD_CAPABILITIES = Machine(
    name="vtd-capabilities",
    check={"explicit": ("small",), "symbolic": ("every-width",)},
    exhaust={"explicit": ("standard",)},
    title="What VT-d promises, and which devices can keep it",
    about="""
    CAP and ECAP of the vIOMMU are made of its command line, and no host is asked: 002 09/21. So a
    device is held against them when it comes, and refused if its IOMMU cannot do what the guest is
    told: address width, and with first-stage translation nesting, 1 GiB pages and the bits of a
    PASID. Then the guest's tables are walked by the host, else VFIO follows what the guest maps.

    Events: QEMU starts with any command line; a device comes, cold or hot, with iommufd, legacy or
    an mdev, behind a bridge or not, with an IOMMU of any kind and any registers, with the erratum
    or without; it goes; the guest turns remapping on and off with either kind of root table; a
    reset; QEMU ends. Every call of the host by which a device comes may fail.

    Of widths it matters only which are below another, so there are four (`Width`). PASIDs have as
    many bits as the bounds say; a proof is of all 20.

    Otherwise than in QEMU 11.1 snoop control is looked at when a device comes, not only when VFIO
    is to follow the guest; a host that cannot nest is named; an mdev is refused where QEMU would
    walk no first stage for it (vtd-capabilities-11.1). 003, whose vIOMMU follows its hosts, is in
    migration-blocker.

    Not here: interrupt remapping; the device TLB, for ATS of a device of the host is the host's
    alone; page requests and shared virtual memory; tables, which pasid-cache has; what VFIO makes
    and takes back, which vfio-attach has.
    """,
    of=Of(
        "reference",
        "VT-d of QEMU 11.1, put right.",
        "QEMU 11.1",
        kernel="not: of the kernel there is what IOMMU_GET_HW_INFO says, and that an IOMMU which "
        "does not nest has no nesting parent",
        qemu="not step by step: three scenarios of `make qemu`, vtd-capabilities, vtd-cannot-nest "
        "and vtd-snoop-control, have the registers, and what is said of hosts that lack something",
    ),
    state=VTDCapabilities,
    init=init,
    actions=(vtd_realize, plug, unplug, gcmd, system_reset, qemu_exit),
    shape=shape,
    teardown=Teardown(actions=(unplug, qemu_exit), empty=nothing_runs, rank=left),
    bounds={
        "small": Bounds(
            {"devices": 1, "pasid_bits": 2, "asked_pasid_bits": 3, "plain": 0},
            "One device, of any kind. PASIDs of up to two bits: the host may have as many as the "
            "guest is told, more, fewer and none.",
            173761, 1219520, 4,
            without=("refused-beside-another",),
        ),
        "standard": Bounds(
            {"devices": 2, "pasid_bits": 1, "asked_pasid_bits": 2, "plain": 1},
            "Two devices, which meet in nothing but the registers. Cut for size: what every device "
            "needs or lacks of a command line, widths beyond the guest's, and PASIDs of two bits "
            "are in small.",
            2479161, 26129128, 4, orbits=(1245441, 13126552, 4),
            without=(
                "more-than-was-asked-for", "refused-for-caching-mode", "refused-for-pasids",
                "refused-for-snoop-control",
            ),
        ),
        "every-width": Bounds(
            {"devices": 2, "pasid_bits": 20, "asked_pasid_bits": 21, "plain": 0},
            "Two devices, PASIDs of 1 to 20 bits as PCI has them, and one bit more that is asked "
            "for: for proofs.",
        ),
    },
)  # fmt: skip

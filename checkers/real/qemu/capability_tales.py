"""What VT-d says of a device that cannot do what the guest is told, and what it overlooks."""

from __future__ import annotations

import errno
from collections.abc import Callable, Mapping
from typing import Final

from checkers.real.qemu import vtd_tales
from checkers.real.qemu.refusing import nothing, refuse
from checkers.real.qemu.start import Guest, Plan
from checkers.real.qemu.supervisor import EndedError
from checkers.real.qemu.tale import Tale
from checkers.real.qemu.unmodelled import INFO, RANGES, SMMUV3, VTD
from checkers.real.qemu.vtd_guest import BASE, CAP, ECAP, Gcmd

CAP_REG: Final = INFO[VTD]["cap_reg"]
ECAP_REG: Final = INFO[VTD]["ecap_reg"]
PSS: Final = 0x1F << 35

MESSAGES: Final[tuple[tuple[str, Mapping[str, int], int, int, str], ...]] = (
    ("maps 39 bits", {}, VTD, 39, "aw-bits 48 > host aw-bits 39"),
    ("has no registers", {}, 0, 48, "Incompatible host platform IOMMU type 0"),
    ("is an SMMU", {}, SMMUV3, 48, "Incompatible host platform IOMMU type 2"),
    ("has no 1 GiB pages", {"cap_reg": CAP_REG & ~(1 << 56)}, VTD, 48,
     "First stage 1GB large page is unsupported by host IOMMU"),
    ("has PASIDs of 7 bits", {"ecap_reg": ECAP_REG & ~PSS | 6 << 35}, VTD, 48,
     "PASID bits size 8 > host IOMMU PASID bits size 7"),
)  # fmt: skip
"""A host that a device is refused for, as IOMMU_GET_HW_INFO and IOAS_IOVA_RANGES have it."""


def _start(tale: Tale) -> Guest:
    guest, vtd = tale.x86(Plan(vtd_tales.HOST, cold=(), slots=1, pasid_bits=8))
    tale.step(guest, "start")
    registers = (vtd.processor.read(BASE + place) for place in (CAP, ECAP))
    tale.lines.append("  CAP {:#x}, ECAP {:#x}".format(*registers))
    return guest


def _refused(guest: Guest, turn: int) -> str:
    """What the user hears of a device that is plugged in vain; nothing of it stays."""
    before = guest.vm.host.kernel.objects()
    try:
        guest.plug(1, 0, f"try{turn}")
    except RuntimeError as error:
        assert guest.vm.host.kernel.objects() == before
        return str(error)
    raise AssertionError("the device is taken")


def _messages(tale: Tale) -> str:
    """Of each host the user hears what it lacks; a host that has all of it is taken."""
    guest = _start(tale)
    host = guest.vm.host
    for turn, (what, told, kind, width, message) in enumerate(MESSAGES):
        host.kernel.told, host.kernel.told_type = told, kind
        host.ranges = (*RANGES[:-1], (RANGES[-1][0], (1 << width) - 1))
        said = _refused(guest, turn)
        assert said.endswith(message), said
        tale.lines.append(f"== the host {what}: {message}")
    host.kernel.told, host.kernel.told_type, host.ranges = {}, VTD, RANGES
    guest.plug(1, 0)
    tale.step(guest, "the host can do all of it")
    return f"{len(MESSAGES)} hosts that cannot do what ECAP and CAP say are named, and refused"


def _cannot_nest(tale: Tale) -> str:
    guest = _start(tale)
    guest.vm.host.refuses = refuse("HWPT_ALLOC", errno.EOPNOTSUPP)
    said = _refused(guest, 0)
    guest.vm.host.refuses = nothing
    tale.step(guest, f"the kernel has no nesting parent: {said}")
    assert "nest" not in said.lower(), said
    return "a host that cannot nest is refused, and the message does not say why"


def _snoop_control(tale: Tale) -> str:
    guest, vtd = tale.x86(
        Plan(vtd_tales.HOST, cold=(), slots=1, pasid_bits=8, options="snoop-control=on")
    )
    guest.plug(1, 0)
    tale.step(guest, "device_add behind snoop-control=on")
    vtd.queue()
    vtd.root()
    vtd.set(Gcmd.TE, True)
    tale.step(guest, "TE := 1 with a root table of scalable mode")
    vtd.set(Gcmd.TE, False)
    vtd.root(scalable=False)
    try:
        vtd.set(Gcmd.TE, True)
    except EndedError as ended:
        tale.step(guest, "TE := 1 with a root table of legacy mode")
        tale.lines.append(f"  QEMU: {ended}")
        return f"with snoop-control=on a device is taken, and TE := 1 ends QEMU: {ended}"
    raise AssertionError("QEMU goes on")


CAPABILITY_TALES: Final[dict[str, Callable[[Tale], str]]] = {
    "vtd-capabilities": _messages, "vtd-cannot-nest": _cannot_nest,
    "vtd-snoop-control": _snoop_control,
}  # fmt: skip

"""A device is plugged in while a call of the host is refused: each of them in turn, and again."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Final

from checkers.real.qemu import smmuv3_tales, vtd_tales
from checkers.real.qemu.refusing import FAILS, Refusal, nothing, refuse
from checkers.real.qemu.start import Guest, Plan
from checkers.real.qemu.supervisor import EndedError
from checkers.real.qemu.tale import Tale


def _each(tale: Tale, guest: Guest, dev: int) -> str:
    """Refuse the first call of a plug, then the second, until there is none left."""
    host, turn = guest.vm.host, 1
    tale.step(guest, "start")
    before = host.kernel.objects()
    while True:
        host.refuses = refusal = Refusal(FAILS.keys(), turn=turn)
        first = len(host.calls)
        try:
            guest.plug(dev, 0, f"try{turn}")
        except RuntimeError:
            came = "refused"
        else:
            came = "plugged all the same"
        host.refuses = nothing
        calls = [f"  {call.text()}" for call in host.calls[first:]][turn - 1 :]
        if came != "refused":
            guest.unplug(dev)
        assert host.kernel.objects() == before, f"call {turn}: left is {host.kernel.objects()}"
        if not refusal.done:
            return f"each of {turn - 1} calls of a plug is refused in turn, and nothing stays"
        tale.lines.append(f"== the call {turn} is refused: {came}")
        tale.lines += calls if came == "refused" else calls[:1]
        turn += 1


def _vtd(tale: Tale) -> str:
    guest, _ = tale.x86(Plan(vtd_tales.HOST, cold=(), slots=1, pasid_bits=8))
    return _each(tale, guest, 1)


def _smmuv3(tale: Tale) -> str:
    guest, _ = tale.arm(Plan(smmuv3_tales.HOST, slots=1))
    return _each(tale, guest, 2)


def _again(tale: Tale) -> str:
    guest, _ = tale.x86(Plan(vtd_tales.HOST, cold=(), slots=1))
    tale.step(guest, "start")
    guest.vm.host.refuses = refuse("BIND_IOMMUFD")
    try:
        guest.plug(1, 0)
    except RuntimeError:
        tale.step(guest, "device_add, BIND fails: refused")
    try:
        guest.plug(1, 0)
    except EndedError as ended:
        tale.step(guest, "device_add of the same again")
        tale.lines.append(f"  QEMU: {ended}")
        return f"a refused device_add, and again with the same id: {ended}"
    raise AssertionError("QEMU goes on")


def _tries_on(tale: Tale) -> str:
    guest, _ = tale.arm(Plan(smmuv3_tales.HOST, slots=1))
    tale.step(guest, "start")
    guest.vm.host.refuses = refuse("ATTACH_PT", errno.EBUSY)
    guest.plug(2, 0)
    tale.step(guest, "device_add of a second device, the first ATTACH fails")
    assert guest.vm.host.kernel.objects().count("IOAS") == 2
    return "one refused ATTACH: the second device has another IOAS than its vIOMMU"


def _two_parents(tale: Tale) -> str:
    guest, _ = tale.arm(Plan(smmuv3_tales.HOST, cold=(), slots=2, inserted=(1,)))
    tale.step(guest, "start")
    guest.vm.host.refuses = refuse("ATTACH_PT", errno.EBUSY)
    guest.plug(2, 1)
    tale.step(guest, "device_add of a second device, the first ATTACH fails")
    guest.unplug(1)
    tale.step(guest, "device_del of the first, whose stage 2 the vIOMMU is made on")
    guest.unplug(2)
    tale.step(guest, "device_del of the second")
    left = guest.vm.host.kernel.objects()
    assert "IOAS" in left, f"left is {left}"
    return "one refused ATTACH: the first device's stage 2 outlives it, and every device"


VTD_PLUGS: Final[dict[str, Callable[[Tale], str]]] = {
    "vtd-refused-plug": _vtd, "plug-again": _again,
}  # fmt: skip
SMMU_PLUGS: Final[dict[str, Callable[[Tale], str]]] = {
    "smmuv3-refused-plug": _smmuv3, "smmuv3-tries-on": _tries_on,
    "smmuv3-two-parents": _two_parents,
}  # fmt: skip

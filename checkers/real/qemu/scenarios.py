"""Short stories of a guest on the released binary: what it does, call by call, and what stays.

Each ends with what is said of it in the table of findings; `AssertionError` where the binary does
otherwise. They are the tests of the guests' drivers, too.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from checkers.real.qemu.host import Refusal
from checkers.real.qemu.root import binary
from checkers.real.qemu.smmuv3_guest import Command, Config, SmmuGuest
from checkers.real.qemu.spec_kernel import Hardware
from checkers.real.qemu.start import ARM, X86, Guest, Plan, q35, virt
from checkers.real.qemu.vtd_guest import Gcmd, Granularity, Pgtt, VtdGuest, table_of
from spec.iommufd.uapi.state import Driver

VTD_HOST: Final = Hardware(Driver.INTEL, devices=2, can_pasid=0b11)
SMMU_HOST: Final = Hardware(Driver.ARM, devices=2)


@dataclass
class Tale:
    """A scenario as it goes: a line for each step, the host's calls in it, and the state after."""

    qemu: Path | None
    without_kvm_check: bool
    lines: list[str] = field(default_factory=list)
    turn: int = 0

    def x86(self, plan: Plan) -> tuple[Guest, VtdGuest]:
        """Start a q35."""
        self.turn = 0
        return q35(binary(X86, self.qemu), plan)

    def arm(self, plan: Plan) -> tuple[Guest, SmmuGuest]:
        """Start a virt."""
        self.turn = 0
        return virt(binary(ARM, self.qemu), plan, self.without_kvm_check)

    def step(self, guest: Guest, what: str) -> None:
        """What was done by now, the calls it led to, and what the kernel has."""
        host = guest.vm.host
        self.lines.append(f"== {what}")
        self.lines += [f"  {call.text()}" for call in host.calls[self.turn :]]
        self.lines.append(f"  : {host.kernel.objects()}")
        self.turn = len(host.calls)


def expect(guest: Guest, dev: int, path: str) -> None:
    """A device goes through this."""
    found = guest.vm.host.path(dev)
    assert found == path, f"dev{dev} goes through {found}, not {path}"


def _bound(tale: Tale, plan: Plan, table: int = 1) -> tuple[Guest, VtdGuest, tuple[int, int]]:
    """A guest with translation on, whose first device is bound to a table."""
    guest, vtd = tale.x86(plan)
    tale.step(guest, "start")
    place = guest.places[1]
    vtd.start(place, pasids=plan.pasid_bits > 0)
    vtd.entry(*place, table)
    vtd.set(Gcmd.TE, True)
    tale.step(guest, f"TE := 1, the entry has table {table}")
    return guest, vtd, place


def _basic(tale: Tale) -> str:
    """Bind, replace, pass-through, remove, bind again, reset."""
    guest, vtd, place = _bound(tale, Plan(VTD_HOST))
    with guest.vm:
        expect(guest, 1, f"table {table_of(1):#x}")
        vtd.invalidate_pasid_cache(Granularity.GLOBAL)
        tale.step(guest, "PASID-cache invalidation, global")
        vtd.entry(*place, 2)
        vtd.invalidate_pasid_cache(Granularity.PASID)
        tale.step(guest, "entry := table 2; PASID-cache invalidation")
        vtd.invalidate_iotlb()
        vtd.invalidate_iotlb(page=0x5000)
        tale.step(guest, "two PASID-based IOTLB invalidations")
        vtd.entry(*place, 0, kind=Pgtt.PASS_THROUGH)
        vtd.invalidate_pasid_cache(Granularity.PASID)
        tale.step(guest, "entry := pass-through")
        expect(guest, 1, "stage 2")
        vtd.entry(*place, 2)
        vtd.invalidate_pasid_cache(Granularity.DOMAIN)
        tale.step(guest, "entry := table 2; domain-selective")
        vtd.remove(*place)
        vtd.invalidate_pasid_cache(Granularity.PASID)
        tale.step(guest, "entry removed")
        expect(guest, 1, "blocked")
        vtd.entry(*place, 3)
        vtd.invalidate_pasid_cache(Granularity.PASID)
        tale.step(guest, "entry := table 3")
        guest.reset()
        tale.step(guest, "system reset")
        expect(guest, 1, "stage 2")
    return "bind, replace, pass-through, remove and reset, each with its calls"


def _pasid(tale: Tale) -> str:
    """A PASID of a device is attached, and detached."""
    guest, vtd, place = _bound(tale, Plan(VTD_HOST, pasid_bits=8))
    with guest.vm:
        vtd.entry(*place, 2, pasid=5, did=2)
        vtd.invalidate_pasid_cache(Granularity.PASID, did=2, pasid=5)
        tale.step(guest, "entry of PASID 5 := table 2")
        vtd.remove(*place, pasid=5)
        vtd.invalidate_pasid_cache(Granularity.PASID, did=2, pasid=5)
        tale.step(guest, "entry of PASID 5 removed")
        expect(guest, 1, f"table {table_of(1):#x}")
    return "a PASID is attached and detached beside its device"


def _v16(tale: Tale) -> str:
    guest, vtd, place = _bound(tale, Plan(VTD_HOST))
    with guest.vm:
        vtd.set(Gcmd.TE, False)
        tale.step(guest, "TE := 0")
        expect(guest, 1, f"table {table_of(1):#x}")
        vtd.entry(*place, 2)
        vtd.invalidate_pasid_cache(Granularity.PASID)
        tale.step(guest, "entry := table 2; PASID-cache invalidation")
        expect(guest, 1, f"table {table_of(1):#x}")
    return "translation is off, the device stays on the guest's table 1"


def _v20(tale: Tale) -> str:
    guest, vtd, place = _bound(tale, Plan(VTD_HOST))
    with guest.vm:
        guest.vm.host.refuses = Refusal("HWPT_ALLOC", errno.ENOMEM)
        vtd.entry(*place, 2)
        vtd.invalidate_pasid_cache(Granularity.PASID)
        tale.step(guest, "entry := table 2; PASID-cache invalidation, HWPT_ALLOC fails")
        vtd.invalidate_pasid_cache(Granularity.PASID)
        tale.step(guest, "the same invalidation again")
        vtd.invalidate_pasid_cache(Granularity.GLOBAL)
        vtd.invalidate_context_cache()
        vtd.root()
        vtd.set(Gcmd.TE, False)
        vtd.set(Gcmd.TE, True)
        tale.step(guest, "global, context cache, SRTP, TE off and on")
        expect(guest, 1, f"table {table_of(1):#x}")
        vtd.entry(*place, 3)
        vtd.invalidate_pasid_cache(Granularity.PASID)
        tale.step(guest, "entry := table 3")
        expect(guest, 1, f"table {table_of(3):#x}")
    return "one refused HWPT_ALLOC: the device stays on table 1 until the entry changes"


def _v20b(tale: Tale) -> str:
    guest, vtd = tale.x86(Plan(VTD_HOST))
    with guest.vm:
        place = guest.places[1]
        tale.step(guest, "start")
        vtd.start(place)
        vtd.entry(*place, 1)
        guest.vm.host.refuses = Refusal("HWPT_ALLOC", errno.ENOMEM)
        vtd.set(Gcmd.TE, True)
        tale.step(guest, "TE := 1, HWPT_ALLOC fails")
        vtd.invalidate_iotlb()
        tale.step(guest, "PASID-based IOTLB invalidation")
        last = guest.vm.host.calls[-1]
        assert (last.name, last.values["hwpt_id"], last.error) == ("HWPT_INVALIDATE", 0, 2)
        expect(guest, 1, "stage 2")
    return "the first bind fails: the device stays on stage 2, and id 0 is invalidated"


def _v25(tale: Tale) -> str:
    guest, vtd, place = _bound(tale, Plan(VTD_HOST, cold=(), slots=1, inserted=(1,)))
    with guest.vm:
        guest.unplug(1)
        tale.step(guest, "device_del, the slot is turned off")
        assert guest.vm.host.kernel.objects().count("HWPT") == 2
        guest.plug(2, 0)
        tale.step(guest, "device_add of another device")
        vtd.invalidate_pasid_cache(Granularity.PASID)
        tale.step(guest, "PASID-cache invalidation, the entry is the same")
        expect(guest, 2, f"table {table_of(1):#x}")
        vtd.entry(*place, 2)
        vtd.invalidate_pasid_cache(Granularity.PASID)
        tale.step(guest, "entry := table 2")
    return "a bound device leaves: nested HWPT, its parent and the IOAS stay"


def _translating(tale: Tale, plan: Plan) -> tuple[Guest, SmmuGuest]:
    """A guest whose first device translates."""
    guest, smmu = tale.arm(plan)
    tale.step(guest, "start")
    smmu.start()
    smmu.enable(True)
    tale.step(guest, "queues on, SMMUEN := 1")
    smmu.entry(guest.stream(1), Config.TRANSLATE, 1)
    assert not smmu.install(guest.stream(1))
    tale.step(guest, "CFGI_STE, the entry has context 1")
    return guest, smmu


def _arm_basic(tale: Tale) -> str:
    """Every kind of entry, commands, a failure, reset."""
    guest, smmu = _translating(tale, Plan(SMMU_HOST))
    with guest.vm:
        stream = guest.stream(1)
        assert not smmu.submit(Command.CFGI_CD | stream << 32)
        assert not smmu.submit(Command.TLBI_NH_ASID | 5 << 48)
        assert not smmu.submit(Command.SYNC)
        tale.step(guest, "CFGI_CD, TLBI_NH_ASID, SYNC")
        guest.vm.host.refuses = Refusal("HWPT_ALLOC", errno.ENOMEM)
        smmu.entry(stream, Config.TRANSLATE, 2)
        assert smmu.install(stream) == 1
        tale.step(guest, "entry := context 2, HWPT_ALLOC fails: the command is an error")
        assert not smmu.install(stream)
        tale.step(guest, "CFGI_STE again")
        smmu.entry(stream, Config.BYPASS)
        assert not smmu.install(stream)
        tale.step(guest, "entry := bypass")
        expect(guest, 1, "bypass")
        smmu.entry(stream, Config.ABORT)
        assert not smmu.install(stream)
        tale.step(guest, "entry := abort")
        expect(guest, 1, "abort")
        guest.reset()
        tale.step(guest, "system reset")
        expect(guest, 1, "bypass")
    return "translate, bypass, abort, a failing call that the guest hears of, and reset"


def _arm_unplug(tale: Tale) -> str:
    """An event of the host's reaches the guest; then the only device leaves."""
    plan = Plan(SMMU_HOST, cold=(), slots=1, inserted=(1,))
    guest, smmu = _translating(tale, plan)
    with guest.vm:
        (queue,) = guest.vm.host.events
        before = smmu.events()
        guest.vm.host.post(queue, (guest.stream(1) << 32 | 0x10, 0, 0x1234000, 0), 0)
        while smmu.events() == before:
            pass
        tale.step(guest, "the host has an event, the guest gets it")
        guest.unplug(1)
        tale.step(guest, "device_del, the slot is turned off")
    return "an event comes through; a device that translates leaves, and nothing stays"


def _s05(tale: Tale) -> str:
    guest, smmu = tale.arm(Plan(SMMU_HOST, slots=1))
    with guest.vm:
        tale.step(guest, "start")
        smmu.start()
        smmu.bypass(abort=True)
        tale.step(guest, "GBPA := abort")
        expect(guest, 1, "abort")
        guest.plug(2, 0)
        tale.step(guest, "device_add of a second device")
        expect(guest, 2, "stage 2")
        smmu.bypass(abort=False)
        smmu.bypass(abort=True)
        tale.step(guest, "GBPA := bypass, then abort")
        expect(guest, 2, "abort")
    return "GBPA aborts, a second device that is plugged in stays on stage 2"


def _s07(tale: Tale) -> str:
    guest, smmu = _translating(tale, Plan(SMMU_HOST))
    with guest.vm:
        smmu.bypass(abort=True)
        tale.step(guest, "GBPA := abort, SMMUEN is 1")
        expect(guest, 1, "abort")
    return "SMMUEN is 1, a write of GBPA takes a translating device to abort"


def _s08(tale: Tale) -> str:
    guest, smmu = _translating(tale, Plan(SMMU_HOST))
    with guest.vm:
        smmu.bypass(abort=True)
        assert not smmu.install(guest.stream(1))
        tale.step(guest, "GBPA := abort, CFGI_STE")
        smmu.enable(False)
        tale.step(guest, "SMMUEN := 0")
        expect(guest, 1, "translate")
    return "SMMUEN is 0, the device still translates"


VTD_TALES: Final[dict[str, Callable[[Tale], str]]] = {
    "vtd-basic": _basic, "vtd-pasid": _pasid, "V-16": _v16, "V-20": _v20, "V-20b": _v20b,
    "V-25": _v25,
}  # fmt: skip
SMMU_TALES: Final[dict[str, Callable[[Tale], str]]] = {
    "smmuv3-basic": _arm_basic, "smmuv3-unplug": _arm_unplug, "S-05": _s05, "S-07": _s07,
    "S-08": _s08,
}  # fmt: skip

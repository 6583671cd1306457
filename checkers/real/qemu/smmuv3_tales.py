"""What a guest with an accelerated SMMUv3 does on the released binary, as in `vtd_tales`."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Final

from checkers.real.qemu.refusing import refuse
from checkers.real.qemu.smmuv3_guest import Command, Config, SmmuGuest
from checkers.real.qemu.spec_kernel import Hardware
from checkers.real.qemu.start import Guest, Plan
from checkers.real.qemu.tale import Tale, expect
from spec.iommufd.uapi.state import Driver

HOST: Final = Hardware(Driver.ARM, devices=2)


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
    guest, smmu = _translating(tale, Plan(HOST))
    stream = guest.stream(1)
    assert not smmu.submit(Command.CFGI_CD | stream << 32)
    assert not smmu.submit(Command.TLBI_NH_ASID | 5 << 48)
    assert not smmu.submit(Command.SYNC)
    tale.step(guest, "CFGI_CD, TLBI_NH_ASID, SYNC")
    guest.vm.host.refuses = refuse("HWPT_ALLOC", errno.ENOMEM)
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
    smmu.start()
    smmu.enable(True)
    smmu.entry(stream, Config.TRANSLATE, 3)
    assert not smmu.install(stream)
    tale.step(guest, "the guest starts again, CFGI_STE, the entry has context 3")
    return "translate, bypass, abort, a failing call that the guest hears of, and reset"


def _arm_unplug(tale: Tale) -> str:
    """An event of the host's reaches the guest; then the only device leaves."""
    plan = Plan(HOST, cold=(), slots=1, inserted=(1,))
    guest, smmu = _translating(tale, plan)
    (queue,) = guest.vm.host.events
    before = smmu.events()
    guest.vm.host.post(queue, (guest.stream(1) << 32 | 0x10, 0, 0x1234000, 0), 0)
    while smmu.events() == before:
        pass
    tale.step(guest, "the host has an event, the guest gets it")
    guest.unplug(1)
    tale.step(guest, "device_del, the slot is turned off")
    return "an event comes through; a device that translates leaves, and nothing stays"


def _two(tale: Tale) -> str:
    """Two devices from the start: they share a stage 2, and the reset at start moves both."""
    guest, smmu = tale.arm(Plan(HOST, cold=(1, 2)))
    tale.step(guest, "start")
    expect(guest, 1, "bypass")
    expect(guest, 2, "bypass")
    smmu.start()
    smmu.enable(True)
    for dev in (1, 2):
        smmu.entry(guest.stream(dev), Config.TRANSLATE, dev)
    assert not smmu.submit(Command.CFGI_STE_RANGE, 31)
    tale.step(guest, "both entries translate, CFGI_ALL")
    expect(guest, 1, "translate")
    expect(guest, 2, "translate")
    return "two devices share a stage 2 and a vIOMMU, each has a context of its own"


def _s05(tale: Tale) -> str:
    guest, smmu = tale.arm(Plan(HOST, slots=1))
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
    guest, smmu = _translating(tale, Plan(HOST))
    smmu.bypass(abort=True)
    tale.step(guest, "GBPA := abort, SMMUEN is 1")
    expect(guest, 1, "abort")
    return "SMMUEN is 1, a write of GBPA takes a translating device to abort"


def _s08(tale: Tale) -> str:
    guest, smmu = _translating(tale, Plan(HOST))
    smmu.bypass(abort=True)
    assert not smmu.install(guest.stream(1))
    tale.step(guest, "GBPA := abort, CFGI_STE")
    smmu.enable(False)
    tale.step(guest, "SMMUEN := 0")
    expect(guest, 1, "translate")
    return "SMMUEN is 0, the device still translates"


def _s11(tale: Tale) -> str:
    guest, smmu = tale.arm(Plan(HOST))
    tale.step(guest, "start")
    smmu.start()
    smmu.enable(True)
    tale.step(guest, "queues on, SMMUEN := 1")
    guest.vm.host.refuses = refuse("ATTACH_PT", errno.EBUSY)
    smmu.entry(guest.stream(1), Config.TRANSLATE, 1)
    assert smmu.install(guest.stream(1)) == 1
    tale.step(guest, "CFGI_STE, the entry has context 1, ATTACH fails: the command is an error")
    expect(guest, 1, "bypass")
    smmu.entry(guest.stream(1), Config.ABORT)
    guest.vm.host.refuses = refuse("ATTACH_PT", errno.EBUSY)
    assert smmu.install(guest.stream(1)) == 1
    tale.step(guest, "CFGI_STE, the entry aborts, ATTACH fails: the command is an error")
    expect(guest, 1, "bypass")
    assert not smmu.install(guest.stream(1))
    tale.step(guest, "CFGI_STE again")
    expect(guest, 1, "abort")
    return "an entry that cannot be installed is an error, and the device reaches all memory still"


def _refused_unplug(tale: Tale) -> str:
    guest, _ = tale.arm(Plan(HOST, cold=(), slots=1, inserted=(1,)))
    tale.step(guest, "start")
    guest.vm.host.refuses = refuse("ATTACH_PT", errno.EBUSY)
    guest.unplug(1)
    tale.step(guest, "device_del, the slot is turned off, ATTACH to stage 2 fails")
    objects = guest.vm.host.kernel.objects()
    assert "VIOMMU" in objects, objects
    assert "IOAS" in objects, objects
    return "one refused ATTACH at unset: the vIOMMU, what is made on it and all below stay for good"


def _refused_gbpa(tale: Tale) -> str:
    guest, smmu = tale.arm(Plan(HOST))
    tale.step(guest, "start")
    smmu.start()
    guest.vm.host.refuses = refuse("ATTACH_PT", errno.EBUSY)
    smmu.bypass(abort=True)
    tale.step(guest, "GBPA := abort, ATTACH fails")
    expect(guest, 1, "bypass")
    guest.vm.host.refuses = refuse("VDEVICE_ALLOC")
    smmu.enable(True)
    smmu.entry(guest.stream(1), Config.TRANSLATE, 1)
    assert smmu.install(guest.stream(1)) == 1
    tale.step(guest, "SMMUEN := 1, CFGI_STE, VDEVICE_ALLOC fails")
    assert not smmu.install(guest.stream(1))
    tale.step(guest, "CFGI_STE again")
    guest.vm.host.refuses = refuse("ATTACH_PT", errno.EBUSY)
    guest.reset()
    tale.step(guest, "system reset, ATTACH fails")
    expect(guest, 1, "translate")
    return "a refused ATTACH is heard of at CFGI_STE; not at GBPA, and not at reset"


def _refused_destroy(tale: Tale) -> str:
    guest, _ = tale.arm(Plan(HOST, cold=(), slots=1, inserted=(1,)))
    tale.step(guest, "start")
    guest.vm.host.refuses = refuse("DESTROY")
    guest.unplug(1)
    tale.step(guest, "device_del, the slot is turned off, DESTROY fails")
    guest.plug(2, 0)
    tale.step(guest, "device_add of another device")
    guest.unplug(2)
    tale.step(guest, "device_del of it")
    assert guest.vm.host.kernel.objects().count("VIOMMU") == 1
    return "one refused DESTROY at unset: the vIOMMU and all below it stay for good"


SMMU_TALES: Final[dict[str, Callable[[Tale], str]]] = {
    "smmuv3-basic": _arm_basic, "smmuv3-unplug": _arm_unplug, "smmuv3-two": _two, "S-05": _s05,
    "S-07": _s07, "S-08": _s08, "smmuv3-refused": _refused_gbpa,
    "smmuv3-refused-destroy": _refused_destroy, "S-11": _s11,
    "smmuv3-refused-unplug": _refused_unplug,
}  # fmt: skip

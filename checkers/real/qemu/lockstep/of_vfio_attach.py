"""`vfio-attach` in QEMU: at which bounds it can be put there, and how its actions are done."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from checkers.real.qemu.host import Host
from checkers.real.qemu.lockstep.matching import Sections
from checkers.real.qemu.lockstep.running import Setting
from checkers.real.qemu.root import binary
from checkers.real.qemu.slots import Ports
from checkers.real.qemu.smmuv3_guest import SmmuGuest
from checkers.real.qemu.spec_kernel import Hardware
from checkers.real.qemu.start import ARM, X86, Guest, Plan, kernel, q35, virt
from spec.iommufd.uapi.state import Driver, Version
from spec.language.program import Outcome, Program
from spec.language.steps import Step

MACHINE: Final = "vfio-attach"
RELEASED: Final = "qemu-11.1-vfio-attach"
TOGETHER: Final = {"vfio_exitfn": "vfio_pci_finalize"}
"""Nothing holds a device of which nothing is mapped: it is finalized as soon as it is unplugged."""

ANY_ORDER: Final = frozenset(("system_reset", "guest_writes_gbpa"))

RESOLVED: Final = "ats=off,ril=on,oas=44,ssidsize=0"
"""What an SMMUv3 would else take from the first device, which has to be there at start."""

PAM: Final = 0x90
OPENED: Final = {1: 0, 2: 0x3333_0000}
"""What of c8000 to d7fff is RAM in each view, as the host bridge has it."""

BOOTED: Final[Sections] = {
    1: ((0x0, 0xC_0000), (0x10_0000, 0x1FF0_0000)),
    2: ((0xC_0000, 0x2_0000), (0xE_0000, 0x2_0000), (0xFFFC_0000, 0x4_0000)),
    3: (),
}
"""512 MiB, and the firmware in flash: RAM, what is read-only, and what is no RAM."""

SHADOWED: Final[Sections] = {
    1: ((0x0, 0xC_0000), (0x10_0000, 0x1FF0_0000)),
    2: ((0xE_0000, 0x2_0000), (0xFFFC_0000, 0x4_0000)),
    3: ((0xC_0000, 0x2_0000),),
    4: ((0xC_8000, 0x1_0000),),
    5: ((0xC_0000, 0x8000), (0xD_8000, 0x8000)),
    6: (),
}
"""With two views: what is there in both, before, and after the guest has opened a part as RAM."""

VIRT: Final[Sections] = {1: ((0x4000_0000, 0x2000_0000),), 2: (), 3: ()}
"""The virt machine has no read-only memory: its flash is no RAM."""


class Attach:
    """A guest in whose slots devices are plugged: each time as another one of QEMU's."""

    def __init__(self, guest: Guest, smmu: SmmuGuest | None, slots: dict[int, int]) -> None:
        self.guest, self.smmu, self.slots = guest, smmu, slots
        self.host: Host = guest.vm.host
        self.plugs = 0

    def do(self, step: Step) -> bool:
        """Do an action; whether it was refused."""
        given = step.values
        match step.action:
            case "vfio_pci_realize":
                return self._plug(given[0])
            case "vfio_exitfn":
                self.guest.unplug(given[0])
            case "system_reset":
                self.guest.reset()
            case "guest_writes_gbpa":
                assert self.smmu is not None
                self.smmu.bypass(bool(given[0]))
            case "memory_map_changes":
                Ports(self.guest.vm.processor).write(0, 0, PAM, OPENED[given[0]])
        return False

    def _plug(self, dev: int) -> bool:
        self.plugs += 1
        try:
            self.guest.plug(dev, self.slots[dev], f"plug{self.plugs}")
        except RuntimeError:
            return True
        return False

    def said(self) -> str:
        """What QEMU has written."""
        return self.guest.vm.said()

    def close(self) -> None:
        """QEMU is ended."""
        self.guest.vm.close()


def _start(
    setting: Setting, program: Program, qemu: Path | None, without_kvm_check: bool
) -> Attach:
    """Start a QEMU without a device of VFIO's."""
    values = program.bounds.values
    devices = values["devices"]
    one_slot = [dev for dev in range(1, devices + 1) if values["one_slot"] >> dev - 1 & 1]
    slots = {dev: 0 if dev in one_slot else dev - 1 for dev in range(1, devices + 1)}
    hardware = Hardware(
        Driver(values["driver"]), devices, values["groups"], values["errata"],
        incoherent=values["incoherent"], on_second_iommu=values["on_second_iommu"],
        version=Version(values["version"]),
    )  # fmt: skip
    plan = Plan(hardware, cold=(), slots=devices)
    host = kernel(plan)
    if setting.program == ARM:
        plan = replace(plan, options=RESOLVED)
        return Attach(*virt(binary(ARM, qemu), plan, host, without_kvm_check), slots)
    if not values["nesting"]:
        plan = replace(plan, viommu=False)
    guest, _ = q35(binary(X86, qemu), plan, host)
    return Attach(guest, None, slots)


def _why_not(
    setting: Setting, program: Program, state: bytes, step: Step, outcome: Outcome
) -> str:
    """Why a step cannot be done."""
    if step.fault:
        section = outcome.calls[step.fault - 1].arguments.get("section", 0)
        if section and not setting.sections[int(section)]:
            return "the guest has no memory of that kind"
    if step.action == "system_reset" and _view(program, state) != 1:
        return "a reset is a change of the memory map, too, where a part is open"
    return ""


def _view(program: Program, state: bytes) -> int:
    store: Any = program.store()
    store.load(state)
    return int(store.state.view)


def _setting(
    name: str, bounds: str, program: str, about: str, sections: Sections = BOOTED
) -> Setting:
    return Setting(
        name, MACHINE, bounds, RELEASED, program, about, sections, _start, TOGETHER, ANY_ORDER,
        _why_not,
    )


SETTINGS: Final = (
    _setting(
        "vtd-memory", "memory,views=3,slots=20", X86,
        "One device behind VT-d, and a part of the first megabyte that becomes RAM.", SHADOWED,
    ),
    _setting(
        "vtd-group", "vtd-group,devices=2,groups=1,slots=20,containers=2,hwpts=2", X86,
        "Two devices of one group in two slots behind VT-d that nests.",
    ),
    _setting(
        "vtd-one-slot", "one-slot,slots=24", X86,
        "Three devices in turns in one slot behind VT-d, two with the erratum.",
    ),
    _setting(
        "smmuv3-group", "roomy,slots=20", ARM,
        "Two devices of one group behind an accelerated SMMUv3.", VIRT,
    ),
    _setting(
        "smmuv3", "apart,slots=20,containers=2,hwpts=2", ARM,
        "Two devices with groups of their own behind an accelerated SMMUv3.", VIRT,
    ),
    _setting(
        "smmuv3-iommus", "iommus,slots=20", ARM,
        "Two devices behind one accelerated SMMUv3, each behind its own SMMU of the host.", VIRT,
    ),
    _setting(
        "smmuv3-6.15", "v6-15,early=0,nesting=3,slots=16", ARM,
        "A kernel of 6.15 to 6.18, with which no device can be plugged.", VIRT,
    ),
    _setting(
        "no-viommu", "mixed,devices=1,groups=1,mdev=0,legacy=0,slots=16", X86,
        "One device in system memory, without a vIOMMU.",
    ),
)
"""Each is at bounds of the machine's, with ids for what the released QEMU leaks."""

"""Command lines of a QEMU beside `pci-hotplug`: what is refused, what aborts, and what runs.

Every command line with a vIOMMU or none and up to two options in the bounds `small`, in every
order, with or without a default NIC, with a root bus that bypasses the IOMMU or not, as
`pci-hotplug-11.1` has it. What needs more of a host is left out: devices without an iommufd, and
mdevs. On x86 ACPI does not plug what is behind bridges: it would take a device in slot 0.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from checkers.machines import registry, variants
from checkers.real.qemu.host import Host
from checkers.real.qemu.root import Binary, binary
from checkers.real.qemu.spec_kernel import Hardware, SpecKernel
from checkers.real.qemu.start import ARM, X86
from checkers.real.qemu.supervisor import EndedError
from checkers.real.qemu.tale import Tale
from checkers.real.qemu.vm import Vm, device, spelt
from spec.iommufd.uapi.state import Driver
from spec.language import Program, Step, build
from spec.language.program import Kind
from spec.language.steps import steps_of, take
from spec.pci.bus import DeviceType, IOMMUType, is_smmu

MACHINE: Final = "pci-hotplug"
RELEASED: Final = "pci-hotplug-11.1"
MOST_STEPS: Final = 2
BRIDGE_BUS: Final = 2
NEST_PARENT: Final = 1
PLACES: Final = {2: ("pcie.0", 16), 3: ("bridge", 0), 4: ("bridge", 1), 5: ("bridge", 2)}
"""The slots of the bounds: the bus, and the number there."""

REFUSED: Final = "is refused"
ABORTS: Final = "aborts"

NO_ACPI: Final = "ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off"

VIOMMUS: Final = {
    IOMMUType.SMMUV3: "arm-smmuv3",
    IOMMUType.SMMUV3_ACCEL: "arm-smmuv3,accel=on,ats=off,ril=on,oas=44,ssidsize=0",
    IOMMUType.INTEL_IOMMU: "intel-iommu,intremap=off,caching-mode=on",
    IOMMUType.INTEL_IOMMU_FSTS: "intel-iommu,intremap=off,caching-mode=on,scalable-mode=on,fsts=on",
}


@dataclass(frozen=True)
class Line:
    """A command line: its machine, whether there is a default NIC, what bypasses, the devices."""

    nic: bool
    bypass: bool
    steps: tuple[Step, ...] = ()

    @property
    def arm(self) -> bool:
        """Whether it has an SMMU; without a vIOMMU it is for x86."""
        made = (x.values[1] for x in self.steps if x.action == "viommu_realize")
        return any(is_smmu(IOMMUType(type)) for type in made)

    def words(self) -> list[str]:
        """As QEMU has it."""
        machine = "virt,its=off,gic-version=3" if self.arm else "q35"
        found = ["-machine", machine + (",default-bus-bypass-iommu=on" if self.bypass else "")]
        found += [] if self.arm else ["-global", NO_ACPI]
        found += ["-nic", "hubport,hubid=0,model=virtio-net-pci"] if self.nic else []
        found += ["-device", "pcie-pci-bridge,id=bridge,bus=pcie.0,addr=8"]
        for number, step in enumerate(self.steps, 1):
            words = _viommu if step.action == "viommu_realize" else _device
            found += words(number, *step.values)
        return found


def _viommu(_: int, bus: int, type: int, *others: int) -> list[str]:
    found = VIOMMUS[IOMMUType(type)]
    if is_smmu(IOMMUType(type)):
        found += f",primary-bus={'bridge' if bus == BRIDGE_BUS else 'pcie.0'}"
    return ["-device", found]


def _device(number: int, slot: int, dev: int) -> list[str]:
    bus, addr = PLACES[slot]
    if dev == DeviceType.VFIO_IOMMUFD:
        return spelt(device(number, bus=bus, addr=hex(addr)))
    driver = "pcie-root-port,chassis=9" if dev == DeviceType.BRIDGE else "e1000"
    return ["-device", f"{driver},id=dev{number},bus={bus},addr={addr:#x}"]


def lines() -> Iterator[tuple[Line, str]]:
    """Every command line that there is to try, and how it ends by the released variant."""
    program = build(registry()[MACHINE], "small", variants()[RELEASED])
    for initial in program.initial():
        s = _loaded(program, initial)
        nic = any(x.dev == DeviceType.EMULATED for x in s.slots)
        line = Line(nic, any(x.bypass_iommu for x in s.buses))
        yield from _longer(program, initial, line)


def _loaded(program: Program, state: bytes) -> Any:
    """A state, to be looked at."""
    store = program.store()
    store.load(state)
    return store.state


def _longer(program: Program, state: bytes, line: Line) -> Iterator[tuple[Line, str]]:
    """A command line that is taken so far, and those with a step more."""
    yield line, _ready(program, state)
    if len(line.steps) == MOST_STEPS:
        return
    for action in ("viommu_realize", "pci_qdev_realize"):
        for step, outcome in steps_of(program, state, program.action(action)):
            if not step.fault and _sayable(step, line):
                more = replace(line, steps=(*line.steps, step))
                if outcome.result:
                    yield more, REFUSED
                else:
                    yield from _longer(program, outcome.state, more)


def _sayable(step: Step, line: Line) -> bool:
    """Whether a command line can ask for a step; slots that are alike are used in their order."""
    if step.action == "viommu_realize":
        _, type, per_bus, doorbell = step.values
        accelerated = type == IOMMUType.SMMUV3_ACCEL
        return per_bus == is_smmu(IOMMUType(type)) and doorbell != accelerated
    slot, dev = step.values
    before = any(x.action == "pci_qdev_realize" and x.values[0] == 4 for x in line.steps)
    known = (DeviceType.BRIDGE, DeviceType.EMULATED, DeviceType.VFIO_IOMMUFD)
    return dev in known and (slot != 5 or before)


def _ready(program: Program, state: bytes) -> str:
    """What becomes of a QEMU whose command line was read."""
    outcome = take(program, state, Step("pcibus_machine_done", ()))
    if outcome.kind is Kind.CRASH:
        return ABORTS
    slots = _loaded(program, outcome.state).slots
    return runs({bool(x.nesting_parent) for x in slots if x.dev == DeviceType.VFIO_IOMMUFD})


def runs(nesting: set[bool]) -> str:
    """That it runs, with which HWPTs."""
    kinds = {True: "nesting parents", False: "plain HWPTs"}
    return "runs" + (f" with {' and '.join(kinds[x] for x in sorted(nesting))}" if nesting else "")


def tried(binary: Binary, line: Line) -> str:
    """What becomes of a command line on a QEMU."""
    driver = Driver.ARM if line.arm else Driver.INTEL
    host = Host(SpecKernel(Hardware(driver, devices=MOST_STEPS)))
    with tempfile.NamedTemporaryFile(prefix="viommu-spec-") as empty:
        empty.write(bytes(4096))
        empty.flush()
        firmware = ["-bios", str(Path(empty.name))] if line.arm else []
        try:
            with Vm(binary, host, [*line.words(), *firmware], line.arm):
                made = [call for call in host.calls if call.name == "HWPT_ALLOC"]
                plain = [call for call in made if not call.values["data_type"]]
                return runs({bool(call.values["flags"] & NEST_PARENT) for call in plain})
        except EndedError as ended:
            return ABORTS if ended.status < 0 else REFUSED


def told(arm: bool) -> list[tuple[Line, str]]:
    """The command lines of a scenario: those with an SMMU, or those for x86."""
    return [(line, expected) for line, expected in lines() if line.arm == arm]


def _tell(tale: Tale, arm: bool) -> str:
    """Try each; AssertionError at the first that ends otherwise."""
    program = binary(ARM if arm else X86, tale.qemu)
    for line, expected in told(arm):
        found = tried(program, line)
        tale.lines.append(f"{found}: {' '.join(line.words())}")
        assert found == expected, f"{tale.lines[-1]}; the specification: {expected}"
    return f"{len(tale.lines)} command lines end as pci-hotplug-11.1 has it"


X86_LINES: Final[dict[str, Callable[[Tale], str]]] = {"pci-x86": partial(_tell, arm=False)}
ARM_LINES: Final[dict[str, Callable[[Tale], str]]] = {"pci-arm": partial(_tell, arm=True)}

"""Starts a q35 with an emulated VT-d, or a virt with an accelerated SMMUv3."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from checkers.real.qemu.host import Host
from checkers.real.qemu.root import Binary
from checkers.real.qemu.slots import Memory, Ports, Slot
from checkers.real.qemu.smmuv3_guest import SmmuGuest
from checkers.real.qemu.spec_kernel import Hardware, SpecKernel
from checkers.real.qemu.vm import Vm, device, spelt
from checkers.real.qemu.vtd_guest import VtdGuest
from spec.language import Variant

X86: Final = "qemu-system-x86_64"
ARM: Final = "qemu-system-aarch64"

COLD: Final = 5
"""The slot of the first device that is there from the start; others come after it."""

PORT: Final = 16
"""The slot of the first root port."""


@dataclass(frozen=True)
class Plan:
    """What the virtual machine is to have: devices from the start, and slots to plug others into.

    `cold` devices are on the root bus, `inserted` ones in the first slots, from the start.
    `viommu`: whether there is one, and further `options` of it; `pasid_bits`: of the emulated VT-d.
    `hardware`: what the host has. `trace`: QEMU's events that go to its output. `variant`: another
    kernel than the reference's.
    """

    hardware: Hardware
    cold: Sequence[int] = (1,)
    slots: int = 0
    inserted: Sequence[int] = ()
    viommu: bool = True
    pasid_bits: int = 0
    options: str = ""
    trace: Sequence[str] = ()
    variant: Variant | None = None


@dataclass
class Guest:
    """A running machine: its slots; a device is named by its number on the host."""

    vm: Vm
    slots: list[Slot]
    places: dict[int, tuple[int, int]]
    names: dict[int, str] = field(default_factory=dict)

    def plug(self, dev: int, slot: int, name: str = "") -> None:
        """A device is plugged into a slot and turned on; RuntimeError if QEMU refuses it.

        `name`: as which QEMU is to know it, if not by its usual one.
        """
        properties = device(dev, bus=f"port{slot}")
        self.vm.monitor.ask("device_add", **{**properties, **({"id": name} if name else {})})
        self.names[dev] = name or str(properties["id"])
        self.places[dev] = (self.slots[slot].bus, 0)
        self.slots[slot].power(True)

    def unplug(self, dev: int) -> None:
        """The guest is asked for a device, and turns its slot off."""
        bus, _ = self.places.pop(dev)
        self.vm.monitor.ask("device_del", id=self.names.get(dev, f"dev{dev}"))
        next(slot for slot in self.slots if slot.bus == bus).power(False)
        self.vm.monitor.wait("DEVICE_DELETED")

    def reset(self) -> None:
        """The machine is reset, and its buses get their numbers again."""
        self.vm.reset()
        for slot in self.slots:
            slot.number()

    def stream(self, dev: int) -> int:
        """The requester id of a device."""
        bus, devfn = self.places[dev]
        return bus << 8 | devfn


def kernel(plan: Plan) -> Host:
    """The specification as the kernel of a plan."""
    return Host(SpecKernel(plan.hardware, plan.variant))


def q35(binary: Binary, plan: Plan, host: Host) -> tuple[Guest, VtdGuest]:
    """An x86 machine with first-stage translation, and its driver; it is not yet turned on.

    EndedError if QEMU refuses the plan; `host` has the calls by then.
    """
    wanted = f"fsts=on,scalable-mode=on,caching-mode=on,pasid-bits={plan.pasid_bits}"
    wanted += _further(plan)
    arguments = [
        "-machine", "q35", "-global", "ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off",
        *(["-device", f"intel-iommu,intremap=off,{wanted}"] if plan.viommu else []),
        *_devices(plan, "pcie.0"),
    ]  # fmt: skip
    vm = Vm(binary, host, arguments, trace=plan.trace)
    slots = [Slot(Ports(vm.processor), PORT + n << 3, n + 1) for n in range(plan.slots)]
    return _numbered(vm, slots, plan), VtdGuest(vm.processor)


def virt(
    binary: Binary, plan: Plan, host: Host, without_kvm_check: bool
) -> tuple[Guest, SmmuGuest]:
    """An Arm machine, and its driver; it is not yet turned on."""
    with tempfile.NamedTemporaryFile(prefix="viommu-spec-") as empty:
        empty.write(bytes(4096))
        empty.flush()
        arguments = [
            "-machine", "virt,its=off,gic-version=3", "-bios", str(Path(empty.name)),
            "-device", f"arm-smmuv3,accel=on,primary-bus=pcie.0{_further(plan)}",
            *_devices(plan, "pcie.0"),
        ]  # fmt: skip
        vm = Vm(binary, host, arguments, without_kvm_check, plan.trace)
    slots = [Slot(Memory(vm.processor), PORT + n << 3, n + 1) for n in range(plan.slots)]
    return _numbered(vm, slots, plan), SmmuGuest(vm.processor)


def _further(plan: Plan) -> str:
    return f",{plan.options}" if plan.options else ""


def _devices(plan: Plan, bus: str) -> list[str]:
    words = []
    for turn in range(plan.slots):
        port = {"driver": "pcie-root-port", "id": f"port{turn}", "bus": bus,
                "chassis": turn + 1, "addr": hex(PORT + turn)}  # fmt: skip
        words += spelt(port)
    for turn, dev in enumerate(plan.cold):
        words += spelt(device(dev, bus=bus, addr=hex(COLD + turn)))
    for turn, dev in enumerate(plan.inserted):
        words += spelt(device(dev, bus=f"port{turn}"))
    return words


def _numbered(vm: Vm, slots: list[Slot], plan: Plan) -> Guest:
    for slot in slots:
        slot.number()
    places = {dev: (0, COLD + turn << 3) for turn, dev in enumerate(plan.cold)}
    places |= {dev: (slots[turn].bus, 0) for turn, dev in enumerate(plan.inserted)}
    return Guest(vm, slots, places)

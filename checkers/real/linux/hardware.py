"""The machine that real devices are in: QEMU's VT-d, and a device that writes where it is told."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from checkers.real.linux.batch import Machine, Trait


class Hardware(NamedTuple):
    """What is booted beside the kernel: options of QEMU, words for the kernel."""

    options: tuple[str, ...] = ()
    words: str = ""


def vt_d(machine: Machine, scalable: bool) -> Hardware:
    """An IOMMU in its legacy or its scalable mode, and a machine's devices behind it.

    Time passes while the guest waits for a device: it is that of the instructions it executes.
    """
    coherent = bool(machine.devices[0][1] & Trait.COHERENT)
    iommu = f"intel-iommu,intremap=off,snoop-control={_on(coherent)}"
    if scalable:
        iommu += ",x-scalable-mode=on,x-pasid-mode=on"
    options = ["-icount", "shift=2,sleep=off", "-device", iommu]
    for slot, bridge in _slots(machine):
        if bridge:
            options += ["-device", f"pcie-pci-bridge,id=bridge{slot},addr={slot}.0"]
    for place in _places(machine):
        options += ["-device", f"edu,{place.option}"]
    words = "iommufd.allow_unsafe_interrupts=1 loglevel=1"
    return Hardware(tuple(options), f"{words} intel_iommu=on,sm_{_on(scalable)}")


def names(machine: Machine) -> bytes:
    """The kernel's names of the devices, a line each."""
    return "".join(f"{place.name}\n" for place in _places(machine)).encode()


class _Place(NamedTuple):
    option: str
    name: str


FIRST_SLOT = 4


def _on(so: bool) -> str:
    return "on" if so else "off"


def _slots(machine: Machine) -> list[tuple[int, bool]]:
    """The slot of each group, and whether it has a bridge in it: who is bound by nobody."""
    groups = sorted({group for group, _ in machine.devices})
    bridges = {group for group, _ in machine.devices[machine.bound :]}
    return [(FIRST_SLOT + group, group in bridges) for group in groups]


def _places(machine: Machine) -> list[_Place]:
    """Where each device is: behind its group's bridge, else a function of its group's slot."""
    slots = _slots(machine)
    buses = {slot: bus for bus, slot in enumerate((s for s, bridge in slots if bridge), 1)}
    seen, found = Counter[int](), []
    for group, _ in machine.devices[: machine.bound]:
        slot, turn = FIRST_SLOT + group, seen[group]
        seen[group] += 1
        if slot in buses:
            name = f"0000:{buses[slot]:02x}:{turn + 1:02x}.0"
            found.append(_Place(f"bus=bridge{slot},addr={turn + 1}.0", name))
        else:
            option = f"addr={slot}.{turn},multifunction=on"
            found.append(_Place(option, f"0000:00:{slot:02x}.{turn}"))
    return found

"""The calls as a user of VFIO makes them, on real devices behind Intel's driver."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from checkers.real.linux.batch import Call, Failing, Machine, Trait, Way
from checkers.real.linux.calls import INJECTED, Kernel
from checkers.real.linux.plan import Made, for_want_of_memory
from checkers.userfiles import InputError
from spec.iommufd.uapi.reserved import ioas_of
from spec.iommufd.uapi.state import Driver
from spec.language import NONE
from spec.language.program import Outcome
from spec.language.steps import Step

OTHER_CALL: Final = "attaches of what is attached, and replacements of what is not: VFIO makes none"
NO_RIVAL: Final = "calls of another owner of a group"
OF_THE_DRIVER: Final = "failures of Intel's driver, which fails when it does"
PCI_ITSELF: Final = ("bind", "unbind")
"""Calls that enable a PCI device or disable it: ACPI in Linux 7.3.4 oopses there without memory."""

HAS: Final = Trait.COHERENT | Trait.RESERVES
"""What devices behind QEMU's VT-d are, if anything."""


class Cdev(Kernel):
    """One program of the machine, as a user of VFIO sees it: answers, and where a device writes."""

    def machine(self) -> Machine:
        """The devices of the machine; `InputError` if QEMU has no such hardware."""
        machine = super().machine()
        bound = {traits for _, traits in machine.devices[: machine.bound]}
        self.before.load(self.empty)
        s: Any = self.before.state
        if machine.driver != Driver.INTEL or s.nests or len(bound) > 1 or not bound <= {HAS, *HAS}:
            raise InputError(
                f"--by vfio: no bounds {self.program.bounds_name}: QEMU's VT-d has Intel's "
                "driver, nothing nests, and its devices are all alike: coherent or not, without "
                "PASIDs and dirty tracking, and what they reserve is reserved by all"
            )
        return replace(machine, way=Way.VFIO)

    def look(self, state: bytes) -> bytes:
        """Of each device the IOAS that it writes to, 0 if it is blocked."""
        self.after.load(state)
        s: Any = self.after.state
        return bytes(0 if d.through == NONE else ioas_of(s, d.through) for d in s.devices)

    def leavings(self, state: bytes, step: Step, looks: set[bytes]) -> set[bytes]:
        """Where a driver that blocks first fails at a device of a group, it may fail at each."""
        before = self.look(state)
        if looks <= {before}:
            return looks
        s: Any = self.after.state
        group = s.devices[step.values[0]].group
        rows = [int(d.id) - 1 for d in s.devices if d.group == group]
        return {before[:row] + bytes(1) + before[row + 1 :] for row in rows}

    def why_not(self, step: Step, outcome: Outcome) -> str:
        """Why VFIO does not make a call, beside what stands against any call."""
        if step.action in ("take_group", "leave_group"):
            return NO_RIVAL
        if step.action in ("attach", "replace"):
            s: Any = self.before.state
            dev, pasid, *_ = step.values
            d = s.devices[dev]
            if (step.action == "replace") is ((d.pasid_attached if pasid else d.attached) == NONE):
                return OTHER_CALL
        why = super().why_not(step, outcome)
        if why or not step.fault:
            return why
        failing = INJECTED[outcome.calls[-1].name]
        return "" if failing is Failing.ALLOCATION else OF_THE_DRIVER


def where_iommufd_wants_memory(made: Made) -> Call | None:
    """The calls whose allocations are made to fail: not those that go through PCI and ACPI."""
    return None if made.step.action in PCI_ITSELF else for_want_of_memory(made)

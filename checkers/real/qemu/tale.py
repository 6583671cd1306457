"""A scenario on a running QEMU, told step by step."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType

from checkers.real.qemu.root import binary
from checkers.real.qemu.smmuv3_guest import SmmuGuest
from checkers.real.qemu.start import ARM, X86, Guest, Plan, kernel, q35, virt
from checkers.real.qemu.vm import Vm
from checkers.real.qemu.vtd_guest import VtdGuest


@dataclass
class Tale:
    """A scenario as it goes: a line for each step, the host's calls in it, and the state after.

    It has one machine, and ends it. `trace`: QEMU's events that go to its output, which is `log`
    afterwards.
    """

    qemu: Path | None
    without_kvm_check: bool
    lines: list[str] = field(default_factory=list)
    trace: tuple[str, ...] = ()
    log: str = ""
    turn: int = 0
    vm: Vm | None = None

    def __enter__(self) -> Tale:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.vm is not None:
            self.log = self.vm.said()
            self.vm.close()

    def x86(self, plan: Plan) -> tuple[Guest, VtdGuest]:
        """Start a q35."""
        plan = replace(plan, trace=self.trace)
        guest, driver = q35(binary(X86, self.qemu), plan, kernel(plan))
        self.vm = guest.vm
        return guest, driver

    def arm(self, plan: Plan) -> tuple[Guest, SmmuGuest]:
        """Start a virt."""
        found, plan = binary(ARM, self.qemu), replace(plan, trace=self.trace)
        guest, driver = virt(found, plan, kernel(plan), self.without_kvm_check)
        self.vm = guest.vm
        return guest, driver

    def step(self, guest: Guest, what: str) -> None:
        """What was done by now, the calls it led to, and what the kernel has."""
        host = guest.vm.host
        self.lines.append(f"== {what}")
        self.lines += [f"  {call.text()}" for call in host.calls[self.turn :]]
        self.lines.append(f"  : {host.kernel.objects()}")
        self.lines += [f"  breaks {breach}" for breach in host.kernel.broken()]
        self.turn = len(host.calls)


def expect(guest: Guest, dev: int, path: str) -> None:
    """A device goes through this."""
    found = guest.vm.host.path(dev)
    assert found == path, f"dev{dev} goes through {found}, not {path}"

"""Scenarios of a guest that is to migrate, to a file and from it into another QEMU."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from typing import Any, Final

from checkers.real.qemu.command_lines import VIOMMUS
from checkers.real.qemu.host import Host
from checkers.real.qemu.root import binary
from checkers.real.qemu.spec_kernel import Hardware, SpecKernel
from checkers.real.qemu.start import ARM, X86
from checkers.real.qemu.supervisor import EndedError
from checkers.real.qemu.tale import Tale
from checkers.real.qemu.vm import Vm
from spec.iommufd.uapi.state import Driver
from spec.pci.bus import IOMMUType

CAPABILITY: Final = 0xFED90008
SMMU: Final = f"{VIOMMUS[IOMMUType.SMMUV3_ACCEL]},primary-bus=pcie.0"


def _vtd(tale: Tale, aw_bits: int, *more: str) -> Vm:
    """A q35 with a VT-d of a width, and no device."""
    viommu = f"intel-iommu,intremap=off,caching-mode=on,aw-bits={aw_bits}"
    host = Host(SpecKernel(Hardware(Driver.INTEL, devices=1)))
    words = ["-machine", "q35", "-device", viommu, *more]
    return Vm(binary(X86, tale.qemu), host, words)


def _width(vm: Vm) -> int:
    """The width that the guest reads in the capability register."""
    return (vm.processor.read(CAPABILITY) >> 16 & 0x3F) + 1


def _migrated(vm: Vm, command: str, uri: str) -> None:
    """Have a guest leave or come; it has to succeed."""
    vm.monitor.ask(command, uri=uri)
    status = ""
    while status not in ("completed", "failed"):
        status = vm.monitor.ask("query-migrate").get("status", "")
    assert status == "completed", f"{command}: {status}"


def _other_command_line(tale: Tale) -> str:
    with tempfile.TemporaryDirectory(prefix="viommu-spec-") as folder:
        with _vtd(tale, 48) as source:
            tale.lines.append(f"the source has {_width(source)} bits; {_reasons(source)}")
            _migrated(source, "migrate", f"file:{folder}/guest")
        with _vtd(tale, 39, "-incoming", "defer") as there:
            tale.lines.append(f"the destination has {_width(there)} bits")
            _migrated(there, "migrate-incoming", f"file:{folder}/guest")
            tale.lines.append(f"the guest has come: {_width(there)} bits")
            assert _width(there) == 48
            there.reset()
            tale.lines.append(f"system reset: {_width(there)} bits")
            assert _width(there) == 39
    return "a destination of 39 bits takes a guest of 48, shows 48, and after a reset 39"


def _reasons(vm: Vm) -> str:
    found: Sequence[Any] = vm.monitor.ask("query-migrate").get("blocked-reasons", [])
    return "; ".join(map(str, found)) or "nothing blocks migration"


def _blocked(tale: Tale) -> str:
    found = _smmu(tale)
    assert "SMMUv3" in found
    tale.lines.append(f"accelerated SMMU: {found}")
    ended = _smmu(tale, "-only-migratable")
    assert ended == "ends with status 1"
    tale.lines.append(f"-only-migratable: {ended}")
    return "an accelerated SMMU blocks migration, and is refused under -only-migratable"


def _smmu(tale: Tale, *more: str) -> str:
    """What blocks the migration of a virt with an accelerated SMMU, or how it ends."""
    host = Host(SpecKernel(Hardware(Driver.ARM, devices=1)))
    with tempfile.NamedTemporaryFile(prefix="viommu-spec-") as empty:
        empty.write(bytes(4096))
        empty.flush()
        words = ["-machine", "virt,its=off,gic-version=3", "-bios", empty.name, "-device", SMMU]
        try:
            with Vm(binary(ARM, tale.qemu), host, [*words, *more], True) as vm:
                return _reasons(vm)
        except EndedError as ended:
            return f"ends with status {ended.status}"


X86_MIGRATION: Final[dict[str, Callable[[Tale], str]]] = {"migration-x86": _other_command_line}
ARM_MIGRATION: Final[dict[str, Callable[[Tale], str]]] = {"migration-arm": _blocked}

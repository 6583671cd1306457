"""The two platforms that random guests run on, and how a run on each is started."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from checkers.real.qemu.root import binary
from checkers.real.qemu.rules.guest_run import Given, Run
from checkers.real.qemu.rules.smmuv3_run import GIVEN as SMMUV3_GIVEN
from checkers.real.qemu.rules.smmuv3_run import smmuv3_run
from checkers.real.qemu.rules.vtd_run import GIVEN as VTD_GIVEN
from checkers.real.qemu.rules.vtd_run import vtd_run
from checkers.real.qemu.start import ARM, X86
from checkers.real.qemu.supervisor import EndedError
from checkers.userfiles import InputError


@dataclass(frozen=True)
class Platform:
    """What is run: the program, how a run is started, and the actions of its guest."""

    title: str
    program: str
    start: Callable[[Path | None, bool], Run]
    given: Given

    @property
    def wants_kvm(self) -> bool:
        """Whether the program has a check of KVM."""
        return self.program == ARM

    def version(self, qemu: Path | None) -> str:
        """Of the QEMU that runs."""
        return binary(self.program, qemu).version

    def run(self, qemu: Path | None, without_kvm_check: bool) -> Run:
        """Start a run; `InputError` where QEMU does not start."""
        if self.wants_kvm and not without_kvm_check:
            raise InputError(f"{self.title}: QEMU wants KVM; say --without-kvm-check")
        try:
            return self.start(qemu, without_kvm_check)
        except EndedError as ended:
            raise InputError(f"{self.title}: QEMU does not start: {ended}") from ended


PLATFORMS: Final[Mapping[str, Platform]] = {
    "vtd": Platform("VT-d", X86, vtd_run, VTD_GIVEN),
    "smmuv3": Platform("SMMUv3", ARM, smmuv3_run, SMMUV3_GIVEN),
}

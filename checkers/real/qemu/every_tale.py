"""Every scenario by its name, and which of the two programs it is for."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Final

from checkers.real.qemu.capability_tales import CAPABILITY_TALES
from checkers.real.qemu.command_lines import ARM_LINES, X86_LINES
from checkers.real.qemu.migration_tales import ARM_MIGRATION, X86_MIGRATION
from checkers.real.qemu.plug_tales import SMMU_PLUGS, VTD_PLUGS
from checkers.real.qemu.smmuv3_tales import SMMU_TALES
from checkers.real.qemu.spec_kernel import NotModelledError
from checkers.real.qemu.start import ARM, X86
from checkers.real.qemu.supervisor import EndedError, HangsError
from checkers.real.qemu.tale import Tale
from checkers.real.qemu.vtd_cache_tales import CACHE_TALES
from checkers.real.qemu.vtd_guest import QueueError
from checkers.real.qemu.vtd_region_tales import REGION_TALES
from checkers.real.qemu.vtd_tales import VTD_TALES

ON_X86: Final[dict[str, Callable[[Tale], str]]] = {
    **VTD_TALES, **CACHE_TALES, **REGION_TALES, **VTD_PLUGS, **X86_MIGRATION, **X86_LINES,
    **CAPABILITY_TALES,
}  # fmt: skip
ON_ARM: Final[dict[str, Callable[[Tale], str]]] = {
    **SMMU_TALES, **SMMU_PLUGS, **ARM_MIGRATION, **ARM_LINES,
}  # fmt: skip
GROUPS: Final = (("VT-d", X86, ON_X86), ("SMMUv3", ARM, ON_ARM))
OTHERWISE: Final = (
    AssertionError, EndedError, HangsError, QueueError, NotModelledError, RuntimeError,
)  # fmt: skip
"""How a scenario ends if QEMU does otherwise; RuntimeError is a refusal of the monitor's."""


def told(tale: Tale, scenario: Callable[[Tale], str]) -> tuple[str, str]:
    """Run a scenario: what it says, and how QEMU does otherwise, if it does."""
    try:
        with tale:
            return scenario(tale), ""
    except OTHERWISE as error:
        return "", str(error) or str(traceback.extract_tb(error.__traceback__)[-1].line)

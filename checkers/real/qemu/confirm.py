"""A released finding on a running QEMU: the scenarios that its variant names show it, or not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from checkers import machines
from checkers.real.qemu.every_tale import GROUPS, told
from checkers.real.qemu.root import binary
from checkers.real.qemu.start import ARM
from checkers.real.qemu.tale import Tale
from checkers.userfiles import InputError
from spec.language import Variant

_OWN: Final = "it shows what QEMU does as it should"
_PIOTLB: Final = "no machine has the invalidations that VT-d passes on"
_SMMUEN: Final = "no machine has a stream table and SMMUEN"
UNNAMED: Final = {
    "vtd-basic": _OWN, "vtd-pasid": _OWN, "vtd-unplug": _OWN, "vtd-two": _OWN,
    "vtd-capabilities": _OWN,
    "vtd-refused-start": _OWN, "vtd-refused-plug": _OWN, "smmuv3-basic": _OWN,
    "smmuv3-unplug": _OWN, "smmuv3-two": _OWN, "smmuv3-refused-plug": _OWN,
    "migration-arm": _OWN, "V-20b": _PIOTLB, "S-11": _SMMUEN,
    "S-07": _SMMUEN, "S-08": _SMMUEN,
    "plug-again": "no machine has what QEMU keeps of an open file by the id of its device",
}  # fmt: skip
"""Why no variant names a scenario."""


@dataclass(frozen=True)
class Confirmed:
    """What came of one scenario: what it says if QEMU does as recorded, else how it does not."""

    scenario: str
    qemu: str
    said: str
    otherwise: str
    lines: list[str]

    def text(self) -> str:
        """``S-05: reproduced on QEMU 11.1.3: GBPA aborts, ...`` and every call of the host."""
        came = "not reproduced" if self.otherwise else "reproduced"
        head = f"{self.scenario}: {came} on QEMU {self.qemu}: {self.otherwise or self.said}"
        return "\n".join([head, *(f"  {line}" for line in self.lines)])


def confirm(variant: Variant, qemu: Path | None, without_kvm_check: bool) -> Iterator[Confirmed]:
    """Run the scenarios of a variant; InputError says why it cannot be confirmed."""
    why = _not_confirmed(variant)
    if why:
        known = ", ".join(item.name for item in machines.variants().values() if _shown_by(item))
        raise InputError(f"{variant.name}: {why}; --confirm knows {known}")
    chosen = _shown_by(variant)
    on_arm = [name for name in chosen for _, program, group in GROUPS
              if program == ARM and name in group]  # fmt: skip
    if on_arm and not without_kvm_check:
        raise InputError(
            f"{variant.name}: QEMU wants KVM for {', '.join(on_arm)}; say --without-kvm-check"
        )
    for name in chosen:
        yield _confirmed(name, qemu, without_kvm_check)


def _confirmed(name: str, qemu: Path | None, without_kvm_check: bool) -> Confirmed:
    ((program, scenario),) = [(program, group[name]) for _, program, group in GROUPS
                              if name in group]  # fmt: skip
    version = binary(program, qemu).version
    note = ", its check of KVM passed over" if program == ARM else ""
    tale = Tale(qemu, without_kvm_check)
    said, otherwise = told(tale, scenario)
    return Confirmed(name, version + note, said, otherwise, tale.lines)


def _shown_by(variant: Variant) -> tuple[str, ...]:
    found = variant.standing
    return found.scenarios if found and found.kind == "released" else ()


def _not_confirmed(variant: Variant) -> str:
    """Why there is nothing to run, if there is nothing."""
    found = variant.standing
    if found is None:
        return "does not say what it is of"
    if found.kind == "mutant":
        return "is a mutant, which nobody wrote"
    if found.kind == "posted":
        return f"was posted in {found.of}, and is in no release"
    if not found.scenarios:
        return f"is of {found.of}, and no scenario on a QEMU shows it"
    return ""

"""What random guests are known to find on a released QEMU: of each what it is, and where else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

from checkers.real.qemu.rules.acts import Class
from checkers.real.qemu.rules.guest_run import ALIVE, ASKS, DUE, LEAKED

RELEASED: Final = "QEMU 11.1.3"


@dataclass(frozen=True)
class Expected:
    """A known defect: its name, in a sentence, how its classes read, on which build it was seen."""

    finding: str
    about: str
    patterns: tuple[str, ...]
    build: str = RELEASED

    def covers(self, wrong: Class) -> bool:
        """Whether a class is one of it."""
        said = f"{wrong.rule}: {wrong.what}"
        return any(fnmatchcase(said, pattern) for pattern in self.patterns)


PLUGGED_AGAIN: Final = Expected(
    "plug-again", "a device_add of an id that was refused once aborts", (f"{ALIVE}: plug*",)
)
DESTROY: Final = Expected(
    "C-14", "what one refused DESTROY has left is never destroyed, nor what is below it",
    (f"{LEAKED}: *, DESTROY refused: *", f"{LEAKED}: end: VDEVICE stays"),
)

EXPECTED: Final[Mapping[str, tuple[Expected, ...]]] = {
    "vtd": (
        Expected("V-16", "translation off leaves a device on the guest's table", (
            f"{DUE}: translation: bypass is due*, it is table",
            f"{DUE}: reset: bypass is due*, it is table",
        )),
        Expected("vtd-blocked", "a device that lost its entry stays blocked without translation", (
            f"{DUE}: translation: bypass is due, it is blocked",
            f"{DUE}: reset: bypass is due, it is blocked",
        )),
        Expected("V-20", "a binding that the host refused once is never tried again", (
            f"{DUE}: *HWPT_ALLOC refused", f"{DUE}: *ATTACH_PT refused",
            f"{DUE}: translation: table is due, it is bypass",
        )),
        Expected("V-20b", "an HWPT that was never made is invalidated", (f"{ASKS}: *",)),
        Expected("vtd-refused-detach", "a DETACH that the host refused once is never tried again", (
            f"{DUE}: *DETACH_PT refused", f"{LEAKED}: unplug, DETACH_PT refused: *",
        )),
        Expected("vtd-entries-only", "a device without an entry reaches all memory", (
            f"{DUE}: translation: blocked is due, it is bypass",
        )),
        Expected("vtd-set", "a device that is plugged reaches all memory until an invalidation", (
            f"{DUE}: plug: * is due, it is bypass",
        )),
        Expected("vtd-new-domain", "an entry that changes its domain keeps the old binding", tuple(
            f"{DUE}: invalidate: {due} is due{of}, it is {does}"
            for due, does in (("table", "table"), ("table", "bypass"), ("bypass", "table"))
            for of in ("", " of a PASID")
        )),
        Expected("vtd-pasid-alone", "a PASID is not bound while PASID 0 has no entry", tuple(
            f"{DUE}: {kind}*: {due} is due of a PASID, it is blocked"
            for kind in ("translation", "invalidate") for due in ("table", "bypass")
        )),
        Expected("vtd-beyond-directory", "a PASID that the directory has not stays bound", (
            f"{DUE}: invalidate*: blocked is due of a PASID, it is table",
        )),
        Expected("V-25", "a device that is unplugged leaves its nested HWPT and all below", (
            f"{LEAKED}: unplug: *", f"{LEAKED}: end: *",
        )),
        Expected("vtd-aborts", "a MAP or UNMAP that the host refuses at run time aborts", (
            f"{ALIVE}: *, IOAS_MAP refused: *", f"{ALIVE}: *, IOAS_UNMAP refused: *",
        )),
        PLUGGED_AGAIN, DESTROY,
    ),
    "smmuv3": (
        Expected("S-05", "a device that is plugged stays on stage 2, whatever it is due", (
            f"{DUE}: plug*",
        )),
        Expected("S-07", "a write of GBPA moves devices while the SMMU is on", (
            f"{DUE}: bypass: *",
        )),
        Expected("S-08", "SMMUEN moves no device", (f"{DUE}: translation: *",)),
        Expected("smmuv3-unplug", "an unset that the host refuses leaves all that was made", (
            f"{LEAKED}: unplug, ATTACH_PT refused: *", f"{LEAKED}: end: IOAS stays",
        )),
        Expected("smmuv3-two-parents", "a vIOMMU outlives the device of its stage 2, which stays", (
            f"{LEAKED}: unplug: *",
        )),
        PLUGGED_AGAIN, DESTROY,
    ),
}  # fmt: skip
"""By platform; a class is one of the first that covers it."""


def expected(platform: str, wrong: Class) -> Expected | None:
    """The known defect that a class is one of."""
    return next((item for item in EXPECTED[platform] if item.covers(wrong)), None)

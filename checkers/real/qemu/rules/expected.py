"""What random guests are known to find on a released QEMU: of each what it is, and where else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from checkers.real.qemu.refusing import FAILS
from checkers.real.qemu.rules.guest_run import ALIVE, ASKS, DUE, LEAKED, MOVING
from checkers.trace.format import Wrong

RELEASED: Final = "QEMU 11.1.3"
NONE: Final = ("",)
ANY: Final = ("", *sorted(FAILS.keys() - MOVING - {"DESTROY"}))
"""No call is refused, or one that has no part in what devices go through."""


@dataclass(frozen=True)
class Sign:
    """How a defect shows: after which of some actions what is wrong, and after which refusals."""

    rule: str
    acts: tuple[str, ...]
    whats: tuple[str, ...]
    refused: tuple[str, ...] = NONE
    after: tuple[str, ...] = NONE

    def covers(self, wrong: Wrong) -> bool:
        """Whether it is exactly that."""
        return (
            wrong.rule == self.rule
            and wrong.act in self.acts
            and wrong.what in self.whats
            and wrong.refused in self.refused
            and wrong.after in self.after
        )


@dataclass(frozen=True)
class Expected:
    """A known defect: its name, in a sentence, how it shows, on which build it was seen."""

    finding: str
    about: str
    signs: tuple[Sign, ...]
    build: str = RELEASED

    def covers(self, wrong: Wrong) -> bool:
        """Whether what is wrong is it."""
        return any(sign.covers(wrong) for sign in self.signs)


def _due(
    acts: str, dues: str, does: str, of: tuple[str, ...] = NONE,
    refused: tuple[str, ...] = NONE, after: tuple[str, ...] = NONE,
) -> Sign:  # fmt: skip
    """Each of `dues` is due, and each of `does`, which is a verb and what it is of, is done."""
    verb, _, kinds = does.partition(": ")
    whats = tuple(
        f"{due} is due{which}, it {verb} {kind}"
        for due in dues.split() for which in of for kind in kinds.split()
    )  # fmt: skip
    return Sign(DUE, tuple(acts.split()), whats, refused, after)


PASID: Final = " of a PASID"
ALONE: Final = " of a PASID beside no PASID 0"
BEYOND: Final = " of a PASID beyond the directory"
OLD_DOMAIN: Final = " by the domain it had"
BINDS: Final = ("HWPT_ALLOC", "ATTACH_PT")
LEAVES: Final = ("", "ATTACH_PT", "DETACH_PT", "DESTROY")
BELOW: Final = "IOAS, HWPT_PAGING"
NO_MAP: Final = "it ended by SIGABRT: hardware error: vfio: DMA mapping failed, unable to continue"

PLUGGED_AGAIN: Final = Expected(
    "plug-again", "a device_add of an id that was refused once aborts",
    (Sign(ALIVE, ("plug",), ("it ended by SIGABRT in cpr_resave_fd",), (*ANY, "ATTACH_PT")),),
)  # fmt: skip

EXPECTED: Final[Mapping[str, tuple[Expected, ...]]] = {
    "vtd": (
        Expected("V-16", "translation off leaves a device on the guest's table", (
            _due("translation", "bypass", "stays: table", ("", PASID), ANY),
        )),
        Expected("vtd-blocked", "a device that lost its entry stays blocked without translation", (
            _due("translation reset", "bypass", "stays: blocked", refused=ANY),
        )),
        Expected("V-20", "a binding that the host refused once is never tried again", (
            _due("translation invalidate root", "table bypass", "stays: table blocked bypass",
                 ("", PASID), BINDS),
            _due("translation invalidate root", "table bypass", "stays: table blocked bypass",
                 ("", PASID), after=BINDS),
        )),
        Expected("V-20b", "an HWPT that was never made is invalidated", (
            Sign(ASKS, ("invalidate-iotlb",), ("HWPT_INVALIDATE of what is not there",)),
        )),
        Expected("vtd-refused-detach", "a DETACH that the host refused once is never tried again", (
            _due("translation invalidate root", "blocked", "stays: table bypass", ("", PASID),
                 ("DETACH_PT",)),
            Sign(LEAKED, ("unplug",), (f"{BELOW} stays",), ("DETACH_PT",)),
        )),
        Expected("vtd-entries-only", "a device without an entry reaches all memory", (
            _due("translation", "blocked", "stays: bypass", refused=ANY),
        )),
        Expected("vtd-set", "a device that is plugged reaches all memory until an invalidation", (
            _due("plug", "blocked table", "begins as: bypass", refused=ANY),
        )),
        Expected("vtd-new-domain", "an entry that changes its domain keeps the old binding", (
            _due("invalidate", "table bypass", "stays: table bypass",
                 (OLD_DOMAIN, PASID + OLD_DOMAIN)),
        )),
        Expected("vtd-pasid-alone", "a PASID is not bound while PASID 0 has no entry", (
            _due("translation invalidate", "table bypass", "stays: blocked", (ALONE,)),
        )),
        Expected("vtd-beyond-directory", "a PASID that the directory has not stays bound", (
            _due("invalidate", "blocked", "stays: table bypass", (BEYOND,)),
        )),
        Expected("V-25", "a device that is unplugged leaves its nested HWPT and all below", (
            Sign(LEAKED, ("unplug", "end"), (f"{BELOW}, HWPT_NESTED stays",), ANY, LEAVES),
        )),
        Expected("vtd-aborts", "a MAP or UNMAP that the host refuses at run time aborts", (
            Sign(ALIVE, ("low-memory", "reset"), (NO_MAP,), ("IOAS_MAP", "IOAS_UNMAP")),
        )),
        PLUGGED_AGAIN,
        Expected("C-14", "what one refused DESTROY has left is never destroyed", (
            Sign(LEAKED, ("translation", "invalidate", "root", "reset"), ("HWPT_NESTED stays",),
                 ("DESTROY",)),
            Sign(LEAKED, ("unplug",), (f"{BELOW} stays", "IOAS stays"), ("DESTROY",)),
        )),
    ),
    "smmuv3": (
        Expected("S-05", "a device that is plugged stays on stage 2, whatever it is due", (
            _due("plug", "abort table", "begins as: bypass", refused=ANY),
        )),
        Expected("S-07", "a write of GBPA moves devices while the SMMU is on", (
            _due("bypass", "abort table", "becomes: bypass"),
            _due("bypass", "bypass table", "becomes: abort"),
        )),
        Expected("S-08", "SMMUEN moves no device", (
            _due("translation", "abort bypass", "stays: table"),
            _due("translation", "abort table", "stays: bypass"),
            _due("translation", "bypass table", "stays: abort"),
        )),
        Expected("smmuv3-unplug", "an unset that the host refuses leaves all that was made", (
            Sign(LEAKED, ("unplug",), (f"{BELOW}, HWPT_NESTED, VIOMMU stays",), ("ATTACH_PT",)),
        )),
        Expected("smmuv3-two-parents", "a vIOMMU outlives the device of its stage 2, which stays", (
            Sign(LEAKED, ("unplug", "end"), (f"{BELOW} stays",), after=("ATTACH_PT",)),
        )),
        PLUGGED_AGAIN,
        Expected("C-14", "what one refused DESTROY has left is never destroyed", (
            Sign(LEAKED, ("install",), ("HWPT_NESTED stays",), ("DESTROY",)),
        )),
    ),
}  # fmt: skip
"""By platform; what is wrong is the first that covers it."""


def expected(platform: str, wrong: Wrong) -> Expected | None:
    """The known defect that it is."""
    return next((item for item in EXPECTED[platform] if item.covers(wrong)), None)

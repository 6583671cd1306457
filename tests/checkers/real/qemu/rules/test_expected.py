"""What is known is known exactly: what is wrong in a neighbouring way is not taken for it."""

from __future__ import annotations

import msgspec
import pytest

from checkers.real.qemu.rules.expected import EXPECTED, expected
from checkers.real.qemu.rules.guest_run import ALIVE, ASKS, DUE, LEAKED
from checkers.trace.format import Wrong

NO_MAP = "it ended by SIGABRT: hardware error: vfio: DMA mapping failed, unable to continue"


def due(act: str, what: str, refused: str = "", after: str = "") -> Wrong:
    return Wrong(DUE, act, what, refused, after)


KNOWN = [
    ("vtd", "V-16", due("translation", "bypass is due, it stays table")),
    ("vtd", "V-20", due("invalidate", "table is due, it stays bypass", "HWPT_ALLOC")),
    ("vtd", "V-20", due("translation", "table is due, it stays bypass", after="ATTACH_PT")),
    ("vtd", "V-20b", Wrong(ASKS, "invalidate-iotlb", "HWPT_INVALIDATE of what is not there")),
    ("vtd", "vtd-set", due("plug", "table is due, it begins as bypass")),
    ("vtd", "vtd-entries-only", due("translation", "blocked is due, it stays bypass")),
    ("vtd", "vtd-new-domain",
     due("invalidate", "table is due by the domain it had, it stays table")),
    ("vtd", "vtd-pasid-alone",
     due("invalidate", "table is due of a PASID beside no PASID 0, it stays blocked")),
    ("vtd", "V-25", Wrong(LEAKED, "end", "IOAS, HWPT_PAGING, HWPT_NESTED stays")),
    ("vtd", "C-14", Wrong(LEAKED, "invalidate", "HWPT_NESTED stays", "DESTROY")),
    ("vtd", "vtd-aborts", Wrong(ALIVE, "low-memory", NO_MAP, "IOAS_MAP")),
    ("vtd", "plug-again", Wrong(ALIVE, "plug", "it ended by SIGABRT in cpr_resave_fd")),
    ("smmuv3", "plug-again", Wrong(ALIVE, "plug", "it ended by SIGABRT in cpr_resave_fd")),
    ("smmuv3", "S-05", due("plug", "abort is due, it begins as bypass")),
    ("smmuv3", "S-07", due("bypass", "table is due, it becomes abort")),
    ("smmuv3", "S-08", due("translation", "bypass is due, it stays table")),
]  # fmt: skip

NEIGHBOURS = [
    ("vtd", due("translation", "bypass is due, it becomes table")),
    ("vtd", due("invalidate", "table is due, it stays bypass")),
    ("vtd", due("translation", "table is due, it stays bypass")),
    ("vtd", due("invalidate", "table is due, it stays table")),
    ("vtd", due("invalidate", "table is due of a PASID, it stays blocked")),
    ("vtd", due("plug", "table is due, it begins as table")),
    ("vtd", due("plug", "blocked is due, it becomes bypass")),
    ("vtd", Wrong(LEAKED, "unplug", "IOAS stays")),
    ("vtd", Wrong(LEAKED, "unplug", "IOAS, HWPT_PAGING stays")),
    ("vtd", Wrong(LEAKED, "end", "HWPT_NESTED stays")),
    ("vtd", Wrong(LEAKED, "invalidate", "HWPT_NESTED stays")),
    ("vtd", Wrong(ALIVE, "low-memory", NO_MAP)),
    ("vtd", Wrong(ALIVE, "low-memory", "it ended by SIGSEGV", "IOAS_MAP")),
    ("vtd", Wrong(ALIVE, "plug", "it ended by SIGABRT")),
    ("vtd", Wrong(ALIVE, "plug", "it ended by SIGABRT in vfio_listener_region_add")),
    ("smmuv3", due("plug", "abort is due, it becomes bypass")),
    ("smmuv3", due("plug", "bypass is due, it begins as abort")),
    ("smmuv3", due("bypass", "table is due, it stays bypass")),
    ("smmuv3", due("translation", "bypass is due, it becomes table")),
    ("smmuv3", due("translation", "abort is due, it stays bypass", "ATTACH_PT")),
    ("smmuv3", due("install", "bypass is due, it stays table")),
    ("smmuv3", Wrong(LEAKED, "unplug", "IOAS, HWPT_PAGING stays")),
    ("smmuv3", Wrong(LEAKED, "end", "VDEVICE stays")),
]


@pytest.mark.parametrize(("platform", "finding", "wrong"), KNOWN)
def test_it_is_known(platform: str, finding: str, wrong: Wrong) -> None:
    known = expected(platform, wrong)
    assert known is not None
    assert known.finding == finding


@pytest.mark.parametrize(("platform", "wrong"), NEIGHBOURS)
def test_a_neighbour_is_not_known(platform: str, wrong: Wrong) -> None:
    assert expected(platform, wrong) is None


@pytest.mark.parametrize(("platform", "finding", "wrong"), KNOWN)
@pytest.mark.parametrize("field", ["rule", "act", "what"])
def test_another_word_is_another_defect(
    platform: str, finding: str, wrong: Wrong, field: str
) -> None:
    other = msgspec.structs.replace(wrong, **{field: "other"})
    assert expected(platform, other) is None


def test_nothing_is_known_twice() -> None:
    """No sign of one defect is a sign of another: the order of them says nothing."""
    for items in EXPECTED.values():
        every = [
            Wrong(sign.rule, act, what, refused, after)
            for item in items for sign in item.signs for act in sign.acts for what in sign.whats
            for refused in sign.refused for after in sign.after
        ]  # fmt: skip
        for wrong in every:
            assert sum(item.covers(wrong) for item in items) == 1, wrong

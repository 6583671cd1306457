"""Entries in memory, in the cache and in the host: the good order, and the bad one beside it."""

from __future__ import annotations

import pytest

from spec.iommufd.objects import Kind
from spec.language import NONE, Variant
from spec.language.program import Kind as Ending
from spec.variants import VARIANTS
from spec.vtd.accel.events import Granularity
from spec.vtd.accel.state import Context
from spec.vtd.state import Pgtt
from tests.spec.running import Run, Step, assert_figures_are_exact

MACHINE = "pasid-cache"
OWN, PASID = 1, 2
LARGE: Step = ("guest_writes_context", 1, Context.LARGE)
ON: tuple[Step, ...] = (("gcmd_set_root_table", True), ("gcmd_translation_enable", True))
BOUND: tuple[Step, ...] = (
    ("plug", 1), LARGE, ("guest_writes_entry", OWN, Pgtt.FLT, 1, 1), *ON,
)  # fmt: skip
GLOBAL: Step = ("pasid_cache_invalidate", Granularity.GLOBAL, 0, False)


class Guest(Run):
    """A guest with one device."""

    def __init__(
        self, *steps: Step, bounds: str = "small", variant: Variant | None = None
    ) -> None:
        super().__init__(MACHINE, bounds, variant)
        self.follow(*steps)

    def through(self, pasid: bool = False) -> str:
        """What the hardware does with requests: of the device, or of its PASID."""
        device = self.s.devices[1]
        hwpt = device.pasid_attached if pasid else device.attached
        if hwpt == NONE:
            return "blocked"
        found = self.s.objects[hwpt]
        return f"table {found.table}" if found.kind == Kind.HWPT_NESTED else "memory"

    def nested(self) -> int:
        """How many nested HWPTs there are."""
        return sum(o.kind == Kind.HWPT_NESTED for o in self.s.objects)


def posted(name: str) -> Variant:
    return VARIANTS[name]


@pytest.mark.parametrize("bounds", ["small", "pasid"])
def test_figures_are_exact(bounds: str) -> None:
    assert_figures_are_exact(MACHINE, bounds)


def test_remapping_begins_with_what_memory_has() -> None:
    assert Guest(*BOUND).through() == "table 1"


def test_a_write_is_in_force_when_an_invalidation_covers_it_and_not_before() -> None:
    guest = Guest(*BOUND, ("guest_writes_entry", OWN, Pgtt.FLT, 1, 2))
    assert guest.through() == "table 1"
    guest.follow(("pasid_cache_invalidate", Granularity.PSI, 1, False))
    assert (guest.through(), guest.nested()) == ("table 2", 1)


@pytest.mark.parametrize(("variant", "does"), [("", "table 2"), ("vtd-11.1-new-domain", "table 1")])
def test_another_domain_id_is_covered_by_the_one_that_it_had(variant: str, does: str) -> None:
    guest = Guest(
        *BOUND,
        ("guest_writes_entry", OWN, Pgtt.FLT, 2, 2),
        ("pasid_cache_invalidate", Granularity.PSI, 1, False),
        variant=posted(variant) if variant else None,
    )
    assert guest.through() == does


@pytest.mark.parametrize(
    ("pgtt", "did", "does"), [(Pgtt.NONE, 0, "blocked"), (Pgtt.SLT, 0, "blocked"),
                              (Pgtt.PT, 1, "memory")],
)  # fmt: skip
def test_what_has_no_first_stage(pgtt: Pgtt, did: int, does: str) -> None:
    guest = Guest(*BOUND, ("guest_writes_entry", OWN, pgtt, did, 0), GLOBAL)
    assert (guest.through(), guest.nested()) == (does, 0)


@pytest.mark.parametrize("fault", [1, 2])
def test_a_refused_replacement_is_asked_for_again_before_anything_else(fault: int) -> None:
    guest = Guest(*BOUND, ("guest_writes_entry", OWN, Pgtt.FLT, 1, 2), (*GLOBAL, fault))
    assert (guest.through(), guest.nested()) == ("table 1", 1)
    assert guest.outcome(*GLOBAL).kind is Ending.DISABLED  # type: ignore[arg-type]
    guest.follow(("ask_again", OWN))
    assert guest.through() == "table 2"


def test_as_released_a_refused_replacement_is_remembered_as_done() -> None:
    guest = Guest(
        *BOUND, ("guest_writes_entry", OWN, Pgtt.FLT, 1, 2), (*GLOBAL, 1), GLOBAL,
        variant=posted("vtd-11.1-remembered-as-done"),
    )  # fmt: skip
    assert guest.through() == "table 1"


@pytest.mark.parametrize(
    ("variant", "does"), [("", "memory"), ("vtd-11.1-remapping-off", "table 1")]
)
def test_remapping_ends(variant: str, does: str) -> None:
    guest = Guest(
        *BOUND, ("gcmd_translation_enable", False), variant=posted(variant) if variant else None
    )
    assert guest.through() == does


@pytest.mark.parametrize(
    ("variant", "before", "after"),
    [("", "blocked", "memory"), ("vtd-11.1-entries-only", "memory", "memory")],
)
def test_a_device_without_an_entry(variant: str, before: str, after: str) -> None:
    guest = Guest(("plug", 1), *ON, variant=posted(variant) if variant else None)
    assert guest.through() == before
    guest.follow(("system_reset",))
    assert guest.through() == after


@pytest.mark.parametrize(("variant", "does"), [("", "table 1"), ("vtd-11.1-set", "memory")])
def test_a_device_is_plugged_while_remapping_is_on(variant: str, does: str) -> None:
    guest = Guest(
        LARGE, ("guest_writes_entry", OWN, Pgtt.FLT, 1, 1), *ON, ("plug", 1),
        variant=posted(variant) if variant else None,
    )  # fmt: skip
    assert guest.through() == does


@pytest.mark.parametrize(("variant", "left"), [("", 0), ("vtd-11.1-unset", 3)])
def test_a_bound_device_is_unplugged(variant: str, left: int) -> None:
    """As released the nested HWPT stays, and so do its parent and the IOAS, which wait in vain."""
    guest = Guest(*BOUND, ("unplug", 1), variant=posted(variant) if variant else None)
    assert sum(o.kind != Kind.FREE for o in guest.s.objects) == left


WITH_A_PASID: tuple[Step, ...] = (
    *BOUND, ("guest_writes_entry", PASID, Pgtt.FLT, 1, 1), GLOBAL,
)  # fmt: skip


def test_a_pasid_has_a_nested_hwpt_of_its_own() -> None:
    guest = Guest(*WITH_A_PASID, bounds="pasid")
    assert (guest.through(), guest.through(True), guest.nested()) == ("table 1", "table 1", 2)


@pytest.mark.parametrize(
    ("variant", "does"), [("", "blocked"), ("vtd-11.1-beyond-directory", "table 1")]
)
def test_a_directory_becomes_too_small_for_a_pasid(variant: str, does: str) -> None:
    guest = Guest(
        *WITH_A_PASID, ("guest_writes_context", 1, Context.SMALL),
        ("context_cache_invalidate", NONE), GLOBAL,
        bounds="pasid", variant=posted(variant) if variant else None,
    )  # fmt: skip
    assert (guest.through(), guest.through(True)) == ("table 1", does)


@pytest.mark.parametrize(
    ("variant", "does"), [("", "table 1"), ("vtd-11.1-pasid-alone", "blocked")]
)
def test_the_entry_of_requests_without_a_pasid_goes(variant: str, does: str) -> None:
    guest = Guest(
        *WITH_A_PASID, ("guest_writes_entry", OWN, Pgtt.NONE, 0, 0), GLOBAL,
        bounds="pasid", variant=posted(variant) if variant else None,
    )  # fmt: skip
    assert (guest.through(), guest.through(True)) == ("blocked", does)


def test_a_write_that_is_not_covered_is_not_due() -> None:
    """Domain 2 is invalidated, and what may be in force still is of domain 1."""
    guest = Guest(
        *BOUND, ("guest_writes_entry", OWN, Pgtt.NONE, 0, 0),
        ("pasid_cache_invalidate", Granularity.DSI, 2, False),
    )  # fmt: skip
    (entry,) = guest.s.entries
    assert (bool(entry.due), int(entry.stale)) == (False, 1)

"""Set and unset: who has an entry, who holds the device, and what is left of one that goes."""

from __future__ import annotations

import pytest

from spec.iommufd.objects import Errno
from spec.language import Variant
from spec.language.program import Kind
from spec.variants import VARIANTS
from spec.vtd.set_unset.device import Phase
from tests.spec.running import Run, Step, assert_figures_are_exact

COMES = ("vfio_pci_realize", 1, 1, 1, 1)
BOUND: tuple[Step, ...] = (COMES, ("guest_binds", 1, 0), ("guest_binds", 1, 1))


def run(*steps: Step, fsts: int = 1, variant: Variant | None = None) -> Run:
    """The machine after these steps: slot 1 is of its own, 2 and 3 are behind a bridge."""
    taken = Run(
        "vtd-iommu-device", "standard", variant, wanted=lambda s: int(s.fsts) == fsts
    )
    taken.follow(*steps)
    return taken


@pytest.mark.parametrize("bounds", ["small", "standard"])
def test_figures_are_exact(bounds: str) -> None:
    assert_figures_are_exact("vtd-iommu-device", bounds)


def test_a_device_that_comes_has_an_entry_and_is_held_twice() -> None:
    s = run(COMES).s
    assert (s.slots[1].hiod, s.devices[1].refs) == (1, 2)


@pytest.mark.parametrize(
    "step",
    [
        ("vfio_pci_realize", 1, 1, 0, 1), ("vfio_pci_realize", 1, 1, 1, 0),
        ("vfio_pci_realize", 1, 2, 1, 1), ("vfio_pci_realize", 1, 1, 1, 1, 1),
    ],
    ids=["does not fit", "fails later", "behind a bridge", "is not attached"],
)  # fmt: skip
def test_of_a_device_that_is_refused_nothing_is_left(step: Step) -> None:
    taken = run(step)
    s = taken.s
    assert taken.results[-1] != 0
    assert all(x.hiod == 0 for x in s.slots)
    assert (s.devices[1].phase, s.devices[1].refs, s.devices[1].parent) == (Phase.ABSENT, 0, False)


def test_set_twice_is_refused_and_changes_nothing() -> None:
    taken = run(COMES)
    before = taken.state
    taken.take("set_again", 1, 1, 1)
    assert (taken.results[-1], taken.state) == (Errno.EEXIST, before)


def test_unset_without_set_changes_nothing_and_unlooked_at_it_is_a_crash() -> None:
    taken = run()
    before = taken.state
    taken.take("unset_unasked", 1)
    assert taken.state == before
    unlooked = run(variant=VARIANTS["vtd-set-without-a-look"])
    assert unlooked.outcome("unset_unasked", 1).kind is Kind.CRASH


def test_a_bound_device_that_leaves_is_unbound_and_its_parent_goes() -> None:
    taken = run(*BOUND, ("vfio_exitfn", 1))
    assert (taken.s.devices[1].nested, taken.s.devices[1].refs) == (0, 1)
    taken.take("vfio_instance_finalize", 1)
    assert not taken.s.devices[1].parent


def test_as_released_the_nested_and_their_parent_stay() -> None:
    steps = (*BOUND, ("vfio_exitfn", 1), ("vfio_instance_finalize", 1))
    device = run(*steps, variant=VARIANTS["vtd-set-11.1"]).s.devices[1]
    assert (device.nested, device.parent, device.deferred) == (2, True, 0)


def test_what_the_host_would_not_destroy_is_asked_for_again_before_it_is_finalized() -> None:
    taken = run(*BOUND, ("vfio_exitfn", 1, 1))
    assert taken.outcome("vfio_instance_finalize", 1).kind is not Kind.DONE
    taken.follow(("destroy_deferred", 1), ("vfio_instance_finalize", 1))
    assert not taken.s.devices[1].parent


def test_the_next_device_comes_before_the_last_is_finalized_and_is_not_bound() -> None:
    taken = run(*BOUND, ("vfio_exitfn", 1), ("vfio_pci_realize", 2, 1, 1, 1))
    slot = taken.s.slots[1]
    assert (slot.hiod, slot.rid, slot.pasid) == (2, False, False)


def test_behind_a_bridge_each_slot_has_an_entry_where_qemu_walks() -> None:
    s = run(("vfio_pci_realize", 1, 2, 1, 1), ("vfio_pci_realize", 2, 3, 1, 1), fsts=0).s
    assert [int(x.hiod) for x in s.slots] == [0, 1, 2]

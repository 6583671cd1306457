"""A device's list and one capability more: what is placed where, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from spec.iommufd.objects import Errno
from spec.language import Variant
from spec.variants import VARIANTS
from tests.spec.running import Run, Step, assert_figures_are_exact

MACHINE = "pasid-capability"

HEAD = ("vfio_add_ext_cap", 0, 2, 2)
IN_ORDER: tuple[Step, ...] = (("vfio_realize", 1), HEAD, ("vfio_add_ext_cap", 0, 7, 2))
BACKWARDS: tuple[Step, ...] = (*IN_ORDER, ("vfio_add_ext_cap", 0, 4, 2))


def run(
    *steps: Step, hiod: int = 1, pasid: int = 1, viommu: int = 1, variant: Variant | None = None
) -> tuple[int, list[tuple[str, int, int]]]:
    """The answer of the last step, and each capability with its offset and the one after it."""
    taken = Run(
        MACHINE, variant=variant, wanted=lambda s: configured(s) == (hiod, pasid, viommu)
    )
    taken.follow(*steps)
    caps = [(x.cap.name, int(x.offset), int(x.next)) for x in taken.s.caps if x.cap]
    return taken.results[-1], sorted(caps, key=lambda x: x[1])


def configured(s: Any) -> tuple[int, int, int]:
    """Whether there is a host IOMMU device, whether it has PASIDs, whether the vIOMMU has."""
    return int(s.hiod), int(any(x.pasid for x in s.hiods)), int(s.viommu_pasid)


def done(offset: int, aligned: int = 1) -> Step:
    return ("vfio_add_ext_cap_done", offset, aligned)


def test_figures_are_exact() -> None:
    assert_figures_are_exact(MACHINE, "small")


def test_without_an_offset_it_goes_to_the_end_of_the_space() -> None:
    assert run(("vfio_realize", 1), HEAD, done(0)) == (0, [("OTHER", 2, 7), ("PASID", 7, 0)])
    err, caps = run(*IN_ORDER, done(0))
    assert (err, caps) == (Errno.EINVAL, [("OTHER", 2, 7), ("OTHER", 7, 0)])


def test_an_offset_between_two_is_linked_between_them() -> None:
    assert run(*IN_ORDER, done(4)) == (0, [("OTHER", 2, 4), ("PASID", 4, 7), ("OTHER", 7, 0)])


@pytest.mark.parametrize("offset", [1, 2, 3, 6, 7, 8, 9, 10])
def test_what_is_not_free_is_refused(offset: int) -> None:
    assert run(*IN_ORDER, done(offset)) == (Errno.EINVAL, run(*IN_ORDER)[1])


def test_an_offset_that_is_not_aligned_is_refused() -> None:
    assert run(*IN_ORDER, done(4, 0))[0] == Errno.EINVAL


def test_a_list_out_of_order_is_looked_at_to_its_end() -> None:
    assert run(*BACKWARDS, done(4))[0] == Errno.EINVAL


def test_without_a_list_it_is_the_list() -> None:
    assert run(("vfio_realize", 0), done(0)) == (0, [("PASID", 2, 0)])
    assert run(("vfio_realize", 0), done(4)) == (Errno.EINVAL, [])


def test_behind_a_stub_it_is_all_there_is() -> None:
    assert run(("vfio_realize", 1), done(5)) == (0, [("STUB", 2, 5), ("PASID", 5, 0)])


@pytest.mark.parametrize(("hiod", "pasid", "viommu"), [(0, 0, 1), (1, 0, 1), (1, 1, 0)])
def test_there_is_none_where_one_of_them_has_no_pasids(hiod: int, pasid: int, viommu: int) -> None:
    steps = (("vfio_realize", 1), HEAD, done(4))
    assert run(*steps, hiod=hiod, pasid=pasid, viommu=viommu) == (0, [("OTHER", 2, 0)])


def test_a_device_with_its_own_has_no_second() -> None:
    steps = (("vfio_realize", 1), HEAD, ("vfio_add_ext_cap", 1, 4, 2), done(7))
    shown = [("OTHER", 2, 4), ("PASID", 4, 0)]
    assert run(*steps) == (0, shown)
    assert run(*steps, viommu=0) == (0, [("OTHER", 2, 0)])


def test_as_posted_a_header_behind_a_higher_offset_is_overwritten_and_the_list_goes_round() -> None:
    err, caps = run(*BACKWARDS, done(4), variant=VARIANTS["pasid-cap-v9"])
    assert err == 0
    assert caps == [("OTHER", 2, 4), ("OTHER", 4, 0), ("PASID", 4, 7), ("OTHER", 7, 4)]


def test_as_posted_the_next_header_may_be_overwritten_by_the_registers() -> None:
    steps = (("vfio_realize", 1), HEAD, ("vfio_add_ext_cap", 0, 5, 2), done(4))
    assert run(*steps)[0] == Errno.EINVAL
    assert run(*steps, variant=VARIANTS["pasid-cap-over-next-header"])[0] == 0

"""Which call of the machine an event may be."""

from __future__ import annotations

from typing import Any

import pytest

from checkers.conform.events import Called
from checkers.conform.names import Names, fits
from spec.iommufd.objects import Errno
from spec.language.control import HostCall

ATTACH = "iommufd_cdev_attach_ioas_hwpt"


def call(result: Any = Errno.OK, injected: bool = False, **arguments: int | bool) -> HostCall:
    return HostCall(ATTACH, arguments, result, injected, "", {})


def test_a_name_stands_for_one_row() -> None:
    known = fits(call(dev=1, pt=3), Called(1, ATTACH, "v1", (30,)), Names())
    assert known == Names((("v1", 1),), ((30, 3),))
    assert fits(call(dev=2, pt=3), Called(2, ATTACH, "v1", (30,)), known) is None
    assert fits(call(dev=1, pt=4), Called(2, ATTACH, "v1", (30,)), known) is None
    assert fits(call(dev=1, pt=3), Called(2, ATTACH, "v1", (30,)), known) == known


def test_what_is_made_anew_is_no_longer_what_it_was() -> None:
    before = Names((), ((30, 3), (31, 4)))
    made = fits(call(result=(Errno.OK, 4)), Called(1, ATTACH, made=30), before)
    assert made == Names((), ((30, 4),))


@pytest.mark.parametrize(("answer", "injected", "said", "same"), [
    (Errno.OK, False, "", True),
    (Errno.OK, False, "EBUSY", False),
    (Errno.EINVAL, False, "", False),
    (Errno.EINVAL, False, "EBUSY", False),
    (Errno.EINVAL, False, "?", True),
    (Errno.ENOMEM, True, "EBUSY", True),
])  # fmt: skip
def test_answers_agree_as_far_as_they_are_said(
    answer: Errno, injected: bool, said: str, same: bool
) -> None:
    found = fits(call(answer, injected), Called(1, ATTACH, error=said), Names())
    assert (found is not None) == same


def test_a_pasid_is_not_the_device() -> None:
    """A machine without PASIDs has no call for one."""
    event = Called(1, ATTACH, "v1", (30,), flags={"pasid": True})
    assert fits(call(dev=1, pt=3), event, Names()) is None
    assert fits(call(dev=1, pt=3, pasid=False), event, Names()) is None
    assert fits(call(dev=1, pt=3, pasid=True), event, Names()) is not None

"""Which calls are refused, and how."""

from __future__ import annotations

import errno

from checkers.real.qemu.refusing import FAILS, Refusal, nothing, refuse
from checkers.real.qemu.structures import IOMMUFD, VFIO
from spec.iommufd import calls as of_iommufd
from spec.vfio import calls as of_vfio


def test_the_machines_calls_are_requests_by_their_names() -> None:
    events = {item.event for item in [*IOMMUFD.values(), *VFIO.values()]}
    for module in (of_iommufd, of_vfio):
        declared = [f.__host_call__.name for f in vars(module).values()
                    if hasattr(f, "__host_call__")]  # fmt: skip
        assert declared
        assert {*declared} <= events


def test_a_call_fails_as_the_machines_have_it() -> None:
    assert FAILS["DESTROY"] == errno.EBUSY
    assert FAILS["HWPT_ALLOC"] == errno.ENOMEM


def test_one_call_is_refused() -> None:
    refusal = refuse("DESTROY", errno.EIO)
    said = [refusal(name, 0, {}) for name in ("IOAS_ALLOC", "DESTROY", "DESTROY")]
    assert said == [0, errno.EIO, 0]
    assert refusal.done


def test_a_later_one_of_several_names() -> None:
    refusal = Refusal({"DESTROY", "ATTACH_PT"}, turn=2)
    said = [refusal(name, 1, {}) for name in ("DESTROY", "HWPT_ALLOC", "ATTACH_PT", "DESTROY")]
    assert said == [0, 0, FAILS["ATTACH_PT"], 0]


def test_without_one_none_is() -> None:
    assert nothing("DESTROY", 0, {}) == 0

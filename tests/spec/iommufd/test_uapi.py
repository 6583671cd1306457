"""Orders of events on the uAPI: groups, versions of the kernel, and what a close leaves."""

from __future__ import annotations

from typing import Any

import pytest

from spec.iommufd.objects import Errno, Kind
from spec.iommufd.uapi import (
    alloc,
    attach,
    device,
    ioas,
    lifetime,
)
from spec.iommufd.uapi.state import Driver, Version
from spec.language import NONE, NULL, Fault, Id
from tests.spec.running import Run

OK, EINVAL, ENOENT, EBUSY = Errno.OK, Errno.EINVAL, Errno.ENOENT, Errno.EBUSY
A, B = Id[Any](1), Id[Any](2)
TABLE: Any = 1


class User:
    """A user of an SMMU, with two devices of one group."""

    def __init__(self, **changed: int) -> None:
        values = {"slots": 12, "driver": Driver.ARM, **changed}
        self.s = Run("iommufd-objects", values=values).s

    def bind(self, dev: Id[Any]) -> int:
        assert device.bind(self.s, dev, Fault()) == OK
        return int(self.s.devices[dev].object)

    def ioas(self) -> Id[Any]:
        new = next(o.id for o in self.s.objects if o.kind == Kind.FREE)
        alloc.ioas_alloc(self.s)
        return Id(new)

    def hwpt(self, dev: Id[Any], pt: Id[Any], nest_parent: bool = False, table: Any = NULL) -> Any:
        viommu = self.s.objects[pt].kind == Kind.VIOMMU
        data = alloc.Data.OF_ITS_TYPE if viommu else alloc.Data.NONE
        err, hwpt = alloc.iommufd_hwpt_alloc(
            self.s, self.s.devices[dev].object, pt, nest_parent, False, False, False, NONE,
            data, table,
        )  # fmt: skip
        assert err == OK
        return hwpt

    def viommu(self, dev: Id[Any], hwpt: Id[Any]) -> Id[Any]:
        err, viommu = alloc.iommufd_viommu_alloc(self.s, self.s.devices[dev].object, hwpt, True)
        assert err == OK
        return viommu

    def attach(self, dev: Id[Any], pt: Id[Any]) -> Errno:
        return attach.attach(self.s, dev, False, pt, Fault())

    def replace(self, dev: Id[Any], pt: Id[Any]) -> Errno:
        return attach.replace(self.s, dev, False, pt, Fault())

    def destroy(self, obj: Id[Any]) -> Errno:
        return lifetime.destroy(self.s, obj)

    def nested(self, table: Any) -> tuple[Id[Any], Id[Any]]:
        """The first device bound and attached to a nesting parent, which has a vIOMMU."""
        self.bind(A)
        s2 = self.hwpt(A, self.ioas(), True)
        assert self.attach(A, s2) == OK
        viommu = self.viommu(A, s2)
        return viommu, self.hwpt(A, viommu, table=table)


def test_the_second_device_of_a_group_cannot_attach_once_the_first_is_on_another_hwpt() -> None:
    """001 from line 1896: the last attach that fails is to id 9."""
    user = User()
    assert user.bind(A) == 1
    ioas = user.ioas()
    s2 = user.hwpt(A, ioas, True)
    assert user.attach(A, s2) == OK
    viommu = user.viommu(A, s2)
    abort, bypass = user.hwpt(A, viommu), user.hwpt(A, viommu)
    assert (ioas, s2, viommu, abort, bypass) == (2, 3, 4, 5, 6)
    assert user.replace(A, abort) == OK
    assert user.bind(B) == 7
    assert user.attach(B, s2) == EINVAL
    other = user.hwpt(B, ioas, True)
    assert (other, user.attach(B, other)) == (8, EINVAL)
    assert user.destroy(other) == OK
    new = user.ioas()
    last = user.hwpt(B, new, True)
    assert (new, last, user.attach(B, last)) == (8, 9, EINVAL)


def test_the_second_device_of_a_group_attaches_before_the_first_one_is_moved() -> None:
    user = User()
    user.bind(A)
    user.bind(B)
    s2 = user.hwpt(A, user.ioas(), True)
    abort = user.hwpt(A, user.viommu(A, s2))
    assert [user.attach(dev, s2) for dev in (A, B)] == [OK, OK]
    assert user.replace(A, abort) == OK
    assert [user.s.devices[dev].attached for dev in (A, B)] == [abort, abort]
    assert user.destroy(s2) == EBUSY  # the vIOMMU holds it, no device


@pytest.mark.parametrize(
    ("version", "table", "answer"),
    [
        (Version.V6_14, NULL, OK),
        (Version.V6_14, TABLE, OK),
        (Version.V6_15, NULL, ENOENT),
        (Version.V6_15, TABLE, ENOENT),
        (Version.V6_17, NULL, ENOENT),
        (Version.V6_17, TABLE, ENOENT),
        (Version.V6_19, NULL, OK),
        (Version.V6_19, TABLE, ENOENT),
    ],
)
def test_what_a_nested_hwpt_needs_a_vdevice_for_depends_on_the_kernel(
    version: Version, table: Any, answer: Errno
) -> None:
    user = User(version=version, devices=1)
    viommu, nested = user.nested(table)
    assert user.replace(A, nested) == answer
    assert alloc.vdevice_alloc(user.s, viommu, A, TABLE) == OK
    assert user.replace(A, nested) == OK


@pytest.mark.parametrize(("bridges", "answer"), [(0, OK), (1, ENOENT)])
def test_a_bridge_in_the_group_has_no_vdevice(bridges: int, answer: Errno) -> None:
    user = User(devices=1, bridges=bridges)
    viommu, nested = user.nested(TABLE)
    assert alloc.vdevice_alloc(user.s, viommu, A, TABLE) == OK
    assert user.replace(A, nested) == answer


def test_a_group_is_moved_as_one_and_its_hwpt_goes_when_the_last_has_left() -> None:
    user = User()
    user.bind(A)
    user.bind(B)
    one, other = user.ioas(), user.ioas()
    assert [user.attach(dev, one) for dev in (A, B)] == [OK, OK]
    first = user.s.devices[A].attached
    assert user.replace(B, other) == OK
    assert user.s.objects[first].kind == Kind.FREE
    assert user.destroy(one) == OK
    attach.detach(user.s, A, False)
    assert user.destroy(other) == EBUSY
    attach.detach(user.s, B, False)
    assert user.s.groups[Id(1)].hwpt == NONE
    assert user.destroy(other) == OK


def test_a_device_that_is_not_attached_does_not_replace() -> None:
    user = User()
    user.bind(A)
    user.bind(B)
    ioas = user.ioas()
    assert user.attach(A, ioas) == OK
    assert user.replace(B, ioas) == EINVAL


def test_a_tombstone_keeps_its_id_until_the_close() -> None:
    user = User(devices=1)
    viommu, _ = user.nested(NULL)
    err, vdevice = alloc.iommufd_vdevice_alloc(user.s, viommu, user.s.devices[A].object, TABLE)
    assert err == OK
    device.unbind(user.s, A)
    assert user.destroy(vdevice) == ENOENT
    assert user.bind(A) == 1
    assert vdevice not in (user.ioas(), user.ioas())
    device.unbind(user.s, A)
    lifetime.close(user.s)
    for _ in range(4):
        for o in user.s.objects:
            if o.kind != Kind.FREE and o.refs <= 1:
                lifetime.release(user.s, o.id)
    assert lifetime.empty_host(user.s)


def test_a_device_that_is_being_reset_is_blocked_and_what_is_recorded_is_done_after() -> None:
    user = User(resets=0b01)
    user.bind(A)
    user.bind(B)
    one, other = user.ioas(), user.ioas()
    assert [user.attach(dev, one) for dev in (A, B)] == [OK, OK]
    device.pci_dev_reset_iommu_prepare(user.s, A)
    first = user.s.devices[B].through
    assert (user.s.devices[A].through, first) == (NONE, user.s.devices[B].attached)
    assert user.replace(B, other) == EBUSY
    assert [attach.detach(user.s, dev, False) for dev in (A, B)] == [OK, OK]
    assert user.attach(A, one) == EBUSY
    device.pci_dev_reset_iommu_done(user.s, A)
    assert user.attach(A, one) == OK
    assert user.s.devices[A].through == user.s.devices[B].through != NONE


def test_a_group_that_another_owns_is_not_bound() -> None:
    user = User(rivals=0b1)
    device.take_group(user.s, Id(1))
    assert device.bind(user.s, A, Fault()) == Errno.EPERM
    device.leave_group(user.s, Id(1))
    assert user.bind(A) == 1


def test_an_access_goes_from_ioas_to_ioas_and_is_no_device() -> None:
    user = User(groups=2, mdev=0b10)
    user.bind(A)
    access = Id[Any](user.bind(B))
    one, other = user.ioas(), user.ioas()
    hwpt = user.hwpt(A, one)
    assert [user.attach(B, pt) for pt in (hwpt, access)] == [ENOENT, ENOENT]
    assert [user.attach(B, pt) for pt in (one, other)] == [OK, OK]
    assert (user.destroy(hwpt), user.destroy(one), user.destroy(other)) == (OK, OK, EBUSY)
    assert attach.attach(user.s, B, True, other, Fault()) == Errno.EOPNOTSUPP
    assert alloc.viommu_alloc(user.s, B, other) == ENOENT
    assert device.get_hw_info(user.s, B, True, Fault()) == ENOENT
    assert attach.detach(user.s, B, False) == OK
    assert user.destroy(other) == OK


def test_addresses_are_reserved_or_used_never_both() -> None:
    user = User(reserves=0b01)
    user.bind(A)
    pt = user.ioas()
    section = Id[Any](1)
    assert ioas.ioas_map(user.s, pt, section, Fault()) == OK
    assert user.attach(A, pt) == Errno.EADDRINUSE
    assert ioas.ioas_unmap(user.s, pt, section, Fault()) == OK
    assert user.attach(A, pt) == OK
    assert ioas.ioas_map(user.s, pt, section, Fault()) == EINVAL
    assert ioas.ioas_allow_iovas(user.s, pt, False) == Errno.EADDRINUSE
    attach.detach(user.s, A, False)
    assert ioas.ioas_allow_iovas(user.s, pt, False) == OK
    assert user.attach(A, pt) == Errno.EADDRINUSE
    assert ioas.ioas_allow_iovas(user.s, pt, True) == OK
    assert user.attach(A, pt) == OK


def test_of_an_smmu_who_it_is_comes_before_what_it_can_do() -> None:
    """A vDEVICE is asked for, device by device, before coherency."""
    user = User(incoherent=0b10)
    user.bind(A)
    viommu = user.viommu(A, user.hwpt(A, user.ioas(), True))
    nested = user.hwpt(A, viommu, table=TABLE)
    assert user.attach(A, nested) == ENOENT
    assert alloc.vdevice_alloc(user.s, viommu, A, TABLE) == OK
    assert user.attach(A, nested) == ENOENT  # of the second, which is not coherent either
    assert alloc.viommu_alloc(user.s, B, nested) == ENOENT
    user.bind(B)
    assert alloc.viommu_alloc(user.s, B, nested) == Errno.EOPNOTSUPP


def test_hardware_that_cannot_nest_makes_no_parents() -> None:
    user = User(driver=Driver.INTEL, no_nesting=1)
    user.bind(A)
    pt = user.ioas()
    assert alloc.hwpt_alloc_on_ioas(user.s, A, pt, True, False, False) == Errno.EOPNOTSUPP
    assert alloc.hwpt_alloc_on_ioas(user.s, A, pt, False, False, False) == OK


def test_a_device_without_pri_takes_no_hwpt_with_a_queue() -> None:
    """Intel's driver asks; its record says then what it said before."""
    for values, err in ({"no_pri": 0b10}, Errno.ENODEV), ({}, OK):
        user = User(driver=Driver.INTEL, queues=1, **values)
        user.bind(A)
        pt = user.ioas()
        alloc.fault_queue_alloc(user.s)
        queue = max(o.id for o in user.s.objects if o.kind == Kind.EVENTQ)
        assert alloc.hwpt_alloc_with_fault(user.s, A, pt, queue, False) == OK
        assert user.attach(A, pt) == OK
        before = user.s.devices[A].attached
        assert user.replace(A, Id(queue + 1)) == err
        assert (user.s.devices[A].attached == before) is (err != OK)

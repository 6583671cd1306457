"""The kernel's rules as rows: what is there, what is asked, which errno is the answer."""

from __future__ import annotations

from typing import Any

import pytest

from spec.iommufd import calls
from spec.iommufd.objects import Errno, Kind
from spec.language import NONE, NULL, Fault, Id
from tests.spec.running import Run

OK, EINVAL, ENOENT, EBUSY, EEXIST = (
    Errno.OK,
    Errno.EINVAL,
    Errno.ENOENT,
    Errno.EBUSY,
    Errno.EEXIST,
)
COHERENT, INCOHERENT = Id[Any](1), Id[Any](2)
RAM, ROM = Id[Any](1), Id[Any](2)


class Host:
    """A kernel with both devices bound (ids 3 and 4); VFIO owns the IOAS 1 and the HWPT 2."""

    def __init__(self) -> None:
        run = Run("hwpt-sharing", "roomy")
        self.store, self.s = run.store, run.s
        for dev in (COHERENT, INCOHERENT):
            assert self.call(calls.iommufd_cdev_connect_and_bind, dev) == OK

    def call(self, function: Any, *arguments: Any, fault: int = 0) -> Any:
        return function(self.s, *arguments, Fault(fault))

    def alloc(self, dev: int, pt: int, nest_parent: bool = False, table: int = NULL) -> Any:
        return self.call(calls.iommufd_backend_alloc_hwpt, dev, pt, nest_parent, table)

    def nest_parent(self, dev: int = COHERENT) -> int:
        err, ioas = self.call(calls.iommufd_backend_alloc_ioas, Id(1))
        assert err == OK
        err, hwpt = self.alloc(dev, ioas, True)
        assert err == OK
        return int(hwpt)

    def destroy(self, obj: int) -> Any:
        return self.call(calls.iommufd_backend_free_id, obj)

    def attach(self, dev: int, pt: int, fault: int = 0) -> Any:
        return self.call(calls.iommufd_cdev_attach_ioas_hwpt, dev, pt, fault=fault)


@pytest.fixture
def host() -> Host:
    return Host()


def test_ids_are_the_lowest_free_and_are_reused_at_once(host: Host) -> None:
    assert host.call(calls.iommufd_backend_alloc_ioas, Id(1)) == (OK, 5)
    assert host.call(calls.iommufd_backend_alloc_ioas, Id(1)) == (OK, 6)
    assert host.destroy(5) == OK
    parent = host.nest_parent()
    assert (parent, host.s.objects[Id(5)].kind) == (7, Kind.IOAS)


@pytest.mark.parametrize("obj", [NONE, Id(11)])
def test_destroy_of_nothing_is_enoent(host: Host, obj: Id[Any]) -> None:
    assert host.destroy(obj) == ENOENT


def test_destroy_of_a_bound_device_is_ebusy(host: Host) -> None:
    assert host.destroy(3) == EBUSY


def test_destroy_goes_from_the_top_of_a_stack_down(host: Host) -> None:
    parent = host.nest_parent()
    ioas = host.s.objects[parent].parent
    err, nested = host.alloc(COHERENT, parent, table=1)
    assert err == OK
    assert [host.destroy(x) for x in (ioas, parent)] == [EBUSY, EBUSY]
    assert [host.destroy(x) for x in (nested, parent, ioas)] == [OK, OK, OK]
    assert host.s.objects[ioas].kind == Kind.FREE


def test_destroy_is_ebusy_while_attached_and_only_then(host: Host) -> None:
    parent = host.nest_parent()
    assert host.attach(COHERENT, parent) == OK
    assert host.destroy(parent) == EBUSY
    assert host.attach(COHERENT, 2) == OK
    assert host.destroy(parent) == OK


@pytest.mark.parametrize(
    ("dev", "pt", "answer"),
    [
        (COHERENT, NONE, EINVAL),  # an absent pt_id is EINVAL here, not ENOENT
        (COHERENT, 11, EINVAL),
        (COHERENT, 3, EINVAL),  # a device
        (COHERENT, 2, EINVAL),  # VFIO's HWPT is no nesting parent
    ],
)
def test_hwpt_alloc_refuses_what_cannot_be_a_parent(
    host: Host, dev: int, pt: int, answer: Errno
) -> None:
    assert host.alloc(dev, pt, table=1) == (answer, NONE)


def test_hwpt_alloc_refuses_nested_on_nested(host: Host) -> None:
    err, nested = host.alloc(COHERENT, host.nest_parent(), table=1)
    assert err == OK
    assert host.alloc(COHERENT, nested, table=1)[0] == EINVAL


def test_an_unbound_device_is_enoent(host: Host) -> None:
    calls.iommufd_cdev_unbind(host.s, COHERENT)
    assert host.alloc(COHERENT, 1)[0] == ENOENT
    assert host.attach(COHERENT, 2) == EINVAL
    assert host.call(calls.iommufd_backend_get_device_info, COHERENT) == ENOENT


def test_an_enforced_hwpt_refuses_an_incoherent_device_directly_and_nested(host: Host) -> None:
    parent = host.nest_parent(COHERENT)
    err, nested = host.alloc(INCOHERENT, parent, table=1)
    assert err == OK
    assert [host.attach(INCOHERENT, x) for x in (parent, nested)] == [EINVAL, EINVAL]
    assert [host.attach(COHERENT, x) for x in (parent, nested)] == [OK, OK]


def test_an_hwpt_of_an_incoherent_device_takes_both(host: Host) -> None:
    parent = host.nest_parent(INCOHERENT)
    assert [host.attach(dev, parent) for dev in (INCOHERENT, COHERENT)] == [OK, OK]


@pytest.mark.parametrize(("pt", "answer"), [(NONE, ENOENT), (11, ENOENT), (3, EINVAL)])
def test_attach_refuses_what_is_no_hwpt(host: Host, pt: int, answer: Errno) -> None:
    assert host.attach(COHERENT, pt) == answer


def test_attach_again_replaces_and_moves_the_references(host: Host) -> None:
    a, b = host.nest_parent(), host.nest_parent()
    for pt in (a, b, b):
        assert host.attach(COHERENT, pt) == OK
    assert [host.s.objects[x].refs for x in (a, b, 3)] == [1, 2, 3]
    assert host.call(calls.iommufd_cdev_detach_ioas_hwpt, COHERENT) == OK
    assert [host.s.objects[x].refs for x in (b, 3)] == [1, 2]
    assert host.call(calls.iommufd_cdev_detach_ioas_hwpt, COHERENT) == OK  # nothing to do


def test_a_refused_attach_leaves_what_was_attached(host: Host) -> None:
    a, b = host.nest_parent(), host.nest_parent()
    assert host.attach(COHERENT, a) == OK
    before = host.store.freeze()
    assert host.attach(COHERENT, b, fault=1) == Errno.ENOMEM
    assert host.store.freeze() == before


def test_close_of_the_device_detaches_and_frees_its_id(host: Host) -> None:
    parent = host.nest_parent()
    assert host.attach(COHERENT, parent) == OK
    calls.iommufd_cdev_unbind(host.s, COHERENT)
    assert host.s.objects[Id(3)].kind == Kind.FREE
    assert host.destroy(parent) == OK


def test_map_and_unmap(host: Host) -> None:
    err, ioas = host.call(calls.iommufd_backend_alloc_ioas, Id(1))
    assert err == OK
    assert host.call(calls.iommufd_backend_unmap_dma, ioas, RAM) == ENOENT
    assert host.call(calls.iommufd_backend_map_dma, ioas, RAM) == OK
    assert host.call(calls.iommufd_backend_map_dma, ioas, RAM) == EEXIST
    assert host.destroy(ioas) == OK  # mappings hold nothing
    assert host.call(calls.iommufd_backend_map_dma, ioas, RAM) == ENOENT


def test_a_nesting_parent_under_the_erratum_and_read_only_mappings_exclude_each_other(
    host: Host,
) -> None:
    err, ioas = host.call(calls.iommufd_backend_alloc_ioas, Id(1))
    assert err == OK
    assert host.call(calls.iommufd_backend_map_dma, ioas, ROM) == OK
    assert host.alloc(COHERENT, ioas, True) == (EINVAL, NONE)
    assert host.call(calls.iommufd_backend_unmap_dma, ioas, ROM) == OK
    assert host.alloc(COHERENT, ioas, True)[0] == OK
    assert host.call(calls.iommufd_backend_map_dma, ioas, ROM) == EINVAL


def test_a_plain_hwpt_has_nothing_against_read_only_mappings(host: Host) -> None:
    err, ioas = host.call(calls.iommufd_backend_alloc_ioas, Id(1))
    assert err == OK
    assert host.call(calls.iommufd_backend_map_dma, ioas, ROM) == OK
    assert host.alloc(COHERENT, ioas)[0] == OK


def test_a_fault_answers_without_doing_anything(host: Host) -> None:
    before = host.store.freeze()
    answer = host.call(calls.iommufd_backend_alloc_ioas, Id(1), fault=1)
    assert answer == (Errno.ENOMEM, 0)
    assert host.store.freeze() == before

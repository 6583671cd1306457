"""Devices come to VFIO and leave it: who shares what, what is refused, what is left."""

from __future__ import annotations

import pytest

from spec.iommufd.objects import Errno, Kind
from spec.language import Variant
from spec.language.program import Kind as Ending
from spec.variants import VARIANTS
from tests.spec.running import Run, assert_figures_are_exact

MACHINE = "vfio-attach"


class Host(Run):
    """A host with VFIO devices and a vIOMMU whose GBPA says abort or bypass."""

    def __init__(
        self, bounds: str = "small", variant: Variant | None = None, abort: bool = False
    ) -> None:
        super().__init__(MACHINE, bounds, variant, lambda s: s.gbpa_abort == abort)

    def do(self, action: str, *values: int, fault: int = 0) -> Errno:
        """Take an action; its answer."""
        return Errno(self.take(action, *values, fault=fault).result)

    def kinds(self) -> list[Kind]:
        """What each id names, up to the last that is in use."""
        kinds = [o.kind for o in self.s.objects]
        while kinds and kinds[-1] == Kind.FREE:
            kinds.pop()
        return kinds


@pytest.mark.parametrize("bounds", ["small", "apart", "iommus", "translated", "mixed"])
def test_figures_are_exact(bounds: str) -> None:
    assert_figures_are_exact(MACHINE, bounds)


def test_the_first_device_behind_an_smmu_takes_the_ids_of_the_report() -> None:
    """A device, its IOAS, the nesting parent, the vIOMMU, abort, bypass: 1 to 6 (S-01)."""
    host = Host("roomy")
    assert host.do("vfio_pci_realize", 1) == Errno.OK
    assert host.kinds() == [
        Kind.DEVICE, Kind.IOAS, Kind.HWPT_PAGING, Kind.VIOMMU, Kind.HWPT_NESTED, Kind.HWPT_NESTED,
    ]  # fmt: skip


@pytest.mark.parametrize("abort", [False, True])
def test_the_second_of_a_group_joins_the_first_where_gbpa_says(abort: bool) -> None:
    host = Host("small", abort=abort)
    assert host.do("vfio_pci_realize", 1) == host.do("vfio_pci_realize", 2) == Errno.OK
    s = host.s
    assert [int(d.attached) for d in s.devices] == [5 if abort else 6] * 2


def test_as_posted_the_second_of_a_group_is_refused_for_id_9() -> None:
    host = Host("roomy", VARIANTS["smmuv3-v9-group"])
    assert host.do("vfio_pci_realize", 1) == Errno.OK
    outcome = host.outcome("vfio_pci_realize", 2, spelling=True)
    assert outcome.result == Errno.EINVAL
    attached = [x.text() for x in outcome.calls if x.name == "iommufd_cdev_attach_ioas_hwpt"]
    assert attached == [
        f"iommufd_cdev_attach_ioas_hwpt dev2 id={number} (-EINVAL)" for number in (3, 8, 9)
    ]


def test_a_device_that_leaves_does_not_move_its_group() -> None:
    host = Host("small")
    host.do("vfio_pci_realize", 1)
    host.do("vfio_pci_realize", 2)
    host.do("vfio_exitfn", 1)
    assert [int(d.attached) for d in host.s.devices] == [0, 6]
    host.do("vfio_exitfn", 2)
    assert host.kinds() == []


def test_a_device_of_another_smmu_is_refused_and_leaves_nothing() -> None:
    host = Host("iommus")
    host.do("vfio_pci_realize", 1)
    before = host.kinds()
    assert host.do("vfio_pci_realize", 2) == Errno.EINVAL
    assert host.kinds() == before


def test_mdev_and_legacy_devices_are_not_let_behind_an_accelerated_smmu() -> None:
    host = Host("nested-mixed")
    assert host.do("vfio_pci_realize", 2) == Errno.EOPNOTSUPP
    assert host.do("vfio_pci_realize", 3) == Errno.EOPNOTSUPP
    assert host.kinds() == []


def test_an_mdev_holds_the_ioas_itself_and_has_no_host_iommu_device() -> None:
    host = Host("mixed")
    assert host.do("vfio_pci_realize", 2) == Errno.OK
    s = host.s
    assert host.kinds() == [Kind.ACCESS, Kind.IOAS]
    assert (int(s.objects[1].parent), int(s.objects[2].refs)) == (2, 2)
    assert not s.vdevs[2].hiod


def test_a_new_container_maps_what_the_guest_has_mapped_before() -> None:
    host = Host("translated")
    host.do("guest_maps", 2, 1)
    host.do("vfio_pci_realize", 1)
    assert [x.id for x in host.s.sections if x.id in host.s.objects[2].areas] == [1]
    host.do("guest_unmaps", 2, 1)
    assert not any(x.id in host.s.objects[2].areas for x in host.s.sections)


def test_an_incoherent_device_gets_an_hwpt_of_its_own_in_the_same_container() -> None:
    host = Host("translated")
    host.do("vfio_pci_realize", 1)
    host.do("vfio_pci_realize", 2)
    s = host.s
    assert s.vdevs[1].container == s.vdevs[2].container
    assert s.vdevs[1].hwpt != s.vdevs[2].hwpt


@pytest.mark.parametrize("fault", range(1, 13))
def test_whatever_call_fails_the_device_is_not_there_and_nothing_is_left(fault: int) -> None:
    host = Host("small")
    host.do("vfio_pci_realize", 1, fault=fault)
    assert host.s.vdevs[1].container == 0
    assert host.kinds() == []


def test_what_cannot_be_destroyed_at_once_is_destroyed_before_the_next_event() -> None:
    host = Host("small")
    host.do("vfio_pci_realize", 1)
    host.do("vfio_exitfn", 1, fault=1)
    assert host.kinds() != []
    assert host.outcome("vfio_pci_realize", 1).kind is Ending.DISABLED
    while waiting := [int(o.id) for o in host.s.objects if o.id in host.s.deferred]:
        for number in waiting:
            host.do("destroy_deferred", number)
    assert host.kinds() == []

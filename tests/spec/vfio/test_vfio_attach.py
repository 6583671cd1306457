"""Devices come to VFIO and leave it: who shares what, what is refused, what is left."""

from __future__ import annotations

import pytest

from checkers.explicit import explore
from invariants import complete
from spec.iommufd.objects import Errno, Kind
from spec.language import Variant, build
from spec.language.program import Kind as Ending
from spec.language.store import Store
from spec.machines import MACHINES
from spec.variants import VARIANTS
from spec.vfio.state import VFIOState

MACHINE = MACHINES["vfio-attach"]
Step = tuple[str, *tuple[int, ...]]


class Host:
    """A run from the initial state: the answers so far, and the state."""

    def __init__(self, bounds: str, variant: Variant | None = None, abort: bool = False) -> None:
        self.program = build(complete(MACHINE), bounds, variant)
        self.store: Store = self.program.store()
        self.frozen = next(
            x for x in self.program.initial() if self.load(x).gbpa_abort == abort
        )
        self.calls: list[str] = []

    def load(self, frozen: bytes) -> VFIOState:
        self.store.load(frozen)
        return self.store.state  # type: ignore[return-value]

    @property
    def state(self) -> VFIOState:
        return self.load(self.frozen)

    def do(self, name: str, *values: int, fault: int = 0) -> Errno:
        outcome = self.program.run(self.program.action(name), self.frozen, values, fault)
        assert outcome.kind is Ending.DONE, (name, values, outcome)
        self.frozen = outcome.state
        return Errno(outcome.result)

    def kinds(self) -> list[Kind]:
        """What each id names, up to the last that is in use."""
        kinds = [o.kind for o in self.state.objects]
        while kinds and kinds[-1] == Kind.FREE:
            kinds.pop()
        return kinds


@pytest.mark.parametrize("bounds", ["small", "apart", "iommus", "translated", "mixed"])
def test_figures_are_exact(bounds: str) -> None:
    found = explore(build(complete(MACHINE), bounds), symmetry=False)
    declared = MACHINE.bounds[bounds]
    assert found.exhausted
    assert not found.first
    assert (found.states, found.transitions, found.depth) == (
        declared.states, declared.transitions, declared.depth
    )


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
    s = host.state
    assert [int(d.attached) for d in s.devices] == [5 if abort else 6] * 2


def test_as_posted_the_second_of_a_group_is_refused_for_id_9() -> None:
    host = Host("roomy", VARIANTS["smmuv3-v9-group"])
    assert host.do("vfio_pci_realize", 1) == Errno.OK
    outcome = host.program.run(
        host.program.action("vfio_pci_realize"), host.frozen, (2,), spelling=True
    )
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
    assert [int(d.attached) for d in host.state.devices] == [0, 6]
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
    s = host.state
    assert host.kinds() == [Kind.DEVICE, Kind.IOAS]
    assert (int(s.objects[1].parent), int(s.objects[2].refs)) == (2, 2)
    assert not s.vdevs[2].hiod


def test_a_new_container_maps_what_the_guest_has_mapped_before() -> None:
    host = Host("translated")
    host.do("guest_maps", 2, 1)
    host.do("vfio_pci_realize", 1)
    assert [x.id for x in host.state.sections if x.id in host.state.objects[2].areas] == [1]
    host.do("guest_unmaps", 2, 1)
    assert not any(x.id in host.state.objects[2].areas for x in host.state.sections)


def test_an_incoherent_device_gets_an_hwpt_of_its_own_in_the_same_container() -> None:
    host = Host("translated")
    host.do("vfio_pci_realize", 1)
    host.do("vfio_pci_realize", 2)
    s = host.state
    assert s.vdevs[1].container == s.vdevs[2].container
    assert s.vdevs[1].hwpt != s.vdevs[2].hwpt


@pytest.mark.parametrize("fault", range(1, 13))
def test_whatever_call_fails_the_device_is_not_there_and_nothing_is_left(fault: int) -> None:
    host = Host("small")
    host.do("vfio_pci_realize", 1, fault=fault)
    assert host.state.vdevs[1].container == 0
    assert host.kinds() == []


def test_what_cannot_be_destroyed_at_once_is_destroyed_before_the_next_event() -> None:
    host = Host("small")
    host.do("vfio_pci_realize", 1)
    host.do("vfio_exitfn", 1, fault=1)
    assert host.kinds() != []
    left = host.program.run(host.program.action("vfio_pci_realize"), host.frozen, (1,))
    assert left.kind is Ending.DISABLED
    while waiting := [int(o.id) for o in host.state.objects if o.id in host.state.deferred]:
        for number in waiting:
            host.do("destroy_deferred", number)
    assert host.kinds() == []

"""Devices come to VFIO and leave it: who shares what, what is refused, what is left."""

from __future__ import annotations

import pytest

from spec.iommufd.objects import Errno, Kind
from spec.language import Variant, overriding
from spec.language.program import Kind as Ending
from spec.variants import VARIANTS
from spec.variants.vfio.otherwise import qemu_stops, unmap_is_over
from tests.spec.running import Run, assert_figures_are_exact

MACHINE = "vfio-attach"


class Host(Run):
    """A host with VFIO devices, before which there may be a vIOMMU."""

    def __init__(self, bounds: str = "small", variant: Variant | None = None) -> None:
        super().__init__(MACHINE, bounds, variant)

    def do(self, action: str, *values: int, fault: int = 0) -> Errno:
        """Take an action; its answer."""
        return Errno(self.take(action, *values, fault=fault).result)

    def unplug(self, vdev: int) -> None:
        """A device exits, and is finalized at once."""
        self.do("vfio_exitfn", vdev)
        self.do("vfio_pci_finalize", vdev)

    def kinds(self) -> list[Kind]:
        """What each id names, up to the last that is in use."""
        kinds = [o.kind for o in self.s.objects]
        while kinds and kinds[-1] == Kind.FREE:
            kinds.pop()
        return kinds


@pytest.mark.parametrize(
    "bounds",
    ["small", "apart", "iommus", "translated", "mixed", "one-slot", "vtd-group", "memory"],
)
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
    host = Host("small")
    host.do("guest_writes_gbpa", abort)
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
    assert [int(d.attached) for d in host.s.devices] == [6, 6]
    host.do("vfio_pci_finalize", 1)
    assert [int(d.attached) for d in host.s.devices] == [0, 6]
    host.unplug(2)
    assert host.kinds() == []


def test_a_device_whose_group_leaves_while_it_waits_to_be_finalized_goes_along() -> None:
    host = Host("small")
    host.do("vfio_pci_realize", 1)
    host.do("vfio_pci_realize", 2)
    host.do("vfio_exitfn", 1)
    host.do("vfio_exitfn", 2)
    assert [int(d.attached) for d in host.s.devices] == [3, 3]
    assert [int(x.attached) for x in host.s.vdevs] == [3, 3]
    host.do("vfio_pci_finalize", 2)
    host.do("vfio_pci_finalize", 1)
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


def test_a_device_whose_host_has_less_than_the_guest_is_shown_is_refused() -> None:
    host = Host("nested-mixed")
    assert host.do("vfio_pci_realize", 4) == Errno.EOPNOTSUPP
    assert host.kinds() == []


def test_a_legacy_device_has_a_host_iommu_device() -> None:
    host = Host("mixed")
    assert host.do("vfio_pci_realize", 3) == Errno.OK
    assert host.s.vdevs[3].hiod
    host.unplug(3)
    assert not host.s.vdevs[3].hiod


def test_an_mdev_holds_the_ioas_itself_and_has_no_host_iommu_device() -> None:
    host = Host("mixed")
    assert host.do("vfio_pci_realize", 2) == Errno.OK
    s = host.s
    assert host.kinds() == [Kind.ACCESS, Kind.IOAS]
    assert (int(s.objects[1].parent), int(s.objects[2].refs)) == (2, 2)
    assert not s.vdevs[2].hiod


def test_a_new_container_maps_what_the_guest_has_mapped_before() -> None:
    host = Host("translated")
    host.do("guest_maps", 1, 1)
    host.do("vfio_pci_realize", 1)
    assert [x.id for x in host.s.sections if x.id in host.s.objects[2].areas] == [1]
    host.do("guest_unmaps", 1, 1)
    assert not any(x.id in host.s.objects[2].areas for x in host.s.sections)


def test_an_incoherent_device_gets_an_hwpt_of_its_own_in_the_same_container() -> None:
    host = Host("translated")
    host.do("vfio_pci_realize", 1)
    host.do("vfio_pci_realize", 2)
    s = host.s
    assert s.vdevs[1].container == s.vdevs[2].container
    assert s.vdevs[1].hwpt != s.vdevs[2].hwpt


def test_the_newest_hwpt_of_a_container_is_tried_first() -> None:
    """Device 1's own is the older one: device 2, of another SMMU, has made the newer one since."""
    host = Host("iommus")
    host.do("vfio_pci_realize", 1)
    host.do("vfio_exitfn", 1)
    host.do("vfio_pci_realize", 2)
    s = host.s
    container = s.containers[1]
    assert int(container.newest_hwpt) == int(s.vdevs[2].hwpt)
    assert int(s.hwpts[container.newest_hwpt].older) == int(s.vdevs[1].hwpt)


def test_a_slot_is_free_while_its_device_waits_to_be_finalized() -> None:
    """The next device of its kind joins it in its container, one of another kind gets its own."""
    host = Host("one-slot")
    host.do("vfio_pci_realize", 1)
    assert host.outcome("vfio_pci_realize", 2).kind is Ending.DISABLED
    host.do("vfio_exitfn", 1)
    host.do("vfio_pci_realize", 2)
    assert host.s.vdevs[1].container == host.s.vdevs[2].container
    host.do("vfio_exitfn", 2)
    host.do("vfio_pci_realize", 3)
    assert host.s.vdevs[2].container != host.s.vdevs[3].container
    for vdev in (1, 2):
        host.do("vfio_pci_finalize", vdev)
    host.unplug(3)
    assert host.kinds() == []


def test_devices_of_one_group_cannot_both_be_behind_vt_d_that_nests() -> None:
    host = Host("vtd-group")
    assert host.do("vfio_pci_realize", 1) == Errno.OK
    before = host.kinds()
    assert host.do("vfio_pci_realize", 2) == Errno.EINVAL
    assert host.kinds() == before
    host.unplug(1)
    assert host.do("vfio_pci_realize", 2) == Errno.OK


def test_the_guest_writes_gbpa_until_every_device_is_there() -> None:
    host = Host("apart")
    host.do("vfio_pci_realize", 1)
    host.do("vfio_pci_realize", 2)
    host.do("guest_writes_gbpa", True, fault=1)
    assert [int(d.attached) for d in host.s.devices] == [6, 5]
    assert host.outcome("system_reset").kind is Ending.DISABLED
    host.do("gbpa_bh")
    assert [int(d.attached) for d in host.s.devices] == [5, 5]
    host.do("system_reset")
    assert [int(d.attached) for d in host.s.devices] == [6, 6]
    assert not host.s.gbpa_abort


def test_as_released_a_second_device_stays_on_vfios_hwpt_until_gbpa_is_written() -> None:
    """S-05: it has memory that the guest's SMMU has been told to deny it."""
    host = Host("apart", VARIANTS["smmuv3-v9-first-only"])
    host.do("vfio_pci_realize", 1)
    host.do("guest_writes_gbpa", True)
    host.do("vfio_pci_realize", 2)
    assert [int(d.attached) for d in host.s.devices] == [5, 3]
    host.do("system_reset")
    assert [int(d.attached) for d in host.s.devices] == [6, 6]


def test_what_the_kernel_will_not_unmap_is_unmapped_before_the_next_event() -> None:
    host = Host("translated")
    host.do("vfio_pci_realize", 1)
    host.do("guest_maps", 1, 1)
    host.do("guest_unmaps", 1, 1, fault=1)
    assert 1 in host.s.objects[2].areas
    assert host.outcome("guest_maps", 1, 1).kind is Ending.DISABLED
    host.do("listener_bh", 1, 1)
    assert 1 not in host.s.objects[2].areas
    assert host.outcome("guest_maps", 1, 1).kind is Ending.DONE


def test_a_mapping_of_the_guest_that_is_refused_fails_nothing() -> None:
    host = Host("translated")
    host.do("guest_maps", 1, 1)
    assert host.do("vfio_pci_realize", 1, fault=9) == Errno.OK
    assert 1 in host.s.containers[1].missing


def test_memory_that_cannot_be_mapped_fails_a_realize_and_a_ram_device_nothing() -> None:
    host = Host("memory")
    assert host.do("vfio_pci_realize", 1, fault=9) == Errno.ENOMEM
    host.do("memory_map_changes", 2)
    device = next(int(x.id) for x in host.s.sections if x.ram_device)
    mapped = [int(x.id) for x in host.s.sections if x.ram and 2 in x.views]
    assert host.do("vfio_pci_realize", 1, fault=9 + mapped.index(device)) == Errno.OK
    assert [x.id for x in host.s.sections if x.id in host.s.containers[1].missing] == [device]


@pytest.mark.parametrize("fault", [1, 2])
def test_as_released_memory_that_cannot_be_mapped_later_stops_qemu(fault: int) -> None:
    """One refused UNMAP (the MAP after it is EEXIST), or one refused MAP."""
    released = overriding(unmap_is_over, qemu_stops)
    host = Host("memory", Variant("released", MACHINE, released))
    host.do("vfio_pci_realize", 1)
    assert host.outcome("memory_map_changes", 2, fault=fault).kind is Ending.CRASH
    assert Host("memory").follow(("vfio_pci_realize", 1), ("memory_map_changes", 2, fault)) is None


WITHOUT = {1: "CHANGE_PROCESS", 7: "IOVA_RANGES", 8: "IOVA_RANGES", 14: "IRQ_INFO", 16: "CMDQV",
           21: "FEATURE", 22: "RESET"}  # fmt: skip
"""The calls of a plug that QEMU can do without."""


@pytest.mark.parametrize("fault", range(1, 23))
def test_whichever_call_fails_the_device_is_there_or_nothing_is_left(fault: int) -> None:
    host = Host("small")
    assert (host.do("vfio_pci_realize", 1, fault=fault) == Errno.OK) == (fault in WITHOUT)
    assert (host.s.vdevs[1].container != 0) == (fault in WITHOUT)
    assert (host.kinds() != []) == (fault in WITHOUT)
    assert host.outcome("vfio_pci_realize", 2, fault=23).kind is Ending.DISABLED


def test_what_cannot_be_destroyed_at_once_is_destroyed_before_the_next_event() -> None:
    host = Host("small")
    host.do("vfio_pci_realize", 1)
    host.do("vfio_exitfn", 1, fault=1)
    host.do("vfio_pci_finalize", 1)
    assert host.kinds() != []
    assert host.outcome("vfio_pci_realize", 1).kind is Ending.DISABLED
    while waiting := [int(o.id) for o in host.s.objects if o.id in host.s.deferred]:
        for number in waiting:
            host.do("destroy_deferred", number)
    assert host.kinds() == []

"""The host calls of the model are those that the released binary was seen to make, in its order.

The sequences are of QEMU 11.1.3, with the ids that the kernel gave. Left out are the calls for
interrupts; those for the regions of a device in a row are one.
"""

from __future__ import annotations

from spec.variants import VARIANTS
from tests.spec.running import Run

RELEASED = VARIANTS["qemu-11.1-vfio-attach"]

NAMES = {
    "iommufd_change_process_capable": "CHANGE_PROCESS",
    "iommufd_cdev_connect_and_bind": "BIND",
    "iommufd_backend_alloc_ioas": "IOAS_ALLOC",
    "iommufd_backend_get_device_info": "GET_HW_INFO",
    "iommufd_backend_alloc_hwpt": "HWPT_ALLOC",
    "iommufd_cdev_attach_ioas_hwpt": "ATTACH",
    "iommufd_cdev_detach_ioas_hwpt": "DETACH",
    "iommufd_cdev_get_info_iova_range": "IOVA_RANGES",
    "iommufd_backend_map_dma": "MAP",
    "iommufd_backend_unmap_dma": "UNMAP",
    "iommufd_backend_alloc_viommu": "VIOMMU_ALLOC",
    "iommufd_backend_free_id": "DESTROY",
    "vfio_device_get_info": "GET_INFO",
    "vfio_device_get_region_info": "REGION_INFO",
    "vfio_device_get_irq_info": "IRQ_INFO",
    "vfio_device_feature": "FEATURE",
    "vfio_pci_reset": "RESET",
}
"""What the logs call them."""

COMES = "CHANGE_PROCESS BIND IOAS_ALLOC GET_HW_INFO HWPT_ALLOC ATTACH-3 IOVA_RANGES IOVA_RANGES"
LOOKED_AT = "GET_INFO GET_HW_INFO REGION_INFO IRQ_INFO"


def calls(run: Run, action: str, *values: int, fault: int = 0) -> str:
    """Take an action; its calls, an attach and a DESTROY with the id that they name."""
    outcome = run.outcome(action, *values, fault=fault)
    run.take(action, *values, fault=fault)
    words = []
    for call in outcome.calls:
        named = call.arguments.get("pt", call.arguments.get("obj"))
        alloc = call.name.endswith(("alloc_hwpt", "alloc_viommu"))
        words.append(NAMES[call.name] + (f"-{int(named)}" if named and not alloc else ""))
    return " ".join(words)


def released(bounds: str, **changed: int) -> Run:
    """A run of the released design."""
    return Run("vfio-attach", bounds, RELEASED, values=changed)


def test_a_device_behind_vt_d_comes_as_logged() -> None:
    """x86-basic, x86-hotplug: one RAM section and one of firmware; a hot-plugged one is reset."""
    run = released("vtd-group")
    assert calls(run, "vfio_pci_realize", 1) == f"{COMES} MAP MAP {LOOKED_AT} FEATURE RESET"
    assert calls(run, "system_reset") == "RESET"


def test_an_unbound_device_behind_vt_d_goes_as_logged() -> None:
    """x86-hotplug, device_del v1 (not bound)."""
    run = released("vtd-group")
    run.take("vfio_pci_realize", 1)
    assert calls(run, "vfio_exitfn", 1) == ""
    assert calls(run, "vfio_pci_finalize", 1) == "DETACH DESTROY-3 UNMAP UNMAP DESTROY-2"
    assert not any(o.refs for o in run.s.objects)


def test_the_first_device_behind_an_smmu_comes_and_goes_as_logged() -> None:
    """arm-more: VFIO, then GET_HW_INFO twice more, vIOMMU 4, abort 5, bypass 6."""
    run = released("small")
    joins = "GET_HW_INFO GET_HW_INFO VIOMMU_ALLOC HWPT_ALLOC HWPT_ALLOC ATTACH-6"
    assert calls(run, "vfio_pci_realize", 1) == (
        f"{COMES} MAP MAP {LOOKED_AT} {joins} FEATURE RESET"
    )
    assert calls(run, "system_reset") == "RESET ATTACH-6"
    assert calls(run, "vfio_exitfn", 1) == "ATTACH-3 DESTROY-6 DESTROY-5 DESTROY-4"
    assert calls(run, "vfio_pci_finalize", 1) == "DETACH DESTROY-3 UNMAP UNMAP DESTROY-2"


def test_a_second_device_behind_an_smmu_makes_no_call_of_its_own_as_logged() -> None:
    """arm-S05: GBPA aborts, the second device stays on HWPT 3, the next writes move both."""
    run = released("apart")
    run.take("vfio_pci_realize", 1)
    assert calls(run, "system_reset") == "RESET ATTACH-6"
    assert calls(run, "guest_writes_gbpa", True) == "ATTACH-5"
    assert calls(run, "vfio_pci_realize", 2) == (
        f"BIND ATTACH-3 {LOOKED_AT} GET_HW_INFO FEATURE RESET"
    )
    assert int(run.s.devices[2].object) == 7
    assert calls(run, "guest_writes_gbpa", False) == "ATTACH-6 ATTACH-6"
    assert calls(run, "guest_writes_gbpa", True) == "ATTACH-5 ATTACH-5"


def test_what_is_split_is_unmapped_before_it_is_mapped_as_logged() -> None:
    """x86-basic: the firmware opens memory that was read-only."""
    run = released("memory")
    run.take("vfio_pci_realize", 1)
    assert calls(run, "memory_map_changes", 2) == "UNMAP MAP MAP MAP"

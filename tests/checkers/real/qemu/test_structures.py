"""The tables of requests: numbers, sizes and places as Linux 7.3's headers have them."""

from __future__ import annotations

import pytest

from checkers.real.qemu.structures import DATA, IOMMUFD, VFIO, layout

SIZES = {
    "DESTROY": (0x3B80, 8), "IOAS_ALLOC": (0x3B81, 12), "IOAS_ALLOW_IOVAS": (0x3B82, 24),
    "IOAS_COPY": (0x3B83, 40), "IOAS_IOVA_RANGES": (0x3B84, 32), "IOAS_MAP": (0x3B85, 40),
    "IOAS_UNMAP": (0x3B86, 24), "OPTION": (0x3B87, 24), "VFIO_IOAS": (0x3B88, 12),
    "HWPT_ALLOC": (0x3B89, 48), "GET_HW_INFO": (0x3B8A, 40),
    "HWPT_SET_DIRTY_TRACKING": (0x3B8B, 16), "HWPT_GET_DIRTY_BITMAP": (0x3B8C, 48),
    "HWPT_INVALIDATE": (0x3B8D, 32), "FAULT_QUEUE_ALLOC": (0x3B8E, 16),
    "IOAS_MAP_FILE": (0x3B8F, 40), "VIOMMU_ALLOC": (0x3B90, 40), "VDEVICE_ALLOC": (0x3B91, 24),
    "CHANGE_PROCESS": (0x3B92, 8), "VEVENTQ_ALLOC": (0x3B93, 32), "HW_QUEUE_ALLOC": (0x3B94, 40),
    "GET_INFO": (0x3B6B, 24), "GET_REGION_INFO": (0x3B6C, 32), "GET_IRQ_INFO": (0x3B6D, 16),
    "SET_IRQS": (0x3B6E, 20), "RESET": (0x3B6F, 0), "GET_PCI_HOT_RESET_INFO": (0x3B70, 12),
    "PCI_HOT_RESET": (0x3B71, 12), "FEATURE": (0x3B75, 8), "BIND_IOMMUFD": (0x3B76, 24),
    "ATTACH_PT": (0x3B77, 16), "DETACH_PT": (0x3B78, 12),
}  # fmt: skip
PLACES = {
    ("HWPT_ALLOC", "data_uptr"): 32, ("HWPT_ALLOC", "fault_id"): 40,
    ("GET_HW_INFO", "out_max_pasid_log2"): 28, ("GET_HW_INFO", "out_capabilities"): 32,
    ("HWPT_INVALIDATE", "entry_num"): 24, ("VIOMMU_ALLOC", "data_uptr"): 32,
    ("VDEVICE_ALLOC", "virt_id"): 16, ("VEVENTQ_ALLOC", "out_veventq_fd"): 24,
    ("IOAS_MAP", "iova"): 32, ("GET_REGION_INFO", "offset"): 24, ("BIND_IOMMUFD", "out_devid"): 12,
    ("ATTACH_PT", "pasid"): 12, ("DETACH_PT", "pasid"): 8,
}  # fmt: skip


def test_every_request_has_its_number_and_size() -> None:
    requests = [*IOMMUFD.values(), *VFIO.values()]
    assert {item.name: (item.number, item.layout.size) for item in requests} == SIZES
    assert all(number == item.number for number, item in [*IOMMUFD.items(), *VFIO.items()])


@pytest.mark.parametrize(("name", "field"), PLACES)
def test_fields_are_where_the_header_has_them(name: str, field: str) -> None:
    (request,) = [item for item in [*IOMMUFD.values(), *VFIO.values()] if item.name == name]
    assert request.layout.fields[field][0] == PLACES[name, field]


def test_every_field_has_its_natural_alignment() -> None:
    layouts = [item.layout for item in [*IOMMUFD.values(), *VFIO.values()]] + [*DATA.values()]
    for each in layouts:
        assert all(place % size == 0 for place, size in each.fields.values())


def test_a_structure_is_written_and_read() -> None:
    form = layout("size:4 id:2 -:2 big:8")
    assert form.size == 16
    text = form.written({"size": 16, "id": 0x1234, "big": -1})
    assert text.hex() == "1000000034120000ffffffffffffffff"
    assert form.read(text) == {"size": 16, "id": 0x1234, "big": (1 << 64) - 1}


def test_what_an_older_program_leaves_out_is_zero() -> None:
    assert layout("size:4 id:4").read(b"\x04\0\0\0") == {"size": 4, "id": 0}

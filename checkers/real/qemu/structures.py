"""The requests of iommufd and VFIO that QEMU makes, and their structures, as tables.

A structure is written as its fields in order, each with its size in bytes; `-` is one that nobody
looks at. What is variable and comes after is not in the table.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

TYPE: Final = ord(";")
FORMATS: Final = {1: "B", 2: "H", 4: "I", 8: "Q"}


@dataclass(frozen=True)
class Layout:
    """A structure: its fields with their places and sizes."""

    fields: Mapping[str, tuple[int, int]]
    size: int

    def read(self, content: bytes) -> dict[str, int]:
        """The fields of what a program has in its memory; those that it left out are 0."""
        whole = content.ljust(self.size, b"\0")
        return {
            name: struct.unpack_from("=" + FORMATS[size], whole, place)[0]
            for name, (place, size) in self.fields.items()
        }

    def written(self, values: Mapping[str, int]) -> bytes:
        """The structure with these fields, others 0."""
        whole = bytearray(self.size)
        for name, value in values.items():
            place, size = self.fields[name]
            whole[place : place + size] = (value & (1 << 8 * size) - 1).to_bytes(size, "little")
        return bytes(whole)


def layout(text: str) -> Layout:
    """A structure from its fields, such as `size:4 id:4`."""
    fields, place = {}, 0
    for word in text.split():
        name, _, number = word.rpartition(":")
        if name != "-":
            fields[name] = (place, int(number))
        place += int(number)
    return Layout(fields, place)


@dataclass(frozen=True)
class Request:
    """A request: its number, its name in the uAPI, and as the machines' host calls name it."""

    number: int
    name: str
    event: str
    layout: Layout


def _requests(base: int, table: str) -> dict[int, Request]:
    found = {}
    for line in table.strip().splitlines():
        number, name, event, *fields = line.split()
        code = TYPE << 8 | base + int(number)
        found[code] = Request(code, name, event.strip("."), layout(" ".join(fields)))
    return found


IOMMUFD: Final = _requests(0x80, """
0 DESTROY iommufd_backend_free_id size:4 id:4
1 IOAS_ALLOC iommufd_backend_alloc_ioas size:4 flags:4 out_ioas_id:4
2 IOAS_ALLOW_IOVAS . size:4 ioas_id:4 num_iovas:4 -:4 allowed_iovas:8
3 IOAS_COPY . size:4 flags:4 dst_ioas_id:4 src_ioas_id:4 length:8 dst_iova:8 src_iova:8
4 IOAS_IOVA_RANGES iommufd_cdev_get_info_iova_range size:4 ioas_id:4 num_iovas:4 -:4 allowed_iovas:8 out_iova_alignment:8
5 IOAS_MAP iommufd_backend_map_dma size:4 flags:4 ioas_id:4 -:4 user_va:8 length:8 iova:8
6 IOAS_UNMAP iommufd_backend_unmap_dma size:4 ioas_id:4 iova:8 length:8
7 OPTION . size:4 option_id:4 op:2 -:2 object_id:4 val64:8
8 VFIO_IOAS . size:4 ioas_id:4 op:2 -:2
9 HWPT_ALLOC iommufd_backend_alloc_hwpt size:4 flags:4 dev_id:4 pt_id:4 out_hwpt_id:4 -:4 data_type:4 data_len:4 data_uptr:8 fault_id:4 -:4
10 GET_HW_INFO iommufd_backend_get_device_info size:4 flags:4 dev_id:4 data_len:4 data_uptr:8 out_data_type:4 out_max_pasid_log2:1 -:3 out_capabilities:8
11 HWPT_SET_DIRTY_TRACKING iommufd_backend_set_dirty size:4 flags:4 hwpt_id:4 -:4
12 HWPT_GET_DIRTY_BITMAP iommufd_backend_get_dirty_bitmap size:4 hwpt_id:4 flags:4 -:4 iova:8 length:8 page_size:8 data:8
13 HWPT_INVALIDATE iommufd_backend_invalidate_cache size:4 hwpt_id:4 data_uptr:8 data_type:4 entry_len:4 entry_num:4 -:4
14 FAULT_QUEUE_ALLOC . size:4 flags:4 out_fault_id:4 out_fault_fd:4
15 IOAS_MAP_FILE iommufd_backend_map_file_dma size:4 flags:4 ioas_id:4 fd:4 start:8 length:8 iova:8
16 VIOMMU_ALLOC iommufd_backend_alloc_viommu size:4 flags:4 type:4 dev_id:4 hwpt_id:4 out_viommu_id:4 data_len:4 -:4 data_uptr:8
17 VDEVICE_ALLOC iommufd_backend_alloc_vdev size:4 viommu_id:4 dev_id:4 out_vdevice_id:4 virt_id:8
18 CHANGE_PROCESS iommufd_change_process_capable size:4 -:4
19 VEVENTQ_ALLOC iommufd_viommu_alloc_eventq size:4 flags:4 viommu_id:4 type:4 veventq_depth:4 out_veventq_id:4 out_veventq_fd:4 -:4
20 HW_QUEUE_ALLOC iommufd_viommu_alloc_hw_queue size:4 flags:4 viommu_id:4 type:4 index:4 out_hw_queue_id:4 nesting_parent_iova:8 length:8
""")  # noqa: E501
"""Requests of /dev/iommu, by number."""

VFIO: Final = _requests(100, """
7 GET_INFO vfio_device_get_info argsz:4 flags:4 num_regions:4 num_irqs:4 cap_offset:4 -:4
8 GET_REGION_INFO vfio_device_get_region_info argsz:4 flags:4 index:4 cap_offset:4 size:8 offset:8
9 GET_IRQ_INFO vfio_device_get_irq_info argsz:4 flags:4 index:4 count:4
10 SET_IRQS . argsz:4 flags:4 index:4 start:4 count:4
11 RESET vfio_pci_reset
12 GET_PCI_HOT_RESET_INFO . argsz:4 flags:4 count:4
13 PCI_HOT_RESET . argsz:4 flags:4 count:4
17 FEATURE vfio_device_feature argsz:4 flags:4
18 BIND_IOMMUFD iommufd_cdev_connect_and_bind argsz:4 flags:4 iommufd:4 out_devid:4 token_uuid_ptr:8
19 ATTACH_PT iommufd_cdev_attach_ioas_hwpt argsz:4 flags:4 pt_id:4 pasid:4
20 DETACH_PT iommufd_cdev_detach_ioas_hwpt argsz:4 flags:4 pasid:4
""")
"""Requests of a device's file, by number."""

DATA: Final[Mapping[str, Layout]] = {
    "iova_range": layout("start:8 last:8"),
    "vtd_s1": layout("flags:8 pgtbl_addr:8 addr_width:4 -:4"),
    "arm_ste": layout("ste:8 ste1:8"),
    "vtd_info": layout("flags:4 -:4 cap_reg:8 ecap_reg:8"),
    "arm_info": layout("flags:4 -:4 idr0:4 idr1:4 idr2:4 idr3:4 idr4:4 idr5:4 iidr:4 aidr:4"),
    "vtd_invalidate": layout("addr:8 npages:8 flags:4 -:4"),
    "arm_invalidate": layout("cmd:8 cmd1:8"),
    "arm_event": layout("flags:4 sequence:4 evt0:8 evt1:8 evt2:8 evt3:8"),
}
"""What a request's structure points to, or a file of events has."""

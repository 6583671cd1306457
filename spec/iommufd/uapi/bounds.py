"""How large `iommufd-objects` is made, and what is not there then."""

from __future__ import annotations

from functools import partial

from spec.iommufd.uapi.state import Driver, Version
from spec.language import bounds_like

NO_QUEUE_FILES = ("hwpt-with-a-queue", "hwpt_alloc_with_fault", "veventq_alloc",
                  "fault_queue_alloc")  # fmt: skip
NO_QUEUES = (*NO_QUEUE_FILES, "close_file")
NO_PASIDS = ("pasid-beside-its-device",)
NO_GROUPS = ("group-shares-an-hwpt",)
NO_VDEVICES = ("a-vdevice", "a-tombstone")
NO_HOST = ("a-group-is-taken", "take_group", "leave_group", "pci_dev_reset_iommu_prepare",
           "pci_dev_reset_iommu_done")  # fmt: skip
NO_MAPS = ("an-address-is-reserved", "ioas_map", "ioas_unmap", "ioas_allow_iovas")
NO_HW_QUEUES = ("a-section-is-pinned", "hw_queue_alloc")
NO_NESTING = ("nested-without-a-vdevice",)
NO_RARE = ("hwpt_alloc_unknown", "hwpt_set_dirty_tracking", "viommu_alloc_unknown",
           "viommu_mmap", "ioas_map_anywhere", "ioas_copy", "ioas_unmap_all")  # fmt: skip
NO_EVENTS = ("an-id-of-no-vdevice", "report_event", "fill_atc", "hwpt_invalidate_devices")
NO_REQUESTS = ("a-request-waits", "page_request", "page_response")
NO_NEWS = (*NO_EVENTS, *NO_REQUESTS)
PLAIN = (*NO_HOST, *NO_RARE, *NO_NEWS, *NO_HW_QUEUES, *NO_MAPS)
QUEUES_ALONE = (*NO_HOST, *NO_NEWS, *NO_RARE, "an-address-is-reserved", "ioas_allow_iovas",
                *NO_QUEUES, *NO_PASIDS, *NO_GROUPS)  # fmt: skip
"""What is not beside hardware queues."""


_bounds = partial(
    bounds_like,
    {
        "slots": 5, "devices": 1, "groups": 1, "incoherent": 0, "on_second_iommu": 0,
        "can_pasid": 0, "can_dirty": 0, "reserves": 0, "mdev": 0, "resets": 0, "rivals": 0,
        "bridges": 0, "no_nesting": 0, "no_pri": 0, "pasids": 0, "queues": 0, "hw_queues": 0,
        "events": 0, "page_requests": 0, "rare": 0,
        "reserves_all": 0, "sections": 1,
        "bound_first": 0, "tables": 1, "virt_ids": 1, "version": Version.V6_19,
        "driver": Driver.ARM,
    },
)  # fmt: skip


BOUNDS = {
    "small": _bounds(
        "Two devices of one group, the first with PASIDs, and two more objects, or one device "
        "and three: whatever one of the group does to the other, and every replacement. The "
        "driver of the selftest, which makes nested HWPTs in both ways.",
        (12368, 2347442, 12),
        (603, 112354, 9),
        (*PLAIN, *NO_VDEVICES, *NO_NESTING),
        slots=4, devices=2, can_pasid=0b01, queues=1, driver=Driver.MOCK,
    ),
    "intel": _bounds(
        "Two devices with groups of their own: one with PASIDs and dirty tracking, one that is "
        "not coherent.",
        (34223, 5341998, 12),
        (1500, 231284, 9),
        (*PLAIN, *NO_QUEUES, *NO_GROUPS, *NO_VDEVICES, *NO_NESTING),
        slots=4, devices=2, groups=2, incoherent=0b10, can_pasid=0b01, can_dirty=0b01,
        driver=Driver.INTEL,
    ),
    "groups": _bounds(
        "Two devices of one group and three more objects: two HWPTs that they could be on.",
        (25143, 3400320, 14),
        (209, 24747, 8),
        (*PLAIN, *NO_QUEUES, *NO_PASIDS, *NO_VDEVICES, *NO_NESTING),
        devices=2, driver=Driver.INTEL,
    ),
    "queues": _bounds(
        "One device, with event queues of HWPTs and of a vIOMMU.",
        (65631, 7790030, 21),
        (824, 95128, 18),
        (*PLAIN, *NO_PASIDS, *NO_GROUPS, *NO_NESTING),
        queues=1, driver=Driver.MOCK,
    ),
    "reserved": _bounds(
        "Two devices of one group, of which the first reserves addresses, and three more "
        "objects: two IOASes, or HWPTs of one, that they go over to and are refused.",
        None,
        (3463, 448329, 16),
        (*NO_HOST, *NO_RARE, *NO_NEWS, *NO_HW_QUEUES, *NO_QUEUES, *NO_PASIDS,
         *NO_VDEVICES, *NO_NESTING),
        devices=2, reserves=0b01, driver=Driver.INTEL,
    ),
    "host": _bounds(
        "Two devices of one group, of which the first can be reset at any time, and another "
        "owner of the group on the host.",
        None,
        (524, 65367, 9),
        (*NO_RARE, *NO_NEWS, *NO_MAPS, *NO_HW_QUEUES, *NO_QUEUES, *NO_PASIDS,
         *NO_VDEVICES, *NO_NESTING),
        devices=2, resets=0b01, rivals=0b1, driver=Driver.INTEL,
    ),
    "hw-queue": _bounds(
        "A device, a vIOMMU, and a hardware queue in a section of memory, beside two objects.",
        None,
        (9229, 1563402, 20),
        QUEUES_ALONE,
        slots=7, bound_first=1, hw_queues=1, driver=Driver.MOCK,
    ),
    "hw-queues": _bounds(
        "The same with room for a second hardware queue, which needs the first.",
        None,
        (30353, 5993768, 22),
        QUEUES_ALONE,
        slots=8, bound_first=1, hw_queues=1, driver=Driver.MOCK,
    ),
    "mdev": _bounds(
        "A device and an mdev, whose object is an access.",
        None,
        (291, 34113, 8),
        (*PLAIN, *NO_QUEUES, *NO_PASIDS, *NO_GROUPS, *NO_VDEVICES,
         *NO_NESTING),
        devices=2, groups=2, mdev=0b10, driver=Driver.INTEL,
    ),
    "rare": _bounds(
        "A device that tracks dirty pages; what no driver knows is asked for, and the window "
        "of a vIOMMU mapped.",
        None,
        (2422, 364481, 16),
        (*NO_HOST, *NO_NEWS, *NO_HW_QUEUES, *NO_QUEUE_FILES, "an-address-is-reserved",
         "ioas_allow_iovas", *NO_PASIDS, *NO_GROUPS, *NO_NESTING),
        slots=5, can_dirty=0b1, rare=1, bound_first=1, driver=Driver.MOCK,
    ),
    "maps": _bounds(
        "A device that reserves all addresses, and two sections of memory, copied from IOAS to "
        "IOAS and unmapped together.",
        None,
        (3381, 423604, 17),
        (*NO_HOST, *NO_NEWS, *NO_HW_QUEUES, *NO_QUEUES, *NO_PASIDS, *NO_GROUPS, *NO_VDEVICES,
         *NO_NESTING, "viommu_mmap"),
        slots=4, reserves=0b1, sections=2, rare=1, reserves_all=1, driver=Driver.INTEL,
    ),
    "events": _bounds(
        "A device behind an SMMU, a vIOMMU with an event queue, a vDEVICE and a nested HWPT: "
        "the id that events carry, of the two that the guest may give. Device first.",
        None,
        (7634, 1987735, 22),
        (*NO_HOST, *NO_RARE, *NO_REQUESTS, *NO_HW_QUEUES, *NO_MAPS, *NO_PASIDS, *NO_GROUPS),
        slots=7, bound_first=1, queues=1, events=1, virt_ids=2,
    ),
    "page-requests": _bounds(
        "A device with PASIDs, and HWPTs whose faults go to a queue: what waits there when the "
        "device goes over to another.",
        None,
        (2632, 353192, 18),
        (*NO_HOST, *NO_RARE, *NO_EVENTS, *NO_HW_QUEUES, *NO_MAPS, *NO_GROUPS, *NO_NESTING),
        can_pasid=0b1, queues=1, page_requests=1, driver=Driver.MOCK,
    ),
    "arm": _bounds(
        "One device behind an SMMU: a vIOMMU, and a nested HWPT or a vDEVICE under it. The "
        "kernel lets the device attach to an abort or bypass HWPT, to no other.",
        (18343, 1459166, 20),
        (242, 18101, 14),
        (*PLAIN, *NO_QUEUES, *NO_PASIDS, *NO_GROUPS),
    ),
    "arm-6.17": _bounds(
        "The same on kernels 6.17 and 6.18: it attaches to none.",
        (18223, 1447286, 20),
        (241, 18002, 14),
        (*PLAIN, *NO_QUEUES, *NO_PASIDS, *NO_GROUPS, *NO_NESTING),
        version=Version.V6_17,
    ),
    "arm-6.15": _bounds(
        "The same on kernels 6.15 and 6.16, if a vDEVICE went with its device there: it did "
        "not (uapi-vdevice-outlives).",
        (18223, 1447286, 20),
        (241, 18002, 14),
        (*PLAIN, *NO_QUEUES, *NO_PASIDS, *NO_GROUPS, *NO_NESTING),
        version=Version.V6_15,
    ),
    "arm-6.14": _bounds(
        "The same on kernels up to 6.14, likewise: it attaches to each.",
        (18463, 1471046, 20),
        (243, 18200, 14),
        (*PLAIN, *NO_QUEUES, *NO_PASIDS, *NO_GROUPS),
        version=Version.V6_14,
    ),
    "vdevices": _bounds(
        "As arm, with a nested HWPT and a vDEVICE at a time.",
        (311503, 39177999, 24),
        (756, 89047, 17),
        (*PLAIN, *NO_QUEUES, *NO_PASIDS, *NO_GROUPS),
        slots=6, virt_ids=2,
    ),
    "smmus": _bounds(
        "Two devices behind an SMMU each, and a vIOMMU of one.",
        (81343, 11373055, 20),
        (899, 120919, 16),
        (*PLAIN, *NO_QUEUES, *NO_PASIDS, *NO_GROUPS),
        devices=2, groups=2, on_second_iommu=0b10,
    ),
    "arm-groups": _bounds(
        "Three devices in two groups behind an SMMU, and six objects; cut as standard is.",
        (419599, 105456888, 22),
        (1496, 362995, 15),
        (*PLAIN, *NO_QUEUES, *NO_PASIDS),
        slots=6, devices=3, groups=2, bound_first=1,
    ),
    "standard": _bounds(
        "Three devices in two groups and seven objects, the device objects among them. Cut for "
        "size: devices are bound before anything else is made, so their ids are the low ones, "
        "and none comes back to what was left when it was unbound; no PASIDs, no dirty "
        "tracking and no queues; a driver that makes no vIOMMU. In small and the others all of "
        "that is, with fewer objects. Bound at any time, three devices with 4, 5 and 6 objects "
        "have 3,103, 49,703 and 854,023 states.",
        (3531443, 935031051, 19),
        (3125, 811640, 10),
        (*PLAIN, *NO_QUEUES, *NO_PASIDS, *NO_VDEVICES, *NO_NESTING),
        slots=7, devices=3, groups=2, bound_first=1, driver=Driver.INTEL,
    ),
    "everything": _bounds(
        "Three devices in two groups with all that there is but a second IOMMU: PASIDs, dirty "
        "tracking, coherency, event queues, vDEVICEs, and the ways of the selftest's driver, "
        "with six ids. States up to which id is which; so in those that follow.",
        None,
        (318271, 175411884, 21),
        PLAIN,
        slots=6, devices=3, groups=2, incoherent=0b100, can_pasid=0b101, can_dirty=0b001,
        queues=1, driver=Driver.MOCK,
    ),
    "arm-ten": _bounds(
        "Three devices in two groups behind an SMMU, and ten ids: two of each object under a "
        "vIOMMU. Cut as standard is.",
        None,
        (184810, 78484607, 21),
        (*PLAIN, *NO_QUEUES, *NO_PASIDS),
        slots=10, devices=3, groups=2, bound_first=1,
    ),
    "intel-ten": _bounds(
        "Three devices in two groups, which come and go at any time, and ten ids; else as "
        "standard.",
        None,
        (55840, 21332538, 13),
        (*PLAIN, *NO_QUEUES, *NO_PASIDS, *NO_VDEVICES, *NO_NESTING),
        slots=10, devices=3, groups=2, driver=Driver.INTEL,
    ),
    "vt-d": _bounds(
        "Two devices of one group behind the VT-d that QEMU 7.2 has, which neither nests nor "
        "knows of PRI; HWPTs for PASIDs, though no device has any.",
        None,
        (230, 37152, 9),
        (*PLAIN, *NO_QUEUES, *NO_VDEVICES, *NO_NESTING),
        devices=2, no_nesting=1, no_pri=0b11, pasids=1, driver=Driver.INTEL,
    ),
    "vt-d-queues": _bounds(
        "One device there, with event queues of HWPTs: to one that has a queue it is not "
        "attached.",
        None,
        (283, 34369, 11),
        (*PLAIN, *NO_GROUPS, *NO_PASIDS, *NO_VDEVICES, *NO_NESTING),
        no_nesting=1, no_pri=0b1, queues=1, driver=Driver.INTEL,
    ),
    "vt-d-reserved": _bounds(
        "Two devices of one group there, which reserve the same addresses, with four ids.",
        None,
        (393, 36248, 13),
        (*NO_HOST, *NO_RARE, *NO_NEWS, *NO_HW_QUEUES, *NO_QUEUES, *NO_PASIDS,
         *NO_VDEVICES, *NO_NESTING),
        slots=4, devices=2, no_nesting=1, no_pri=0b11, reserves=0b11, driver=Driver.INTEL,
    ),
    "vt-d-large": _bounds(
        "Three devices there, two of them behind a bridge, with all of that, and eight ids: "
        "for random runs.",
        slots=8, devices=3, groups=2, bridges=0b01, no_nesting=1, no_pri=0b111, pasids=1,
        queues=1, driver=Driver.INTEL,
    ),
    "large": _bounds(
        "Three devices in two groups, all that there is, and eight ids: for random runs.",
        slots=8, devices=3, groups=2, incoherent=0b100, can_pasid=0b101, can_dirty=0b001,
        queues=1, virt_ids=2,
        driver=Driver.MOCK,
    ),
}  # fmt: skip

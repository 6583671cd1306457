"""The machine `iommufd-objects`: any user of the uAPI, doing anything in any order."""

from __future__ import annotations

from collections.abc import Mapping

from spec.iommufd.objects import Kind
from spec.iommufd.uapi.alloc import (
    close_file,
    fault_queue_alloc,
    hwpt_alloc_nested,
    hwpt_alloc_on_ioas,
    hwpt_alloc_unknown,
    hwpt_alloc_with_fault,
    hwpt_set_dirty_tracking,
    ioas_alloc,
    vdevice_alloc,
    veventq_alloc,
    viommu_alloc,
    viommu_alloc_unknown,
    viommu_mmap,
)
from spec.iommufd.uapi.attach import attach, detach, replace
from spec.iommufd.uapi.bounds import BOUNDS
from spec.iommufd.uapi.device import (
    bind,
    get_hw_info,
    leave_group,
    pci_dev_reset_iommu_done,
    pci_dev_reset_iommu_prepare,
    take_group,
    unbind,
)
from spec.iommufd.uapi.events import fill_atc, page_request, page_response, report_event
from spec.iommufd.uapi.hw_queue import hw_queue_alloc
from spec.iommufd.uapi.invalidate import (
    hwpt_invalidate,
    hwpt_invalidate_devices,
    hwpt_invalidate_nothing,
)
from spec.iommufd.uapi.ioas import (
    ioas_allow_iovas,
    ioas_copy,
    ioas_map,
    ioas_map_anywhere,
    ioas_unmap,
    ioas_unmap_all,
)
from spec.iommufd.uapi.lifetime import close, destroy, empty_host, release, things_left
from spec.iommufd.uapi.state import Uapi, uapi_shape
from spec.language import (
    NONE,
    Machine,
    Of,
    Shape,
    Teardown,
    sometimes,
)
from spec.memory.section import plain_shape


def shape(values: Mapping[str, int]) -> Shape:
    """One iommufd, and sections of memory apart from each other."""
    sizes, constants = uapi_shape({**values, "errata": 0})
    memory_sizes, memory_constants = plain_shape(values["sections"])
    sizes.update(memory_sizes)
    constants.update(memory_constants)
    return Shape(sizes, constants)


def init(s: Uapi) -> None:
    """The file is open, there is no object and no device is bound."""


@sometimes
def no_id_left(s: Uapi) -> bool:
    """Every id names an object."""
    return all(o.kind != Kind.FREE for o in s.objects)


@sometimes
def nested_without_a_vdevice(s: Uapi) -> bool:
    """A device is attached to an HWPT under a vIOMMU that does not know it."""
    return any(
        d.attached != NONE
        and s.objects[d.attached].kind == Kind.HWPT_NESTED
        and s.objects[d.attached].parent != NONE
        and s.objects[s.objects[d.attached].parent].kind == Kind.VIOMMU
        and not any(o.device == d.id for o in s.objects)
        for d in s.devices
    )


@sometimes
def being_closed(s: Uapi) -> bool:
    """The file is closed and objects are still there."""
    return s.closing


IOMMUFD_OBJECTS = Machine(
    name="iommufd-objects",
    check={"explicit": (
        "everything", "arm-ten", "intel-ten", "small", "intel", "groups", "reserved", "host",
        "mdev", "hw-queue", "rare", "maps", "events", "page-requests", "queues", "smmus", "arm",
        "arm-6.17", "arm-6.15", "arm-6.14", "vdevices", "arm-groups", "standard", "vt-d",
        "vt-d-queues", "vt-d-reserved",
    )},
    exhaust={"explicit": ("hw-queues",)},
    title="Objects, groups and attachments of iommufd",
    about="""
    The kernel's side of nested translation as any user of the uAPI drives it: objects made on each
    other, devices in groups, attach, replace and detach with and without a PASID, DESTROY, and the
    close of the last file. A call that the kernel refuses is a step that answers the errno.

    A device is named by its binding, so that an unbound one is an absent id; the functions behind
    the calls take any id. A PASID stands for all. The driver may refuse to make a domain or to
    attach; every other errno is a rule.

    Mappings and the addresses that devices reserve are one place: all overlap. Not here: what else
    an IOAS maps; the contents of queues;
    the frame of an ioctl and its pointers; PRI on a VF. An
    SMMU's own EBUSY for a device with PASIDs in use is never reached, for its HWPTs that would be
    refused so have no PASID flag, which is EINVAL before.
    """,
    of=Of(
        "reference",
        "The uAPI of iommufd as Linux answers it; otherwise where Linux breaks a rule of its own.",
        "Linux 6.10 to 7.3, the version being a bound",
        kernel="`viommu-spec drive iommufd-objects --kernel`: Linux 7.3.4, every call in every "
        "state of all bounds; what differs are linux-7.3-unreserved and linux-7.3-blocked-first",
        qemu="not: there is no QEMU in it",
    ),
    state=Uapi,
    init=init,
    actions=(
        bind, unbind, take_group, leave_group, pci_dev_reset_iommu_prepare,
        pci_dev_reset_iommu_done, get_hw_info, ioas_alloc, hwpt_alloc_on_ioas, hwpt_alloc_nested,
        hwpt_alloc_with_fault, viommu_alloc, vdevice_alloc, veventq_alloc, fault_queue_alloc,
        close_file, hwpt_invalidate, hwpt_invalidate_nothing, attach, replace, detach,
        ioas_map, ioas_unmap, ioas_allow_iovas, hw_queue_alloc, hwpt_alloc_unknown,
        hwpt_set_dirty_tracking, viommu_alloc_unknown, viommu_mmap, ioas_map_anywhere, ioas_copy,
        ioas_unmap_all, report_event, page_request, page_response, fill_atc,
        hwpt_invalidate_devices, destroy, close, release,
    ),
    shape=shape,
    teardown=Teardown(
        actions=(
            leave_group, pci_dev_reset_iommu_done, unbind, close_file, close, release,
        ),
        empty=empty_host, rank=things_left
    ),
    sometimes=(no_id_left, being_closed, nested_without_a_vdevice),
    bounds=BOUNDS,
)  # fmt: skip

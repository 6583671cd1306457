"""The machine `iommufd-objects`: any user of the uAPI, doing anything in any order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spec.iommufd.objects import Kind
from spec.iommufd.uapi.alloc import (
    close_file,
    fault_queue_alloc,
    hwpt_alloc_nested,
    hwpt_alloc_on_ioas,
    hwpt_alloc_with_fault,
    ioas_alloc,
    vdevice_alloc,
    veventq_alloc,
    viommu_alloc,
)
from spec.iommufd.uapi.attach import attach, detach, replace
from spec.iommufd.uapi.device import bind, get_hw_info, unbind
from spec.iommufd.uapi.invalidate import hwpt_invalidate
from spec.iommufd.uapi.lifetime import close, destroy, empty_host, release, things_left
from spec.iommufd.uapi.state import Driver, Uapi, Version
from spec.language import NONE, Bounds, Machine, Shape, Teardown, sometimes


def shape(values: Mapping[str, int]) -> Shape:
    """One iommufd. What devices are and can do are masks (bit 0: the first).

    The last devices have groups of their own; all others are in the first group. There is one
    section of memory, which nobody maps.
    """
    slots, devices, groups = values["slots"], values["devices"], values["groups"]

    def mask(name: str, rows: int = devices) -> tuple[bool, ...]:
        return tuple(bool(values[name] >> bit & 1) for bit in range(rows))

    tables: dict[str, dict[str, tuple[Any, ...]]] = {
        "": {
            "version": (Version(values["version"]),),
            "driver": (Driver(values["driver"]),),
            "queues": (bool(values["queues"]),),
        },
        "iommufds": {"vfio_hwpt": (NONE,)},
        "objects": {"fd": (1,) * slots, "number": tuple(range(1, slots + 1))},
        "devices": {
            "fd": (1,) * devices,
            "coherent": tuple(not incoherent for incoherent in mask("incoherent")),
            "erratum": (False,) * devices,
            "group": tuple(max(1, row + 1 - devices + groups) for row in range(devices)),
            "on_second_iommu": mask("on_second_iommu"),
            "can_pasid": mask("can_pasid"),
            "can_dirty": mask("can_dirty"),
        },
        "groups": {"bridge": mask("bridges", groups)},
        "views": {"next": (1,)},
        "sections": {
            "readonly": (False,), "ram": (True,), "ram_device": (False,), "upper_half": (False,),
            "views": (frozenset({1}),), "overlapping": (frozenset({1}),), "map_views": (1,),
        },
    }  # fmt: skip
    return Shape(
        {
            "iommufds": 1, "objects": slots, "devices": devices, "groups": groups,
            "views": 1, "sections": 1, "PgTable": values["tables"], "VirtId": values["virt_ids"],
        },
        tables,
    )  # fmt: skip


def init(s: Uapi) -> None:
    """The file is open, there is no object and no device is bound."""


@sometimes
def no_id_left(s: Uapi) -> bool:
    """Every id names an object."""
    return all(o.kind != Kind.FREE for o in s.objects)


@sometimes
def being_closed(s: Uapi) -> bool:
    """The file is closed and objects are still there."""
    return s.closing


def _bounds(
    why: str,
    figures: tuple[int, int, int] | None = None,
    without: tuple[str, ...] = (),
    **changed: int,
) -> Bounds:
    """Bounds like `small` but for some numbers; `figures` are states, transitions, depth."""
    values = {
        "slots": 4, "devices": 2, "groups": 1, "incoherent": 0, "on_second_iommu": 0,
        "can_pasid": 0b01, "can_dirty": 0, "bridges": 0, "queues": 0, "tables": 1, "virt_ids": 1,
        "version": Version.V6_19, "driver": Driver.INTEL,
    }  # fmt: skip
    states, transitions, depth = figures or (None, None, None)
    return Bounds({**values, **changed}, why, states, transitions, depth, without)


IOMMUFD_OBJECTS = Machine(
    name="iommufd-objects",
    title="Objects, groups and attachments of iommufd",
    about="""
    The kernel's side of nested translation as any user of the uAPI drives it: objects made on each
    other, devices in groups, attach, replace and detach with and without a PASID, DESTROY, and the
    close of the last file. A call that the kernel refuses is a step that answers the errno.

    A device is named by its binding, so that an unbound one is an absent id; the functions behind
    the calls take any id. A PASID stands for all. The driver may refuse to make a domain or to
    attach; every other errno is a rule.

    Not here: what an IOAS maps, with reserved regions; hardware queues; the contents of queues;
    the frame of an ioctl and its pointers; a group that is being reset (EBUSY); PRI on a VF. An
    SMMU's own EBUSY for a device with PASIDs in use is never reached, for its HWPTs that would be
    refused so have no PASID flag, which is EINVAL before.
    """,
    state=Uapi,
    init=init,
    actions=(
        bind, unbind, get_hw_info, ioas_alloc, hwpt_alloc_on_ioas, hwpt_alloc_nested,
        hwpt_alloc_with_fault, viommu_alloc, vdevice_alloc, veventq_alloc, fault_queue_alloc,
        close_file, hwpt_invalidate, attach, replace, detach, destroy, close, release,
    ),
    shape=shape,
    teardown=Teardown(
        actions=(unbind, close_file, close, release), empty=empty_host, rank=things_left
    ),
    sometimes=(no_id_left, being_closed),
    bounds={
        "small": _bounds(
            "Two devices of one group, the first with PASIDs, and two more objects, or one device "
            "and three: whatever one of the group does to the other, and every replacement.",
            (6023, 689198, 11),
            ("a-vdevice", "a-tombstone", "hwpt-with-a-queue"),
        ),
        "arm": _bounds(
            "One device behind an SMMU: a vIOMMU, and a nested HWPT or a vDEVICE under it.",
            without=(
                "group-shares-an-hwpt", "pasid-beside-its-device", "hwpt-with-a-queue",
            ),
            devices=1, slots=5, can_pasid=0, driver=Driver.ARM,
        ),
        "incoherent": _bounds(
            "Two devices with groups of their own, of which the second is not coherent.",
            without=(
                "a-vdevice", "a-tombstone", "group-shares-an-hwpt", "hwpt-with-a-queue",
                "pasid-beside-its-device",
            ),
            groups=2, incoherent=0b10, can_pasid=0,
        ),
        "queues": _bounds(
            "One device, with event queues of HWPTs and of a vIOMMU.",
            without=(
                "group-shares-an-hwpt", "pasid-beside-its-device", "a-tombstone", "a-vdevice",
            ),
            devices=1, slots=5, can_pasid=0, queues=1, driver=Driver.MOCK,
        ),
    },
)  # fmt: skip

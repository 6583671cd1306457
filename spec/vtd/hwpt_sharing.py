"""The machine `hwpt-sharing`: the series as posted, in which devices share stage-2 tables."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from spec.iommufd.objects import Kind, Object
from spec.language import (
    NONE,
    Id,
    Machine,
    Of,
    Shape,
    Teardown,
    bits,
    bounds_like,
    count,
    first,
)
from spec.memory.section import memory_shape
from spec.vtd.iommu_device import destroy_deferred, memory_map_change, plug, unplug
from spec.vtd.pasid_cache import gcmd_translation_enable, pasid_cache_invalidate
from spec.vtd.state import IntelIOMMUState


def shape(values: Mapping[str, int]) -> Shape:
    """Sizes and constants: ids 1 and 2 of each iommufd are VFIO's own IOAS and HWPT.

    `on_second_fd`, `incoherent` and `errata` are masks of devices (bit 0: the first device),
    `views` is a mask of the views of the memory map.
    """
    fds, slots, devices = values["iommufds"], values["slots"], values["devices"]
    sizes, constants = memory_shape(values["views"])
    sizes.update(
        iommufds=fds,
        objects=fds * slots,
        devices=devices,
        address_spaces=devices,
        containers=values["containers"],
        s2_hwpts=values["s2_hwpts"],
        PgTable=values["tables"],
        DomainId=values["domains"],
    )
    tables: dict[str, dict[str, tuple[Any, ...]]] = {
        **constants,
        "": {"max_deferred": (values["deferred"],)},
        "iommufds": {"vfio_hwpt": tuple(fd * slots + 2 for fd in range(fds))},
        "objects": {
            "fd": tuple(index // slots + 1 for index in range(fds * slots)),
            "number": tuple(index % slots + 1 for index in range(fds * slots)),
        },
        "devices": {
            "fd": tuple(1 + second for second in bits(values["on_second_fd"], devices)),
            "coherent": bits(~values["incoherent"], devices),
            "erratum": bits(values["errata"], devices),
        },
        "address_spaces": {"hiod": tuple(range(1, devices + 1))},
    }
    return Shape(sizes, tables)


def init(s: IntelIOMMUState) -> None:
    """The host before any device: VFIO's own IOAS and HWPT on each iommufd, DMA remapping off."""
    s.running = True
    s.view = first(view.id for view in s.views)
    for o in s.objects:
        if o.number == 1:
            o.kind = Kind.IOAS
            o.refs = 2
        if o.number == 2:
            o.kind = Kind.HWPT_PAGING
            o.refs = 1
            o.parent = first(x.id for x in s.objects if x.fd == o.fd and x.number == 1)


def vfio_owns(s: IntelIOMMUState, obj: Id[Object]) -> bool:
    """Whether an object is VFIO's own IOAS or HWPT, which outlive every device here."""
    return s.objects[obj].number <= 2


def empty_host(s: IntelIOMMUState) -> bool:
    """Nothing is left but what VFIO owns: no object, no container, no stage-2, no listener."""
    return (
        all(o.kind == Kind.FREE or vfio_owns(s, o.id) for o in s.objects)
        and all(x.iommufd == NONE and not x.listening for x in s.containers)
        and all(x.container == NONE for x in s.s2_hwpts)
        and not s.iommu_lock
    )


def objects_left(s: IntelIOMMUState) -> int:
    """How many objects beside VFIO's own are live: what every step of a teardown lowers."""
    return count(o.kind != Kind.FREE and not vfio_owns(s, o.id) for o in s.objects)


_bounds = partial(
    bounds_like,
    {
        "devices": 2,
        "iommufds": 1,
        "on_second_fd": 0,
        "incoherent": 0b10,
        "errata": 0b11,
        "slots": 11,
        "containers": 1,
        "s2_hwpts": 2,
        "tables": 2,
        "domains": 1,
        "views": 0b10001,
        "deferred": 0,
    },
)


HWPT_SHARING = Machine(
    name="hwpt-sharing",
    check={"explicit": ("small", "errata", "fds", "standard", "three")},
    exhaust={"symbolic": ("standard",)},
    title="Containers and stage-2 tables shared by devices",
    about="""
    The series as it was posted; as VT-d was built it is `pasid-cache`.

    VTDIOASContainer and VTDS2Hwpt as 002 15/21 and 16/21 have them: a container for each iommufd
    (and for devices with the erratum), in it a stage-2 table for each kind of cache coherency, in
    use by every device that fits, each with its own nested HWPT over it when the guest uses
    first-stage translation.

    Events: plug and unplug of each device, bound or not; any rewrite of its PASID entry with the
    invalidation that covers it (absent, first stage with any table or with none, pass-through, a
    type the host cannot do); DMA remapping on and off; changes of the memory map; the bottom half
    that destroys what the kernel would not let go of. In each of them any one host call may fail.

    Not here: the life of VFIO's own IOAS and HWPT, groups, PASIDs besides the device's own, which
    entries an invalidation covers (here it covers the entry that was rewritten), and open and close
    of the iommufd, which management passes in. EINVAL is never injected: each reason
    that the kernel has for it is a rule, and QEMU takes it for an answer about the object.
    """,
    of=Of(
        "posted",
        "002 rfcv3, put right: VT-d's first stage over containers that the vIOMMU has itself. What "
        "was merged has none.",
        "no QEMU; Linux 7.1",
        kernel="not: its host is the part of iommufd that the series uses; iommufd-objects has "
        "all of it and is held",
        qemu="not: no QEMU was released with it",
    ),
    state=IntelIOMMUState,
    init=init,
    actions=(
        plug,
        unplug,
        pasid_cache_invalidate,
        gcmd_translation_enable,
        memory_map_change,
        destroy_deferred,
    ),
    shape=shape,
    teardown=Teardown(actions=(unplug, destroy_deferred), empty=empty_host, rank=objects_left),
    bounds={
        "small": _bounds(
            "Two devices with the erratum on one iommufd, one of them not coherent: they share a "
            "container, and a stage-2 or not according to who comes first. Two tables make every "
            "replacement; the first and the last view have all kinds of sections. 11 ids, one "
            "container and two stage-2 rows are all that is ever in use: no bound cuts anything.",
            (133397, 1359476, 31),
            (505, 6399, 11),
        ),
        "roomy": _bounds(
            "As small, with rows to spare for what a variant leaks or doubles.",
            (133397, 1359476, 31),
            (505, 6399, 11),
            containers=2,
            s2_hwpts=3,
        ),
        "errata": _bounds(
            "Two coherent devices on one iommufd, one of them with the erratum: two containers. "
            "Which table is bound does not matter to that, so there is one.",
            (163981, 2308012, 33),
            (413, 5552, 9),
            ("nested-over-shared-stage2", "stage2-with-two-users", "two-stage2-in-a-container"),
            incoherent=0,
            errata=0b01,
            containers=2,
            tables=1,
        ),
        "fds": _bounds(
            "Two coherent devices without the erratum, each on its own iommufd, with ids that are "
            "the same numbers. One table and the booted map: the iommufds meet in nothing else.",
            (214, 2552, 8),
            (214, 2552, 8),
            (
                "bound-in-a-later-view",
                "erratum-beside-read-only-memory",
                "nested-over-shared-stage2",
                "stage2-with-two-users",
                "two-stage2-in-a-container",
            ),
            iommufds=2,
            on_second_fd=0b10,
            incoherent=0,
            errata=0,
            containers=2,
            tables=1,
            views=0b10000,
        ),
        "standard": _bounds(
            "Three devices on two iommufds: two with the erratum on the first, one of them not "
            "coherent, and one without the erratum on the second. Cut for size: one table (all "
            "replacements between tables are in small) and the booted map only (all changes of the "
            "map are in small and errata).",
            (935898, 13314552, 34),
            (4928, 75330, 18),
            ("bound-in-a-later-view",),
            devices=3,
            iommufds=2,
            on_second_fd=0b100,
            errata=0b011,
            containers=2,
            s2_hwpts=3,
            tables=1,
            views=0b10000,
        ),
        "three": _bounds(
            "Three devices with the erratum on one iommufd, two tables and all five views: small "
            "with a device more, and every change of the map. States up to which id is which.",
            None,
            (39191, 665794, 22),
            devices=3,
            slots=16,
            containers=3,
            s2_hwpts=4,
            views=0b11111,
        ),
        "large": _bounds(
            "Four devices on two iommufds, all five views, two ids outstanding while the guest "
            "goes on: for random runs.",
            devices=4,
            iommufds=2,
            slots=20,
            containers=4,
            s2_hwpts=6,
            tables=4,
            domains=2,
            views=0b11111,
            on_second_fd=0b1000,
            incoherent=0b0110,
            errata=0b0101,
            deferred=2,
        ),
    },
)

"""The machine `pasid-cache`: the guest's PASID entries in memory, in the cache, and in the host."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from spec.iommufd.objects import Kind
from spec.iommufd.uapi.state import BARE, Driver, uapi_shape
from spec.language import NONE, Machine, Of, Shape, Teardown, bounds_like, count, first
from spec.memory.section import plain_shape
from spec.vfio.bottom_halves import destroy_deferred
from spec.vtd.accel.device import plug, unplug
from spec.vtd.accel.events import (
    ask_again,
    context_cache_invalidate,
    gcmd_set_root_table,
    gcmd_translation_enable,
    guest_writes_context,
    guest_writes_entry,
    pasid_cache_invalidate,
    system_reset,
)
from spec.vtd.accel.state import PasidCacheState
from spec.vtd.state import Pgtt


def shape(values: Mapping[str, int]) -> Shape:
    """Each device has a row for requests without a PASID and, with `pasids`, one for a PASID."""
    devices, each = values["devices"], 1 + values["pasids"]
    can_pasid = (1 << devices) - 1 if values["pasids"] else 0
    memory_sizes, memory_constants = plain_shape(1)
    own = {"groups": devices, "can_pasid": can_pasid, "driver": Driver.INTEL}
    sizes, constants = uapi_shape({**BARE, **values, **own})
    sizes.update(memory_sizes, hiods=devices, entries=devices * each, DomainId=values["domains"])
    constants.update(memory_constants)
    constants["hiods"] = {"dev": tuple(range(1, devices + 1))}
    constants["entries"] = {
        "vtd_hiod": tuple(row // each + 1 for row in range(devices * each)),
        "pasid": tuple(row % each == 1 for row in range(devices * each)),
    }
    return Shape(sizes, constants)


def init(s: PasidCacheState) -> None:
    """There is no device yet, memory is empty, nothing is remapped."""
    s.view = first(v.id for v in s.views)


def empty_host(s: PasidCacheState) -> bool:
    """There is no device, nothing of one is cached, and no object is left."""
    return (
        all(x.pgtt == Pgtt.NONE and not x.blocked and not x.retry for x in s.entries)
        and all(o.kind == Kind.FREE for o in s.objects)
        and all(h.hwpt_id == NONE for h in s.hiods)
    )


def things_left(s: PasidCacheState) -> int:
    """What every step of a teardown lowers; who is asked again may make one object more."""
    waiting = count(x.retry for x in s.entries)
    return count(o.kind != Kind.FREE for o in s.objects) + waiting + waiting


NO_GROUP = ("group-shares-an-hwpt",)
NO_PASID = ("nested-by-pasid",)

_bounds = partial(
    bounds_like,
    {"devices": 1, "pasids": 0, "slots": 6, "tables": 2, "domains": 2},
)


PASID_CACHE = Machine(
    name="pasid-cache",
    check={"explicit": ("small", "pasid")},
    exhaust={"explicit": ("two", "standard"), "symbolic": ("pasid",)},
    title="The PASID cache and what it makes of the guest's tables",
    about="""
    The guest's PASID entries lie in memory, and the guest writes them as it likes. What QEMU has
    cached of them it brings up to date when an invalidation says so, and makes of each cached entry
    what the host is to do: a nested HWPT for a first-stage table, the nesting parent for
    pass-through, nothing where there is no entry. The cache is the list of entries by device and
    PASID that QEMU 11.1 has; one row for each that there can be.

    Events: plug and unplug of each device, bound or not; the guest writes an entry (absent,
    pass-through, first stage, or what cannot be done), also in place, or a context entry, with a
    directory that reaches the PASID or does not; PASID-cache invalidations of everything, of a
    domain and of a PASID in it, context-cache invalidations of a device and of everything;
    remapping on and off, a root table of the other mode, system reset; the host is asked again for
    what it refused. In each of them any one host call may fail.

    A write need not be in force before an invalidation covers it (`due`), and may be: which of the
    values since is in force is then not said. Another directory pointer is as if every entry were
    written, so it is no event of its own.

    Not here: what VFIO does for a device, which vfio-attach has; groups, fault queues, the
    invalidation of what the host has cached of the guest's tables.
    """,
    of=Of(
        "reference",
        "the vIOMMU of QEMU 11.1 with PASIDs. What the host refuses is asked for again before the "
        "guest has its answer; when remapping begins or ends every device follows.",
        "QEMU 11.1",
        kernel="not: its host is the iommufd of iommufd-objects, which is held",
        qemu="not in lockstep: what the binary does otherwise is confirmed variant by variant, by "
        "`viommu-spec drive --confirm`",
    ),
    state=PasidCacheState,
    init=init,
    actions=(
        plug, unplug, guest_writes_entry, guest_writes_context, pasid_cache_invalidate,
        context_cache_invalidate, gcmd_translation_enable, gcmd_set_root_table, system_reset,
        ask_again, destroy_deferred,
    ),
    shape=shape,
    teardown=Teardown(
        actions=(unplug, ask_again, destroy_deferred),
        empty=empty_host, rank=things_left,
    ),
    bounds={
        "small": _bounds(
            "One device without PASIDs: two tables and two domain ids make every change in place.",
            (4764, 76222, 13), (3006, 48734, 11), (*NO_GROUP, *NO_PASID),
        ),
        "pasid": _bounds(
            "One device with a PASID; one table and one domain id. A proof at these bounds is of "
            "any number of tables and domain ids.",
            (41457, 603578, 17), (26416, 385936, 15), NO_GROUP,
            pasids=1, tables=1, domains=1, slots=7,
        ),
        "two": _bounds(
            "Two devices without PASIDs; one table and one domain id.",
            None, (209440, 3672528, 15), (*NO_GROUP, *NO_PASID),
            devices=2, tables=1, domains=1, slots=10,
        ),
        "standard": _bounds(
            "One device with a PASID, two tables and two domain ids.",
            None, (917318, 21930156, 16), NO_GROUP,
            pasids=1, slots=7,
        ),
        "large": _bounds(
            "Two devices with a PASID each, two tables and two domain ids. Too many states to go "
            "through: 259,611 are six steps away or nearer. For random runs.",
            None, None, NO_GROUP,
            devices=2, pasids=1, slots=13,
        ),
    },
)  # fmt: skip

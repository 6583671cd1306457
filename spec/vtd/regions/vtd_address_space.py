"""The machine `vtd-address-space`: all memory or what the guest's tables translate to."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from spec.iommufd.objects import Kind
from spec.iommufd.uapi.state import BARE, Driver, uapi_shape
from spec.language import NONE, Machine, Of, Shape, Teardown, bits, bounds_like, count, first
from spec.vfio.bottom_halves import destroy_deferred, listener_bh
from spec.vtd.regions.events import (
    context_cache_invalidate,
    gcmd_set_root_table,
    gcmd_translation_enable,
    guest_writes_context,
    guest_writes_table,
    iotlb_invalidate,
    plug,
    system_reset,
    unplug,
)
from spec.vtd.regions.state import VTDRegions


def shape(values: Mapping[str, int]) -> Shape:
    """Each device has a slot and an address space; `one_slot` devices take turns in one.

    Those behind a `bridge` have slots of their own and one address space. The first section is all
    memory; the second one, where the guest's table may map, lies there too, a third one apart.
    """
    devices, sections = values["devices"], values["sections"]
    turns, bridged = (bits(values[name], devices) for name in ("one_slot", "bridge"))
    slots = [1 if turns[row] else row + 2 for row in range(devices)]
    places = [0 if bridged[row] else slots[row] for row in range(devices)]
    named = sorted(set(places))
    spaces = len(named)
    sizes, constants = uapi_shape(
        {**BARE, "slots": values["slots"], "devices": 1, "groups": 1, "driver": Driver.INTEL}
    )
    sizes.update(
        views=1, sections=sections, spaces=2 * spaces, containers=spaces, hwpts=1,
        address_spaces=spaces, pci_devices=devices,
    )  # fmt: skip
    constants.update(_sections(sections))
    constants["spaces"] = {"iommu": tuple(row % 2 == 1 for row in range(2 * spaces))}
    constants["address_spaces"] = {
        "nodmar": tuple(2 * row + 1 for row in range(spaces)),
        "dmar": tuple(2 * row + 2 for row in range(spaces)),
        "container": tuple(range(1, spaces + 1)),
        "first_stage": (bool(values["first_stage"]),) * spaces,
    }
    constants["pci_devices"] = {
        "vtd_as": tuple(1 + named.index(place) for place in places),
        "slot": tuple(slots),
        "emulated": bits(values["emulated"], devices),
        "bridge": bridged,
    }
    return Shape(sizes, constants)


def _sections(sections: int) -> dict[str, dict[str, tuple[Any, ...]]]:
    """One view of memory, with one section, and sections of what tables translate."""
    rows = range(1, sections + 1)
    low = frozenset({1, 2} & set(rows))
    return {
        "views": {"next": (1,)},
        "sections": {
            "readonly": (False,) * sections,
            "ram": tuple(row == 1 for row in rows),
            "ram_device": (False,) * sections,
            "upper_half": (False,) * sections,
            "views": tuple(frozenset({1} if row == 1 else ()) for row in rows),
            "map_views": (0,) * sections,
            "overlapping": tuple(low if row in low else frozenset({row}) for row in rows),
        },
    }


def init(s: VTDRegions) -> None:
    """There is no device yet, memory is empty, nothing is remapped."""
    s.view = first(v.id for v in s.views)


def empty_host(s: VTDRegions) -> bool:
    """There is no device, no container listens, and no object is left."""
    return (
        not any(d.there for d in s.pci_devices)
        and all(c.space == NONE for c in s.containers)
        and all(o.kind == Kind.FREE for o in s.objects)
    )


def things_left(s: VTDRegions) -> int:
    """What every step of a teardown lowers."""
    left = count(d.there for d in s.pci_devices) + count(o.kind != Kind.FREE for o in s.objects)
    for c in s.containers:
        left += count(x.id in c.stale for x in s.sections)
    return left


_bounds = partial(
    bounds_like,
    {
        "devices": 2, "emulated": 0b10, "bridge": 0, "one_slot": 0, "first_stage": 1,
        "sections": 2, "slots": 3,
    },
)  # fmt: skip

NO_FIRST_STAGE = ("nested-over-all-memory",)
NO_PASSTHROUGH = (
    *NO_FIRST_STAGE, "a-table-is-shadowed", "guest-memory-is-mapped", "listener_bh",
)  # fmt: skip

VTD_ADDRESS_SPACE = Machine(
    name="vtd-address-space",
    check={
        "explicit": ("small", "shadow", "bridge", "standard"),
        "symbolic": ("small", "shadow", "bridge", "standard"),
    },
    title="VT-d's address spaces: all memory, or what the guest's tables translate to",
    about="""
    Each requester behind VT-d has an address space with two regions, of which one is on: all memory
    (nodmar), or what the guest's tables translate to (dmar). An emulated device goes through it; of
    a passthrough device VFIO's listener keeps an IOAS equal to it, by walking the guest's table
    where that is what is on. With first stage in scalable mode the host walks the guest's tables,
    over a nesting parent that has to have all memory: there nodmar stays on.

    Events: plug and unplug of emulated and of passthrough devices, also in turns in one slot, and
    behind one bridge; the guest writes the entry of a requester (nothing, pass-through, a table)
    and what its second-level table maps; context-cache invalidations of a requester and of all,
    IOTLB invalidations; remapping on and off, a root table of either mode, as when one kernel
    follows another, system reset; bottom halves that try again what the host refused. In each of
    them any one host call may fail.

    A write need not be in force before an invalidation covers it, and may be. Another root table
    leads to the same entries, which the guest may have written before or after.

    Not here: what VFIO does for a device but its container (vfio-attach), nested tables and PASIDs
    (pasid-cache), the IOTLB of emulated devices, interrupt addresses, changes of the memory map
    (vfio-attach). A second-level table in scalable mode is as one in legacy mode, and a vIOMMU with
    first stage offers none.
    """,
    of=Of(
        "reference",
        "the vIOMMU of QEMU 11.1. A device that comes finds the region on that is due, whoever was "
        "in its place before; what the host will not unmap is unmapped before the next event.",
        "QEMU 11.1",
        kernel="not: its host is the iommufd of iommufd-objects, which is held",
        qemu="not step by step: the scenarios of `make qemu` that its findings name",
    ),
    state=VTDRegions,
    init=init,
    actions=(
        plug, unplug, guest_writes_context, guest_writes_table, context_cache_invalidate,
        iotlb_invalidate, gcmd_translation_enable, gcmd_set_root_table, system_reset,
        destroy_deferred, listener_bh,
    ),
    shape=shape,
    teardown=Teardown(
        actions=(unplug, destroy_deferred, listener_bh), empty=empty_host, rank=things_left,
    ),
    bounds={
        "small": _bounds(
            "First stage: a passthrough and an emulated device that take turns in one slot.",
            (1101, 11458, 10), (1101, 11458, 10), (),
            one_slot=0b11,
        ),
        "shadow": _bounds(
            "No first stage: a passthrough device whose table QEMU walks, and an emulated one.",
            (12596, 132528, 15), (12596, 132528, 15), NO_FIRST_STAGE,
            first_stage=0, bridge=0b11, sections=3,
        ),
        "bridge": _bounds(
            "First stage, a passthrough and an emulated device behind one bridge, which are not to "
            "meet.",
            (300, 3237, 7), (300, 3237, 7), NO_PASSTHROUGH,
            bridge=0b11,
        ),
        "standard": _bounds(
            "First stage: a passthrough and an emulated device that take turns in one slot, and a "
            "passthrough device in another.",
            (400442, 5937896, 18), (225187, 3415096, 18), (),
            devices=3, emulated=0b010, one_slot=0b011, slots=5,
        ),
    },
)  # fmt: skip

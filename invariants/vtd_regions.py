"""Which region of an address space behind VT-d is on, and what an IOAS has of it."""

from __future__ import annotations

from invariants.vfio import (
    containers_map_their_space,
    guest_memory_is_mapped,
    no_mapping_without_an_ioas,
    what_waits_is_live,
)
from spec.iommufd.objects import Kind, Object
from spec.language import NONE, Id, first, invariant, on_failure, sometimes
from spec.memory.section import Section
from spec.vtd.regions.state import (
    Asks,
    VTDAddressSpace,
    VTDDevice,
    VTDRegions,
    inhabited,
    passed_through,
)


@sometimes
def a_table_is_shadowed(s: VTDRegions) -> bool:
    """A container maps what a table of the guest maps."""
    return any(
        x.use_iommu and s.containers[x.container].listening
        and any(y.id in s.spaces[x.dmar].translated for y in s.sections)
        for x in s.address_spaces
    )


@sometimes
def nested_over_all_memory(s: VTDRegions) -> bool:
    """The host translates by the guest's tables for a passthrough device."""
    return s.dmar_enabled and s.root_scalable and any(
        d.hiod and s.address_spaces[d.vtd_as].first_stage for d in s.pci_devices
    )


@sometimes
def an_emulated_device_is_translated(s: VTDRegions) -> bool:
    """An emulated device goes through the guest's tables."""
    return any(
        d.there and d.emulated and s.address_spaces[d.vtd_as].use_iommu for d in s.pci_devices
    )


def in_the_host(s: VTDRegions, vtd_as: Id[VTDAddressSpace]) -> bool:
    """Whether the host walks the guest's tables for who is in an address space."""
    return (
        s.dmar_enabled and s.root_scalable and s.address_spaces[vtd_as].first_stage
        and passed_through(s, vtd_as)
    )


@invariant(witness=an_emulated_device_is_translated)
def a_device_is_translated_as_asked(s: VTDRegions, vtd_as: Id[VTDAddressSpace]) -> bool:
    """Requests go to all memory without remapping and if passed through; else through the tables.

    Before an invalidation covers a new entry either may be. What the host translates is apart.
    """
    x = s.address_spaces[vtd_as]
    if not x.due or not inhabited(s, vtd_as) or in_the_host(s, vtd_as):
        return True
    return x.use_iommu == (s.dmar_enabled and x.asks != Asks.PASS_THROUGH)


@invariant(witness=an_emulated_device_is_translated)
def without_remapping_all_memory(s: VTDRegions, vtd_as: Id[VTDAddressSpace]) -> bool:
    """Without remapping no device is translated, whatever is in memory."""
    return s.dmar_enabled or not s.address_spaces[vtd_as].use_iommu or not inhabited(s, vtd_as)


@invariant(witness=nested_over_all_memory)
def a_nesting_parent_has_all_memory(s: VTDRegions, vtd_as: Id[VTDAddressSpace]) -> bool:
    """Where the host nests the guest's tables, what they are over is all memory."""
    return not in_the_host(s, vtd_as) or not s.address_spaces[vtd_as].use_iommu


@invariant(witness=a_table_is_shadowed)
def a_table_is_in_force(
    s: VTDRegions, vtd_as: Id[VTDAddressSpace], section: Id[Section]
) -> bool:
    """What QEMU translates by a table is what the table maps, once an invalidation covers it."""
    x = s.address_spaces[vtd_as]
    if not x.use_iommu or not x.due or section in x.unsynced or not passed_through(s, vtd_as):
        return True
    walked = x.asks == Asks.TABLE and section in x.table
    return (section in s.spaces[x.dmar].translated) == (walked and not in_the_host(s, vtd_as))


@invariant(witness=a_table_is_shadowed)
def only_tables_translate(
    s: VTDRegions, vtd_as: Id[VTDAddressSpace], section: Id[Section]
) -> bool:
    """What is translated is of a table, and of a container that listens to its region."""
    x = s.address_spaces[vtd_as]
    if section in s.spaces[x.nodmar].translated or (s.sections[section].ram and section in x.table):
        return False
    return section not in s.spaces[x.dmar].translated or (
        x.use_iommu and s.containers[x.container].listening and not s.sections[section].ram
    )


@invariant(witness=a_table_is_shadowed)
def a_container_is_on_its_region(s: VTDRegions, vtd_as: Id[VTDAddressSpace]) -> bool:
    """A passthrough device has a container, which listens to the region that is on."""
    x = s.address_spaces[vtd_as]
    c = s.containers[x.container]
    if not passed_through(s, vtd_as):
        return (
            c.space == NONE and c.be == NONE and not c.listening and c.ioas_id == NONE
            and not any(y.id in c.missing or y.id in c.stale for y in s.sections)
        )
    return (
        x.there and c.listening and c.be != NONE
        and c.space == (x.dmar if x.use_iommu else x.nodmar)
        and c.ioas_id != NONE and s.objects[c.ioas_id].kind == Kind.IOAS
        and c.ioas_id not in s.deferred
        and all(y.id == c.id or y.ioas_id != c.ioas_id for y in s.containers)
    )


@invariant(witness=nested_over_all_memory)
def nested_devices_are_alone(s: VTDRegions, dev: Id[VTDDevice]) -> bool:
    """With first stage no passthrough device shares an address space: others are translated.

    So there is none behind a bridge, where others may come.
    """
    d = s.pci_devices[dev]
    if not d.there or d.emulated or not s.address_spaces[d.vtd_as].first_stage:
        return True
    return not d.bridge and all(
        y.id == dev or not y.there or y.vtd_as != d.vtd_as for y in s.pci_devices
    )


@invariant(witness=nested_over_all_memory)
def a_passthrough_device_is_known(s: VTDRegions, dev: Id[VTDDevice]) -> bool:
    """The vIOMMU knows just the passthrough devices that are there."""
    d = s.pci_devices[dev]
    return d.hiod == (d.there and not d.emulated)


@invariant(witness=a_table_is_shadowed)
def regions_leak_nothing(s: VTDRegions, obj: Id[Object]) -> bool:
    """A live object is an IOAS of a container, or destroyed soon."""
    return (
        s.objects[obj].kind == Kind.FREE
        or obj in s.deferred
        or any(c.ioas_id == obj for c in s.containers)
    )


@invariant(witness=guest_memory_is_mapped)
def the_host_has_ioases_only(s: VTDRegions, obj: Id[Object]) -> bool:
    """An object is an IOAS with one user, on nothing; what has no kind has nothing else."""
    o = s.objects[obj]
    return (
        o.refs == (1 if o.kind == Kind.IOAS else 0)
        and o.kind in (Kind.FREE, Kind.IOAS)
        and o.parent == NONE and o.fault == NONE and o.device == NONE and o.access == NONE
        and o.pinned == NONE and not o.allowed and not o.open
        and all(d.object == NONE and d.attached == NONE and d.reserved_in == NONE
                for d in s.devices)
        and all(g.hwpt == NONE and g.pasid_hwpt == NONE for g in s.groups)
    )  # fmt: skip


@invariant(witness=guest_memory_is_mapped)
def the_map_stays(s: VTDRegions) -> bool:
    """There is one view of memory."""
    return s.view == first(v.id for v in s.views)


@on_failure(witness=nested_over_all_memory)
def a_refused_device_leaves_no_container(before: VTDRegions, s: VTDRegions) -> bool:
    """Who is there is there, containers are as they were, and no object is left behind."""
    return (
        all(d.there == before.pci_devices[d.id].there for d in s.pci_devices)
        and all(c.ioas_id == before.containers[c.id].ioas_id for c in s.containers)
        and all(
            o.kind == before.objects[o.id].kind or o.id in s.deferred for o in s.objects
        )
    )


RULES = (
    a_device_is_translated_as_asked,
    without_remapping_all_memory,
    a_nesting_parent_has_all_memory,
    a_table_is_in_force,
    only_tables_translate,
    a_container_is_on_its_region,
    nested_devices_are_alone,
    a_passthrough_device_is_known,
    containers_map_their_space,
    no_mapping_without_an_ioas,
    what_waits_is_live,
    regions_leak_nothing,
    the_host_has_ioases_only,
    the_map_stays,
    a_refused_device_leaves_no_container,
)

"""Address spaces agree: all sharers of a stage-2 see the guest's memory map, and the same one."""

from __future__ import annotations

from spec.iommufd.objects import Device, stage2_of
from spec.language import NONE, Id, first, invariant, sometimes
from spec.memory.section import Section
from spec.vtd.address_space import iommufd_listener_skipped_section
from spec.vtd.state import IntelIOMMUState, Pgtt, VTDAddressSpace, VTDIOASContainer


@sometimes
def bound_in_a_later_view(s: IntelIOMMUState) -> bool:
    """A device is bound while another view than the first is in force."""
    return s.view != first(v.id for v in s.views) and any(
        x.pgtt != Pgtt.NONE for x in s.address_spaces
    )


@invariant(witness=bound_in_a_later_view)
def a_view_is_in_force(s: IntelIOMMUState) -> bool:
    """There is a memory map as long as QEMU runs."""
    return s.running == (s.view != NONE)


@invariant(witness=bound_in_a_later_view)
def containers_follow_the_map(
    s: IntelIOMMUState, container: Id[VTDIOASContainer], section: Id[Section]
) -> bool:
    """A container listens, and its IOAS maps just the sections in force that are not skipped.

    A RAM device that could not be mapped may be missing.
    """
    x = s.containers[container]
    if x.iommufd == NONE:
        return not x.listening
    mapped = section in s.objects[x.ioas_id].areas
    wanted = s.view in s.sections[section].views and not iommufd_listener_skipped_section(
        s, container, section
    )
    return x.listening and (mapped == wanted or (wanted and s.sections[section].ram_device))


def maps(s: IntelIOMMUState, dev: Id[Device], section: Id[Section]) -> bool:
    """Whether the stage-2 that a device is attached to, directly or nested, maps a section."""
    stage2 = s.objects[stage2_of(s, s.devices[dev].attached)]
    return section in s.objects[stage2.parent].areas


@invariant(witness=bound_in_a_later_view)
def sharers_see_one_map(
    s: IntelIOMMUState, a: Id[VTDAddressSpace], b: Id[VTDAddressSpace], section: Id[Section]
) -> bool:
    """Two bound devices see the same memory of the guest, whatever stage-2 each of them uses.

    Read-only memory is left out if just one has the erratum, RAM devices always.
    """
    one, other = s.address_spaces[a], s.address_spaces[b]
    x = s.sections[section]
    if one.pgtt == Pgtt.NONE or other.pgtt == Pgtt.NONE or x.ram_device:
        return True
    if x.readonly and s.devices[one.hiod].erratum != s.devices[other.hiod].erratum:
        return True
    return maps(s, one.hiod, section) == maps(s, other.hiod, section)

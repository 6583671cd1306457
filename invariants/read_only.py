"""Read-only exclusion: a device with erratum 772415 never has a read-only mapping below it."""

from __future__ import annotations

from spec.iommufd.objects import Device, Kind, stage2_of
from spec.language import NONE, Id, invariant, sometimes
from spec.memory.section import Section
from spec.vtd.state import IntelIOMMUState


@sometimes
def erratum_beside_read_only_memory(s: IntelIOMMUState) -> bool:
    """A device with the erratum is nested while the guest's map has a read-only section."""
    return any(
        d.erratum and d.attached != NONE and s.objects[d.attached].kind == Kind.HWPT_NESTED
        for d in s.devices
    ) and any(x.readonly and s.view in x.views for x in s.sections)


@invariant(witness=erratum_beside_read_only_memory)
def read_only_exclusion(s: IntelIOMMUState, dev: Id[Device], section: Id[Section]) -> bool:
    """No section mapped read-only lies under a nesting parent that a device with the erratum uses.

    The device could write it (SPR17).
    """
    device = s.devices[dev]
    if device.attached == NONE or not device.erratum or not s.sections[section].readonly:
        return True
    stage2 = s.objects[stage2_of(s, device.attached)]
    return not stage2.nest_parent or section not in s.objects[stage2.parent].areas


@invariant()
def writeable_only_holds(s: IntelIOMMUState, section: Id[Section]) -> bool:
    """A stage-2 that refuses read-only mappings is over an IOAS that has none."""
    return not s.sections[section].readonly or not any(
        o.kind == Kind.HWPT_PAGING
        and o.writeable_only
        and (o.parent == NONE or section in s.objects[o.parent].areas)
        for o in s.objects
    )

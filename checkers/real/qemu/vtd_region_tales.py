"""Which region of an address space the released binary has on, and what it maps of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from checkers.real.qemu.edu import Edu
from checkers.real.qemu.refusing import refuse
from checkers.real.qemu.start import Guest, Plan
from checkers.real.qemu.supervisor import EndedError
from checkers.real.qemu.tale import Tale
from checkers.real.qemu.vtd_guest import Gcmd, Granularity, VtdGuest
from checkers.real.qemu.vtd_tales import HOST

SLOT: Final = (1, 0)
"""Where the device in the first slot is."""

LETTER, COPY = 0x700_0000, 0x700_1000
"""Two pages of the guest's."""


def _plugged(tale: Tale) -> str:
    """A device comes where the guest's tables are ready, and one of its PASIDs is used first."""
    guest, vtd = tale.x86(Plan(HOST, slots=1, pasid_bits=8))
    vtd.start(guest.places[1], SLOT, pasids=True)
    vtd.entry(*SLOT, 2)
    vtd.entry(*SLOT, 3, pasid=5, did=2)
    vtd.set(Gcmd.TE, True)
    tale.step(guest, "TE := 1; in the slot's tables are entries for no PASID and for PASID 5")
    guest.plug(2, 0)
    tale.step(guest, "device_add")
    vtd.invalidate_pasid_cache(Granularity.PASID, did=2, pasid=5)
    tale.step(guest, "PASID-cache invalidation of PASID 5")
    areas = guest.vm.host.kernel.areas
    assert not areas[max(areas)].areas, "its IOAS maps memory"
    vtd.invalidate_pasid_cache(Granularity.PASID)
    tale.step(guest, "PASID-cache invalidation of requests without a PASID")
    assert areas[max(areas)].areas, "its IOAS still maps no memory"
    return "PASID 5 is bound over a nesting parent that maps no memory"


def _emulated(tale: Tale) -> str:
    """An emulated device comes where a passthrough device was, and copies memory."""
    guest, vtd = tale.x86(Plan(HOST, slots=1))
    vtd.start(guest.places[1])
    guest.plug(2, 0)
    vtd.set(Gcmd.TE, True)
    guest.unplug(2)
    tale.step(guest, "a passthrough device is plugged, TE := 1, it is unplugged")
    guest.vm.monitor.ask("device_add", driver="edu", id="edu", bus="port0")
    guest.slots[0].power(True)
    edu = Edu(vtd.processor, guest.slots[0])
    assert copies(edu, vtd, 0x1122_3344), "it is translated"
    tale.step(guest, "device_add edu; no entry of the guest's is for it, and it copies memory")
    vtd.invalidate_context_cache(source=SLOT[0] << 8 | SLOT[1])
    assert not copies(edu, vtd, 0x5566_7788), "it is still not translated"
    tale.step(guest, "context-cache invalidation of it: it copies no more")
    return "it reaches all memory, though remapping is on and no entry is for it"


def copies(edu: Edu, vtd: VtdGuest, word: int) -> bool:
    """Whether the device can copy a word from one page of the guest's to another."""
    vtd.processor.put(LETTER, word)
    vtd.processor.put(COPY, 0)
    edu.copy(LETTER, COPY, 8)
    return vtd.processor.read(COPY) == word


def legacy(tale: Tale) -> tuple[Guest, VtdGuest]:
    """A guest whose first device is translated by a table of legacy mode, which maps a page."""
    guest, vtd = tale.x86(Plan(HOST))
    tale.step(guest, "start")
    vtd.queue()
    vtd.legacy_root(guest.places[1])
    tale.step(guest, "SRTP, with a root table of legacy mode")
    return guest, vtd


def _map_refused(tale: Tale) -> str:
    """Remapping ends, and memory cannot be mapped."""
    guest, vtd = legacy(tale)
    vtd.set(Gcmd.TE, True)
    tale.step(guest, "TE := 1")
    guest.vm.host.refuses = refuse("IOAS_MAP")
    try:
        vtd.set(Gcmd.TE, False)
    except EndedError as ended:
        tale.step(guest, "TE := 0, an IOAS_MAP fails")
        tale.lines.append(f"  QEMU: {ended}")
        return f"the guest's TE := 0 and one refused IOAS_MAP: {ended}"
    raise AssertionError("QEMU goes on")


def _unmap_refused(tale: Tale) -> str:
    """Remapping begins, and memory cannot be unmapped."""
    guest, vtd = legacy(tale)
    guest.vm.host.refuses = refuse("IOAS_UNMAP")
    vtd.set(Gcmd.TE, True)
    tale.step(guest, "TE := 1, an IOAS_UNMAP fails")
    (areas,) = guest.vm.host.kernel.areas.values()
    assert areas.areas.keys() == {0}, f"mapped is {areas.areas}"
    return "the device reaches memory that no table of the guest maps, and not the page that does"


REGION_TALES: Final[dict[str, Callable[[Tale], str]]] = {
    "vtd-plugged-while-on": _plugged, "vtd-emulated-after": _emulated,
    "vtd-te-refused-map": _map_refused, "vtd-te-refused-unmap": _unmap_refused,
}  # fmt: skip

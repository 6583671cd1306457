"""What the PASID cache of the released VT-d keeps though the guest has changed what it is of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from checkers.real.qemu.start import Plan
from checkers.real.qemu.tale import Tale, expect
from checkers.real.qemu.vtd_guest import (
    CONTEXTS,
    DIRECTORIES,
    PASID_TABLES,
    Gcmd,
    Granularity,
    Pgtt,
    VtdGuest,
    table_of,
)
from checkers.real.qemu.vtd_tales import HOST, bound

FAR: Final = 9000
"""A PASID that a directory for 16,384 PASIDs has, and one for 8,192 has not."""
FAR_TABLE: Final = PASID_TABLES + 0x4_0000


def _new_domain(tale: Tale) -> str:
    guest, vtd, place = bound(tale, Plan(HOST))
    vtd.entry(*place, 2, did=2)
    vtd.invalidate_pasid_cache(Granularity.PASID, did=1)
    tale.step(guest, "entry := table 2, domain 2; PASID-selective of domain 1")
    vtd.invalidate_pasid_cache(Granularity.DOMAIN, did=1)
    tale.step(guest, "domain-selective of 1")
    expect(guest, 1, f"table {table_of(1):#x}")
    vtd.invalidate_pasid_cache(Granularity.DOMAIN, did=2)
    tale.step(guest, "domain-selective of 2")
    expect(guest, 1, f"table {table_of(2):#x}")
    return "table and domain change: invalidating the old domain is not enough"


def _beyond_directory(tale: Tale) -> str:
    guest, vtd, place = bound(tale, Plan(HOST, pasid_bits=16))
    _far_entry(vtd)
    _directory(vtd, place, 1)
    vtd.invalidate_pasid_cache(Granularity.GLOBAL)
    tale.step(guest, f"entry of PASID {FAR} := table 2, the directory has 16384; global")
    host = guest.vm.host
    attached, calls = host.kernel.objects(), len(host.calls)
    assert host.calls[-1].values["pasid"] == FAR, f"PASID {FAR} is not attached"
    _directory(vtd, place, 0)
    vtd.invalidate_context_cache()
    vtd.invalidate_pasid_cache(Granularity.GLOBAL)
    tale.step(guest, "the directory has 8192; context cache and PASID cache, global")
    assert len(host.calls) == calls, f"QEMU asks for {host.calls[calls].text()}"
    assert host.kernel.objects() == attached
    return f"the directory ends below PASID {FAR}, which stays attached"


def _pasid_alone(tale: Tale) -> str:
    guest, vtd = tale.x86(Plan(HOST, pasid_bits=8))
    tale.step(guest, "start")
    place = guest.places[1]
    vtd.start(place, pasids=True)
    vtd.entry(*place, 2, pasid=5, did=2)
    vtd.set(Gcmd.TE, True)
    vtd.invalidate_pasid_cache(Granularity.GLOBAL)
    tale.step(guest, "entry of PASID 5 := table 2, PASID 0 has none; TE := 1; global")
    host = guest.vm.host
    assert not any(call.values.get("pasid") == 5 for call in host.calls), "PASID 5 is attached"
    vtd.entry(*place, 1)
    vtd.invalidate_pasid_cache(Granularity.GLOBAL)
    tale.step(guest, "entry of PASID 0 := table 1; global")
    assert any(call.values.get("pasid") == 5 for call in host.calls), "PASID 5 is not attached"
    return "a PASID with an entry is not attached before PASID 0 has an entry"


def _far_entry(vtd: VtdGuest) -> None:
    """PASID 9000 of the first device has a PASID table of its own, and an entry in it."""
    p = vtd.processor
    p.fill(FAR_TABLE, 0x1000)
    p.write(DIRECTORIES + 8 * (FAR >> 6), FAR_TABLE | 1)
    words = (Pgtt.FIRST_STAGE << 6 | 2 << 2 | 1, 2, table_of(2), 0, 0, 0, 0, 0)
    p.put(FAR_TABLE + 64 * (FAR & 0x3F), *words)


def _directory(vtd: VtdGuest, place: tuple[int, int], size: int) -> None:
    """The context entry of the first device says so of its directory: 8192 << size PASIDs."""
    bus, devfn = place
    entry = CONTEXTS + 0x2000 * bus + 0x1000 * (devfn >> 7) + 32 * (devfn & 0x7F)
    vtd.processor.write(entry, DIRECTORIES | size << 9 | 1 << 3 | 1)


def _set(tale: Tale) -> str:
    guest, vtd, place = bound(tale, Plan(HOST, cold=(), slots=1, inserted=(1,)))
    vtd.remove(*place)
    vtd.invalidate_pasid_cache(Granularity.PASID)
    guest.unplug(1)
    tale.step(guest, "entry removed; device_del, the slot is turned off")
    vtd.entry(*place, 1)
    vtd.invalidate_pasid_cache(Granularity.GLOBAL)
    tale.step(guest, "entry := table 1; global")
    guest.plug(2, 0)
    tale.step(guest, "device_add of another device")
    expect(guest, 2, "stage 2")
    vtd.invalidate_pasid_cache(Granularity.GLOBAL)
    tale.step(guest, "global")
    expect(guest, 2, f"table {table_of(1):#x}")
    return "a device that is plugged has all memory until the guest invalidates"


CACHE_TALES: Final[dict[str, Callable[[Tale], str]]] = {
    "vtd-new-domain": _new_domain, "vtd-beyond-directory": _beyond_directory,
    "vtd-pasid-alone": _pasid_alone, "vtd-set": _set,
}  # fmt: skip

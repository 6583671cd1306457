"""What a guest with VT-d does on the released binary, call by call, and what stays.

Each ends with what is said of it in the table of findings; `AssertionError` where the binary does
otherwise. They are the tests of the guest's driver, too.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Final

from checkers.real.qemu.refusing import refuse
from checkers.real.qemu.root import binary
from checkers.real.qemu.slots import Ports
from checkers.real.qemu.spec_kernel import Hardware
from checkers.real.qemu.start import X86, Guest, Plan, kernel, q35
from checkers.real.qemu.supervisor import EndedError
from checkers.real.qemu.tale import Tale, expect
from checkers.real.qemu.vtd_guest import Gcmd, Granularity, Pgtt, VtdGuest, table_of
from spec.iommufd.uapi.state import Driver

HOST: Final = Hardware(Driver.INTEL, devices=2, can_pasid=0b11)
PAM: Final = 0x90
"""Where q35's host bridge says which parts of the first megabyte are memory."""


def bound(tale: Tale, plan: Plan, table: int = 1) -> tuple[Guest, VtdGuest, tuple[int, int]]:
    """A guest with translation on, whose first device is bound to a table."""
    guest, vtd = tale.x86(plan)
    tale.step(guest, "start")
    place = guest.places[1]
    vtd.start(place, pasids=plan.pasid_bits > 0)
    vtd.entry(*place, table)
    vtd.set(Gcmd.TE, True)
    tale.step(guest, f"TE := 1, the entry has table {table}")
    return guest, vtd, place


def _basic(tale: Tale) -> str:
    """Bind, replace, pass-through, remove, bind again, reset."""
    guest, vtd, place = bound(tale, Plan(HOST))
    expect(guest, 1, f"table {table_of(1):#x}")
    vtd.invalidate_pasid_cache(Granularity.GLOBAL)
    tale.step(guest, "PASID-cache invalidation, global")
    vtd.entry(*place, 2)
    vtd.invalidate_pasid_cache(Granularity.PASID)
    tale.step(guest, "entry := table 2; PASID-cache invalidation")
    vtd.invalidate_iotlb()
    vtd.invalidate_iotlb(page=0x5000)
    tale.step(guest, "two PASID-based IOTLB invalidations")
    vtd.entry(*place, 0, kind=Pgtt.PASS_THROUGH)
    vtd.invalidate_pasid_cache(Granularity.PASID)
    tale.step(guest, "entry := pass-through")
    expect(guest, 1, "stage 2")
    vtd.entry(*place, 2)
    vtd.invalidate_pasid_cache(Granularity.DOMAIN)
    tale.step(guest, "entry := table 2; domain-selective")
    vtd.remove(*place)
    vtd.invalidate_pasid_cache(Granularity.PASID)
    tale.step(guest, "entry removed")
    expect(guest, 1, "blocked")
    vtd.entry(*place, 3)
    vtd.invalidate_pasid_cache(Granularity.PASID)
    tale.step(guest, "entry := table 3")
    guest.reset()
    tale.step(guest, "system reset")
    expect(guest, 1, "stage 2")
    vtd.start(place)
    vtd.entry(*place, 1)
    vtd.set(Gcmd.TE, True)
    tale.step(guest, "the guest starts again, the entry has table 1")
    expect(guest, 1, f"table {table_of(1):#x}")
    return "bind, replace, pass-through, remove and reset, each with its calls"


def _pasid(tale: Tale) -> str:
    """A PASID of a device is attached, and detached."""
    guest, vtd, place = bound(tale, Plan(HOST, pasid_bits=8))
    vtd.entry(*place, 2, pasid=5, did=2)
    vtd.invalidate_pasid_cache(Granularity.PASID, did=2, pasid=5)
    tale.step(guest, "entry of PASID 5 := table 2")
    vtd.remove(*place, pasid=5)
    vtd.invalidate_pasid_cache(Granularity.PASID, did=2, pasid=5)
    tale.step(guest, "entry of PASID 5 removed")
    expect(guest, 1, f"table {table_of(1):#x}")
    return "a PASID is attached and detached beside its device"


def _v16(tale: Tale) -> str:
    guest, vtd, place = bound(tale, Plan(HOST))
    vtd.set(Gcmd.TE, False)
    tale.step(guest, "TE := 0")
    expect(guest, 1, f"table {table_of(1):#x}")
    vtd.entry(*place, 2)
    vtd.invalidate_pasid_cache(Granularity.PASID)
    tale.step(guest, "entry := table 2; PASID-cache invalidation")
    expect(guest, 1, f"table {table_of(1):#x}")
    return "translation is off, the device stays on the guest's table 1"


def _v20(tale: Tale) -> str:
    guest, vtd, place = bound(tale, Plan(HOST))
    guest.vm.host.refuses = refuse("HWPT_ALLOC", errno.ENOMEM)
    vtd.entry(*place, 2)
    vtd.invalidate_pasid_cache(Granularity.PASID)
    tale.step(guest, "entry := table 2; PASID-cache invalidation, HWPT_ALLOC fails")
    vtd.invalidate_pasid_cache(Granularity.PASID)
    tale.step(guest, "the same invalidation again")
    vtd.invalidate_pasid_cache(Granularity.GLOBAL)
    vtd.invalidate_context_cache()
    vtd.root()
    vtd.set(Gcmd.TE, False)
    vtd.set(Gcmd.TE, True)
    tale.step(guest, "global, context cache, SRTP, TE off and on")
    expect(guest, 1, f"table {table_of(1):#x}")
    vtd.entry(*place, 3)
    vtd.invalidate_pasid_cache(Granularity.PASID)
    tale.step(guest, "entry := table 3")
    expect(guest, 1, f"table {table_of(3):#x}")
    return "one refused HWPT_ALLOC: the device stays on table 1 until the entry changes"


def _v20b(tale: Tale) -> str:
    guest, vtd = tale.x86(Plan(HOST))
    place = guest.places[1]
    tale.step(guest, "start")
    vtd.start(place)
    vtd.entry(*place, 1)
    guest.vm.host.refuses = refuse("HWPT_ALLOC", errno.ENOMEM)
    vtd.set(Gcmd.TE, True)
    tale.step(guest, "TE := 1, HWPT_ALLOC fails")
    vtd.invalidate_iotlb()
    tale.step(guest, "PASID-based IOTLB invalidation")
    last = guest.vm.host.calls[-1]
    assert (last.name, last.values["hwpt_id"], last.error) == ("HWPT_INVALIDATE", 0, 2)
    expect(guest, 1, "stage 2")
    return "the first bind fails: the device stays on stage 2, and id 0 is invalidated"


def _v25(tale: Tale) -> str:
    guest, vtd, place = bound(tale, Plan(HOST, cold=(), slots=1, inserted=(1,)))
    guest.unplug(1)
    tale.step(guest, "device_del, the slot is turned off")
    assert guest.vm.host.kernel.objects().count("HWPT") == 2
    guest.plug(2, 0)
    tale.step(guest, "device_add of another device")
    vtd.invalidate_pasid_cache(Granularity.PASID)
    tale.step(guest, "PASID-cache invalidation, the entry is the same")
    expect(guest, 2, f"table {table_of(1):#x}")
    vtd.entry(*place, 2)
    vtd.invalidate_pasid_cache(Granularity.PASID)
    tale.step(guest, "entry := table 2")
    return "a bound device leaves: nested HWPT, its parent and the IOAS stay"


def _unplug(tale: Tale) -> str:
    """The guest takes its entry away before the device leaves."""
    guest, vtd, place = bound(tale, Plan(HOST, cold=(), slots=1, inserted=(1,)))
    vtd.remove(*place)
    vtd.invalidate_pasid_cache(Granularity.PASID)
    tale.step(guest, "entry removed")
    guest.unplug(1)
    tale.step(guest, "device_del, the slot is turned off")
    return "a device that is not bound leaves, and nothing stays"


def _two(tale: Tale) -> str:
    """Two devices: each has an address space, and so a container, of its own."""
    guest, vtd = tale.x86(Plan(HOST, cold=(1, 2)))
    tale.step(guest, "start")
    vtd.start(guest.places[1], guest.places[2])
    vtd.entry(*guest.places[1], 1)
    vtd.set(Gcmd.TE, True)
    tale.step(guest, "TE := 1, the entry of the first has table 1")
    for table in (1, 2):
        vtd.entry(*guest.places[2], table)
        vtd.invalidate_pasid_cache(Granularity.DOMAIN)
        tale.step(guest, f"entry of the second := table {table}; domain-selective")
    expect(guest, 1, f"table {table_of(1):#x}")
    expect(guest, 2, f"table {table_of(2):#x}")
    return "two devices never share an IOAS or a nesting parent"


def _refused_start(tale: Tale) -> str:
    plan = Plan(HOST, trace=tale.trace)
    host = kernel(plan)
    host.refuses = refuse("HWPT_ALLOC")
    try:
        q35(binary(X86, tale.qemu), plan, host)
    except EndedError as ended:
        tale.log = ended.said
        tale.lines += ["== start, HWPT_ALLOC fails", *(f"  {call.text()}" for call in host.calls)]
        tale.lines += [f"  : {host.kernel.objects()}", f"  QEMU: status {ended.status}"]
        return f"one refused HWPT_ALLOC at start: status {ended.status}"
    raise AssertionError("QEMU goes on")


def _refused_detach(tale: Tale) -> str:
    guest, vtd, place = bound(tale, Plan(HOST))
    guest.vm.host.refuses = refuse("DETACH_PT", errno.EBUSY)
    vtd.remove(*place)
    vtd.invalidate_pasid_cache(Granularity.PASID)
    tale.step(guest, "entry removed, DETACH fails")
    vtd.invalidate_pasid_cache(Granularity.PASID)
    tale.step(guest, "the same invalidation again")
    expect(guest, 1, f"table {table_of(1):#x}")
    vtd.entry(*place, 2)
    vtd.invalidate_pasid_cache(Granularity.PASID)
    tale.step(guest, "entry := table 2")
    assert guest.vm.host.kernel.objects().count("HWPT_NESTED") == 2
    return "one refused DETACH is never tried again; the next bind leaks the old nested HWPT"


def _blocked(tale: Tale) -> str:
    guest, vtd, place = bound(tale, Plan(HOST))
    vtd.remove(*place)
    vtd.invalidate_pasid_cache(Granularity.PASID)
    tale.step(guest, "entry removed")
    vtd.set(Gcmd.TE, False)
    tale.step(guest, "TE := 0")
    expect(guest, 1, "blocked")
    guest.reset()
    tale.step(guest, "system reset")
    expect(guest, 1, "blocked")
    return "the entry is gone: TE := 0 and a reset leave the device blocked"


def _refused_reset(tale: Tale) -> str:
    guest, _, _ = bound(tale, Plan(HOST))
    guest.vm.host.refuses = refuse("ATTACH_PT", errno.EBUSY)
    guest.reset()
    tale.step(guest, "system reset, ATTACH fails")
    expect(guest, 1, f"table {table_of(1):#x}")
    return "a refused ATTACH at reset: the device stays on the old guest's table"


def _refused_destroy(tale: Tale) -> str:
    guest, vtd, place = bound(tale, Plan(HOST, cold=(), slots=1, inserted=(1,)))
    guest.vm.host.refuses = refuse("DESTROY")
    vtd.remove(*place)
    vtd.invalidate_pasid_cache(Granularity.PASID)
    tale.step(guest, "entry removed, DESTROY fails")
    guest.unplug(1)
    tale.step(guest, "device_del, the slot is turned off")
    assert guest.vm.host.kernel.objects().count("HWPT") == 2
    return "one refused DESTROY of a nested HWPT leaks its parent and the IOAS"


def _aborts(tale: Tale, call: str) -> str:
    """The guest changes what is memory, and a call of that fails."""
    guest, _ = tale.x86(Plan(HOST))
    tale.step(guest, "start")
    guest.vm.host.refuses = refuse(call)
    try:
        Ports(guest.vm.processor).write(0, 0, PAM, 0x3333_3030)
    except EndedError as ended:
        tale.step(guest, f"a part of the first megabyte becomes memory, {call} fails")
        tale.lines.append(f"  QEMU: {ended}")
        return f"one refused {call} at run time: {ended}"
    raise AssertionError("QEMU goes on")


def _map_aborts(tale: Tale) -> str:
    return _aborts(tale, "IOAS_MAP")


def _unmap_aborts(tale: Tale) -> str:
    return _aborts(tale, "IOAS_UNMAP")


VTD_TALES: Final[dict[str, Callable[[Tale], str]]] = {
    "vtd-basic": _basic, "vtd-pasid": _pasid, "V-16": _v16, "V-20": _v20, "V-20b": _v20b,
    "V-25": _v25, "vtd-unplug": _unplug, "vtd-two": _two, "vtd-blocked": _blocked,
    "vtd-refused-start": _refused_start, "vtd-refused-detach": _refused_detach,
    "vtd-refused-destroy": _refused_destroy, "vtd-refused-reset": _refused_reset,
    "vtd-refused-map": _map_aborts, "vtd-refused-unmap": _unmap_aborts,
}  # fmt: skip

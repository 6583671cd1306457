"""A run on a q35 with VT-d: what its guest can do, and how it is done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from checkers.real.qemu.root import binary
from checkers.real.qemu.rules.acts import Act
from checkers.real.qemu.rules.guest_run import (
    BIT,
    Given,
    Run,
    StandsStillError,
    given_of_all,
)
from checkers.real.qemu.rules.vtd_intent import (
    BLOCKED,
    BYPASS,
    NEAR,
    NO_ENTRY,
    PASIDS,
    Entry,
    Reach,
    VtdIntent,
)
from checkers.real.qemu.slots import Ports
from checkers.real.qemu.spec_kernel import Hardware
from checkers.real.qemu.start import X86, Guest, Plan, kernel, q35
from checkers.real.qemu.vtd_guest import Gcmd, Granularity, Pgtt, QueueError, VtdGuest, table_of
from spec.iommufd.objects import Kind
from spec.iommufd.uapi.state import Driver

PLAN: Final = Plan(
    Hardware(Driver.INTEL, devices=2, can_pasid=0b11), cold=(), slots=2, inserted=(1,),
    pasid_bits=14,
)  # fmt: skip

TABLES: Final = (1, 2)
DOMAINS: Final = (1, 2)
ENTRIES: Final = (
    NO_ENTRY,
    *(Entry(f"table {table}", did) for table in TABLES for did in DOMAINS),
    *(Entry(BYPASS, did) for did in DOMAINS),
)

PAM: Final = 0x90
MEMORY, NO_MEMORY = 0x3333_3030, 0
"""Whether parts of the first megabyte are memory, as the host bridge has it."""

INVALIDATIONS: Final = (
    *((Granularity.GLOBAL, 0, 0),) * 2,
    *((Granularity.PASID, did, pasid) for pasid in PASIDS for did in DOMAINS),
    *((Granularity.DOMAIN, did, 0) for did in DOMAINS),
)


SLOTS: Final = range(PLAN.slots)
GIVEN: Final[Given] = {
    **given_of_all(PLAN.slots), "entry": (SLOTS, PASIDS, range(len(ENTRIES))),
    "context": (SLOTS, tuple(Reach)),
    "invalidate": (tuple(Granularity), (0, *DOMAINS), PASIDS),
    "invalidate-contexts": (range(PLAN.slots + 1),), "invalidate-iotlb": (DOMAINS, PASIDS),
    "translation": (BIT,), "low-memory": (BIT,), "root": (),
}  # fmt: skip


class VtdRun(Run):
    """The guest's tables are in place, with no PASID entry; the queue is on, translation off."""

    pasids = PASIDS

    def __init__(self, guest: Guest, driver: VtdGuest) -> None:
        super().__init__(guest, PLAN.slots)
        self.driver = driver
        self.intent = VtdIntent(PLAN.slots)
        self.low_memory = False
        driver.start(*map(_place, range(PLAN.slots)), pasids=True)
        for slot in range(PLAN.slots):
            driver.context(*_place(slot), 2)

    def choices(self) -> Mapping[str, Sequence[tuple[int, ...]]]:
        """What can be done now: without a queue nothing is invalidated, nor translation on."""
        slots, intent = SLOTS, self.intent
        there = [(self.slot(dev), NEAR) for dev in self.guest.places]
        rows = [*there * 3, *((slot, pasid) for slot in slots for pasid in PASIDS)]
        entries = [(slot, pasid, number) for slot, pasid in rows
                   for number, entry in enumerate(ENTRIES)
                   if intent.places[slot].rows[pasid].memory != entry]  # fmt: skip
        contexts = [(slot, reach) for slot in slots for reach in Reach
                    if intent.places[slot].reach is not reach]  # fmt: skip
        queued: dict[str, Sequence[tuple[int, ...]]] = {
            "invalidate": [(int(g), did, pasid) for g, did, pasid in INVALIDATIONS],
            "invalidate-contexts": [(0,), *((slot + 1,) for slot in slots)],
            "invalidate-iotlb": [(did, pasid) for did in DOMAINS for pasid in PASIDS],
            "translation": [(int(not intent.enabled),)],
        }  # fmt: skip
        return {
            **(queued if intent.queue else {}), "root": [()], "entry": entries,
            "context": contexts, **self.plugs(), "low-memory": [(int(not self.low_memory),)],
            "reset": [()],
        }  # fmt: skip

    def text(self, act: Act) -> str:
        """An action in words."""
        match act.kind, act.given:
            case "entry", (slot, pasid, number):
                entry = ENTRIES[number]
                new = f"{entry.does}, domain {entry.did}" if entry.did else "not present"
                return f"PASID entry {pasid:#x} of slot {slot} := {new}"
            case "context", (slot, reach):
                return f"context entry of slot {slot} := {Reach(reach).name.lower()}"
            case "invalidate", (granularity, did, pasid):
                named = {Granularity.GLOBAL: "", Granularity.DOMAIN: f" {did}",
                         Granularity.PASID: f" {pasid:#x} of domain {did}"}  # fmt: skip
                kind = Granularity(granularity)
                return f"PASID-cache invalidation, {kind.name.lower()}{named[kind]}"
            case "invalidate-contexts", (one,):
                return f"context-cache invalidation, {f'slot {one - 1}' if one else 'global'}"
            case "invalidate-iotlb", (did, pasid):
                return f"PASID-based IOTLB invalidation, PASID {pasid:#x} of domain {did}"
            case "translation", (on,):
                return f"GCMD.TE := {on}"
            case "low-memory", (on,):
                return f"the first megabyte {'becomes' if on else 'is no more'} memory (PAM)"
            case "root", _:
                return "GCMD.SRTP, the same root table"
        return super().text(act)

    def do(self, act: Act) -> bool:
        """The guest acts. VT-d tells of no failure but by a queue that stands still."""
        if act.kind in ("plug", "unplug"):
            return self.plug(act)
        try:
            self._act(act)
        except QueueError as error:
            raise StandsStillError(str(error)) from None
        self._intend(act)
        return False

    def repeat(self, act: Act) -> None:
        """The same again; what is not an invalidation is followed by all of them."""
        if act.kind in ("plug", "unplug", "low-memory"):
            return
        self._act(act)
        if self.intent.queue and not act.kind.startswith("invalidate"):
            self.driver.invalidate_context_cache()
            self.driver.invalidate_pasid_cache(Granularity.GLOBAL)
            self.intent.cover_contexts(None)
            self.intent.cover(0, None)

    def _act(self, act: Act) -> None:
        driver = self.driver
        match act.kind, act.given:
            case "entry", (slot, pasid, number):
                self._write(slot, pasid, ENTRIES[number])
            case "context", (slot, reach):
                driver.context(*_place(slot), reach or None)
            case "invalidate", (granularity, did, pasid):
                driver.invalidate_pasid_cache(Granularity(granularity), did, pasid)
            case "invalidate-contexts", (one,):
                source = _place(one - 1)[0] << 8 if one else None
                driver.invalidate_context_cache(source=source)
            case "invalidate-iotlb", (did, pasid):
                driver.invalidate_iotlb(did, pasid)
            case "translation", (on,):
                driver.set(Gcmd.TE, bool(on))
            case "low-memory", (on,):
                memory = MEMORY if on else NO_MEMORY
                Ports(self.guest.vm.processor).write(0, 0, PAM, memory)
            case "root", _:
                if not self.intent.queue:
                    driver.queue()
                driver.root()
            case "reset", _:
                self.guest.reset()

    def _write(self, slot: int, pasid: int, entry: Entry) -> None:
        if not entry.did:
            self.driver.remove(*_place(slot), pasid)
            return
        kind = Pgtt.PASS_THROUGH if entry.does == BYPASS else Pgtt.FIRST_STAGE
        table = 0 if entry.does == BYPASS else int(entry.does.split()[1])
        self.driver.entry(*_place(slot), table, pasid, kind, entry.did)

    def _intend(self, act: Act) -> None:
        intent = self.intent
        match act.kind, act.given:
            case "entry", (slot, pasid, number):
                intent.entry(slot, pasid, ENTRIES[number])
            case "context", (slot, reach):
                intent.context(slot, Reach(reach))
            case "invalidate", (granularity, did, pasid):
                intent.cover(did, pasid if granularity == Granularity.PASID else None)
            case "invalidate-contexts", (one,):
                intent.cover_contexts(one - 1 if one else None)
            case "translation", (on,):
                intent.enabled = bool(on)
            case "low-memory", (on,):
                self.low_memory = bool(on)
            case "root", _:
                intent.queue = True
            case "reset", _:
                intent.reset()
                self.low_memory = False

    def may(self, dev: int, pasid: int) -> frozenset[str]:
        """All that hardware may do."""
        return self.intent.may(self.slot(dev), pasid)

    def due(self, dev: int, pasid: int) -> str:
        """What the guest asks for now."""
        return self.intent.due(self.slot(dev), pasid)

    def when(self, act: Act, dev: int, pasid: int) -> str:
        """A PASID, beyond its directory or beside a PASID 0 without entry; and by which domain."""
        place = self.intent.places[self.slot(dev)]
        told = " of a PASID" if pasid else ""
        if pasid and place.reach is Reach.SMALL:
            told += " beyond the directory"
        elif pasid and not place.asked(NEAR).did:
            told += " beside no PASID 0"
        other = act.kind == "invalidate" and act.given[1] not in (0, place.asked(pasid).did)
        return told + (" by the domain it had" if other else "")

    def does(self, obj: int) -> str:
        """What is done with requests through an object."""
        if not obj:
            return BLOCKED
        if self.kernel.kind(obj) != Kind.HWPT_NESTED:
            return BYPASS
        data = self.kernel.data[obj]
        known = {table_of(table): table for table in TABLES}
        return f"table {known.get(data, hex(data))}"

    def is_in_use(self, obj: Any) -> bool:
        """A nested HWPT is there as long as a device goes through it."""
        return bool(obj.refs > 1)


def vtd_run(qemu: Path | None, without_kvm_check: bool) -> VtdRun:
    """Start a q35."""
    return VtdRun(*q35(binary(X86, qemu), PLAN, kernel(PLAN)))


def _place(slot: int) -> tuple[int, int]:
    return slot + 1, NEAR

"""A run on a virt with an accelerated SMMUv3: what its guest can do, and how it is done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from checkers.real.qemu import unmodelled
from checkers.real.qemu.root import binary
from checkers.real.qemu.rules.acts import Act
from checkers.real.qemu.rules.guest_run import BIT, Given, Run, given_of_all
from checkers.real.qemu.rules.smmuv3_intent import ABORT, BYPASS, SmmuIntent
from checkers.real.qemu.smmuv3_guest import Command, Config, SmmuGuest, context_of
from checkers.real.qemu.spec_kernel import Hardware
from checkers.real.qemu.start import ARM, Guest, Plan, kernel, virt
from spec.iommufd.objects import Kind
from spec.iommufd.uapi.state import Driver

PLAN: Final = Plan(Hardware(Driver.ARM, devices=2), cold=(), slots=2, inserted=(1,))
TABLES: Final = (1, 2)
ENTRIES: Final = (ABORT, *(f"table {table}" for table in TABLES), BYPASS)
EVERY: Final = 31


SLOTS: Final = range(PLAN.slots)
GIVEN: Final[Given] = {
    **given_of_all(PLAN.slots), "entry": (SLOTS, range(len(ENTRIES))),
    "install": (range(PLAN.slots + 1),), "translation": (BIT,), "bypass": (BIT,), "queues": (),
}  # fmt: skip


class SmmuRun(Run):
    """The stream table is in place, with no entry; queues are on, translation off."""

    def __init__(self, guest: Guest, driver: SmmuGuest) -> None:
        super().__init__(guest, PLAN.slots)
        self.driver = driver
        self.intent = SmmuIntent(PLAN.slots)
        driver.start()

    def choices(self) -> Mapping[str, Sequence[tuple[int, ...]]]:
        """What can be done now: without queues there are no commands, nor is translation on."""
        slots, intent = SLOTS, self.intent
        entries = [(slot, number) for slot in slots for number, entry in enumerate(ENTRIES)
                   if intent.streams[slot].memory != entry]  # fmt: skip
        queued: dict[str, Sequence[tuple[int, ...]]] = {
            "install": [(0,), *((slot + 1,) for slot in slots)],
            "translation": [(int(not intent.enabled),)],
        }
        return {
            **(queued if intent.queue else {"queues": [()]}), "entry": entries,
            "bypass": [(0,), (1,)], **self.plugs(), "reset": [()],
        }  # fmt: skip

    def text(self, act: Act) -> str:
        """An action in words."""
        match act.kind, act.given:
            case "entry", (slot, number):
                return f"stream table entry of slot {slot} := {ENTRIES[number]}"
            case "install", (one,):
                return f"CFGI_STE of slot {one - 1}" if one else "CFGI_ALL"
            case "translation", (on,):
                return f"SMMUEN := {on}"
            case "bypass", (abort,):
                return f"GBPA := {'abort' if abort else 'bypass'}"
            case "queues", _:
                return "queues on"
        return super().text(act)

    def do(self, act: Act) -> bool:
        """The guest acts; a command can be an error."""
        if act.kind in ("plug", "unplug"):
            return self.plug(act)
        heard = self._act(act)
        self._intend(act, heard)
        return heard

    def repeat(self, act: Act) -> None:
        """The same again; what is not a command is followed by CFGI_ALL."""
        if act.kind in ("plug", "unplug"):
            return
        self._act(act)
        if self.intent.queue and act.kind != "install":
            self.driver.submit(Command.CFGI_STE_RANGE, EVERY)
            self.intent.cover(None)

    def _act(self, act: Act) -> bool:
        driver = self.driver
        match act.kind, act.given:
            case "entry", (slot, number):
                self._write(_stream(slot), ENTRIES[number])
            case "install", (0,):
                return bool(driver.submit(Command.CFGI_STE_RANGE, EVERY))
            case "install", (one,):
                return bool(driver.install(_stream(one - 1)))
            case "translation", (on,):
                driver.enable(bool(on))
            case "bypass", (abort,):
                driver.bypass(bool(abort))
            case "queues", _:
                driver.queues()
            case "reset", _:
                self.guest.reset()
        return False

    def _write(self, stream: int, does: str) -> None:
        if does.startswith("table"):
            self.driver.entry(stream, Config.TRANSLATE, int(does.split()[1]))
        else:
            self.driver.entry(stream, Config.BYPASS if does == BYPASS else Config.ABORT)

    def _intend(self, act: Act, heard: bool) -> None:
        intent = self.intent
        match act.kind, act.given:
            case "entry", (slot, number):
                intent.entry(slot, ENTRIES[number])
            case "install", (one,):
                if not heard:
                    intent.cover(one - 1 if one else None)
            case "translation", (on,):
                intent.enabled = bool(on)
            case "bypass", (abort,):
                intent.bypass = ABORT if abort else BYPASS
            case "queues", _:
                intent.queue = True
            case "reset", _:
                intent.reset()

    def may(self, dev: int, pasid: int) -> frozenset[str]:
        """All that hardware may do."""
        return self.intent.may(self.slot(dev))

    def due(self, dev: int, pasid: int) -> str:
        """What the guest asks for now."""
        return self.intent.due(self.slot(dev))

    def does(self, obj: int) -> str:
        """What is done with requests through an object."""
        if not obj:
            return ABORT
        if self.kernel.kind(obj) != Kind.HWPT_NESTED:
            return BYPASS
        data = self.kernel.data[obj]
        if unmodelled.path_of(data) != "translate":
            return unmodelled.path_of(data)
        known = {context_of(table): table for table in TABLES}
        place = unmodelled.context_of(data)
        return f"table {known.get(place, hex(place))}"

    def is_in_use(self, obj: Any) -> bool:
        """One for each device may wait while GBPA is in force; two are for abort and bypass."""
        every = [o for o in self.kernel.view().objects if o.kind == Kind.HWPT_NESTED]
        return bool(obj.refs > 1) or len(every) <= 2 + len(self.guest.places)


def smmuv3_run(qemu: Path | None, without_kvm_check: bool) -> SmmuRun:
    """Start a virt."""
    return SmmuRun(*virt(binary(ARM, qemu), PLAN, kernel(PLAN), without_kvm_check))


def _stream(slot: int) -> int:
    return slot + 1 << 8

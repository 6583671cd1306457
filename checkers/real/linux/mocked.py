"""The calls by the operations of the kernel's own selftest, on devices of its own driver.

There a device is bound and attached at once, and destroyed at once. The kernel has one more object
for each: so its ids are others, each new one the lowest that is free. A state is here one of the
specification with the kernel's ids behind it: of each object, and of what holds each device.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from checkers.real.linux.batch import OBJECTS, Call, Failing, Flag, Machine, Op, Trait, Way
from checkers.real.linux.calls import INJECTED, OF_OBJECT, TOMBSTONE, Kernel
from checkers.real.linux.plan import NO_ID
from checkers.userfiles import InputError
from spec.iommufd.objects import Errno, Kind
from spec.iommufd.uapi.invalidate import Entry
from spec.iommufd.uapi.state import Driver, tombstone
from spec.language import NONE
from spec.language.program import Kind as Ended
from spec.language.program import Outcome, Program
from spec.language.steps import Step

BETWEEN: Final = "calls between a bind and the attach that is one operation with it"
NO_OPERATION: Final = "calls that the selftest has no operation for"
NO_ENTRY: Final = "invalidations by entries that the selftest's driver does not have"
ONE_PASID: Final = (
    "attaches of a PASID of a device without: the selftest's has one, PASID 0, and is held to "
    "answer EINVAL"
)
DATA: Final = (
    "HWPTs with data on an IOAS: the selftest's driver takes it, and is held to make what there is "
    "without"
)
OF_THE_DRIVER: Final = "failures of the selftest's driver, which has none"

HOLDER: Final = 33
"""What the module says of the object by which the selftest holds a device."""

OF_VIOMMU, FIRST_GOOD_ID = 2, 4
"""In the flags of an INVALIDATE: of a vIOMMU, and times the id of a device that it knows."""

HAS: Final = Trait.COHERENT | Trait.PASIDS | Trait.DIRTY
"""What a device of the selftest's may be; all are alike in coherency."""


class Mocked(Kernel):
    """One program of the machine, as the selftest's operations reach it."""

    def __init__(self, program: Program) -> None:
        (empty,) = program.initial()
        self.size = len(empty)
        super().__init__(program)
        devices = program.layout.tables["devices"].columns["object"].size
        self.slots, self.known = self.kinds.size, self.kinds.size + devices
        self.empty = empty + bytes(self.known)
        self.at(self.empty)

    def machine(self) -> Machine:
        """The devices; `InputError` if the selftest's driver has none such."""
        machine = super().machine()
        s: Any = self.before.state
        groups = [group for group, _ in machine.devices]
        if (
            machine.driver != Driver.MOCK or s.bound_first or self.known > OBJECTS
            or s.events or s.page_requests or len(groups) != len({*groups})
            or any(has | HAS != HAS or not has & Trait.COHERENT for _, has in machine.devices)
        ):  # fmt: skip
            raise InputError(
                f"--by selftest: no bounds {self.program.bounds_name}: devices of its driver "
                "(driver=2) are alone in their groups, all coherent, reserve nothing, are not "
                "bound before there is an IOAS (bound_first=0), and report nothing "
                f"(events=0, page_requests=0); they and the slots are {OBJECTS} at most"
            )
        return replace(machine, slots=self.known, way=Way.SELFTEST)

    def specified(self, state: bytes) -> bytes:
        """What of a state is the specification's."""
        return state[: self.size]

    def at(self, state: bytes) -> None:
        """The state that the calls that follow are made in, and the kernel's ids there."""
        super().at(self.specified(state))
        self.ids = state[self.size :]

    def follows(self, step: Step, outcome: Outcome) -> bytes:
        """The state after a step: what is new has the lowest ids that are free."""
        if step.action == "close":
            return self.empty
        self.after.load(outcome.state)
        s: Any = self.after.state
        there = [o.kind != Kind.FREE for o in s.objects] + [d.object != NONE for d in s.devices]
        new = [place for place, so in enumerate(there) if so and not self.ids[place]]
        if step.action == "bind":
            new.reverse()
        free = self._free(self.ids)
        ids = [n if so else 0 for n, so in zip(self.ids, there, strict=True)]
        for place in new:
            ids[place] = free.pop(0)
        return outcome.state + bytes(ids)

    def _free(self, ids: bytes) -> list[int]:
        return sorted({*range(1, self.known + 1)} - {*ids})

    def named(self, obj: int) -> int:
        """The kernel's id of an object; what names nothing here names nothing there."""
        if not obj:
            return 0
        before = self.ids[: obj - 1].count(0)
        return self.ids[obj - 1] or self._free(self.ids)[before]

    def kind(self, state: bytes, obj: int) -> int:
        """What an id of the kernel names in a state."""
        ids = state[self.size : self.size + self.slots]
        return super().kind(self.specified(state), ids.index(obj) + 1) if obj in ids else 0

    def call(self, step: Step, outcome: Outcome) -> Call:
        """The call that a step is in this state, with the kernel's ids."""
        call = super().call(step, outcome)
        if call.op is Op.INVALIDATE:
            of_viommu = OF_VIOMMU + FIRST_GOOD_ID * self._known_by(call.id)
            flags = of_viommu if self._is(call.id, Kind.VIOMMU) else 0
            return call._replace(id=self.named(call.id), flags=call.flags | flags)
        if call.op in (Op.HWPT, Op.HWPT_UNKNOWN, Op.VIOMMU, Op.VDEVICE, Op.COPY):
            call = call._replace(device=self.named(call.device))
        if call.op is Op.HWPT and call.flags & Flag.FAULT_ID:
            call = call._replace(more=self.named(call.more))
        answer = self.follows(step, outcome)[self.size + call.answer - 1] if call.answer else 0
        return call._replace(id=self.named(call.id), answer=answer)

    def _is(self, obj: int, kind: Kind) -> bool:
        s: Any = self.before.state
        return bool(obj) and s.objects[obj].kind == kind

    def _known_by(self, viommu: int) -> int:
        """The id by which a vIOMMU knows some device, 0 if it knows none."""
        s: Any = self.before.state
        return next((int(o.virt_id) for o in s.objects if o.virt_id and o.parent == viommu), 0)

    def why_not(self, step: Step, outcome: Outcome) -> str:
        """Why the selftest makes no such call, beside what stands against any call."""
        s: Any = self.before.state
        values = dict(zip(self.names[step.action], step.values, strict=True))
        waits = [d.id for d in s.devices if d.object != NONE and d.attached == NONE]
        if waits and (step.action, values.get("dev"), values.get("pasid")) != (
            "attach", waits[0], 0,
        ):  # fmt: skip
            return BETWEEN
        if not waits and not self._operation(step.action, values):
            return NO_OPERATION
        without = self._without_data(step)
        if without and without[1].kind is not Ended.DONE:
            return NO_ID
        if step.action == "hwpt_invalidate" and not self._entry(values):
            return NO_ENTRY
        why = super().why_not(step, outcome)
        if why or not step.fault:
            return why
        failing = INJECTED[outcome.calls[-1].name]
        alone = failing is Failing.ALLOCATION and step.action != "bind"
        return "" if alone else OF_THE_DRIVER

    def by_habit(self, step: Step, outcome: Outcome) -> tuple[Step, Outcome, str]:
        """A device without PASIDs has 1 << 0 of them, none to attach; an IOAS's HWPT takes data."""
        s: Any = self.before.state
        if step.action == "attach" and not outcome.result:
            dev, pasid, _ = step.values
            if pasid and not s.devices[dev].can_pasid:
                refused = replace(outcome, state=self.state, result=int(Errno.EINVAL))
                return step, refused, ONE_PASID
        without = self._without_data(step)
        if without and without[1].result != outcome.result:
            return (*without, DATA)
        return step, outcome, ""

    def _without_data(self, step: Step) -> tuple[Step, Outcome] | None:
        """The same HWPT on an IOAS, without data, and what comes of it."""
        if step.action != "hwpt_alloc_nested" or not self._is(step.values[1], Kind.IOAS):
            return None
        dev, pt, nest_parent, pasid, _ = step.values
        same = Step("hwpt_alloc_on_ioas", (dev, pt, nest_parent, 0, pasid))
        return same, self.program.run(self.program.action(same.action), self.state, same.values)

    def _operation(self, action: str, values: Mapping[str, int]) -> bool:
        """Whether there is an operation for a call, every device that is bound being attached."""
        s: Any = self.before.state
        if action in ("attach", "replace", "detach"):
            bound = s.devices[values["dev"]].object != NONE
            return bound and (bool(values["pasid"]) or action == "replace")
        if action == "bind":
            return bool(s.devices[values["dev"]].object == NONE)
        return action not in ("take_group", "leave_group")

    def _entry(self, values: Mapping[str, int]) -> bool:
        """Whether there are the entries: those of a vIOMMU are all of a device, others of none."""
        target = values["target"]
        if self._is(target, Kind.VIOMMU):
            return self._known_by(target) != 0
        return not self._is(target, Kind.HWPT_NESTED) or values["last"] != Entry.OF_DEVICE

    def look(self, state: bytes) -> bytes:
        """What the kernel's ids name, and what is recorded of each device."""
        self.after.load(self.specified(state))
        s: Any = self.after.state
        ids = state[self.size :]
        seen = bytearray(OF_OBJECT * self.known)
        waits = [d for d in s.devices if d.object != NONE and d.attached == NONE]
        for o in s.objects:
            if o.kind != Kind.FREE and o.id not in [d.object for d in waits]:
                kind = TOMBSTONE if tombstone(s, o.id) else int(o.kind)
                _put(seen, ids[o.id - 1], kind, o.refs)
        for d in s.devices:
            if d.attached != NONE:
                _put(seen, ids[self.slots + d.id - 1], HOLDER, 1)
        for d in s.devices:
            g = s.groups[d.group]
            record, pasid = (ids[hwpt - 1] if hwpt else 0 for hwpt in (g.hwpt, g.pasid_hwpt))
            seen += bytes((record, 0, pasid, 0, 0))
        return bytes(seen) + b"\0"


def _put(seen: bytearray, obj: int, kind: int, users: int) -> None:
    seen[OF_OBJECT * (obj - 1) : OF_OBJECT * obj] = bytes((kind, users, 0))

"""What a step of `iommufd-objects` is as a call of the kernel, and what is to be seen after it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from checkers.real.linux.batch import Batch, Call, Failing, Flag, Machine, Op, Trait
from spec.iommufd.objects import Kind
from spec.iommufd.uapi.events import fault_queue_of
from spec.iommufd.uapi.invalidate import Entry, vdevice_with
from spec.iommufd.uapi.state import VirtId, tombstone, viommu_of
from spec.language import Id
from spec.language.program import Outcome, Program
from spec.language.steps import Step

SEEN_OF_DEVICE: Final = (
    "record", "hardware", "PASID record", "PASID hardware", "waiting",
)  # fmt: skip
"""What the guest says of a device, in its order."""

OF_OBJECT: Final = 3
"""How many bytes are seen of an object: its kind, its users, for whom addresses are reserved."""

TOMBSTONE: Final = 32
"""What the guest says of an id that is not used again."""

INJECTED: Final = {
    "iommu_domain_alloc": Failing.DOMAIN,
    "iommu_attach_group": Failing.ATTACH,
    "iommufd_backend_get_device_info": Failing.INFO,
    "iommufd_cdev_connect_and_bind": Failing.ALLOCATION,
    "iommufd_backend_map_dma": Failing.ALLOCATION,
}
"""How each host call of the specification is made to fail in the kernel."""

TURN: Final = {"iommufd_backend_map_dma": 2}
"""Which allocation that is; the first of these calls is a look-up of an id, which may fail too."""

Values = Mapping[str, int]


def _device(s: Any, v: Values) -> int:
    """The object of the device that a step names, 0 if it is not bound."""
    return int(s.devices[v["dev"]].object)


def _first_of(s: Any, v: Values) -> int:
    """A device of a group."""
    return next(int(d.id) - 1 for d in s.devices if d.group == v["group"])


def _flags(v: Values) -> int:
    named = {"nest_parent": Flag.NEST_PARENT, "dirty": Flag.DIRTY, "pasid": Flag.PASID}
    return sum(int(flag) for name, flag in named.items() if v.get(name))


def _for_pasids(s: Any) -> int:
    """Where devices ask for pages, an HWPT whose faults go to a queue is for PASIDs too."""
    return int(Flag.PASID) if s.page_requests else 0


def _on_device(op: Op) -> Callable[[Any, Values], Call]:
    return lambda s, v: Call(op, v["dev"] - 1, v.get("pt", 0), _flags(v))


CALLS: Final[Mapping[str, Callable[[Any, Values], Call]]] = {
    "bind": _on_device(Op.BIND),
    "unbind": _on_device(Op.UNBIND),
    "get_hw_info": lambda s, v: Call(
        Op.INFO, id=_device(s, v), flags=Flag.ITS_TYPE if v["its_type"] else 0
    ),
    "ioas_alloc": lambda s, v: Call(Op.IOAS),
    "ioas_map": lambda s, v: Call(Op.MAP, id=v["ioas"], more=v["section"]),
    "ioas_unmap": lambda s, v: Call(Op.UNMAP, id=v["ioas"], more=v["section"]),
    "ioas_allow_iovas": lambda s, v: Call(
        Op.ALLOW, id=v["ioas"], flags=Flag.NOTHING if v["any_address"] else 0
    ),
    "ioas_map_anywhere": lambda s, v: Call(Op.MAP, id=v["ioas"], flags=Flag.ANOTHER),
    "ioas_unmap_all": lambda s, v: Call(Op.UNMAP, id=v["ioas"], flags=Flag.EVERYTHING),
    "ioas_copy": lambda s, v: Call(Op.COPY, v["ioas"], v["source"], v["at"], v["section"]),
    "hwpt_alloc_on_ioas": lambda s, v: Call(Op.HWPT, _device(s, v), v["pt"], _flags(v)),
    "hwpt_alloc_nested": lambda s, v: Call(
        Op.HWPT, _device(s, v), v["pt"], _flags(v) | Flag.DATA, v["table"]
    ),
    "hwpt_alloc_with_fault": lambda s, v: Call(
        Op.HWPT, _device(s, v), v["pt"], _flags(v) | Flag.FAULT_ID | _for_pasids(s), v["fault_id"]
    ),
    "hwpt_alloc_unknown": lambda s, v: Call(
        Op.HWPT_UNKNOWN, _device(s, v), v["pt"], v["unknown"], v["data"]
    ),
    "hwpt_set_dirty_tracking": lambda s, v: Call(
        Op.TRACK_DIRTY, id=v["hwpt"], more=v["enable"]
    ),
    "viommu_alloc": lambda s, v: Call(Op.VIOMMU, _device(s, v), v["hwpt"]),
    "viommu_alloc_unknown": lambda s, v: Call(
        Op.VIOMMU, _device(s, v), v["hwpt"], Flag.ANOTHER
    ),
    "viommu_mmap": lambda s, v: Call(Op.MMAP, id=v["viommu"], more=v["exact"]),
    "vdevice_alloc": lambda s, v: Call(
        Op.VDEVICE, _device(s, v), v["viommu"], more=v["virt_id"]
    ),
    "veventq_alloc": lambda s, v: Call(Op.VEVENTQ, id=v["viommu"]),
    "fault_queue_alloc": lambda s, v: Call(Op.FAULTQ),
    "close_file": lambda s, v: Call(Op.CLOSE_QUEUE, id=v["queue"]),
    "hwpt_invalidate": lambda s, v: Call(
        Op.INVALIDATE, v["virt_id"], v["target"], more=v["last"]
    ),
    "hwpt_invalidate_devices": lambda s, v: Call(
        Op.INVALIDATE, v["two"], v["target"], 2 * v["one"], Entry.OF_DEVICE
    ),
    "hwpt_invalidate_nothing": lambda s, v: Call(
        Op.INVALIDATE, id=v["target"], flags=Flag.NOTHING
    ),
    "hw_queue_alloc": lambda s, v: Call(
        Op.HW_QUEUE, v["section"], v["viommu"], v["asked"], v["index"]
    ),
    "report_event": _on_device(Op.EVENT),
    "page_request": _on_device(Op.PAGE_REQUEST),
    "page_response": lambda s, v: Call(
        Op.PAGE_RESPONSE, id=fault_queue_of(s, Id(v["dev"]), bool(v["pasid"]))
    ),
    "attach": _on_device(Op.ATTACH),
    "replace": _on_device(Op.REPLACE),
    "detach": _on_device(Op.DETACH),
    "take_group": lambda s, v: Call(Op.TAKE, _first_of(s, v)),
    "leave_group": lambda s, v: Call(Op.LEAVE, _first_of(s, v)),
    "destroy": lambda s, v: Call(Op.DESTROY, id=v["obj"]),
    "close": lambda s, v: Call(Op.CLOSE),
}
"""Every action that is a call."""

NO_CALLS: Final = {
    "fill_atc": "the caches of devices, of which the mock driver's have none",
    "release": "steps that the kernel takes by itself at a close",
    "pci_dev_reset_iommu_prepare": "resets, of which the mock driver's devices have none",
    "pci_dev_reset_iommu_done": "resets, of which the mock driver's devices have none",
}
"""Actions that are none, and why not."""

NOT_INJECTED: Final = "host calls that cannot be made to fail alone"

ANSWER_NOTHING: Final = frozenset(
    ("unbind", "get_hw_info", "ioas_map", "ioas_unmap", "ioas_allow_iovas", "close_file", "detach",
     "destroy", "close", "take_group", "leave_group", "hwpt_set_dirty_tracking", "viommu_mmap",
     "page_request", "ioas_map_anywhere", "ioas_copy",
     "ioas_unmap_all")
)  # fmt: skip
"""Calls that answer no id."""


class Kernel:
    """One program of the machine, as the guest is to see it."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.before, self.after = program.store(), program.store()
        self.names = {
            action.name: tuple(item.name for item in action.parameters)
            for action in program.actions
        }
        columns = program.layout.tables["devices"].columns
        self.attached = columns["attached"], columns["pasid_attached"]
        self.kinds = program.layout.tables["objects"].columns["kind"]
        (self.empty,) = program.initial()
        self.at(self.empty)

    def machine(self) -> Machine:
        """The devices of the machine, and one more for each group that has a bridge."""
        self.before.load(self.specified(self.empty))
        s: Any = self.before.state
        devices = [(int(d.group) - 1, _traits(s, d)) for d in s.devices]
        bridges = [(int(g.id) - 1, _BRIDGE) for g in s.groups if g.bridge]
        every = (*devices, *bridges)
        return Machine(int(s.driver), len(s.objects), len(devices), every)

    def batch(self) -> Batch:
        """A batch that has nothing but the empty iommufd, node 0."""
        batch = Batch(self.machine())
        batch.node(0, Call(Op.GO), self.look(self.empty))
        return batch

    def kind(self, state: bytes, obj: int) -> int:
        """What an id names in a state."""
        self.after.load(state)
        s: Any = self.after.state
        o = s.objects[obj]
        return TOMBSTONE if tombstone(s, o.id) else int(o.kind)

    def look(self, state: bytes) -> bytes:
        """What is to be seen in a state: kinds and users of the ids, and each device's paths."""
        self.after.load(state)
        s: Any = self.after.state
        seen = bytearray()
        for o in s.objects:
            reserved = sum(1 << int(d.id) - 1 for d in s.devices if d.reserved_in == o.id)
            seen += bytes((TOMBSTONE if tombstone(s, o.id) else o.kind, o.refs, reserved))
        for d in s.devices:
            group = s.groups[d.group]
            through = group.pasid_hwpt if d.can_pasid else 0
            waiting = d.waits + 2 * d.pasid_waits
            seen += bytes((group.hwpt, d.through, group.pasid_hwpt, through, waiting))
        seen.append(sum(o.kind in (Kind.HWPT_PAGING, Kind.HWPT_NESTED) for o in s.objects))
        return bytes(seen)

    def why_not(self, step: Step, outcome: Outcome) -> str:
        """Why a step is not held against the kernel; empty if it is."""
        if step.action not in CALLS:
            return NO_CALLS[step.action]
        return "" if self.can_fail(step, outcome) else NOT_INJECTED

    def leavings(self, state: bytes, step: Step, looks: set[bytes]) -> set[bytes]:
        """What may be seen after a call that failed inside, given what the specification leaves."""
        return looks

    def can_fail(self, step: Step, outcome: Outcome) -> bool:
        """Whether the kernel can be made to fail where a host call did, if one did.

        What is a whole ioctl may fail at any point in the specification; the kernel refuses first.
        A group of devices without PASIDs has no hardware of which an attach of one could fail.
        """
        if not step.fault:
            return True
        failing = INJECTED.get(outcome.calls[-1].name)
        if failing is Failing.ATTACH:
            names = self.names[step.action]
            return self._asked(self.before.state, dict(zip(names, step.values, strict=True))) > 0
        if failing is Failing.DOMAIN:
            return True
        action = self.program.action(step.action)
        return failing is not None and not self.program.run(action, self.state, step.values).result

    def specified(self, state: bytes) -> bytes:
        """What of a state is the specification's: all of it."""
        return state

    def by_habit(self, step: Step, outcome: Outcome) -> tuple[Step, Outcome, str]:
        """What comes of a step where a driver has habits, as of which other, and why: here none."""
        return step, outcome, ""

    def follows(self, step: Step, outcome: Outcome) -> bytes:
        """The state after a step; a file that is closed is opened again."""
        return self.empty if step.action == "close" else outcome.state

    def at(self, state: bytes) -> None:
        """The state that the calls that follow are made in."""
        self.state = state
        self.before.load(state)

    def call(self, step: Step, outcome: Outcome) -> Call:
        """The call that a step is in this state, with its answer."""
        s: Any = self.before.state
        values = dict(zip(self.names[step.action], step.values, strict=True))
        op, device, id_, flags, more, *_ = CALLS[step.action](s, values)
        if outcome.state != self.state:
            flags |= Flag.CHANGES
        fault = self._fault(s, values, outcome) if step.fault else 0
        answer = self._answer(step, values, outcome)
        return Call(op, device, id_, int(flags), more, fault, outcome.result, answer)

    def _fault(self, s: Any, values: Values, outcome: Outcome) -> int:
        failing = INJECTED[outcome.calls[-1].name]
        if failing is Failing.ALLOCATION:
            return int(failing) + TURN.get(outcome.calls[-1].name, 1)
        turn = self._asked(s, values) if failing is Failing.ATTACH else 1
        return int(failing) + 16 * turn

    def _asked(self, s: Any, values: Values) -> int:
        """How many devices the driver programs for an attach: the last of them fails."""
        group = s.devices[values["dev"]].group
        members = [d for d in s.devices if d.group == group]
        asked = [d for d in members if d.can_pasid or not values["pasid"]]
        return len(asked) + (s.groups[group].bridge and not values["pasid"])

    def _answer(self, step: Step, values: Values, outcome: Outcome) -> int:
        """The id that a call answers; of an invalidation, the entries that were done."""
        if step.action.startswith("hwpt_invalidate"):
            return self._entries(step, values, outcome)
        if outcome.result or step.action in ANSWER_NOTHING:
            return 0
        s: Any = self.before.state
        if step.action == "report_event":
            d = s.devices[values["dev"]]
            viommu = viommu_of(s, d.through)
            return d.vsid if any(o.open and o.parent == viommu for o in s.objects) else 0
        if step.action == "page_response":
            return _device(s, values)
        if step.action in ("attach", "replace"):
            if s.devices[values["dev"]].mdev:
                return values["pt"]
            column = self.attached[values["pasid"]]
            attached: int = outcome.state[column.base + values["dev"] - 1]
            return attached
        base, size = self.kinds.base, self.kinds.size
        now, then = outcome.state[base : base + size], self.state[base : base + size]
        return next((row for row in range(1, size + 1) if now[row - 1] and not then[row - 1]), 0)

    def _entries(self, step: Step, values: Values, outcome: Outcome) -> int:
        if step.action == "hwpt_invalidate_devices":
            s: Any = self.before.state
            one = vdevice_with(s, Id(values["target"]), VirtId(values["one"]))
            return 1 + (not outcome.result) if one else 0
        last = values.get("last")
        if last is None:
            return 0
        if not outcome.result:
            return 2 if last else 1
        good = {**values, "last": int(Entry.NONE)}.values()
        first = self.program.run(self.program.action(step.action), self.state, tuple(good))
        return 0 if first.result else 1


_BRIDGE: Final = Trait.COHERENT | Trait.DIRTY


def _traits(s: Any, d: Any) -> Trait:
    named = {
        Trait.COHERENT: d.coherent, Trait.PASIDS: d.can_pasid, Trait.DIRTY: d.can_dirty,
        Trait.SECOND_IOMMU: d.on_second_iommu, Trait.RESERVES: d.reserves,
        Trait.RESERVES_ALL: d.reserves and s.reserves_all, Trait.MDEV: d.mdev,
    }  # fmt: skip
    traits = Trait(0)
    for trait, has in named.items():
        if has:
            traits |= trait
    return traits

"""One run: a QEMU with its guest, and after each action what is wrong with it."""

from __future__ import annotations

import errno
import re
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, ClassVar, Final

from checkers.real.qemu.called import Called
from checkers.real.qemu.refusing import FAILS, Refusal, nothing
from checkers.real.qemu.rules.acts import Act
from checkers.real.qemu.spec_kernel import NotModelledError, SpecKernel
from checkers.real.qemu.start import Guest
from checkers.real.qemu.supervisor import EndedError, HangsError
from checkers.trace.format import GuestStep, Wrong
from spec.iommufd.objects import Kind

DUE: Final = "the_guest_gets_what_is_due"
LEAKED: Final = "nothing_is_leaked"
ALIVE: Final = "qemu_goes_on"
ASKS: Final = "it_asks_of_what_there_is"
QUIT: Final = "end"
"""The last action of a run: every device is unplugged, and QEMU told to go."""

WRITES: Final = frozenset(("entry", "context"))
"""Actions that change memory alone."""

LEAVING: Final = frozenset(("ATTACH_PT", "DETACH_PT", "DESTROY"))
"""Calls that leave something in use, or there, when they are refused."""

DEVICES: Final = (1, 2)
BIT: Final = (0, 1)
Given = Mapping[str, tuple[Collection[int], ...]]
"""What each number of each kind of actions can be."""


def given_of_all(slots: int) -> Given:
    """Of the actions that guests of both platforms have."""
    return {"plug": (DEVICES, range(slots)), "unplug": (DEVICES,), "reset": (), QUIT: ()}


MOVING: Final = frozenset(("VIOMMU_ALLOC", "VDEVICE_ALLOC", "HWPT_ALLOC", "ATTACH_PT", "DETACH_PT"))
"""Calls by which a device is moved: a refused one may be felt later."""

BY_ID: Final = frozenset(("ATTACH_PT", "DESTROY", "HWPT_ALLOC", "HWPT_INVALIDATE"))
MADE: Final = (Kind.IOAS, Kind.HWPT_PAGING, Kind.HWPT_NESTED, Kind.VIOMMU, Kind.VDEVICE)
"""What is made for devices, and goes with the last."""


class StandsStillError(Exception):
    """The guest's queue stands still; the message says why."""


ENDS: Final = tuple(map(re.compile, (
    r"^ERROR:[^:]+:\d+:(?P<place>\w+):", r": (?P<place>\w+): Assertion ",
    r"^Unexpected error in (?P<place>\w+)\(\)", r"(?P<why>hardware error: .+)$",
)))  # fmt: skip
"""How QEMU says where it gives up, or why."""


@dataclass(frozen=True)
class Off:
    """What hardware does that it may not, of one PASID of a device."""

    may: frozenset[str]
    does: str


@dataclass
class Run(ABC):
    """A guest that acts. What was wrong already is not told again before something changes.

    `over`: nothing more can be done, for QEMU has ended or the specification has no answer. By
    device and PASID: `off`, what is wrong; `done`, what was done before this action; `felt`, the
    call that was refused since then. `left`: the last refusal that may leave an object.
    """

    guest: Guest
    slots: int
    over: bool = False
    not_modelled: str = ""
    off: dict[tuple[int, int], Off] = field(default_factory=dict)
    done: dict[tuple[int, int], str] = field(default_factory=dict)
    felt: dict[tuple[int, int], str] = field(default_factory=dict)
    lost: str = ""
    left: str = ""
    seen: list[GuestStep] = field(default_factory=list)
    log: str = ""

    @abstractmethod
    def choices(self) -> Mapping[str, Sequence[tuple[int, ...]]]:
        """The kinds of actions that can be taken now, with the numbers that each can have."""

    def text(self, act: Act) -> str:
        """An action in words."""
        match act.kind, act.given:
            case "plug", (dev, slot):
                return f"device_add of dev{dev} in slot {slot}"
            case "unplug", (dev,):
                return f"device_del of dev{dev}"
            case "reset", _:
                return "system_reset"
        return "every device is unplugged, and QEMU told to go"

    @abstractmethod
    def do(self, act: Act) -> bool:
        """The guest acts; whether it was told that something failed."""

    @abstractmethod
    def repeat(self, act: Act) -> None:
        """The guest does the same again, and invalidates what it can."""

    @abstractmethod
    def may(self, dev: int, pasid: int) -> frozenset[str]:
        """All that hardware may do with requests of a device, by what the guest has asked for."""

    @abstractmethod
    def due(self, dev: int, pasid: int) -> str:
        """What the guest asks for now."""

    @abstractmethod
    def does(self, obj: int) -> str:
        """What is done with requests that go through an object of the kernel's, 0 if none."""

    @abstractmethod
    def is_in_use(self, obj: Any) -> bool:
        """Whether a nested HWPT is one that QEMU still knows, by its users and its kind."""

    pasids: ClassVar[tuple[int, ...]] = (0,)

    @property
    def kernel(self) -> SpecKernel:
        """The specification."""
        return self.guest.vm.host.kernel

    def plugs(self) -> dict[str, Sequence[tuple[int, ...]]]:
        """Devices that can be plugged, into which slot, and that can be unplugged."""
        there = self.guest.places
        free = [slot for slot in range(self.slots) if (slot + 1, 0) not in there.values()]
        out = [dev for dev in DEVICES if dev not in there]
        return {
            "plug": [(dev, slot) for dev in out for slot in free],
            "unplug": [(dev,) for dev in there],
        }

    def slot(self, dev: int) -> int:
        """The slot in which a device is."""
        return self.guest.places[dev][0] - 1

    def plug(self, act: Act) -> bool:
        """A device comes, or is refused and the user told, or it leaves."""
        if act.kind == "unplug":
            self.guest.unplug(act.given[0])
            return False
        try:
            dev, slot = act.given
            self.guest.plug(dev, slot)
        except RuntimeError:
            return True
        return False

    def take(self, act: Act) -> list[Wrong]:
        """An action is taken; what is newly wrong after it."""
        host = self.guest.vm.host
        turn = first = len(host.calls)
        host.refuses = Refusal(FAILS, turn=act.refused) if act.refused else nothing
        found: list[Wrong] = []
        self.done = {(dev, pasid): does for dev, pasid, does in self._rows()}
        try:
            heard = self.end() if act.kind == QUIT else self.do(act)
            first = len(host.calls)
            host.refuses = nothing
            if _refused(host.calls[turn:]) and not heard and not self.over and self._wrong():
                self.repeat(act)
        except (EndedError, HangsError, StandsStillError) as error:
            self.over, first, self.log = True, len(host.calls), self.guest.vm.said()
            why = _why(str(error), self.log)
            found.append(Wrong(ALIVE, act.kind, why, _refused(host.calls[turn:])))
        except NotModelledError as error:
            self.over, self.not_modelled = True, str(error)
        calls = host.calls[turn:]
        if not self.not_modelled:
            found += self._found(act, _refused(calls), calls)
        self._see(act, _refused(calls), calls, len(host.calls) - first)
        return found

    def end(self) -> bool:
        """Every device is unplugged, and QEMU told to go."""
        for dev in list(self.guest.places):
            self.guest.unplug(dev)
        self.over = True
        vm = self.guest.vm
        vm.monitor.say('{"execute": "quit"}')
        status = vm.program.ended()
        if status:
            raise EndedError(status, vm.said())
        return False

    def close(self) -> None:
        """QEMU is ended."""
        self.guest.vm.close()

    def __enter__(self) -> Run:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _rows(self) -> Iterator[tuple[int, int, str]]:
        """Each PASID of each device that is there, with what is done with its requests."""
        view = self.kernel.view()
        through = {
            (dev, pasid): int(view.devices[dev].pasid_attached if pasid
                              else view.devices[dev].through)
            for dev in sorted(self.guest.places) for pasid in self.pasids
        }  # fmt: skip
        for (dev, pasid), obj in through.items():
            yield dev, pasid, self.does(obj)

    def _wrong(self) -> dict[tuple[int, int], str]:
        """Of which device and PASID hardware does what it may not do."""
        return {
            (dev, pasid): does for dev, pasid, does in self._rows()
            if does not in self.may(dev, pasid)
        }  # fmt: skip

    def _found(self, act: Act, refused: str, calls: Sequence[Called]) -> Iterator[Wrong]:
        if self.over and act.kind != QUIT:
            return
        yield from self._not_due(act, refused)
        for call in calls:
            if call.name in BY_ID and call.error == errno.ENOENT and not call.injected:
                yield Wrong(ASKS, act.kind, f"{call.name} of what is not there", refused)
        lost = self._lost()
        if lost and not self.lost:
            after = "" if refused in LEAVING else self.left
            yield Wrong(LEAKED, act.kind, f"{lost} stays", refused, after)
        self.lost = lost
        self.left = refused if refused in LEAVING else self.left
        for breach in self.kernel.broken():
            yield Wrong(breach.rule, act.kind, str(breach.binding), refused)

    def _not_due(self, act: Act, refused: str) -> Iterator[Wrong]:
        """Of which devices and PASIDs hardware now does what it may not, if it is to be told."""
        rows = {(dev, pasid): does for dev, pasid, does in self._rows()}
        old, self.off = self.off, {}
        for row, does in rows.items():
            if self.done.get(row) != does:
                self.felt.pop(row, None)
            off = Off(self.may(*row), does)
            if does not in off.may:
                self.off[row] = off
                if act.kind not in WRITES and old.get(row) != off:
                    after = "" if refused else self.felt.get(row, "")
                    yield Wrong(DUE, act.kind, self._what(act, row, does), refused, after)
            if refused in MOVING and does != self.due(*row):
                self.felt[row] = refused

    def _what(self, act: Act, row: tuple[int, int], does: str) -> str:
        """``table is due, it stays bypass``."""
        came = "begins as"
        if row in self.done:
            came = "stays" if self.done[row] == does else "becomes"
        due = f"{self.due(*row).split()[0]} is due{self.when(act, *row)}"
        return f"{due}, it {came} {does.split()[0]}"

    def when(self, act: Act, dev: int, pasid: int) -> str:
        """What is special in what is due, in words."""
        return ""

    def _lost(self) -> str:
        """The kinds of objects of which nobody will destroy one, "" if there is none.

        A device has one IOAS and one stage 2 at most.
        """
        objects = [o for o in self.kernel.view().objects if o.kind in MADE]
        devices = len(self.guest.places)
        lost = dict[str, None]()
        for kind in MADE:
            most = devices if kind in (Kind.IOAS, Kind.HWPT_PAGING) or not devices else len(objects)
            if sum(o.kind == kind for o in objects) > most:
                lost[kind.name] = None
        if any(o.kind == Kind.HWPT_NESTED and not self.is_in_use(o) for o in objects):
            lost[Kind.HWPT_NESTED.name] = None
        return ", ".join(lost)

    def _see(self, act: Act, refused: str, calls: Sequence[Called], again: int) -> None:
        rows = list(self._rows())

        def named(dev: int, pasid: int) -> str:
            return f"dev{dev} PASID {pasid:#x}" if pasid else f"dev{dev}"

        due = {named(dev, pasid): " or ".join(sorted(self.may(dev, pasid)))
               for dev, pasid, _ in rows}  # fmt: skip
        does = {named(dev, pasid): does for dev, pasid, does in rows}
        self.seen.append(GuestStep(
            act=act.kind, given=list(act.given), said=self.text(act), refuse=act.refused,
            calls=[call.traced() for call in calls], again=again, refused=refused,
            objects=self.kernel.objects(), due=due, does=does,
        ))  # fmt: skip


def _refused(calls: Sequence[Called]) -> str:
    """The call that was refused for no reason of the kernel's own, if one was."""
    return next((call.name for call in calls if call.injected), "")


def _why(how: str, log: str) -> str:
    """How QEMU ended, and where or why if it says so: ``it ended by SIGABRT in cpr_resave_fd``."""
    ended = how.partition(": ")[0].splitlines()[0]
    for line in log.splitlines():
        for pattern in ENDS:
            found = pattern.search(line)
            if found:
                where = found.groupdict().get("place")
                return f"{ended} in {where}" if where else f"{ended}: {found['why']}"
    return ended

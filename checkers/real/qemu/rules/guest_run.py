"""One run: a QEMU with its guest, and after each action what is wrong with it."""

from __future__ import annotations

import errno
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, ClassVar, Final

from checkers.real.qemu.called import Called
from checkers.real.qemu.refusing import FAILS, Refusal, nothing
from checkers.real.qemu.rules.acts import Act, Class
from checkers.real.qemu.spec_kernel import NotModelledError, SpecKernel
from checkers.real.qemu.start import Guest
from checkers.real.qemu.supervisor import EndedError, HangsError
from spec.iommufd.objects import Kind

DUE: Final = "the_guest_gets_what_is_due"
LEAKED: Final = "nothing_is_leaked"
ALIVE: Final = "qemu_goes_on"
ASKS: Final = "it_asks_of_what_there_is"
QUIT: Final = "end"
"""The last action of a run: every device is unplugged, and QEMU told to go."""

WRITES: Final = frozenset(("entry", "context"))
"""Actions that change memory alone."""

BY_ID: Final = frozenset(("ATTACH_PT", "DESTROY", "HWPT_ALLOC", "HWPT_INVALIDATE"))
MADE: Final = (Kind.IOAS, Kind.HWPT_PAGING, Kind.HWPT_NESTED, Kind.VIOMMU, Kind.VDEVICE)
"""What is made for devices, and goes with the last."""


class StandsStillError(Exception):
    """The guest's queue stands still; the message says why."""


@dataclass(frozen=True)
class Seen:
    """An action as it went: in words, its calls, which is refused, what the kernel then has.

    `due` and `does`: by device and PASID. `again`: how many of the calls are of the repetition.
    """

    act: Act
    said: str
    calls: tuple[str, ...]
    again: int
    refused: str
    objects: str
    due: Mapping[str, str]
    does: Mapping[str, str]


@dataclass(frozen=True)
class Off:
    """What hardware does that it may not, of one PASID of a device, and after which refusal."""

    may: frozenset[str]
    does: str
    refused: str


@dataclass
class Run(ABC):
    """A guest that acts. What was wrong already is not told again before something changes.

    `over`: nothing more can be done, for QEMU has ended or the specification has no answer.
    """

    guest: Guest
    slots: int
    over: bool = False
    not_modelled: str = ""
    off: dict[tuple[int, int], Off] = field(default_factory=dict)
    lost: str = ""
    seen: list[Seen] = field(default_factory=list)

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
        out = [dev for dev in (1, 2) if dev not in there]
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

    def take(self, act: Act) -> list[Class]:
        """An action is taken; what is newly wrong after it."""
        host = self.guest.vm.host
        turn = first = len(host.calls)
        host.refuses = Refusal(FAILS, turn=act.refused) if act.refused else nothing
        found: list[Class] = []
        try:
            heard = self.end() if act.kind == QUIT else self.do(act)
            first = len(host.calls)
            host.refuses = nothing
            if _refused(host.calls[turn:]) and not heard and not self.over and self._wrong():
                self.repeat(act)
        except (EndedError, HangsError, StandsStillError) as error:
            self.over, first = True, len(host.calls)
            why = _because(act, _refused(host.calls[turn:]), _first_line(str(error)))
            found.append(Class(ALIVE, why))
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

    def _found(self, act: Act, refused: str, calls: Sequence[Called]) -> Iterator[Class]:
        if self.over and act.kind != QUIT:
            return
        wrong = self._wrong()
        before, self.off = self.off, {}
        for row, does in wrong.items():
            old, may = before.get(row), self.may(*row)
            after = refused or (old.refused if old else "")
            self.off[row] = Off(may, does, after)
            if act.kind in WRITES or (old and (old.may, old.does) == (may, does)):
                continue
            due, of = self.due(*row).split()[0], " of a PASID" if row[1] else ""
            what = f": {due} is due{of}, it is {does.split()[0]}"
            what += f", after {after} refused" if after else ""
            yield Class(DUE, _because(act, refused, "" if refused else what))
        for call in calls:
            if call.name in BY_ID and call.error == errno.ENOENT and not call.injected:
                yield Class(ASKS, _because(act, refused, f": {call.name} of what is not there"))
        lost = self._lost()
        if lost and not self.lost:
            yield Class(LEAKED, _because(act, refused, f": {lost} stays"))
        self.lost = lost
        for breach in self.kernel.broken():
            yield Class(breach.rule, _because(act, refused, f": {breach.binding}"))

    def _lost(self) -> str:
        """A kind of objects of which nobody will destroy one, "" if there is none.

        A device has one IOAS and one stage 2 at most.
        """
        objects = [o for o in self.kernel.view().objects if o.kind in MADE]
        devices = len(self.guest.places)
        for kind in MADE:
            most = devices if kind in (Kind.IOAS, Kind.HWPT_PAGING) or not devices else len(objects)
            if sum(o.kind == kind for o in objects) > most:
                return kind.name
        unused = (o for o in objects if o.kind == Kind.HWPT_NESTED and not self.is_in_use(o))
        return Kind.HWPT_NESTED.name if any(unused) else ""

    def _see(self, act: Act, refused: str, calls: Sequence[Called], again: int) -> None:
        rows = list(self._rows())

        def named(dev: int, pasid: int) -> str:
            return f"dev{dev} PASID {pasid:#x}" if pasid else f"dev{dev}"

        due = {named(dev, pasid): " or ".join(sorted(self.may(dev, pasid)))
               for dev, pasid, _ in rows}  # fmt: skip
        does = {named(dev, pasid): does for dev, pasid, does in rows}
        self.seen.append(Seen(
            act, self.text(act), tuple(call.text() for call in calls), again, refused,
            self.kernel.objects(), due, does,
        ))  # fmt: skip


def _refused(calls: Sequence[Called]) -> str:
    """The call that was refused for no reason of the kernel's own, if one was."""
    return next((call.name for call in calls if call.injected), "")


def _because(act: Act, refused: str, what: str) -> str:
    refusal = f", {refused} refused" if refused else ""
    return f"{act.kind}{refusal}{what}"


def _first_line(text: str) -> str:
    return f": {text.splitlines()[0]}" if text else ""

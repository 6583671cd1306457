"""What QEMU did in lockstep, kept: a machine is held against it without a QEMU.

A line is a JSON value: a setting, and after it each host call and each state of the kernel that
came, once, and the acts of each run, which name them by their number.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from checkers.conform.events import Called as Event
from checkers.real.qemu.lockstep.every_pair import Report, linked
from checkers.real.qemu.lockstep.matching import Other
from checkers.real.qemu.lockstep.of_vfio_attach import SETTINGS
from checkers.real.qemu.lockstep.requests import Asked, Place
from checkers.real.qemu.lockstep.running import (
    OUTCOME,
    Differs,
    Setting,
    Went,
    differs,
    outcomes_of,
)
from checkers.userfiles import InputError
from spec.language.program import Program
from spec.language.steps import Step


class Of(msgspec.Struct, frozen=True, tag="setting"):
    """A setting begins."""

    name: str
    qemu: str


class Call(msgspec.Struct, frozen=True, tag="call", omit_defaults=True):
    """The next host call of a setting, without what is as usual."""

    name: str
    device: str = ""
    objects: tuple[int, ...] = ()
    made: int = 0
    error: str = ""
    flags: dict[str, bool] = {}
    part: Place = (0, 0)
    refused: bool = False

    @classmethod
    def of(cls, asked: Asked) -> Call:
        """To be written."""
        event = asked.event
        return cls(
            event.name, event.device, event.objects, event.made, event.error,
            dict(event.flags), asked.part, asked.refused,
        )  # fmt: skip

    def asked(self) -> Asked:
        """As it was heard."""
        event = Event(
            0, self.name, self.device, self.objects, self.made, self.error, self.flags
        )  # fmt: skip
        return Asked(event, self.part, self.refused)


class After(msgspec.Struct, frozen=True, tag="kernel"):
    """The next state of the kernel."""

    objects: dict[str, int | bool | str | list[int]]
    areas: dict[int, list[Place]]


class Act(msgspec.Struct, frozen=True, tag="act"):
    """What came of steps; `new`: in a new QEMU. `calls` and `after` are numbers of lines."""

    steps: list[Step]
    new: bool
    refused: bool
    ended: str
    calls: list[int]
    after: int


Line = Of | Call | After | Act


@dataclass
class Numbers:
    """Each line once, and its number."""

    lines: list[bytes] = field(default_factory=list)
    known: dict[bytes, int] = field(default_factory=dict)

    def of(self, line: Line) -> int:
        """The number of a line, which is written if it is new."""
        text = msgspec.json.encode(line)
        if text not in self.known:
            kind = type(line)
            self.known[text] = sum(known.startswith(_head(kind)) for known in self.known)
            self.lines.append(text)
        return self.known[text]


def _head(kind: type[msgspec.Struct]) -> bytes:
    return f'{{"type":"{kind.__struct_config__.tag}"'.encode()


def recording(reports: Sequence[Report]) -> str:
    """What came of each act of each setting."""
    lines: list[bytes] = []
    for report in reports:
        numbers = Numbers()
        lines.append(msgspec.json.encode(Of(report.setting, report.version)))
        for run in report.runs:
            for turn, (steps, went) in enumerate(run):
                calls = [numbers.of(Call.of(asked)) for asked in went.asked]
                after = numbers.of(After(dict(went.objects), dict(went.areas)))  # type: ignore[arg-type]
                act = Act(list(steps), not turn, went.refused, went.ended.split("\n")[0], calls,
                          after)  # fmt: skip
                numbers.lines.append(msgspec.json.encode(act))
        lines += numbers.lines
    return "".join(f"{line.decode()}\n" for line in lines)


@dataclass(frozen=True)
class Held:
    """An act of a recording: of which setting and line, and how it differs from the machine's."""

    setting: str
    line: int
    differs: Differs | None


def held(text: str) -> Iterator[Held]:
    """The acts of a recording beside the released machine; of a run to the first that differs.

    InputError if it is no recording.
    """
    known: Mapping[str, Setting] = {item.name: item for item in SETTINGS}
    beside: _Beside | None = None
    for number, line in enumerate(text.splitlines(), 1):
        found = _read(line, number)
        if isinstance(found, Of):
            beside = _Beside(known[found.name], linked(known[found.name]))
        elif beside is None:
            raise InputError(f"line {number}: of which setting?")
        elif isinstance(found, Call):
            beside.calls.append(found.asked())
        elif isinstance(found, After):
            beside.after.append(found)
        elif found.new or beside.state:
            yield Held(beside.setting.name, number, beside.take(found))


@dataclass
class _Beside:
    """A machine beside a recording; without a state since something differed."""

    setting: Setting
    program: Program
    calls: list[Asked] = field(default_factory=list)
    after: list[After] = field(default_factory=list)
    state: bytes = b""

    def take(self, act: Act) -> Differs | None:
        """The machine does what was done; how it differs."""
        if act.new:
            (self.state,) = self.program.initial()
        outcomes = outcomes_of(self.program, self.state, act.steps)
        self.state = b""
        if outcomes is None:
            return Differs(OUTCOME, Other("it cannot be done", "it was done"))
        after, asked = self.after[act.after], tuple(self.calls[index] for index in act.calls)
        went = Went(act.refused, asked, after.objects, after.areas, act.ended)
        found = differs(self.setting, self.program, act.steps, outcomes, went)
        if found is None:
            self.state = outcomes[-1].state
        return found


def _read(line: str, number: int) -> Line:
    try:
        found: Line = msgspec.json.decode(line, type=Line)
    except msgspec.MsgspecError as error:
        raise InputError(f"line {number}: {error}") from error
    return found

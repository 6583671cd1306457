"""One QEMU beside a machine: an action is done in both, and what comes of it compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, Protocol

from checkers.real.qemu.host import Host
from checkers.real.qemu.lockstep.matching import (
    Other,
    Sections,
    areas,
    objects,
    other_calls,
    other_objects,
)
from checkers.real.qemu.lockstep.requests import Asked, Place, Requests
from checkers.real.qemu.refusing import nothing
from checkers.real.qemu.spec_kernel import NotModelledError, SpecKernel
from checkers.real.qemu.supervisor import EndedError, HangsError
from spec.iommufd.objects import Kind as OfObject
from spec.language.program import Kind, Outcome, Program
from spec.language.steps import Step, take

OUTCOME: Final = "the answer"
CALLS: Final = "the host calls"
OBJECTS: Final = "the kernel's objects"
BY_A_SIGNAL: Final = "it ended by SIG"
"""How QEMU says that it ended where the machine has a crash: not that it hangs."""


class Acting(Protocol):
    """A guest that does the actions of a machine."""

    host: Host

    def do(self, step: Step) -> bool:
        """Do an action, and all that QEMU takes at once after it; whether it was refused."""

    def said(self) -> str:
        """What QEMU has written."""

    def close(self) -> None:
        """QEMU is ended."""


@dataclass(frozen=True)
class Setting:
    """A machine at bounds that a QEMU can be put in: how one is started that way.

    `sections` are the areas of memory that the guest has for each of the machine's.
    """

    name: str
    machine: str
    bounds: str
    variant: str
    program: str
    about: str
    sections: Sections
    start: Callable[[Setting, Program, Path | None, bool], Acting]
    together: Mapping[str, str]
    any_order: frozenset[str]
    why_not: Callable[[Setting, Program, bytes, Step, Outcome], str]

    def section(self, place: Place) -> int:
        """The section that an area is of, 0 if of none."""
        return next((row for row, found in self.sections.items() if place in found), 0)


@dataclass(frozen=True)
class Differs:
    """QEMU does otherwise than the machine, in which respect; `log`: what it has written."""

    what: str
    other: Other
    log: str = ""


@dataclass(frozen=True)
class Went:
    """What came of an act in QEMU: its calls, the kernel's objects, and how it ended, if it did.

    `left_out`: how many calls besides are none of the machine's.
    """

    refused: bool
    asked: tuple[Asked, ...]
    objects: Mapping[str, object]
    areas: Mapping[int, list[Place]]
    ended: str = ""
    left_out: int = 0


@dataclass
class Beside:
    """A run: the machine's state, and the QEMU that should be in it."""

    setting: Setting
    program: Program
    acting: Acting
    state: bytes = b""
    went: list[Went] = field(default_factory=list)

    def __post_init__(self) -> None:
        (self.state,) = self.program.initial()

    def __enter__(self) -> Beside:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.acting.close()

    def outcomes(self, steps: Sequence[Step]) -> list[Outcome] | None:
        """What the machine says of steps; None if it has none of them, or no room for one."""
        return outcomes_of(self.program, self.state, steps)

    def take(self, steps: Sequence[Step], outcomes: Sequence[Outcome]) -> Differs | None:
        """Have QEMU take steps at once; how it differs, if it does."""
        expected = [call for outcome in outcomes for call in outcome.calls]
        host = self.acting.host
        first = len(host.calls)
        requests = Requests(host.kernel.device_of, self.setting.section, expected)
        host.refuses = requests
        refused, ended = False, ""
        try:
            refused = self.acting.do(steps[0])
        except (EndedError, HangsError, NotModelledError) as error:
            ended = str(error) or type(error).__name__
        host.refuses = nothing
        kernel = host.kernel
        went = Went(
            refused, tuple(requests.asked(host.calls[first:])),
            objects(kernel.program.layout, kernel.state),
            _mapped(kernel), ended, requests.kept.count(False),
        )  # fmt: skip
        self.went.append(went)
        self.state = outcomes[-1].state
        return differs(self.setting, self.program, steps, outcomes, went)


def outcomes_of(
    program: Program, state: bytes, steps: Sequence[Step]
) -> list[Outcome] | None:
    """What a machine says of steps, one after another; None if one cannot be taken."""
    found = []
    for step in steps:
        outcome = take(program, state, step, spelling=True)
        if outcome.kind not in (Kind.DONE, Kind.CRASH):
            return None
        found.append(outcome)
        state = outcome.state
    return found


def _mapped(kernel: SpecKernel) -> dict[int, list[Place]]:
    """What each IOAS maps."""
    return {
        row: sorted((start, size) for start, (size, _) in mapped.areas.items())
        for row, mapped in kernel.areas.items()
        if mapped.areas and kernel.kind(row) == OfObject.IOAS
    }


def differs(
    setting: Setting, program: Program, steps: Sequence[Step], outcomes: Sequence[Outcome],
    went: Went,
) -> Differs | None:
    """How what came of an act is not what the machine says."""
    crash = outcomes[-1].kind is Kind.CRASH
    log = went.ended
    calls = [call for outcome in outcomes for call in outcome.calls]
    any_order = steps[0].action in setting.any_order
    other = other_calls(calls, went.asked, setting.sections, any_order=any_order, ends=crash)
    if other is not None:
        return Differs(CALLS, other, log)
    if crash != bool(went.ended) or not went.ended.startswith(BY_A_SIGNAL if crash else ""):
        ends = f"QEMU ends: {outcomes[-1].why}" if crash else "QEMU goes on"
        return Differs(OUTCOME, Other(ends, went.ended.split("\n")[0] or "QEMU goes on"), log)
    if crash:
        return None
    failed = any(outcome.result for outcome in outcomes)
    if failed != went.refused:
        words = {True: "it is refused", False: "it is done"}
        return Differs(OUTCOME, Other(words[failed], words[went.refused]), log)
    layout, state = program.layout, outcomes[-1].state
    for name, found in other_objects(objects(layout, state), went.objects):
        return Differs(f"{OBJECTS}, {name}", found, log)
    ours = {str(row): found for row, found in areas(layout, state, setting.sections).items()}
    theirs = {str(row): found for row, found in went.areas.items()}
    for name, found in other_objects(ours, theirs):
        return Differs(f"what IOAS {name} maps", found, log)
    return None

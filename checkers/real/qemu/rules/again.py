"""The actions of a guest's trace on a QEMU once more: is it reproduced?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from checkers.machines import choose
from checkers.real.qemu.rules.acts import Act
from checkers.real.qemu.rules.platforms import PLATFORMS, Platform
from checkers.real.qemu.rules.wander import go
from checkers.trace.format import GuestStep, GuestTrace, Wrong
from checkers.trace.guest import guest_steps
from checkers.userfiles import InputError, at


@dataclass(frozen=True)
class Again:
    """What came of it: on which QEMU, by which steps, and what was wrong."""

    qemu: str
    trace: GuestTrace
    steps: tuple[GuestStep, ...]
    found: tuple[Wrong, ...]

    @property
    def reproduced(self) -> bool:
        """Whether the same is wrong."""
        return self.trace.violation in self.found

    def text(self) -> str:
        """In a line if it is reproduced; else with what is wrong, if anything, and all steps."""
        wrong, count = self.trace.violation, len(self.trace.steps)
        steps = f"{count} step{'' if count == 1 else 's'}"
        if self.reproduced:
            return f"reproduced on QEMU {self.qemu}: {steps}, {wrong.rule}: {wrong}"
        lines = [f"no longer, on QEMU {self.qemu}: {wrong.rule}: {wrong}"]
        if len(self.steps) < count:
            undone = self.trace.steps[len(self.steps)]
            lines.append(f"step {len(self.steps) + 1} cannot be done there: {undone.said}")
        lines += [f"but {item.rule}: {item}" for item in self.found]
        return "\n".join([*lines, *guest_steps(self.steps, calls=True)])


def again(trace: GuestTrace, qemu: Path | None, without_kvm_check: bool) -> Again:
    """Do the actions of a trace on a QEMU; `InputError` if it has one that no guest has."""
    with at("$.platform"):
        of = PLATFORMS[choose(trace.platform, list(PLATFORMS), "platform")]
    acts = tuple(_act(of, step, f"$.steps[{turn}]") for turn, step in enumerate(trace.steps))
    version = of.version(qemu) + (", its check of KVM passed over" if of.wants_kvm else "")
    with of.run(qemu, without_kvm_check) as run:
        found = go(run, acts)
        return Again(version, trace, tuple(run.seen), tuple(found))


def _act(of: Platform, step: GuestStep, place: str) -> Act:
    with at(f"{place}.act"):
        numbers = of.given[choose(step.act, list(of.given), "action")]
    right = len(step.given) == len(numbers) and all(
        number in known for number, known in zip(step.given, numbers, strict=True)
    )
    if not right:
        raise InputError(f"{place}.given: {step.given} are no numbers of {step.act}")
    if step.refuse < 0:
        raise InputError(f"{place}.refuse: {step.refuse} is the number of no call")
    return Act(step.act, tuple(step.given), step.refuse)

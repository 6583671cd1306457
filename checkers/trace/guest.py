"""The trace of a guest on a QEMU as text: its actions, QEMU's calls of the host, what is wrong."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from checkers.trace.format import GuestStep, GuestTrace
from checkers.trace.text import plain, wrapped

LOGGED: Final = 8
"""So many lines of what QEMU wrote are shown: after them come the registers of a processor."""


def guest_text(trace: GuestTrace, *, calls: bool = True) -> str:
    """What it is of, each step with the host's calls, if they are wanted, and what is wrong."""
    count = len(trace.steps)
    broken = trace.violation
    lines = wrapped("", f"{broken.rule}: violated, {count} step{'' if count == 1 else 's'}", "    ")
    lines += wrapped("guest    ", f"{trace.platform} on QEMU {trace.qemu}", "         ")
    if trace.without_kvm_check:
        lines.append("         its check of KVM passed over")
    lines += wrapped("known    ", trace.known or "no", "         ")
    lines += guest_steps(trace.steps, calls=calls)
    lines += guest_end(trace)
    return "\n".join(map(plain, lines)) + "\n"


def guest_steps(steps: Sequence[GuestStep], *, calls: bool) -> list[str]:
    """Each step: the action, the call that was refused, and all calls of the host if wanted."""
    return [line for number, step in enumerate(steps, 1) for line in _step(number, step, calls)]


def _step(number: int, step: GuestStep, calls: bool) -> Iterator[str]:
    refusal = f", {step.refused} refused" if step.refused else ""
    again = ", then again without" if step.again else ""
    yield from wrapped(f"{number}. ", step.said + refusal + again, "     ")
    if not calls:
        return
    for turn, call in enumerate(step.calls):
        if step.again and turn == len(step.calls) - step.again:
            yield "     again:"
        yield from wrapped("     host: ", call.event, "           ")
    yield from wrapped("     : ", step.objects, "       ")


def guest_end(trace: GuestTrace) -> Iterator[str]:
    """What is wrong after the last step, of which device, and what QEMU wrote if it ended."""
    yield from wrapped("broken: ", str(trace.violation), "    ")
    last = trace.steps[-1]
    for name, does in last.does.items():
        due = last.due.get(name, "")
        if does not in due.split(" or "):
            yield from wrapped("    ", f"{name}: {does}; due: {due}", "      ")
    written = trace.log.splitlines()
    for line in written[:LOGGED]:
        yield from wrapped("    QEMU: ", line, "      ")
    if len(written) > LOGGED:
        yield f"    QEMU: and {len(written) - LOGGED} lines more"

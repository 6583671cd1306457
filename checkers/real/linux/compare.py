"""What the guest says of a batch: counts, and where Linux does otherwise than the specification."""

from __future__ import annotations

import errno
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from checkers.real.linux.batch import Op, Way
from checkers.real.linux.calls import OF_OBJECT, SEEN_OF_DEVICE, TOMBSTONE
from checkers.real.linux.plan import Made, Plan
from checkers.trace.record import called
from checkers.userfiles import InputError
from spec.iommufd.objects import Kind
from spec.language.program import Kind as Ending
from spec.language.program import Program
from spec.language.steps import Step, steps_with

OF_NO_OBJECT: Final = (Op.BIND, Op.UNBIND, Op.IOAS, Op.FAULTQ, Op.CLOSE, Op.TAKE, Op.LEAVE)


@dataclass(frozen=True)
class Difference:
    """A call that Linux answers otherwise, or after which something else is to be seen.

    `what` says so without ids, so that those of one cause have one text. `steps` are the shortest
    way there, the call itself the last of them.
    """

    what: str
    steps: tuple[Step, ...]
    specification: str
    linux: str


@dataclass
class Compared:
    """What was held against Linux, and what was not as it should be.

    `odd` has what else than ENOMEM was answered where something failed inside: a kernel that is
    built for its selftest lets its look-ups of ids fail, too.
    """

    counts: dict[str, int] = field(default_factory=dict)
    differences: dict[str, list[Difference]] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    odd: Counter[str] = field(default_factory=Counter)

    def add(self, found: Difference) -> None:
        """One more of its class, the shortest first."""
        others = self.differences.setdefault(found.what, [])
        others.append(found)
        if len(found.steps) < len(others[0].steps):
            others[0], others[-1] = others[-1], others[0]


def compared(plan: Plan, lines: Sequence[str]) -> Compared:
    """The guest's lines about a plan; `InputError` if it did not come to its end."""
    result = Compared()
    done = [line for line in lines if line.startswith("done ")]
    if not done:
        said = next((line for line in lines if line.startswith("cannot")), lines[-1:] or "nothing")
        raise InputError(f"the guest did not come to its end: {said}")
    result.counts = {key: int(n) for key, n in (word.split("=") for word in done[0].split()[1:])}
    for line in lines:
        word, *rest = line.split()[:4] or [""]
        if word == "call":
            result.add(_other_answer(plan, *map(int, rest)))
        elif word == "look":
            result.add(_other_sight(plan, int(rest[0]), bytes.fromhex(rest[1])))
        elif word == "left":
            left = _left(plan, int(rest[0]), rest[1], bytes.fromhex(rest[2]))
            if left is not None:
                result.add(left)
        elif word == "odd":
            result.odd[_word(int(rest[2]))] += 1
        elif word == "warned":
            result.warnings.append(_where(plan, int(rest[0])))
    return result


def _word(error: int) -> str:
    return errno.errorcode.get(error, str(error)).replace("ENOTSUP", "EOPNOTSUPP")


def answered(error: int, answer: int) -> str:
    """An answer in words."""
    return _word(error) if error else f"0, id {answer}"


def _steps(plan: Plan, node: int, made: Made | None) -> tuple[Step, ...]:
    return (*plan.path(node), *([made.step] if made else []))


def _where(plan: Plan, record: int) -> str:
    node, made = plan.visited(record)
    return ", ".join(text(plan.kernel.program, _steps(plan, node, made)))


def text(program: Program, steps: Iterable[Step]) -> list[str]:
    """Steps as calls of the specification."""
    return [called(program.action(step.action), step) for step in steps]


def _kind(plan: Plan, node: int, obj: int) -> str:
    return _named(plan.kernel.kind(plan.states[node], obj) if obj else 0)


def _named(kind: int) -> str:
    known = {item.value: item.name for item in Kind} | {TOMBSTONE: "tombstone"}
    return known.get(kind, f"kind {kind}")


def _other_answer(plan: Plan, record: int, error: int, answer: int) -> Difference:
    node, made = plan.visited(record)
    assert made is not None
    call = made.call
    ours, theirs = answered(call.error, call.answer), answered(error, answer)
    short = (theirs if error else "0", ours if call.error else "0")
    if short == ("0", "0"):
        short = ("another id", "an id")
    on = "" if call.op in OF_NO_OBJECT else f" of {_kind(plan, node, call.id)}"
    with_fault = " with a fault" if call.fault else ""
    what = f"{made.step.action}{on}{with_fault}: {short[0]}, not {short[1]}"
    return Difference(what, _steps(plan, node, made), ours, theirs)


def _other_sight(plan: Plan, record: int, seen: bytes) -> Difference:
    node, made = plan.visited(record)
    wanted = plan.kernel.look(made.after if made and made.changes else plan.states[node])
    after = made.step.action if made else "nothing"
    if made and made.call.fault:
        after += " with a fault"
    place = next(i for i, pair in enumerate(zip(wanted, seen, strict=True)) if pair[0] != pair[1])
    what = f"after {after}: {_seen(plan, wanted, seen, place)}"
    return Difference(what, _steps(plan, node, made), wanted.hex(), seen.hex())


def _seen(plan: Plan, wanted: bytes, seen: bytes, place: int) -> str:
    """What the first byte is that is another."""
    ours, theirs = wanted[place], seen[place]
    other = "another" if ours and theirs else "none" if ours else "some"
    if plan.batch.machine.way is Way.VFIO:
        return f"hardware: {other}"
    paths = OF_OBJECT * plan.batch.machine.slots
    if place < paths:
        kind = _named(wanted[place - place % OF_OBJECT])
        return (
            f"{_named(theirs)}, not {kind}",
            f"users of {kind} {theirs - ours:+d}",
            f"addresses are reserved for {theirs:#b}, not {ours:#b}",
        )[place % OF_OBJECT]
    if place < len(wanted) - 1:
        return f"{SEEN_OF_DEVICE[(place - paths) % len(SEEN_OF_DEVICE)]}: {other}"
    return f"HWPTs of the driver {theirs - ours:+d}"


def _left(plan: Plan, record: int, nth: str, seen: bytes) -> Difference | None:
    """A call that failed inside has left what no failing host call leaves in the specification."""
    node, made = plan.visited(record)
    state = plan.states[node]
    if made is not None and seen in _leavings(plan, state, made.step):
        return None
    wanted = plan.kernel.look(state)
    place = next(i for i, pair in enumerate(zip(wanted, seen, strict=True)) if pair[0] != pair[1])
    action = made.step.action if made else "nothing"
    what = f"{action} with its allocation {nth} failing leaves {_seen(plan, wanted, seen, place)}"
    return Difference(what, _steps(plan, node, made), wanted.hex(), seen.hex())


def _leavings(plan: Plan, state: bytes, step: Step) -> set[bytes]:
    """What is to be seen after a call in which a host call failed."""
    program = plan.kernel.program
    every = steps_with(program, state, program.action(step.action), step.values)
    ended = [after.state for other, after in every if other.fault and after.kind is Ending.DONE]
    return plan.kernel.leavings(state, step, {plan.kernel.look(after) for after in ended})

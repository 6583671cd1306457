"""What a kernel answered to some calls, kept: the specification is held against it without one.

A recording is a batch, as guest/batch.h describes it, in which the answers are the kernel's, with
the kernel's version and the bounds. Its calls are chosen for coverage: of those that differ in no
more than their ids a few.
"""

from __future__ import annotations

import base64
import zlib
from collections import Counter
from collections.abc import Sequence
from random import Random
from typing import Final

import msgspec

from checkers.real.linux.batch import Batch, Call, Op
from checkers.real.linux.calls import Kernel
from checkers.real.linux.drive import said
from checkers.real.linux.image import Image
from checkers.real.linux.long_runs import SELDOM
from checkers.real.linux.plan import Made, calls_at, some_states
from checkers.userfiles import InputError
from spec.language.program import Program

ALIKE: Final = 30
"""How many calls of one kind a recording has for each of its bounds."""

RUNS: Final = 2
LENGTH: Final = 28
"""Random runs in whose states they are made, and their steps."""

class Recording(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """What a kernel answered in the states of some bounds.

    `apart` are calls that are not in it, as bytes in hexadecimal: there it did otherwise than the
    specification.
    """

    kernel: str
    bounds: str
    values: dict[str, int]
    apart: list[str]
    nodes: str
    looks: str
    records: str


def recorded(program: Program, image: Image, seed: int) -> Recording:
    """Calls for coverage, made; those apart that the kernel answers otherwise than expected."""
    apart = set[Call]()
    while True:
        batch = _chosen(program, seed, apart)
        other = _otherwise(batch, said(image, batch))
        if not other:
            break
        apart |= other
    return Recording(
        kernel=image.about, bounds=program.bounds_name, values=dict(program.bounds.values),
        apart=sorted(call.packed().hex() for call in apart),
        nodes=_text(batch.nodes), looks=_text(batch.looks), records=_text(batch.records),
    )  # fmt: skip


def _chosen(program: Program, seed: int, apart: set[Call]) -> Batch:
    """A few calls of each kind, in the states of a few random runs."""
    kinds = Counter[tuple[object, ...]]()

    def some(made: Made) -> Call | None:
        kind = _kind(made)
        kinds[kind] += 1
        return made.call if kinds[kind] <= ALIKE and made.call not in apart else None

    return some_states(Kernel(program), RUNS, LENGTH, seed, some, _Onward().pick).batch


class _Onward:
    """Leads runs on by what was taken least; what undoes much counts as taken more often."""

    def __init__(self) -> None:
        self.taken = dict[str, float]()

    def pick(self, draw: Random, actions: list[str]) -> str:
        """One of the actions that are least often taken up to now."""
        least = min(self.taken.get(action, 0) for action in actions)
        action = draw.choice([item for item in actions if self.taken.get(item, 0) == least])
        self.taken[action] = least + 1 / SELDOM.get(action, 1)
        return action


def _otherwise(batch: Batch, lines: Sequence[str]) -> set[Call]:
    """The calls that were answered otherwise, or after which something else was seen."""
    calls = [call for call, _ in batch.calls()]
    words = [line.split() for line in lines]
    if not any(line[:1] == ["done"] for line in words):
        raise InputError(f"the guest did not come to its end: {lines[-1:]}")
    places = {int(line[1]) for line in words if line[:1] in (["call"], ["look"])}
    return {calls[place - (calls[place].op is Op.LOOK)] for place in places}


def _kind(made: Made) -> tuple[object, ...]:
    """What calls that differ in no more than their ids have in common."""
    call = made.call
    return made.step.action, call.flags, call.fault, call.error, bool(call.id), bool(call.device)


def _text(data: bytes | bytearray) -> str:
    return base64.b85encode(zlib.compress(bytes(data), 9)).decode()


def _bytes(text: str) -> bytearray:
    return bytearray(zlib.decompress(base64.b85decode(text)))


def held(recording: Recording, program: Program) -> tuple[int, list[str]]:
    """How many answers of a recording the specification gives too, and the others in words."""
    replay = _Replay(recording, program)
    alike, others, made, node = 0, list[str](), None, 0
    for call, named in replay.batch.calls():
        if call.op is Op.GO:
            node = named
            continue
        if call.op is not Op.LOOK:
            made = replay.asked(node, call)
        wrong = replay.wrong(made, call, named)
        alike += not wrong
        others += [f"state {node}: {wrong}"] if wrong else []
    return alike, others


class _Replay:
    """The specification's states for the nodes of a recording, as far as they were asked for."""

    def __init__(self, recording: Recording, program: Program) -> None:
        self.kernel = Kernel(program)
        parts = map(_bytes, (recording.nodes, recording.looks, recording.records))
        self.batch = Batch(self.kernel.machine(), *parts)
        self.states: dict[int, bytes] = {0: self.kernel.empty}
        self.calls: dict[int, dict[Call, Made]] = {}

    def asked(self, node: int, call: Call) -> Made | None:
        """What the specification says to a call at a node; None if it knows no such call there."""
        if node not in self.calls:
            every = calls_at(self.kernel, self._state(node), Counter())
            self.calls[node] = {made.call.question(): made for made in every}
        return self.calls[node].get(call.question())

    def _state(self, node: int) -> bytes:
        if node not in self.states:
            parent, call = self.batch.came(node)
            made = self.asked(parent, call)
            self.states[node] = made.after if made else self.kernel.empty
        return self.states[node]

    def wrong(self, made: Made | None, call: Call, node: int) -> str:
        """How a record is not as the specification has it; empty if it is."""
        if made is None:
            return f"{call.question()} is no call of the specification"
        if call.op is not Op.LOOK:
            return "" if made.call == call else f"{made.call}, and the kernel {call}"
        now, then = self.kernel.look(made.after), self.batch.look_of(node)
        return "" if now == then else f"after {made.call}: {now.hex()}, and the kernel {then.hex()}"

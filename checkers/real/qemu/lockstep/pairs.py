"""Every pair of an action and a failing host call that a machine has, and ways that come by all."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from checkers.conform.names import error_of
from checkers.real.qemu.lockstep.alike import Alike
from checkers.trace.record import reported
from spec.language.program import Kind, Outcome, Program
from spec.language.steps import Step, steps

NONE_FAILS: Final = "none"


@dataclass(frozen=True, order=True)
class Pair:
    """An action, which of its host calls fails (the second of its name: `#2`), how it then ends."""

    action: str
    failing: str
    ends: str

    def text(self) -> str:
        """``vfio_pci_realize, iommufd_backend_alloc_hwpt#1 fails: -ENOMEM``."""
        failing = "" if self.failing == NONE_FAILS else f", {self.failing} fails"
        return f"{self.action}{failing}: {self.ends}"


@dataclass(frozen=True, order=True)
class Way:
    """One way in which a pair goes: the host calls that are made, with what each answers."""

    pair: Pair
    calls: tuple[str, ...]


Reason = Callable[[bytes, Step, Outcome], str]
"""Why a step cannot be done in QEMU; empty if it can."""


@dataclass(frozen=True)
class Move:
    """Steps that QEMU takes at once, and where they lead, if to any state."""

    steps: tuple[Step, ...]
    ways: tuple[Way, ...]
    to: Hashable | None


@dataclass
class Graph:
    """All states, those that go on alike as one, and the steps from each.

    `together`: an action that QEMU takes at once after another, on the same device. `why` a way
    cannot be had.
    """

    start: Hashable
    together: Mapping[str, str]
    edges: dict[Hashable, list[Move]] = field(default_factory=dict)
    ways: set[Way] = field(default_factory=set)
    why: dict[Way, str] = field(default_factory=dict)

    def moves(self, at: Hashable) -> Iterator[Move]:
        """What can be done from a state."""
        for edge in self.edges[at]:
            follows = self.together.get(edge.steps[0].action)
            if follows is None or edge.to is None:
                yield edge
                continue
            for after in self.edges[edge.to]:
                second = after.steps[0]
                if second.action == follows and second.values == edge.steps[0].values:
                    yield Move((*edge.steps, second), (*edge.ways, *after.ways), after.to)

    def path(
        self, at: Hashable, wanted: Collection[Way], banned: Collection[Way] = ()
    ) -> list[Move] | None:
        """The shortest path to any of some ways, past none of the banned; None if there is none."""
        came: dict[Hashable, tuple[Hashable, Move] | None] = {at: None}
        waiting = deque([at])
        while waiting:
            here = waiting.popleft()
            for move in self.moves(here):
                if any(way in banned for way in move.ways):
                    continue
                if any(way in wanted for way in move.ways):
                    return [*self._back(here, came), move]
                if move.to is not None and move.to not in came and self._enters(move):
                    came[move.to] = here, move
                    waiting.append(move.to)
        return None

    def _enters(self, move: Move) -> bool:
        """Whether a run can stay where a move leads: not in between two steps taken at once."""
        return move.steps[-1].action not in self.together

    def _back(
        self, at: Hashable, came: Mapping[Hashable, tuple[Hashable, Move] | None]
    ) -> list[Move]:
        found: list[Move] = []
        link = came[at]
        while link is not None:
            found.append(link[1])
            link = came[link[0]]
        return found[::-1]


def graph(program: Program, together: Mapping[str, str], reason: Reason) -> Graph:
    """Explore a machine, with the specification's own steps and nothing else."""
    (initial,) = program.initial()
    key = Alike(program.layout)
    found = Graph(key(initial), together)
    found.edges[found.start] = []
    can = set[Way]()
    waiting = deque([(found.start, initial)])
    while waiting:
        here, state = waiting.popleft()
        for step, outcome in steps(program, state):
            if outcome.kind is Kind.CUT:
                continue
            way = way_of(program, step, outcome)
            found.ways.add(way)
            to = key(outcome.state) if outcome.kind is Kind.DONE else None
            why = reason(state, step, outcome)
            if why:
                found.why.setdefault(way, why)
            else:
                can.add(way)
                found.edges[here].append(Move((step,), (way,), to))
            if to is not None and to not in found.edges:
                found.edges[to] = []
                waiting.append((to, outcome.state))
    found.why = {way: why for way, why in found.why.items() if way not in can}
    return found


def way_of(program: Program, step: Step, outcome: Outcome) -> Way:
    """What a step is one of."""
    calls = tuple(f"{call.name} {error_of(call)}".strip() for call in outcome.calls)
    failing = NONE_FAILS
    if step.fault:
        names = [call.name for call in outcome.calls[: step.fault]]
        failing = f"{names[-1]}#{names.count(names[-1])}"
    if outcome.kind is Kind.CRASH:
        return Way(Pair(step.action, failing, f"crash: {outcome.why}"), calls)
    said = reported(program.action(step.action), outcome.result)
    return Way(Pair(step.action, failing, "done" if said == "0" else said), calls)

"""What one worker has of an exploration: the states of its part, and what is done with them there.

A part is the result of a task and never leaves its worker. If the worker is lost, so is the part:
another one made in its place begins to count its turns anew, by which it is known to be wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from checkers.explore.native.c_program import CProgram
from checkers.explore.native.compiler import load
from checkers.explore.native.library import Figures, SearchEndedError
from checkers.explore.native.partition import Letters, PartSpace
from checkers.gauge import memory_mib

T = TypeVar("T")

LEAST: Final = 16 << 20
"""Bytes that the states of a part may take, however much memory the worker has used."""

MOST: Final = 32 << 20
"""Bytes that may wait to be sent before a part does nothing else."""

SHARE: Final = 0.6
"""Of the memory that a worker may use: the cluster pauses it when there is little left."""


@dataclass(frozen=True)
class Setup:
    """What makes a part: the machine as C, and which of how many it is."""

    text: CProgram
    option: str
    own: int
    parts: int
    memory_mib: int


@dataclass(frozen=True)
class Answer:
    """What came of one turn: a number of states, the figures, what is left to do."""

    number: int
    figures: Figures
    done: bool = True
    sent: int = 0


class Part:
    """The states that one worker has."""

    def __init__(self, setup: Setup) -> None:
        self.turn, self.done, self.sent = 0, True, 0
        self.threads, allowed = _worker()
        library = load(setup.text.text, setup.option)
        limits = [limit for limit in (setup.memory_mib << 20, allowed) if limit]
        left = max(LEAST, min(limits) - int(memory_mib() * (1 << 20))) if limits else 0
        self.space = PartSpace(library, setup.text, setup.own, setup.parts, left)

    def __del__(self) -> None:
        if hasattr(self, "space"):
            self.space.close()

    def add(self, cells: bytes, judged: bool) -> Answer:
        """Add those of some states that are its own."""
        size = self.space.names.state_bytes
        every = [cells[at : at + size] for at in range(0, len(cells), size)]
        return Answer(self.space.add(list(self.space.owned(every)), judged=judged), self._figures())

    def expand(self, seconds: float, known: frozenset[str]) -> list[Letters]:
        """Expand its level for some time, without the rules known to be broken; what to send."""
        for rule in known:
            self.space.seek_no_longer(rule)
        self.done = self.space.expand_some(self.threads, seconds, MOST)
        letters = self.space.letters()
        self.sent = sum(item.count for item in letters)
        return letters

    def receive(self, *letters: Letters) -> Answer:
        """Take in what came from all parts; how many states that were."""
        for item in letters:
            self.space.receive(item)
        received = sum(item.count for item in letters)
        return Answer(received, self._figures(), self.done, self.sent)

    def next_level(self) -> Answer:
        """Its share of the level that was made is to be expanded next; how many states."""
        return Answer(self.space.next_level(), self._figures())

    def look(self) -> Answer:
        """Nothing more than the figures."""
        return Answer(0, self._figures())

    def restore(self, found: Figures) -> Answer:
        """Go on from known figures."""
        self.space.restore(found)
        return Answer(0, self._figures())

    def last_level(self) -> bytes:
        """The states of the last level."""
        sizes = self.space.sizes
        size = self.space.names.state_bytes
        return b"".join(self.space.states(sum(sizes[:-1]), sizes[-1]))[: size * sizes[-1]]

    def ask(self) -> list[Letters]:
        """Begin to see what can be taken down: what is to be asked of each part."""
        return self.space.ask(self.threads)

    def asked(self, *letters: Letters) -> Answer:
        """Take in what all parts ask, in their order."""
        for sender, item in enumerate(letters):
            self.space.asked(sender, item)
        return Answer(sum(item.count for item in letters), self._figures())

    def look_down(self, *answers: bytes) -> list[bytes]:
        """With answers of all parts, find what can be taken down; new answers for each part."""
        return self.space.look_down(self.threads, answers)

    def stuck(self) -> tuple[int, bytes] | None:
        """The least level with a state here that cannot be taken down, and that state."""
        return self.space.first_stuck()

    def _figures(self) -> Figures:
        return self.space.figures()


def in_turn(part: Part, turn: int, work: Callable[..., T], *given: object) -> T:
    """Do what is the part's next turn; nothing is done twice, and nothing by another part."""
    if part.turn != turn:
        raise SearchEndedError("a worker has lost its part of the states")
    part.turn += 1
    return work(part, *given)


def length(answers: Sequence[bytes]) -> int:
    """How much some answers say."""
    return sum(map(len, answers))


def _worker() -> tuple[int, int]:
    """How many threads this worker has, and how much memory its part may use (0: any)."""
    from distributed import get_worker

    worker = get_worker()
    limit = getattr(getattr(worker, "memory_manager", None), "memory_limit", None)
    return max(1, worker.state.nthreads), int((limit or 0) * SHARE)

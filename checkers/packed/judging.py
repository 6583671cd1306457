"""Judging what is found, here or in another process, whichever has time for it."""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Sequence
from typing import Final

from checkers.packed.aside import Aside
from checkers.packed.judge import Judge, Judged
from checkers.packed.texts import Unusual

CHUNK: Final = 10_000
"""States that are judged at a time."""

AHEAD: Final = 2
"""Chunks that the other process is given before it answers."""


class Judging:
    """What is true of the states of each level, in the end; `Unusual` as soon as one is."""

    def __init__(self, judge: Judge, apart: bool) -> None:
        self.judge = judge
        self.levels: list[Judged] = []
        self._waiting: deque[tuple[int, Sequence[int]]] = deque()
        self._given: deque[int] = deque()
        self._aside = Aside(self._answer) if apart else None

    @property
    def waiting(self) -> int:
        """How many chunks nobody has been given."""
        return len(self._waiting)

    @property
    def processes(self) -> int:
        """How many processes there are."""
        return 1 + (self._aside is not None)

    def add(self, states: Sequence[int]) -> None:
        """One level more."""
        level = len(self.levels)
        self.levels.append(self.judge.nothing())
        self._waiting += (
            (level, states[at : at + CHUNK]) for at in range(0, len(states), CHUNK)
        )

    def pause(self, most: int) -> None:
        """Have the other process busy, and no more than so many chunks waiting."""
        self._feed()
        while len(self._waiting) > most:
            level, states = self._waiting.pop()
            self._note(level, self.judge.look(states))
            self._feed()

    def finish(self) -> None:
        """Have everything judged."""
        self.pause(0)
        if self._aside is not None:
            for answer in self._aside.answers(every=True):
                self._note(self._given.popleft(), answer)

    def close(self) -> None:
        """The other process ends."""
        if self._aside is not None:
            self._aside.close()

    def _feed(self) -> None:
        """Take the answers that are there, and give what there is room for."""
        if self._aside is None:
            return
        for answer in self._aside.answers():
            self._note(self._given.popleft(), answer)
        while self._waiting and len(self._given) < AHEAD:
            level, states = self._waiting.popleft()
            try:
                batch = array("Q", states)
            except OverflowError:
                # An int was taken out of its range, which is not a state.
                raise Unusual from None
            self._aside.give(batch)
            self._given.append(level)

    def _answer(self, states: array[int]) -> Judged:
        """In the other process."""
        return self.judge.look(states)

    def _note(self, level: int, judged: Judged) -> None:
        if not judged.usual:
            raise Unusual
        self.levels[level].add(judged)

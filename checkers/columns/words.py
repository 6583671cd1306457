"""Takes an action by arithmetic on words."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from checkers.columns.cases import Cases
from checkers.columns.kernel import Column
from checkers.columns.packing import Numbers, Rows, true_at
from checkers.columns.taken import Ended, Taken
from checkers.frontend.ir import Node
from spec.language.steps import Step

ALL: np.uint64 = np.uint64((1 << 64) - 1)


class WordAction:
    """An action with given parameters, as cases."""

    def __init__(self, number: int, split: Cases) -> None:
        self.number, self.split, self.deed = number, split, split.ways.deed
        self.kind = 0
        values = tuple(int(value or 0) for value in self.deed.given)
        self._step = Step(self.deed.rule.name, values)
        self.done = len(split.keep)
        self.single = self.done + len(split.ends) == 1
        keeps = {int(word) for word in split.keep}
        self._keep = None if keeps == {int(ALL)} else split.keep

    @property
    def roots(self) -> list[Node]:
        """What it needs to know of every state: the guard, and which case."""
        return [self.deed.guard] if self.single else [self.deed.guard, self.split.case]

    def step(self, run: int) -> Step:
        """The step of any run."""
        return self._step

    def take(self, rows: Rows, answers: list[Column]) -> Iterator[Taken | Ended]:
        """Take it from those of the states in which it is enabled."""
        sources = true_at(answers[0])
        if not len(sources):
            return
        if self.single:
            if self.done:
                yield self._taken(rows, sources, None)
            else:
                yield from self._ended(sources, 0)
            return
        case = answers[1].take(sources)
        if self.split.ends and int(case.max()) >= self.done:
            for end in range(len(self.split.ends)):
                yield from self._ended(sources[case == self.done + end], end)
            well = true_at(case < self.done)
            sources, case = sources.take(well), case.take(well)
        if len(sources):
            yield self._taken(rows, sources, case)

    def _taken(self, rows: Rows, sources: Numbers, case: Column | None) -> Taken:
        words = rows[:, 0].take(sources)
        if case is None:
            if self._keep is not None:
                words &= self._keep[0]
            words += self.split.more[0]
        else:
            places = case.astype(np.intp)
            if self._keep is not None:
                words &= self._keep.take(places)
            words += self.split.more.take(places)
        rows = words.reshape(-1, 1)
        return Taken(self.number, sources, rows, self.step, sources, kind=self.kind)

    def _ended(self, sources: Numbers, end: int) -> Iterator[Ended]:
        """What ended there, if it was more than a guard."""
        kind, why = self.split.ends[end]
        if kind != "disabled" and len(sources):
            yield Ended(self.number, kind, why, sources, self.step, sources)

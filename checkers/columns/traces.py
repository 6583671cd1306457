"""Traces without parents: the levels are walked backwards from where a rule is broken.

Going back, each ancestor learns the fewest faults with which it leads there; going forward from the
best initial state, any step that keeps that promise is taken. So a trace is one of the shortest,
and of these one with the fewest injected faults.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from checkers.columns.expander import Expander
from checkers.columns.found import Hits
from checkers.columns.levels import Levels
from checkers.columns.packing import Packing, Rows, true_at, turned
from checkers.columns.taken import Taken
from checkers.columns.telling import told
from checkers.columns.visited import Visited, visited
from checkers.explicit.symmetry import Exchange
from checkers.result import Violation
from spec.language.program import Program
from spec.language.steps import Step

FAR = 1 << 30
Costs = npt.NDArray[np.int64]


@dataclass(frozen=True)
class _Layer:
    """Some states of a level, and with how many faults each leads to the end."""

    known: Visited
    costs: Costs

    def cost(self, rows: Rows) -> Costs:
        """The costs of states; `FAR` for one that is not there."""
        places = self.known.find(rows)
        return np.where(places < 0, FAR, self.costs.take(places, mode="clip"))


class Tracer:
    """Makes traces from the levels of an exploration."""

    def __init__(
        self, program: Program, packing: Packing, levels: Levels, expander: Expander,
        symmetric: tuple[Exchange, ...],
    ) -> None:
        self.program, self.packing, self.levels = program, packing, levels
        self.expander, self.symmetric = expander, symmetric

    def violation(self, hits: Hits) -> Violation:
        """The trace to one of the places where a rule is broken."""
        layers = [self._layer(hits.rows, np.array(hits.faults, dtype=np.int64))]
        for level in range(hits.level - 1, -1, -1):
            layers.append(self._before(level, layers[-1]))
        path, steps = self._forward(layers[::-1])
        place = self._place(hits, path[-1])
        states = self.packing.states(np.concatenate(path))
        return told(
            self.program, self.symmetric, hits.rule, states, steps,
            *((hits.steps[place], hits.whys[place]) if hits.steps else ()),
        )

    def _layer(self, rows: Rows, costs: Costs) -> _Layer:
        known = visited(self.packing.words, self.packing.spare)
        known.add(rows)
        best = np.full(known.places, FAR, dtype=np.int64)
        np.minimum.at(best, known.find(rows), costs)
        return _Layer(known, best)

    def _before(self, level: int, after: _Layer) -> _Layer:
        """The states of a level with a step into a layer."""
        found, costs = [], []
        for _, rows, columns in self.levels.blocks(level):
            best = np.full(len(rows), FAR, dtype=np.int64)
            for taken in self.expander.expand(rows, columns):
                if isinstance(taken, Taken):
                    np.minimum.at(best, taken.sources, _through(taken, after))
            at = true_at(best < FAR)
            found.append(rows.take(at, axis=0))
            costs.append(best.take(at))
        return self._layer(np.concatenate(found), np.concatenate(costs))

    def _forward(self, layers: list[_Layer]) -> tuple[list[Rows], list[Step]]:
        """Rows and steps of the best path through the layers."""
        rows = layers[0].known.numbered(0, layers[0].known.size)
        path = [rows[np.argmin(layers[0].cost(rows))][np.newaxis]]
        steps: list[Step] = []
        for after in layers[1:]:
            best: tuple[int, Rows, Step] | None = None
            for taken in self.expander.expand(path[-1], turned(path[-1])):
                if isinstance(taken, Taken):
                    costs = _through(taken, after)
                    at = int(np.argmin(costs))
                    if costs[at] < FAR and (best is None or costs[at] < best[0]):
                        step = taken.step(int(taken.runs[at]))
                        best = int(costs[at]), taken.rows[at][np.newaxis], step
            assert best is not None
            path.append(best[1])
            steps.append(best[2])
        return path, steps

    def _place(self, hits: Hits, row: Rows) -> int:
        """Of the hits in a state the one with the fewest faults."""
        same = true_at((hits.rows == row).all(axis=1))
        return min((int(at) for at in same), key=lambda at: hits.faults[at])


def _through(taken: Taken, after: _Layer) -> Costs:
    """With how many faults each run leads to the end through a layer."""
    costs = after.cost(taken.rows)
    near = true_at(costs < FAR)
    for at in near:
        costs[at] += taken.step(int(taken.runs[at])).fault > 0
    return costs

"""Where a rule is broken in the level that is searched."""

from __future__ import annotations

from typing import Final

import numpy as np

from checkers.columns.checkpoint import SavedBreach, SavedStep
from checkers.columns.found import Hits
from checkers.columns.packing import Rows
from spec.language.steps import Step

KEPT: Final = 500
"""Places of a level where a rule is broken that are looked at for the best trace."""


class Breach:
    """Where a rule is broken in the level that is searched; no more places than `KEPT`."""

    def __init__(self, level: int) -> None:
        self.level = level
        self.rows: list[Rows] = []
        self.steps: list[Step] = []
        self.whys: list[str] = []
        self.count = 0

    def states(self, rows: Rows) -> None:
        """These states break it."""
        if self.count < KEPT:
            self.rows.append(rows[: KEPT - self.count].copy())
            self.count += len(self.rows[-1])

    def step(self, rows: Rows, step: Step, why: str) -> None:
        """This step from a state breaks it."""
        self.states(rows)
        self.steps.append(step)
        self.whys.append(why)

    def add(self, more: Breach) -> None:
        """And these places, of the same level."""
        kept = KEPT - self.count
        if kept > 0:
            self.states(np.concatenate(more.rows))
            self.steps += more.steps[:kept]
            self.whys += more.whys[:kept]

    def hits(self, rule: str) -> Hits:
        """All places."""
        return Hits(rule, self.level, np.concatenate(self.rows), self.steps, self.whys)

    def saved(self, rule: str) -> SavedBreach:
        """As a checkpoint has it."""
        steps = [SavedStep(step.action, list(step.values), step.fault) for step in self.steps]
        rows = np.concatenate(self.rows).tolist()
        return SavedBreach(rule, self.level, rows, steps, self.whys)


def restored(saved: SavedBreach) -> Breach:
    """As it was when it was saved."""
    found = Breach(saved.level)
    found.rows = [np.array(saved.rows, dtype=np.uint64)]
    found.count = len(saved.rows)
    found.steps = [Step(step.action, tuple(step.values), step.fault) for step in saved.steps]
    found.whys = saved.whys
    return found

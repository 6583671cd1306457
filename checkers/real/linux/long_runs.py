"""Long random runs: calls that are made after each other, and what is to be seen after each."""

from __future__ import annotations

import random
from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from checkers.real.linux.calls import Kernel
from checkers.real.linux.plan import Made, Plan, as_it_is, made_of
from spec.language.program import Kind, Linked
from spec.language.steps import steps_with

SELDOM: Final = {"close": 0.1, "unbind": 0.1, "destroy": 0.4, "detach": 0.5, "close_file": 0.2}
"""How often a call is made where it is drawn, if not always: what it undoes took many."""

REFUSED: Final = 0.3
"""How often a call is made that changes nothing, where it is drawn."""

TRIES: Final = 20
"""How many calls of an action are drawn until one changes something; else the last is made."""


@dataclass
class LongRuns(Plan):
    """A batch of runs. `made` has each call with its record and the node that it is made at.

    A node has the calls since the last close behind it, those that changed something.
    """

    made: list[tuple[int, int, Made]] = field(default_factory=list)

    def after(self, node: int, made: Made) -> int:
        """A new node: the state after a call, however often it was reached before."""
        if made.after == self.kernel.empty:
            return 0
        self.states.append(made.after)
        self.came.append((node, made.step))
        return self.batch.node(node, made.call, self.kernel.look(made.after))

    def call(self, node: int, made: Made) -> int:
        """Make a call at a node; the node after it."""
        self.made.append((self.batch.call(made.call), node, made))
        if not made.changes:
            return node
        node = self.after(node, made)
        self.batch.look(node)
        return node

    def visited(self, record: int) -> tuple[int, Made | None]:
        """The node that a record is about, and the call, or the one that it looks after."""
        _, node, made = self.made[bisect_right(self.made, record, key=lambda item: item[0]) - 1]
        return node, made


def long_runs(kernel: Kernel, runs: int, length: int, seed: int) -> LongRuns:
    """So many runs of so many calls, the same for the same seed."""
    plan = LongRuns(
        kernel, as_it_is, kernel.batch(), [kernel.empty], [(0, None)], {kernel.empty: 0}
    )
    draw = random.Random(seed)
    drawn = _Drawn(kernel, draw)
    for _ in range(runs):
        plan.visits.append((plan.batch.go(0, run=True), 0))
        node = 0
        for _ in range(length):
            node = plan.call(node, drawn.call(plan.states[node], plan.left_out))
    return plan


class _Drawn:
    """Calls at random: an action first, then what it is of, then perhaps what fails."""

    def __init__(self, kernel: Kernel, draw: random.Random) -> None:
        self.kernel, self.draw = kernel, draw
        self.actions: list[tuple[Linked, list[tuple[int, ...]]]] = [
            (action, list(action.instances(kernel.program.layout)))
            for action in kernel.program.actions
        ]

    def call(self, state: bytes, left_out: Counter[str]) -> Made:
        """A call that a state allows."""
        self.kernel.at(state)
        while True:
            action, instances = self.draw.choice(self.actions)
            if self.draw.random() < SELDOM.get(action.name, 1):
                found = self._of(action, instances, left_out)
                if found is not None and (found.changes or self.draw.random() < REFUSED):
                    return found

    def _of(
        self, action: Linked, instances: list[tuple[int, ...]], left_out: Counter[str]
    ) -> Made | None:
        """A call of an action, one that changes something if one is soon found."""
        found = None
        for values in self.draw.sample(instances, min(TRIES, len(instances))):
            every = steps_with(self.kernel.program, self.kernel.state, action, values)
            each = [(step, end) for step, end in every if end.kind is Kind.DONE]
            made = [made_of(self.kernel, step, end, left_out) for step, end in each]
            possible = [item for item in made if item is not None]
            if possible:
                found = self.draw.choice(possible)
                if found.changes:
                    return found
        return found

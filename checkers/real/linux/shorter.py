"""Shorter ways to a difference: the calls that it does not need are left out, and Linux is asked.

In each round all that can be left out is tried in one batch: a kernel takes seconds to start. What
an engine finds is made shorter by `checkers.minimise`, which asks a program for one way at a time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from checkers.real.linux.batch import Batch, Call
from checkers.real.linux.calls import Kernel
from checkers.real.linux.compare import Difference, compared
from checkers.real.linux.plan import Made, Plan, Wish, begun, made_of
from spec.language.program import Kind
from spec.language.steps import Step, take

FINELY: Final = 40
"""Of longer ways runs of steps are left out whose length is a power of two, at its multiples."""


def shortest(
    kernel: Kernel, found: Difference, wish: Wish, say: Callable[[Batch], list[str]]
) -> Difference:
    """A difference of the same class after as few calls as leaving out leads to."""
    while (plan := _tried(kernel, found.steps, wish)).visits:
        others = compared(plan, say(plan.batch)).differences.get(found.what, [])
        shorter = min(others, key=lambda other: len(other.steps), default=found)
        if len(shorter.steps) >= len(found.steps):
            break
        found = shorter
    return found


def _tried(kernel: Kernel, steps: Sequence[Step], wish: Wish) -> Plan:
    """The last call in each state that its way leads to without some of its steps."""
    *way, last = steps

    def only_last(made: Made) -> Call | None:
        return wish(made) if made.step == last else None

    plan, visited = begun(kernel, only_last), set[int]()
    for kept in sorted(_kept(way), key=len):
        node = _followed(plan, kept)
        if node not in visited:
            visited.add(node)
            plan.visit(node)
    return plan


def _kept(way: Sequence[Step]) -> Iterator[Sequence[Step]]:
    """A way without each run of its steps, or not so many of them if it is long."""
    size = len(way)
    finely = size <= FINELY
    widths = range(1, size + 1) if finely else [2**n for n in range(size.bit_length())]
    for width in widths:
        for start in range(0, size, 1 if finely else width):
            yield [*way[:start], *way[start + width :]]


def _followed(plan: Plan, way: Sequence[Step]) -> int:
    """The node that steps lead to; those that are no calls where they stand are passed over."""
    node = 0
    for step in way:
        state = plan.states[node]
        plan.kernel.at(state)
        outcome = take(plan.kernel.program, plan.kernel.state, step)
        if outcome.kind is Kind.DISABLED:
            continue
        made = made_of(plan.kernel, step, outcome, Counter())
        if made is not None and made.changes:
            node = plan.after(node, made)
    return node

"""Which calls are made: every enabled one in every explored state, or in some."""

from __future__ import annotations

import random
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Final, NamedTuple

from checkers.real.linux.batch import EACH_ALLOCATION, Batch, Call, Flag
from checkers.real.linux.calls import Kernel
from spec.language.program import Kind, Linked, Outcome
from spec.language.steps import Step, steps_of

NO_ID: Final = "calls for which the bounds have no id"
CRASHES: Final = "calls at which the specification says that the kernel goes wrong"


class Made(NamedTuple):
    """A step that is a call, and the state after it as far as the user can see."""

    step: Step
    call: Call
    after: bytes

    @property
    def changes(self) -> bool:
        """Something is to be seen after it."""
        return bool(self.call.flags & Flag.CHANGES)


Wish = Callable[[Made], Call | None]
"""How a call is made, or that it is not."""

Pick = Callable[[random.Random, list[str]], str]
"""Which of the actions that lead on is taken."""


@dataclass
class Plan:
    """A batch, and what its nodes and records stand for.

    `came` has for each node its parent and the step from there, `visits` the first record and the
    node of each visit, `left_out` what is not held against the kernel, and how often.
    """

    kernel: Kernel
    wish: Wish
    batch: Batch
    states: list[bytes]
    came: list[tuple[int, Step | None]]
    node_of: dict[bytes, int]
    visits: list[tuple[int, int]] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)

    def path(self, node: int) -> list[Step]:
        """The steps from the empty iommufd to a node."""
        found: list[Step] = []
        while True:
            node, step = self.came[node]
            if step is None:
                return found[::-1]
            found.append(step)

    def visit(self, node: int) -> dict[str, list[Made]]:
        """Make the calls in a node's state; those that change something, by their actions."""
        leads: dict[str, list[Made]] = {}
        self.visits.append((self.batch.go(node), node))
        for made in calls_at(self.kernel, self.states[node], self.left_out):
            call = self.wish(made)
            if call is not None:
                self.batch.call(call)
            if made.changes:
                leads.setdefault(made.step.action, []).append(made)
                if call is not None:
                    self.batch.look(self.after(node, made))
        return leads

    def after(self, node: int, made: Made) -> int:
        """The node of the state after a call in that of another."""
        found = self.node_of.get(made.after)
        if found is None:
            found = self.batch.node(node, made.call, self.kernel.look(made.after))
            self.node_of[made.after] = found
            self.states.append(made.after)
            self.came.append((node, made.step))
        return found

    def visited(self, record: int) -> tuple[int, Made | None]:
        """The node that a record is about, and the call, if it is one or is the look after one."""
        at, node = self.visits[bisect_right(self.visits, (record, len(self.states))) - 1]
        for made in calls_at(self.kernel, self.states[node], Counter()):
            if self.wish(made) is None:
                continue
            at += 1
            if record in (at, at + made.changes):
                return node, made
            at += made.changes
        return node, None


def begun(kernel: Kernel, wish: Wish) -> Plan:
    """A plan in which nothing is done, and the empty iommufd is node 0."""
    return Plan(kernel, wish, kernel.batch(), [kernel.empty], [(0, None)], {kernel.empty: 0})


def as_it_is(made: Made) -> Call:
    """Every call, as the specification has it."""
    return made.call


def for_want_of_memory(made: Made) -> Call | None:
    """Those that succeed, a close apart, each of their allocations failing in its turn."""
    if made.step.fault or made.call.error or made.step.action == "close":
        return None
    return made.call._replace(fault=EACH_ALLOCATION)


def calls_at(
    kernel: Kernel, state: bytes, left_out: Counter[str], of: Iterable[Linked] | None = None
) -> Iterator[Made]:
    """Every call that a state allows, or every one of some actions, with what comes of it."""
    kernel.at(state)
    actions = kernel.program.actions if of is None else of
    each = (steps_of(kernel.program, kernel.state, action) for action in actions)
    for step, outcome in chain.from_iterable(each):
        made = made_of(kernel, step, outcome, left_out)
        if made is not None:
            yield made


def made_of(kernel: Kernel, step: Step, outcome: Outcome, left_out: Counter[str]) -> Made | None:
    """A step as a call where the kernel is at; None, and counted why, if it is not held."""
    if outcome.kind is not Kind.DONE:
        left_out[NO_ID if outcome.kind is Kind.CUT else CRASHES] += 1
        return None
    if why := kernel.why_not(step, outcome):
        left_out[why] += 1
        return None
    same, outcome, habit = kernel.by_habit(step, outcome)
    left_out.update([habit] if habit else [])
    return Made(same, kernel.call(step, outcome), kernel.follows(step, outcome))


def every_state(
    kernel: Kernel, alike: Callable[[bytes], bytes] = bytes, wish: Wish = as_it_is
) -> Plan:
    """Calls in every state, each reached by a shortest way; of states that are `alike` in one."""
    plan = begun(kernel, wish)
    seen, node = set[bytes](), 0
    while node < len(plan.states):
        one = alike(plan.states[node])
        if one not in seen:
            seen.add(one)
            plan.visit(node)
        node += 1
    return plan


def some_states(
    kernel: Kernel, runs: int, length: int, seed: int, wish: Wish = as_it_is,
    pick: Pick = random.Random.choice,
) -> Plan:  # fmt: skip
    """Calls in the states that random runs come through; `pick` says by which action next."""
    plan, draw = begun(kernel, wish), random.Random(seed)
    leads: dict[int, dict[str, list[Made]]] = {}
    for _ in range(runs):
        node = 0
        for _ in range(length):
            if node not in leads:
                leads[node] = plan.visit(node)
            if not leads[node]:
                node = 0
                continue
            action = pick(draw, sorted(leads[node]))
            node = plan.after(node, draw.choice(leads[node][action]))
    return plan

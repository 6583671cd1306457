"""Which calls are made: every enabled one in every explored state, or in some."""

from __future__ import annotations

import random
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from checkers.real.linux.batch import Batch, Call, Flag
from checkers.real.linux.calls import CALLS, Kernel
from spec.language.program import Kind, Program
from spec.language.steps import Step, steps

BY_THE_KERNEL: Final = "steps that the kernel takes by itself at a close"
NOT_INJECTED: Final = "host calls that cannot be made to fail alone"
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


@dataclass
class Plan:
    """A batch, and what its nodes and records stand for.

    `came` has for each node its parent and the step from there, `visits` the first record and the
    node of each visit, `left_out` what is not held against the kernel, and how often.
    """

    kernel: Kernel
    batch: Batch
    states: list[bytes]
    came: list[tuple[int, Step | None]]
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

    def visited(self, record: int) -> tuple[int, Made | None]:
        """The node that a record is about, and the call, if it is one or is the look after one."""
        first, node = self.visits[bisect_right(self.visits, (record, len(self.states))) - 1]
        at = first
        for made in calls_at(self.kernel, self.states[node], Counter()):
            at += 1
            if record in (at, at + made.changes):
                return node, made
            at += made.changes
        return node, None


def begun(program: Program) -> Plan:
    """A plan in which nothing is done, and the empty iommufd is node 0."""
    kernel = Kernel(program)
    return Plan(kernel, kernel.batch(), program.initial(), [(0, None)])


def calls_at(kernel: Kernel, state: bytes, left_out: Counter[str]) -> Iterator[Made]:
    """Every call that a state allows, with what comes of it."""
    initial = kernel.program.initial()[0]
    for step, outcome in steps(kernel.program, state):
        if outcome.kind is not Kind.DONE:
            left_out[NO_ID if outcome.kind is Kind.CUT else CRASHES] += 1
        elif step.action not in CALLS:
            left_out[BY_THE_KERNEL] += 1
        elif not kernel.can_fail(state, step, outcome):
            left_out[NOT_INJECTED] += 1
        else:
            after = initial if step.action == "close" else outcome.state
            yield Made(step, kernel.call(state, step, outcome), after)


def every_call(program: Program) -> Plan:
    """Every call in every state, each state reached by a shortest way."""
    plan = begun(program)
    kernel, batch = plan.kernel, plan.batch
    node_of = {plan.states[0]: 0}
    for node, state in enumerate(plan.states):
        plan.visits.append((batch.go(node), node))
        for step, call, after in calls_at(kernel, state, plan.left_out):
            batch.call(call)
            if not call.flags & Flag.CHANGES:
                continue
            if after not in node_of:
                node_of[after] = batch.node(node, call, kernel.look(after))
                plan.states.append(after)
                plan.came.append((node, step))
            batch.look(node_of[after])
    return plan


def some_calls(program: Program, runs: int, length: int, seed: int) -> Plan:
    """Every call in the states of random runs, each state once."""
    plan = begun(program)
    kernel, batch, draw = plan.kernel, plan.batch, random.Random(seed)
    node_of = {plan.states[0]: 0}

    def node(parent: int, made: Made) -> int:
        if made.after not in node_of:
            node_of[made.after] = batch.node(parent, made.call, kernel.look(made.after))
            plan.states.append(made.after)
            plan.came.append((parent, made.step))
        return node_of[made.after]

    visited: dict[int, list[tuple[int, str]]] = {}
    for _ in range(runs):
        at = 0
        for _ in range(length):
            if at not in visited:
                plan.visits.append((batch.go(at), at))
                visited[at] = []
                for made in calls_at(kernel, plan.states[at], plan.left_out):
                    batch.call(made.call)
                    if made.changes:
                        after = node(at, made)
                        visited[at].append((after, made.step.action))
                        batch.look(after)
            action = draw.choice(sorted({name for _, name in visited[at]}))
            at = draw.choice([after for after, name in visited[at] if name == action])
    return plan

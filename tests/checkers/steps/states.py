"""All states of a small program, by running its actions; and what their variables are."""

from __future__ import annotations

from checkers.frontend.ir import Node
from checkers.frontend.merge import Merger
from spec.language.program import Kind, Program


def reachable(program: Program) -> tuple[bytes, ...]:
    """Every state."""
    known = dict.fromkeys(program.initial())
    waiting = list(known)
    while waiting:
        state = waiting.pop()
        for rule in program.actions:
            for values in rule.instances(program.layout):
                outcome = program.run(rule, state, values)
                if outcome.kind is Kind.DONE and outcome.state not in known:
                    known[outcome.state] = None
                    waiting.append(outcome.state)
    return tuple(known)


def values_of(merger: Merger, state: bytes) -> dict[Node, int]:
    """The variables of a state."""
    found = {}
    for node, (column, row, element) in merger.where.items():
        cell = column.offset(row)
        value = state[cell]
        if element:
            value = state[cell + (element - 1 >> 3)] >> (element - 1 & 7) & 1
        found[node] = value
    return found

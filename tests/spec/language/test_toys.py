"""The toys have exactly the figures their manifests say, by the plainest search there is."""

from __future__ import annotations

from itertools import chain

import pytest

from spec.language import Machine, Program, Variant, build
from spec.language.program import Kind, Outcome
from spec.language.rules import CRASH, broken_by_state, broken_by_step
from spec.language.steps import steps
from tests.toys.mutex import MUTEX
from tests.toys.queue import QUEUE, STANDS_STILL
from tests.toys.refcount import FREES_WHILE_HELD, LEAKS_ON_REFUSAL, REFCOUNT


def search(program: Program) -> tuple[int, int, int]:
    """Distinct states, enabled transitions and depth, by the plainest search there is."""
    frontier = set(program.initial())
    seen, transitions, depth = set(frontier), 0, 0
    while frontier:
        reached = [
            outcome.state
            for state in frontier
            for _, outcome in steps(program, state)
            if outcome.kind is Kind.DONE
        ]
        transitions += len(reached)
        frontier = set(reached) - seen
        seen |= frontier
        depth += bool(frontier)
    return len(seen), transitions, depth


@pytest.mark.parametrize("machine", [MUTEX, REFCOUNT, QUEUE], ids=lambda machine: machine.name)
def test_the_manifest_of_a_toy_is_what_a_plain_search_finds(machine: Machine) -> None:
    program = build(machine, "small")
    bounds = program.bounds
    assert search(program) == (bounds.states, bounds.transitions, bounds.depth)


@pytest.mark.parametrize(("holders", "objects"), [(1, 1), (2, 2), (3, 2)])
def test_refcount_has_a_state_for_each_map_of_holders(holders: int, objects: int) -> None:
    program = build(REFCOUNT, "small", values={"holders": holders, "objects": objects})
    assert program.bounds_name == ("small" if (holders, objects) == (2, 2) else "custom")
    assert search(program)[0] == (objects + 1) ** holders


@pytest.mark.parametrize(("cells", "items"), [(1, 1), (3, 2), (2, 3)])
def test_queue_has_a_state_for_each_sequence(cells: int, items: int) -> None:
    program = build(QUEUE, "small", values={"cells": cells, "Item": items})
    states = sum(items**length for length in range(cells + 1))
    assert search(program) == (states, 2 * (states - 1), cells)


@pytest.mark.parametrize(("machine", "odd"), [
    (REFCOUNT, FREES_WHILE_HELD), (REFCOUNT, LEAKS_ON_REFUSAL), (QUEUE, STANDS_STILL),
], ids=lambda item: item.name)  # fmt: skip
def test_a_toy_variant_breaks_what_it_says_and_no_sooner(machine: Machine, odd: Variant) -> None:
    assert shortest(build(machine, odd.bounds, odd)) == odd.expects


def shortest(program: Program) -> dict[str, int]:
    """The length of the shortest trace to each broken rule, by breadth."""
    frontier, found, depth = set(program.initial()), dict[str, int](), 0
    seen, rules = set(frontier), (*program.invariants, CRASH)
    while frontier:
        depth += 1
        reached = set()
        for state in frontier:
            for _, outcome in steps(program, state):
                broken = chain(
                    broken_by_step(program, state, outcome, rules),
                    broken_by_state(program, outcome.state, rules if is_done(outcome) else ()),
                )
                for breach in broken:
                    found.setdefault(breach.rule, depth)
                if is_done(outcome):
                    reached.add(outcome.state)
        frontier = reached - seen
        seen |= frontier
    return found


def is_done(outcome: Outcome) -> bool:
    """No check failed and no bound was met."""
    return outcome.kind is Kind.DONE

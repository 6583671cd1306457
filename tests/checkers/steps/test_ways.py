"""The ways of an action: together they are what running it does."""

from __future__ import annotations

import pytest

from checkers.frontend.ir import BOOL
from checkers.frontend.merge import Merger
from checkers.steps.deeds import deed, rebuilt
from checkers.steps.ways import Way, ways
from invariants import complete
from spec.language import build
from spec.language.program import Kind
from spec.machines import MACHINES
from tests.checkers.steps.states import reachable, values_of

LIFETIMES = build(complete(MACHINES["object-lifetime"]), "small")
STATES = reachable(LIFETIMES)


@pytest.mark.parametrize("name", [rule.name for rule in LIFETIMES.actions])
def test_one_way_says_what_a_run_does(name: str) -> None:
    merger = Merger(LIFETIMES)
    rule = LIFETIMES.action(name)
    ends = set()
    for values in rule.instances(merger.layout):
        one = deed(merger, rule, values)
        assert one is not None
        found = ways(merger.graph, one)
        assert found is not None
        for state in STATES:
            outcome = LIFETIMES.run(rule, state, values)
            (way,) = [way for true, way in found.paths() if _holds(merger, true, state)]
            ends.add(way.end[0])
            assert way.end[0] == outcome.kind.name.lower()
            if outcome.kind is Kind.DONE:
                assert _after(merger, way, state) == values_of(merger, outcome.state)
    assert ends == {"done", "disabled"}


def _holds(merger: Merger, literals: list, state: bytes) -> bool:  # type: ignore[type-arg]
    known = {
        node: merger.graph.truth(bool(value)) if node.type == BOOL else merger.graph.number(value)
        for node, value in values_of(merger, state).items()
    }
    found = rebuilt(merger.graph, [atom for atom, _ in literals], known)
    return all(bool(x.value) == truth for x, (_, truth) in zip(found, literals, strict=True))


def _after(merger: Merger, way: Way, state: bytes) -> dict:  # type: ignore[type-arg]
    found = values_of(merger, state)
    for change in way.changes:
        assert change.was in (None, found[change.node])
        found[change.node] = change.value + (found[change.node] if change.more else 0)
    return found

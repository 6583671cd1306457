"""One action with given parameters, merged, and its guard apart."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from checkers.frontend.execute import Executor
from checkers.frontend.expressions import Value
from checkers.frontend.ir import Graph, Node, order
from checkers.frontend.merge import Merger
from spec.language.layout import IntT
from spec.language.program import Linked

Given = tuple[int | None, ...]
"""The values of an action's parameters; None is left open."""


@dataclass(frozen=True)
class Deed:
    """One action without a fault, all its runs with given parameters (open ones are variables).

    `guard` is necessary for anything to happen, and small; if it holds, exactly one of `enabled`,
    `crashes`, `cuts` does, or none if the action is disabled after all. `next` is what changes if
    it is enabled.
    """

    rule: Linked
    given: Given
    parameters: tuple[Node, ...]
    guard: Node
    enabled: Node
    crashes: tuple[tuple[Node, str], ...]
    cuts: tuple[tuple[Node, str], ...]
    next: Mapping[Node, Node]
    result: Node

    @property
    def failures(self) -> list[Node]:
        """The conditions under which, if the guard holds, a check fails or a bound is met."""
        return [node for node, _ in (*self.crashes, *self.cuts)]

    @property
    def open(self) -> list[Node]:
        """The parameters that are variables."""
        return [node for node in self.parameters if node.op == "var"]


def deed(merger: Merger, rule: Linked, given: Given) -> Deed | None:
    """Merge an action; None if its guard is false whatever the state."""
    first = guard(merger, rule, given)
    if first is merger.graph.false:
        return None
    step = merger.action(rule, given)
    return Deed(
        rule, given, step.parameters, first, step.enabled, step.crashes, step.cuts, step.next,
        step.result,
    )


def guard(merger: Merger, rule: Linked, given: Given) -> Node:
    """The guards that come first, before anything else can fail and before any host call."""
    executor = _First(merger, merger.fault if rule.fault else None)
    bound = merger.bind(rule, given)
    arguments: list[Value] = [0, *bound, *([None] if rule.fault else [])]
    with contextlib.suppress(_EnoughError):
        executor.call(merger.parser.function(rule.function), arguments)
    return merger.graph.all_of(
        merger.graph.not_(failure.condition) for failure in executor.failures
        if failure.kind == "require"
    )


class _EnoughError(Exception):
    """All first guards are known."""


class _First(Executor):
    """Executes a function until it is past its first guards."""

    def __init__(self, merger: Merger, fault: Node | None) -> None:
        super().__init__(merger.graph, merger.layout, merger.cells, [merger.state()], fault)

    def fail(self, condition: Node, kind: str, why: str) -> None:
        """Note that here, if `condition`, something fails."""
        if self.env[self.calls] is not self.g.number(0):
            raise _EnoughError
        super().fail(condition, kind, why)
        last = self.failures[-1] if self.failures else None
        if last is not None and (last.kind != "require" or last.condition is self.g.true):
            raise _EnoughError


def literals(node: Node, truth: bool) -> list[tuple[Node, bool]]:
    """Conditions that are decided if `node` has this truth, itself among them."""
    if node.op == "not":
        return literals(node.args[0], not truth)
    found = [] if node.op == "const" else [(node, truth)]
    if node.op == ("and" if truth else "or"):
        for below in node.args:
            found += literals(below, truth)
    return found


def rebuilt(graph: Graph, roots: Sequence[Node], known: Mapping[Node, Node]) -> list[Node]:
    """The same expressions with some nodes replaced, and simplified by that."""
    found: dict[Node, Node] = {}
    for node in order(roots):
        if node in known:
            found[node] = known[node]
        elif all(found[below] is below for below in node.args):
            found[node] = node
        else:
            found[node] = _made(graph, node, [found[below] for below in node.args])
    return [found[root] for root in roots]


def _made(graph: Graph, node: Node, args: list[Node]) -> Node:
    """A node like `node` of other arguments."""
    match node.op:
        case "not":
            return graph.not_(args[0])
        case "and":
            return graph.and_(args[0], args[1])
        case "or":
            return graph.or_(args[0], args[1])
        case "eq":
            return graph.eq(args[0], args[1])
        case "lt":
            return graph.lt(args[0], args[1])
        case "add":
            return graph.add(args[0], args[1])
        case "sub":
            return graph.sub(args[0], args[1])
        case "ite":
            return graph.ite(args[0], args[1], args[2])
        case "count":
            return graph.count(args)
    assert node.op == "narrow"
    assert isinstance(node.type, IntT)
    return graph.narrow(args[0], node.type.lo, node.type.hi)

"""One action merged for the columns: its guard apart, and the host calls until it ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from checkers.frontend.execute import Executor
from checkers.frontend.expressions import Env, Failure, Value
from checkers.frontend.ir import Graph, Node, order
from checkers.frontend.merge import Merger
from spec.language.layout import IntT
from spec.language.program import Rule

Given = tuple[int | None, ...]
"""The values of an action's parameters; None is left open."""


@dataclass(frozen=True)
class Deed:
    """One action, all its runs with given parameters (those left open are variables).

    `guard` is necessary for anything to happen, and small; if it holds, exactly one of `enabled`,
    `crashes`, `cuts` does, or none if the action is disabled after all. `calls` are the host calls
    until the action ends in whichever way. `next` is what changes if it is enabled.
    """

    rule: Rule
    given: Given
    parameters: tuple[Node, ...]
    fault: Node | None
    guard: Node
    enabled: Node
    crashes: tuple[tuple[Node, str], ...]
    cuts: tuple[tuple[Node, str], ...]
    next: Mapping[Node, Node]
    result: Node
    calls: Node

    @property
    def open(self) -> list[Node]:
        """The parameters that are variables."""
        return [node for node in self.parameters if node.op == "var"]

    @property
    def size(self) -> int:
        """How many nodes it is made of."""
        return len(order([self.enabled, self.calls, self.result, *self.next.values()]))


class NeverError(Exception):
    """An action cannot do anything with these parameters."""


def deed(merger: Merger, rule: Rule, given: Given) -> Deed:
    """Merge an action, with a fault as a variable."""
    fault = merger.fault if rule.fault else None
    executor = _Executor(merger, merger.state(), fault)
    bound = merger.bind(rule, given)
    arguments: list[Value] = [0, *bound, *([None] if rule.fault else [])]
    value = executor.call(merger.parser.function(rule.function), arguments)
    calls = executor.env.pop(executor.calls)
    graph = merger.graph
    well, ends = graph.true, dict[str, list[tuple[Node, str]]](check=[], limit=[], require=[])
    heres: list[Node] = []
    for failure in executor.failures:
        heres.append(graph.and_(well, failure.condition))
        if heres[-1] is not graph.false:
            ends[failure.kind].append((heres[-1], failure.why))
            well = graph.and_(well, graph.not_(failure.condition))
    for here, made in zip(reversed(heres), reversed(executor.made), strict=True):
        calls = graph.ite(here, made, calls)
    guard = _guard(graph, executor.failures, executor.made)
    if guard is graph.false:
        raise NeverError
    return Deed(
        rule, given, tuple(bound), fault, guard, well, tuple(ends["check"]), tuple(ends["limit"]),
        {node: new for node, new in executor.env.items() if new is not node},
        value if isinstance(value, Node) else graph.number(0), calls,
    )


def _guard(graph: Graph, failures: Sequence[Failure], made: Sequence[Node]) -> Node:
    """The conditions that come first, before anything else can fail and before any host call."""
    found = graph.true
    for failure, calls in zip(failures, made, strict=True):
        if failure.kind != "require" or calls is not graph.number(0):
            break
        found = graph.and_(found, graph.not_(failure.condition))
    return found


class _Executor(Executor):
    """Notes how many host calls were made before each failure."""

    def __init__(self, merger: Merger, env: Env, fault: Node | None) -> None:
        super().__init__(merger.graph, merger.layout, merger.cells, [env], fault)
        self.made: list[Node] = []

    def fail(self, condition: Node, kind: str, why: str) -> None:
        """Note that here, if `condition`, something fails, and after how many calls."""
        known = len(self.failures)
        super().fail(condition, kind, why)
        if len(self.failures) > known:
            self.made.append(self.env[self.calls])
            first = known == 0 and kind == "require" and self.reached is self.g.true
            if first and condition is self.g.true and self.made[0] is self.g.number(0):
                raise NeverError


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

"""What a search asks of a state, each with the variables it must know for it.

A step needs to know less than it reads. Where it only adds to an int, which a failed range check
would show in the state reached, it can do so without knowing the int: such ints are *unknown*.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from checkers.frontend.expressions import Failure
from checkers.frontend.ir import Graph, Node, order
from checkers.frontend.merge import Merger, Step
from checkers.steps.deeds import Deed, guard
from spec.language.layout import IntT
from spec.language.program import Linked

Support = frozenset[Node]
Term = tuple[int, Node]
"""A factor and what is multiplied by it."""


@dataclass(frozen=True)
class Move:
    """An action with given parameters.

    `guard` is the first of what it requires;
    `ranges` are the conditions under which a range check fails when nothing failed before;
    `lowers` are terms whose sum is less than 0 if it lowers the rank, None if that is not known.
    `needs` is what must be known to take it, `asked` to tell whether it can be taken and lowers.
    """

    action: int
    rule: Linked
    step: Step
    guard: Node
    ranges: tuple[Node, ...]
    lowers: tuple[Term, ...] | None
    needs: Support
    asked: Support

    def deed(self, graph: Graph) -> Deed:
        """What it does, with the range checks among what may fail."""
        step = self.step
        well = graph.not_(graph.any_of(self.ranges))
        crashes = (*step.crashes, *((node, "out of range") for node in self.ranges))
        return Deed(
            self.rule, (), (), self.guard, graph.and_(step.enabled, well), crashes, step.cuts,
            step.next, step.result,
        )

    @property
    def ends(self) -> tuple[Node, ...]:
        """The conditions under which it fails a check or meets a bound."""
        return tuple(node for node, _ in (*self.step.crashes, *self.step.cuts))


class Ranges(Merger):
    """Merges actions, with the range checks apart: `ranges` has those of the last action."""

    ranges: tuple[Node, ...] = ()

    def _sorted(self, failures: list[Failure]) -> tuple[
        Node, tuple[tuple[Node, str], ...], tuple[tuple[Node, str], ...]
    ]:
        g = self.graph
        apart, rest, well = [], [], g.true
        for failure in failures:
            if failure.kind == "check" and failure.why in self._messages:
                apart.append(g.and_(well, failure.condition))
            else:
                rest.append(failure)
                well = g.and_(well, g.not_(failure.condition))
        self.ranges = tuple(node for node in apart if node is not g.false)
        return super()._sorted(rest)

    @functools.cached_property
    def _messages(self) -> frozenset[str]:
        """What the range checks say."""
        ints = (x for x in self.layout.columns() if isinstance(x.type, IntT))
        names = (f"{x.table}.{x.name}" if x.table else x.name for x in ints)
        return frozenset(f"{name} out of range" for name in names)


class Supports:
    """The variables that nodes depend on."""

    def __init__(self) -> None:
        self._known: dict[Node, Support] = {}

    def of(self, node: Node) -> Support:
        """All variables of a node."""
        for item in order([node]) if node not in self._known else ():
            if item not in self._known:
                own = frozenset([item]) if item.op == "var" else frozenset[Node]()
                self._known[item] = own.union(*(self._known[x] for x in item.args))
        return self._known[node]


def needed(
    supports: Supports, asked: Iterable[Node], after: Mapping[Node, Node], ranges: Sequence[Node]
) -> Support:
    """The variables that must be known; the other ints are only added to."""
    known = frozenset[Node]().union(*(supports.of(node) for node in asked))
    known |= {node for node in after if not isinstance(node.type, IntT)}
    while True:
        found = known.union(*(_tested(supports, node) for node in ranges))
        for node, value in after.items():
            found |= supports.of(value) if node in found else _added(supports, value, node)
        if found == known:
            return known
        known = found


def _added(supports: Supports, root: Node, own: Node | None = None) -> Support:
    """What must be known to tell how much a value is above an int (`own`) that is not known."""
    found: set[Node] = set()
    stack, seen = [root], {root}
    while stack:
        node = stack.pop()
        parts: tuple[Node, ...] = ()
        if node.op == "ite":
            found |= supports.of(node.args[0])
            parts = node.args[1:]
        elif node.op == "narrow" or (node.op in ("add", "sub") and not supports.of(node.args[1])):
            parts = node.args[:1]
        elif node.op == "add" and not supports.of(node.args[0]):
            parts = node.args[1:]
        elif node.op == "const" and own is not None:
            found.add(own)
        elif node.op != "var":
            found |= supports.of(node)
        stack += [x for x in parts if x not in seen]
        seen.update(parts)
    return frozenset(found)


def _tested(supports: Supports, root: Node) -> Support:
    """What must be known to tell whether a range check fails, but for ints that it compares."""
    if root.op in ("and", "or"):
        return _tested(supports, root.args[0]) | _tested(supports, root.args[1])
    if root.op == "lt" and any(x.op == "const" for x in root.args):
        return _added(supports, root.args[root.args[0].op == "const"])
    return supports.of(root)


def moves(merger: Ranges, number: int, rule: Linked, rank: Linked | None) -> Iterator[Move]:
    """All moves of an action; `rank` is given if it is one of the teardown."""
    supports = Supports()
    for values in rule.instances(merger.layout):
        step = merger.action(rule, values)
        if step.enabled is merger.graph.false and not (step.crashes or step.cuts or merger.ranges):
            continue
        ranges = merger.ranges
        asked = [step.enabled, *(node for node, _ in (*step.crashes, *step.cuts))]
        needs = needed(supports, asked, step.next, ranges)
        lowers, enough = None, supports.of(step.enabled)
        if rank is not None:
            after = {**merger.state(), **step.next}
            lowers = _difference(merger, rank, after)
            every = enough.union(*(supports.of(x) for _, x in lowers))
            if every <= needs:
                enough = every
            else:
                lowers = None
        first = guard(merger, rule, values)
        yield Move(number, rule, step, first, ranges, lowers, needs, enough)


def _difference(merger: Ranges, rank: Linked, after: dict[Node, Node]) -> tuple[Term, ...]:
    """By how much a step changes the rank, what it leaves alone cancelled."""
    later, add = linear(merger.predicate(rank, after))
    now, less = linear(merger.predicate(rank, merger.state()))
    total: dict[Node, int] = {}
    for factor, node in [*later, *((-factor, node) for factor, node in now)]:
        total[node] = total.get(node, 0) + factor
    terms = [(factor, node) for node, factor in total.items() if factor]
    return (*terms, (add - less, merger.graph.number(1)))


def linear(root: Node) -> tuple[list[Term], int]:
    """A node as a sum of terms and a constant."""
    terms: list[Term] = []
    constant = 0
    stack = [(1, root)]
    while stack:
        factor, node = stack.pop()
        match node.op:
            case "const":
                constant += factor * int(node.value)
            case "add":
                stack += [(factor, x) for x in node.args]
            case "sub":
                stack += [(factor, node.args[0]), (-factor, node.args[1])]
            case "count":
                stack += [(factor, x) for x in node.args]
            case "not":
                stack.append((-factor, node.args[0]))
                constant += factor
            case "ite" if node.args[1].op == node.args[2].op == "const":
                one, other = (int(x.value) for x in node.args[1:])
                stack.append((factor * (one - other), node.args[0]))
                constant += factor * other
            case _:
                terms.append((factor, node))
    return terms, constant


__all__ = [
    "Move", "Ranges", "Support", "Supports", "Term", "linear", "moves",
]

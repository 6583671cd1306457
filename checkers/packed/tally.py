"""The tally of a state: its rules, its witnesses, its steps, its way down, in lanes of one int.

A rule is taken apart at its conjunctions; what is no equation of sums is a part that is 1 where it
is false. So the tally is a sum over small parts of the state, each of which is seen often.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from checkers.frontend.ir import Node
from checkers.packed.packing import Packing
from checkers.packed.parts import Move, Supports, Term, linear
from checkers.packed.source import Atom
from spec.language.layout import BoolT, IntT
from spec.language.program import Linked, Program
from spec.language.rules import TEARDOWN


@dataclass(frozen=True)
class Lane:
    """Some bits of a tally."""

    shift: int
    width: int

    def of(self, tally: int) -> int:
        """What a tally has in it."""
        return tally >> self.shift & (1 << self.width) - 1

    @property
    def mask(self) -> int:
        """Its bits."""
        return (1 << self.width) - 1 << self.shift


@dataclass
class Lanes:
    """The lanes of a program, and the atoms that are added up in them.

    `broken` is 0 if no part of a rule is false and every int in its range, `left` if the host is
    empty, that of a witness if it is one. `equal` are those of the equations, in which a state that
    keeps to them has what is in `expected`; `start` is what all sums begin with.
    """

    actions: list[Lane] = field(default_factory=list)
    lower: Lane = Lane(0, 0)
    broken: Lane = Lane(0, 0)
    left: Lane = Lane(0, 0)
    witnesses: dict[str, Lane] = field(default_factory=dict)
    equal: int = 0
    start: int = 0
    expected: int = 0
    atoms: list[Atom] = field(default_factory=list)


def lanes(
    program: Program, packing: Packing, moves: Sequence[Move], wanted: Sequence[str]
) -> Lanes:
    """The lanes for the rules wanted."""
    return _Lanes(program, packing).build(moves, wanted)


class _Lanes:
    def __init__(self, program: Program, packing: Packing) -> None:
        self.program, self.packing, self.merger = program, packing, packing.merger
        self.found, self.supports = Lanes(), Supports()
        self.bits = 0

    def build(self, moves: Sequence[Move], wanted: Sequence[str]) -> Lanes:
        """All lanes."""
        found, program = self.found, self.program
        for action in range(len(program.actions)):
            found.actions.append(self._lane(sum(move.action == action for move in moves)))
        if TEARDOWN in wanted and program.empty is not None:
            found.lower = self._lane(sum(move.lowers is not None for move in moves))
            found.left = self._counted(self._parts(program.empty))
        for name, rule in program.witness_rules.items():
            found.witnesses[name] = self._counted(self._parts(rule))
        parts = [
            part for name in wanted if name in program.invariants
            for part in self._parts(program.invariants[name])
        ]
        ranges = [node for node in self.merger.where if isinstance(node.type, IntT)]
        equations = [part for part in parts if _equation(part)]
        found.broken = self._counted([part for part in parts if not _equation(part)], ranges)
        for part in equations:
            self._equal(part)
        return found

    def _parts(self, rule: Linked) -> list[Node]:
        """What must be true for a rule to hold, with all values of its parameters."""
        merger = self.merger
        found: dict[Node, None] = {}
        stack = [
            merger.predicate(rule, merger.state(), given=tuple(merger.bind(rule, values)))
            for values in rule.instances(merger.layout)
        ]
        while stack:
            node = stack.pop()
            if node.op == "and":
                stack += node.args
            elif node.op == "not" and node.args[0].op == "or":
                stack += [merger.graph.not_(x) for x in node.args[0].args]
            elif node is not merger.graph.true:
                found[node] = None
        return list(found)

    def _lane(self, most: int) -> Lane:
        """A lane for numbers up to `most`."""
        lane = Lane(self.bits, most.bit_length())
        self.bits += lane.width
        return lane

    def _counted(self, parts: Iterable[Node], ints: Iterable[Node] = ()) -> Lane:
        """A lane that has how many of these are false, or out of their range."""
        parts, ints = list(parts), list(ints)
        lane = self._lane(len(parts) + len(ints))
        for part in parts:
            self._atom(self.merger.graph.not_(part), 1 << lane.shift)
        for node in ints:
            self._atom(self._outside(node), 1 << lane.shift)
        return lane

    def _outside(self, node: Node) -> Node:
        """Whether an int is not in its range: a node that the graph would find to be false."""
        assert isinstance(node.type, IntT)
        graph, (lo, hi) = self.merger.graph, (node.type.lo, node.type.hi)
        low = Node("lt", (node, graph.number(lo)), 0, BoolT(), 0b11, len(graph.nodes), False)
        high = Node("lt", (graph.number(hi), node), 0, BoolT(), 0b11, len(graph.nodes) + 1, False)
        return Node("or", (low, high), 0, BoolT(), 0b11, len(graph.nodes) + 2, False)

    def _atom(self, node: Node, weight: int) -> None:
        """Add a node to the sum; a choice in a comparison as one part for each thing to choose."""
        if node.op == "not" and _choice(node.args[0]):
            self.found.start += weight
            self._atom(node.args[0], -weight)
            return
        if _choice(node):
            graph, (chosen, constant) = self.merger.graph, node.args
            still = graph.true
            while chosen.op == "ite":
                test, then, chosen = chosen.args
                self._atom(graph.all_of([still, test, graph.eq(then, constant)]), weight)
                still = graph.and_(still, graph.not_(test))
            node = graph.and_(still, graph.eq(chosen, constant))
        self.found.atoms.append(Atom(node, weight, self.supports.of(node)))

    def _equal(self, part: Node) -> None:
        """A lane in which the two sides of an equation are subtracted."""
        left, one = linear(part.args[0])
        right, two = linear(part.args[1])
        terms: list[Term] = [*left, *((-factor, node) for factor, node in right)]
        spans = [sorted((factor * _low(node), factor * _high(node))) for factor, node in terms]
        least, most = sum(low for low, _ in spans), sum(high for _, high in spans)
        lane = self._lane(most - least)
        for factor, node in terms:
            self._atom(node, factor << lane.shift)
        self.found.equal |= lane.mask
        self.found.start += -least << lane.shift
        self.found.expected += two - one - least << lane.shift


def _choice(node: Node) -> bool:
    """Whether a node compares one of several things with a constant."""
    return node.op == "eq" and node.args[0].op == "ite" and node.args[1].op == "const"


def _equation(node: Node) -> bool:
    return node.op == "eq" and isinstance(node.args[0].type, IntT)


def _low(node: Node) -> int:
    # An unpacked int may be one out of its range, when the step to it was not allowed.
    return node.type.lo - 1 if isinstance(node.type, IntT) else 0


def _high(node: Node) -> int:
    return node.type.hi + 1 if isinstance(node.type, IntT) else 1


__all__ = ["Lane", "Lanes", "lanes"]

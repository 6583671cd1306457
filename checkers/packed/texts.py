"""Nodes as the text of Python: of some variables the values are read, the others are unknown.

An unknown int is a number that is far from all others: what is added to it can be told from it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from checkers.explicit.writer import Writer
from checkers.frontend.ir import Node, order
from checkers.packed.packing import Packing
from checkers.packed.parts import Support, Supports

UNIT: Final = 1 << 40
"""Unknown ints are multiples of this."""

DEEP: Final = 16
"""A node nested deeper gets a name."""


class Unusual(Exception):
    """Something that this search does not answer: the ordinary one has to."""


def below(value: int, bound: int, moved: Mapping[int, int]) -> bool:
    """Whether a value is less than a bound and the state reached would not show it."""
    return _unseen(value, moved) if value >= UNIT // 2 else value < bound


def above(value: int, bound: int, moved: Mapping[int, int]) -> bool:
    """Whether a value is more than a bound and the state reached would not show it."""
    return _unseen(value, moved) if value >= UNIT // 2 else value > bound


def _unseen(value: int, moved: Mapping[int, int]) -> bool:
    """Whether an unknown int is not in the end moved by just so much."""
    base, change = divmod(value + UNIT // 2, UNIT)
    return moved.get(base, 0) != change - UNIT // 2


class Texts:
    """Writes the nodes of one function of the slice `x`; `known` are the variables in it."""

    def __init__(
        self, out: Writer, packing: Packing, known: Support, roots: Iterable[Node]
    ) -> None:
        self.out, self.packing, self.known = out, packing, known
        self.supports = Supports()
        self.names: dict[Node, str] = {}
        self.depths: dict[Node, int] = {}
        self.numbers = {node: place for place, node in enumerate(packing.places, start=1)}
        roots = list(roots)
        self.uses = Counter(roots)
        self.fresh = 0
        for node in order(roots):
            self.uses.update(node.args)

    @contextmanager
    def block(self, head: str) -> Iterator[None]:
        """A compound statement; what gets a name inside has none behind it."""
        names = dict(self.names)
        with self.out.block(head):
            yield
        self.names = names

    def value(self, root: Node) -> str:
        """The text of a node, after lines for what it shares with others."""
        texts: dict[Node, str] = {}
        for node in self._missing(root):
            text = self._text(node, texts)
            depth = 1 + max((self.depths.get(x, 0) for x in node.args), default=0)
            if (node.args and (self.uses[node] > 1 or depth > DEEP)) or node in self.known:
                self.fresh += 1
                name = f"n{self.fresh}"
                self.out.line(f"{name} = {text}")
                self.names[node] = text = name
                depth = 0
            self.depths[node] = depth
            texts[node] = text
        return self.names.get(root) or texts[root]

    def _missing(self, root: Node) -> list[Node]:
        """The nodes below and including one that have no name, arguments first."""
        found: set[Node] = set()
        stack = [root]
        while stack:
            node = stack.pop()
            if node not in found and node not in self.names:
                found.add(node)
                stack.extend(node.args)
        return sorted(found, key=lambda node: node.index)

    def _text(self, node: Node, texts: Mapping[Node, str]) -> str:
        given = [self.names.get(x) or texts[x] for x in node.args]
        match node.op:
            case "const":
                return str(node.value)
            case "var":
                return self.variable(node)
            case "not":
                return f"(not {given[0]})"
            case "and" | "or" | "add" | "sub" | "eq" | "lt":
                return f"({given[0]} {OPERATORS[node.op]} {given[1]})"
            case "ite":
                return f"({given[1]} if {given[0]} else {given[2]})"
            case "count":
                return f"({' + '.join(given)})"
        assert node.op == "narrow", node
        return given[0]

    def variable(self, node: Node) -> str:
        """A variable: what is in the slice, or what stands for it."""
        known = node in self.known
        return self.packing.read(node, "x") if known else str(self.numbers[node] * UNIT)

    def fails(self, root: Node, moved: str) -> str:
        """Whether a range check fails, and the state reached will not show it."""
        if self.supports.of(root) <= self.known:
            return self.value(root)
        if root.op in ("and", "or"):
            one, other = (self.fails(node, moved) for node in root.args)
            return f"({one} {root.op} {other})"
        left, right = map(self.value, root.args)
        if root.args[1].op == "const":
            return f"below({left}, {right}, {moved})"
        return f"above({right}, {left}, {moved})"


OPERATORS: Final = {"and": "and", "or": "or", "add": "+", "sub": "-", "eq": "==", "lt": "<"}

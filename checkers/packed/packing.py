"""A state as one int: where each variable is in it.

An int has room for one value below and one above its range. A step that takes it out of the range
so leaves a mark that the tally of the state reached sees, and need not ask before.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from checkers.frontend.ir import Node
from checkers.frontend.merge import Merger
from spec.language.layout import BoolT, EnumT, IdT, IntT, SortT

SLACK: Final = 1
"""By so much a step may take an int out of its range and be noticed."""


class Packing:
    """Packs the states of a program."""

    def __init__(self, merger: Merger) -> None:
        self.merger = merger
        self.places: dict[Node, tuple[int, int, int]] = {}
        self.bits = 0
        for node in _ordered(merger.where):
            width, bias = self._width(node)
            self.places[node] = self.bits, width, bias
            self.bits += width

    def _width(self, node: Node) -> tuple[int, int]:
        """Bits of a variable, and what is added to its value."""
        layout = self.merger.layout
        match node.type:
            case IntT(lo, hi):
                return (hi - lo + 2 * SLACK).bit_length(), SLACK - lo
            case EnumT(cls):
                return max(1, int(max(cls)).bit_length()), 0
            case IdT(record):
                return max(1, layout.table_of(record).rows.bit_length()), 0
            case SortT(cls):
                return max(1, layout.carrier(cls).bit_length()), 0
            case BoolT():
                return 1, 0

    def mask(self, nodes: Iterable[Node]) -> int:
        """The bits of some variables."""
        return sum(((1 << self.places[x][1]) - 1) << self.places[x][0] for x in nodes)

    def shift(self, node: Node) -> int:
        """The place of the lowest bit of a variable."""
        return self.places[node][0]

    def read(self, node: Node, state: str) -> str:
        """An expression for the value of a variable in a packed state."""
        shift, width, bias = self.places[node]
        text = f"({state} >> {shift} & {(1 << width) - 1})"
        return f"({text} - {bias})" if bias else text

    def pack(self, state: bytes) -> int:
        """A frozen state as an int."""
        packed = 0
        for node, (column, row, element) in self.merger.where.items():
            cell = column.offset(row)
            value = state[cell]
            if element:
                value = state[cell + (element - 1 >> 3)] >> (element - 1 & 7) & 1
            shift, _, bias = self.places[node]
            packed |= value + bias << shift
        return packed


def _ordered(nodes: Iterable[Node]) -> list[Node]:
    """The variables as they are placed, from the lowest bits on.

    A set of ints looks at their low bits first: there is what tells states apart, ids before
    anything else, and not counts, which follow from the rest.
    """
    ranks = {IdT: 0, SortT: 0, EnumT: 1, BoolT: 1, IntT: 2}
    last_first = reversed(list(nodes))
    return sorted(last_first, key=lambda node: ranks[type(node.type)])

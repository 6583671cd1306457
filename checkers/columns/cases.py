"""An action as arithmetic on words: a handful of cases, in each of which a few bits change.

Where a state is one word, the state after an action is ``(word & keep) + more`` with numbers that
depend on the case only. Which case it is, is a tree of choices.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from checkers.columns.packing import Packing
from checkers.frontend.ir import Graph, Node
from checkers.steps.ways import Choice, End, Way, Ways

WORD: Final = (1 << 64) - 1


@dataclass(frozen=True)
class Cases:
    """`case` is the number of the case, if the action's guard is true.

    The first cases are successors, with their words `keep` and `more`; then come other ends.
    """

    ways: Ways
    case: Node
    keep: npt.NDArray[np.uint64]
    more: npt.NDArray[np.uint64]
    ends: tuple[End, ...]


@dataclass(frozen=True)
class _Leaf:
    end: End
    keep: int = WORD
    more: int = 0


def cases(graph: Graph, packing: Packing, found: Ways) -> Cases:
    """The cases of the ways of an action."""
    leaves = _Leaves(packing)
    leaves.gather(found.tree)
    # The first decided have the highest numbers: the tree is then a maximum of its parts.
    done = [leaf for leaf in reversed(leaves.found) if leaf.end[0] == "done"]
    others = [leaf for leaf in leaves.found if leaf.end[0] != "done"]
    numbers = {leaf: graph.number(at) for at, leaf in enumerate([*done, *others])}

    def case(tree: Choice | Way) -> Node:
        if isinstance(tree, Way):
            return numbers[leaves.leaf(tree)]
        return graph.ite(tree.atom, case(tree.then), case(tree.other))

    return Cases(
        found, case(found.tree),
        np.array([leaf.keep for leaf in done], dtype=np.uint64),
        np.array([leaf.more for leaf in done], dtype=np.uint64),
        tuple(leaf.end for leaf in others),
    )


@dataclass
class _Leaves:
    """What the ways do to a word, each once, in the order in which they are decided."""

    packing: Packing
    found: dict[_Leaf, None] = field(default_factory=dict)

    def gather(self, tree: Choice | Way) -> None:
        """Find those of a tree."""
        if isinstance(tree, Choice):
            self.gather(tree.then)
            self.gather(tree.other)
        else:
            self.found.setdefault(self.leaf(tree))

    def leaf(self, way: Way) -> _Leaf:
        """What one way does."""
        keep, more = WORD, 0
        for change in way.changes:
            place = self.packing.fields[change.node]
            bit = place.byte * 8 + place.shift
            if change.more:
                more += change.value << bit
            elif change.was is not None:
                more += change.value - change.was << bit
            else:
                keep &= ~(place.mask << 8 * place.byte)
                more += change.value << bit
        return _Leaf(way.end, keep & WORD, more & WORD)

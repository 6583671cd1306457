"""An action as arithmetic on words: a handful of cases, in each of which a few bits change.

Where a state is one word, the state after an action is ``(word & keep) + more`` with numbers that
depend on the case only, if everything the action writes is a constant or the old value and a
constant. Which case it is, is a tree of choices.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from checkers.columns.deeds import Deed, literals, rebuilt
from checkers.columns.packing import Packing
from checkers.frontend.ir import BOOL, Graph, Node, order
from spec.language.layout import IntT

MOST: Final = 100
"""An action with more cases than this is left to columns."""

ATOMS: Final = ("var", "eq", "lt")

WORD: Final = (1 << 64) - 1

End = tuple[str, str]
"""How a run ends: ``done``, ``disabled``, ``check`` or ``limit``; and the name of what failed."""


@dataclass(frozen=True)
class Cases:
    """`case` is the number of the case, if the action's guard is true.

    The first cases are successors, with their words `keep` and `more`; then come other ends.
    """

    deed: Deed
    case: Node
    keep: npt.NDArray[np.uint64]
    more: npt.NDArray[np.uint64]
    ends: tuple[End, ...]


class _TooManyError(Exception):
    """This action has no few cases."""


def cases(graph: Graph, packing: Packing, deed: Deed) -> Cases | None:
    """The cases of an action of which all parameters are given; None if there are too many."""
    try:
        return _Splitter(graph, packing, deed).result()
    except _TooManyError:
        return None


@dataclass(frozen=True)
class _Leaf:
    end: End
    keep: int = WORD
    more: int = 0


class _Splitter:
    """Decides one condition after the other until it is known what the action does."""

    def __init__(self, graph: Graph, packing: Packing, deed: Deed) -> None:
        self.graph, self.packing, self.deed = graph, packing, deed
        self.failures = [(node, ("check", why)) for node, why in deed.crashes]
        self.failures += [(node, ("limit", why)) for node, why in deed.cuts]
        self.changed = list(deed.next)
        self.leaves: dict[_Leaf, Node] = {}
        self.count = 0

    def result(self) -> Cases:
        """Split from where the guard is true."""
        roots = [node for node, _ in self.failures]
        roots += [self.deed.enabled, *(self.deed.next[node] for node in self.changed)]
        known: dict[Node, Node] = {}
        for atom, truth in literals(self.deed.guard, True):
            if atom.op in ATOMS:
                roots, known = self._assume(roots, known, atom, truth)
        tree = self._split(roots, known)
        # The first decided have the highest numbers: the tree is then a maximum of its parts.
        done = [leaf for leaf in reversed(self.leaves) if leaf.end[0] == "done"]
        others = [leaf for leaf in self.leaves if leaf.end[0] != "done"]
        numbers = {
            self.leaves[leaf]: self.graph.number(at) for at, leaf in enumerate([*done, *others])
        }
        (tree,) = rebuilt(self.graph, [tree], numbers)
        return Cases(
            self.deed, tree,
            np.array([leaf.keep for leaf in done], dtype=np.uint64),
            np.array([leaf.more for leaf in done], dtype=np.uint64),
            tuple(leaf.end for leaf in others),
        )

    def _split(self, roots: list[Node], known: dict[Node, Node]) -> Node:
        self.count += 1
        if self.count > 2 * MOST:
            raise _TooManyError
        found = self._leaf(roots, known)
        if isinstance(found, _Leaf):
            if found not in self.leaves:
                # Numbers that nothing else has, until all leaves are known.
                self.leaves[found] = self.graph.number(100_000 + len(self.leaves))
            return self.leaves[found]
        then = self._split(*self._assume(roots, known, found, True))
        other = self._split(*self._assume(roots, known, found, False))
        return self.graph.ite(found, then, other)

    def _leaf(self, roots: list[Node], known: Mapping[Node, Node]) -> _Leaf | Node:
        """What happens, or the next condition to decide."""
        for root, (_, end) in zip(roots, self.failures, strict=False):
            if root is self.graph.true:
                return _Leaf(end)
            if root.op != "const":
                return _atom(root)
        enabled, *after = roots[len(self.failures) :]
        if enabled is self.graph.false:
            return _Leaf(("disabled", ""))
        if enabled.op != "const":
            return _atom(enabled)
        keep, more = WORD, 0
        for node, new in zip(self.changed, after, strict=True):
            field = self.packing.fields[node]
            place = field.byte * 8 + field.shift
            base, added = _sum(new)
            old = known.get(node)
            if base is None and old is not None:
                more += added - int(old.value) << place
            elif base is None:
                keep &= ~(field.mask << 8 * field.byte)
                more += added << place
            elif base is node:
                more += added << place
            else:
                return _atom(new)
        return _Leaf(("done", ""), keep & WORD, more & WORD)

    def _assume(
        self, roots: list[Node], known: dict[Node, Node], atom: Node, truth: bool
    ) -> tuple[list[Node], dict[Node, Node]]:
        """The roots where a condition is decided, and with that others."""
        graph, known = self.graph, dict(known)
        decided = {atom: graph.truth(truth)}
        if atom.op == "eq" and atom.args[1].op == "const":
            value = atom.args[0]
            if truth and value.op == "var":
                known[value] = decided[value] = atom.args[1]
            elif truth:
                for node in order(roots):
                    asked = node.op == "eq" and node.args[0] is value and node is not atom
                    if asked and node.args[1].op == "const":
                        decided[node] = graph.false
        if atom.op == "var":
            known[atom] = decided[atom]
        return rebuilt(graph, roots, decided), known


def _atom(root: Node) -> Node:
    """A condition that an expression depends on and that is no combination of others."""
    for node in order([root]):
        if node.type == BOOL and node.op in ATOMS:
            return node
    raise _TooManyError


def _sum(node: Node) -> tuple[Node | None, int]:
    """A variable and what is added to it; or None and a constant."""
    while node.op == "narrow":
        node = node.args[0]
    if node.op == "const":
        return None, int(node.value)
    if node.op == "add" and node.args[1].op == "const" and isinstance(node.type, IntT):
        base, more = _sum(node.args[0])
        return base, more + int(node.args[1].value)
    return node, 0

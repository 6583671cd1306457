"""The ways that an action with given parameters can go: conditions, and what happens at their end.

It is known for an action that writes only constants, or an old value and a constant, and that has
few ways.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from checkers.frontend.ir import BOOL, Graph, Node, order
from checkers.steps.deeds import Deed, literals, rebuilt
from spec.language.layout import IntT

MOST: Final = 100
"""The ways of an action with more than these are not known."""

ATOMS: Final = ("var", "eq", "lt")

End = tuple[str, str]
"""How a run ends: ``done``, ``disabled``, ``check`` or ``limit``; and the name of what failed."""

Literal = tuple[Node, bool]
"""A condition that is no combination of others, and whether it is true."""


@dataclass(frozen=True)
class Change:
    """A variable gets a value, or if `more` is raised by it. `was`: what it was, if known."""

    node: Node
    more: bool
    value: int
    was: int | None


@dataclass(frozen=True)
class Way:
    """The end of a way, and what changed if it is done."""

    end: End
    changes: tuple[Change, ...] = ()


@dataclass(frozen=True)
class Choice:
    """Where ways part."""

    atom: Node
    then: Choice | Way
    other: Choice | Way


@dataclass(frozen=True)
class Ways:
    """All ways of an action, if its guard is true; `given` is true then."""

    deed: Deed
    given: tuple[Literal, ...]
    tree: Choice | Way

    def paths(self) -> Iterator[tuple[list[Literal], Way]]:
        """Each way, with what is true on it: of any state, one."""
        for place, (atom, truth) in enumerate(self.given):
            yield [*self.given[:place], (atom, not truth)], Way(("disabled", ""))
        yield from _paths(list(self.given), self.tree)


def _paths(before: list[Literal], tree: Choice | Way) -> Iterator[tuple[list[Literal], Way]]:
    if isinstance(tree, Way):
        yield before, tree
    else:
        yield from _paths([*before, (tree.atom, True)], tree.then)
        yield from _paths([*before, (tree.atom, False)], tree.other)


class _TooManyError(Exception):
    """This action has no few ways."""


def ways(graph: Graph, deed: Deed) -> Ways | None:
    """The ways of an action of which all parameters are given; None if they are not known."""
    try:
        return _Splitter(graph, deed).result()
    except _TooManyError:
        return None


class _Splitter:
    """Decides one condition after the other until it is known what the action does."""

    def __init__(self, graph: Graph, deed: Deed) -> None:
        self.graph, self.deed = graph, deed
        self.failures = [(node, ("check", why)) for node, why in deed.crashes]
        self.failures += [(node, ("limit", why)) for node, why in deed.cuts]
        self.changed = list(deed.next)
        self.count = 0

    def result(self) -> Ways:
        """Split from where the guard is true."""
        roots = [node for node, _ in self.failures]
        roots += [self.deed.enabled, *(self.deed.next[node] for node in self.changed)]
        known: dict[Node, Node] = {}
        given = [(atom, true) for atom, true in literals(self.deed.guard, True) if atom.op in ATOMS]
        for atom, truth in given:
            roots, known = self._assume(roots, known, atom, truth)
        return Ways(self.deed, tuple(given), self._split(roots, known))

    def _split(self, roots: list[Node], known: dict[Node, Node]) -> Choice | Way:
        self.count += 1
        if self.count > 2 * MOST:
            raise _TooManyError
        found = self._end(roots, known)
        if isinstance(found, Way):
            return found
        then = self._split(*self._assume(roots, known, found, True))
        other = self._split(*self._assume(roots, known, found, False))
        same = isinstance(then, Way) and then == other
        return then if same else Choice(found, then, other)

    def _end(self, roots: list[Node], known: Mapping[Node, Node]) -> Way | Node:
        """What happens, or the next condition to decide."""
        for root, (_, end) in zip(roots, self.failures, strict=False):
            if root is self.graph.true:
                return Way(end)
            if root.op != "const":
                return _atom(root)
        enabled, *after = roots[len(self.failures) :]
        if enabled is self.graph.false:
            return Way(("disabled", ""))
        if enabled.op != "const":
            return _atom(enabled)
        changes = []
        for node, new in zip(self.changed, after, strict=True):
            base, added = _sum(new)
            old = known.get(node)
            if base is not None and base is not node:
                return _atom(new)
            was = None if old is None else int(old.value)
            changes.append(Change(node, base is node, added, was))
        return Way(("done", ""), tuple(changes))

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

"""Which steps need not be tried in a state that was found by which others.

Let a state t be found first by a step a, from s. A step b from t need not be tried if it leads back
to s; nor if b could have been taken in s and a after it, to the same state u, and a is before b in
a fixed order of all steps. For b(s) is known when t is, at the same depth or less, and there a is
tried; or if it is not, because b(s) was found by a step before a, the same can be said again, and
the order ends. So every state is found, at the same depth. If b fails in t it is also asked for
that b fails in s or a in b(s); so every failure is found too, at the same depth.

Whether that holds of two steps in all states is decided by the values with which they go each of
their ways. A way that depends on more than single variables and constants is not looked into.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from checkers.frontend.ir import BOOL, Node, order
from checkers.frontend.merge import Merger
from checkers.steps.deeds import rebuilt
from checkers.steps.ways import Change, Literal, Ways
from spec.language.layout import IntT, SortT

CLASSES: Final = 6
"""Classes of steps that differ in what need not be tried after them, at most."""

DEAR: Final = 300_000
"""Pairs of ways that are compared at most."""

Values = int
"""A set of values of a variable: bit v is v."""

Box = dict[Node, Values]
"""Some states: those in which each of these variables has one of these values."""


@dataclass(frozen=True)
class After:
    """The class of each step; and for each class what is to be tried in a state found by one of it.

    Steps are numbered as they were given. After class 0 all are tried, after class 1 fewest.
    """

    classes: tuple[int, ...]
    tried: tuple[frozenset[int], ...]


def everything(count: int) -> After:
    """So many steps, of which nothing is known."""
    return After((0,) * count, (frozenset(range(count)),))


def after(merger: Merger, steps: Sequence[Ways | None]) -> After:
    """What need be tried after each of these steps; None is a step of which nothing is known."""
    boxes = _Boxes(merger)
    known = [None if each is None else boxes.paths(each) for each in steps]
    every = frozenset(range(len(steps)))
    needed = [every] * len(steps)
    apart = {number: _apart(boxes, paths, known) for number, paths in _cheapest(known)}
    # First those after which most need not be tried.
    ordered = sorted(apart, key=lambda number: (-len(apart[number][0]), number))
    for place, number in enumerate(ordered):
        free, never = apart[number]
        later = every.difference(ordered[: place + 1])
        needed[number] = every - never - (free & later)
    return _classes(needed, every)


def _cheapest(known: Sequence[list[_Path] | None]) -> Iterable[tuple[int, list[_Path]]]:
    """The steps to look into, those with the fewest ways first."""
    total = sum(len(paths) for paths in known if paths is not None)
    some = [(number, paths) for number, paths in enumerate(known) if paths is not None]
    spent = 0
    for number, paths in sorted(some, key=lambda item: len(item[1])):
        spent += len(paths) * total
        if spent > DEAR:
            return
        yield number, paths


def _classes(needed: Sequence[frozenset[int]], every: frozenset[int]) -> After:
    """The classes with most to gain; all other steps are in class 0."""
    found = sorted({each for each in needed if each != every}, key=lambda each: (len(each), *each))
    tried = (every, *found[:CLASSES])
    place = {each: number for number, each in enumerate(tried)}
    return After(tuple(place.get(each, 0) for each in needed), tried)


@dataclass
class _Path:
    """A way that a step may go: where, how it ends, what it changes."""

    box: Box
    end: str
    sets: dict[Node, int] = field(default_factory=dict)
    adds: dict[Node, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.does = self.sets, self.adds
        self.touched = {*self.sets, *self.adds}
        self.failed = self.end in ("check", "limit")

    def before(self, node: Node, values: Values) -> Values:
        """From which values of a variable this leads to some values."""
        if node in self.sets:
            return -(values >> self.sets[node] & 1)
        more = self.adds.get(node, 0)
        return values >> more if more >= 0 else values << -more

    def lead(self, node: Node, values: Values) -> Values:
        """To which values of a variable this leads from some."""
        if node in self.sets:
            return 1 << self.sets[node]
        more = self.adds.get(node, 0)
        return values << more if more >= 0 else values >> -more


def _apart(
    boxes: _Boxes, first: list[_Path], steps: Sequence[list[_Path] | None]
) -> tuple[frozenset[int], frozenset[int]]:
    """What need not be tried after one step.

    First the steps of which that is so if they are later in the order; then those among them for
    which it is so wherever they are, since they cannot be taken or lead back.
    """
    free, never = set[int](), set[int]()
    for number, second in enumerate(steps):
        if second is not None:
            found = _pair(boxes, first, second)
            if found is not None:
                (free if found else never).add(number)
    return frozenset(free | never), frozenset(never)


def _pair(boxes: _Boxes, first: list[_Path], second: list[_Path]) -> bool | None:
    """Whether a step commutes with one before it, or (False) never leads on; None if unknown."""
    found = False
    for a in first:
        if a.end != "done":
            continue
        for b in second:
            if b.end == "disabled":
                continue
            where = boxes.both(a, b)
            if where is None or (b.end == "done" and boxes.back(a, b, where)):
                continue
            if not boxes.commute(a, b, where, first, second):
                return None
            found = True
    return found


class _Boxes:
    """Sets of states by values of single variables."""

    def __init__(self, merger: Merger) -> None:
        self.graph, self.layout = merger.graph, merger.layout
        self._full: dict[Node, Values] = {}
        self._true: dict[Node, tuple[Node, Values] | None] = {}

    def paths(self, steps: Ways) -> list[_Path] | None:
        """The ways of a step; None if one depends on more than single variables."""
        found = []
        for literals, way in steps.paths():
            box = self._box(literals)
            if box is None:
                return None
            if all(box.values()):
                found.append(_path(box, way.end[0], way.changes))
        return found

    def both(self, a: _Path, b: _Path) -> Box | None:
        """Where one step can go and then the other; None if nowhere."""
        found = dict(a.box)
        for node, values in b.box.items():
            found[node] = self._of(found, node) & a.before(node, values)
            if not found[node]:
                return None
        return found

    def back(self, a: _Path, b: _Path, where: Box) -> bool:
        """Whether the two together change nothing there."""
        return all(self._same(a, b, node, self._of(where, node)) for node in a.touched | b.touched)

    def commute(
        self, a: _Path, b: _Path, where: Box, first: list[_Path], second: list[_Path]
    ) -> bool:
        """Whether everywhere there the second can go first, and the first then, to the same state.

        Where the second fails if it goes first, a failure is found before.
        """
        if a.touched.isdisjoint(b.box) and (b.failed or b.touched.isdisjoint(a.box)):
            # Neither can tell whether the other one was taken.
            return b.failed or _swap(a, b)
        for other in second:
            if other.failed or not self._meet(where, other.box):
                continue
            part = where | {x: self._of(where, x) & values for x, values in other.box.items()}
            if other.end != "done" or not (b.failed or other.does == b.does):
                return False
            then = {x: other.lead(x, self._of(part, x)) for x in {*part, *other.touched}}
            for last in first:
                well = last.failed if b.failed else last.end == "done" and last.does == a.does
                if not well and self._meet(then, last.box):
                    return False
        return b.failed or _swap(a, b)

    def _same(self, a: _Path, b: _Path, node: Node, values: Values) -> bool:
        if node in b.sets or node in a.sets:
            return b.lead(node, a.lead(node, values)) == values and not values & values - 1
        return a.adds.get(node, 0) + b.adds.get(node, 0) == 0

    def _meet(self, one: Box, other: Box) -> bool:
        """Whether two boxes have something in common."""
        return all(self._of(one, node) & values for node, values in other.items())

    def _of(self, box: Box, node: Node) -> Values:
        found = box.get(node)
        return self._every(node) if found is None else found

    def _every(self, node: Node) -> Values:
        """All values of a variable."""
        if node not in self._full:
            self._full[node] = sum(1 << value for value in self._domain(node))
        return self._full[node]

    def _domain(self, node: Node) -> Iterable[int]:
        kind = node.type
        if isinstance(kind, IntT):
            return range(kind.lo, kind.hi + 1)
        if isinstance(kind, SortT):
            return range(self.layout.carrier(kind.cls) + 1)
        return [value for value in range(node.mask.bit_length()) if node.may_be(value)]

    def _box(self, literals: Iterable[Literal]) -> Box | None:
        """Where conditions are true; None if one is about more than a variable."""
        found: Box = {}
        for atom, truth in literals:
            if atom not in self._true:
                self._true[atom] = self._values(atom)
            known = self._true[atom]
            if known is None:
                return None
            node, values = known
            found[node] = self._of(found, node) & (values if truth else ~values)
        return found

    def _values(self, atom: Node) -> tuple[Node, Values] | None:
        """The values of its only variable for which a condition is true."""
        variables = [node for node in order([atom]) if node.op == "var"]
        if len(variables) != 1:
            return None
        node, found = variables[0], 0
        for value in self._domain(node):
            (truth,) = rebuilt(self.graph, [atom], {node: self._constant(node, value)})
            if truth.op != "const":
                return None
            found |= bool(truth.value) << value
        return node, found

    def _constant(self, node: Node, value: int) -> Node:
        return self.graph.truth(bool(value)) if node.type == BOOL else self.graph.number(value)


def _path(box: Box, end: str, changes: Collection[Change]) -> _Path:
    sets = {item.node: item.value for item in changes if not item.more}
    adds = {item.node: item.value for item in changes if item.more and item.value}
    return _Path(box, end, sets, adds)


def _swap(a: _Path, b: _Path) -> bool:
    """Whether the order of two changes does not matter."""
    return all(
        node in a.adds and node in b.adds
        if node not in a.sets or node not in b.sets else a.sets[node] == b.sets[node]
        for node in a.touched & b.touched
    )

"""A machine that means nothing and uses every construct of the language, for the lowering."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Annotated

from spec.language import (
    CONST,
    NONE,
    NULL,
    NULLABLE,
    Bounds,
    Fault,
    Id,
    IdSet,
    Machine,
    Range,
    Record,
    Shape,
    Sort,
    State,
    Table,
    check,
    count,
    first,
    host_call,
    invariant,
    limit,
    on_failure,
    require,
)


class Errno(IntEnum):
    """Answers."""

    OK = 0
    EINVAL = 22
    EBUSY = 16


class Colour(IntEnum):
    """An enum with a gap."""

    RED = 0
    GREEN = 1
    BLUE = 4


class Tag(Sort):
    """Data."""


class Node(Record):
    """A node."""

    colour: Colour
    next: Id[Node]
    weight: Annotated[int, Range(1, 5)]
    marked: bool
    tag: Tag
    peers: IdSet[Node]
    few: IdSet[Leaf]
    kin: Annotated[IdSet[Node], CONST]
    fixed: Annotated[bool, CONST]
    home: Annotated[Id[Leaf], CONST]


class Leaf(Record):
    """A leaf."""

    node: Id[Node]
    level: Annotated[int, Range(0, 3)]
    friends: IdSet[Leaf]


class Odd(State):
    """Everything."""

    lock: bool
    front: Id[Node]
    total: Annotated[int, Range(0, 9)]
    tag: Tag
    busy: IdSet[Leaf]
    top: Annotated[Id[Leaf], CONST]
    nodes: Table[Node]
    leaves: Table[Leaf]


def shape(values: Mapping[str, int]) -> Shape:
    """Constants of all kinds."""
    nodes = values["nodes"]
    return Shape(values, {
        "": {"top": (Id[Leaf](2),)},
        "nodes": {
            "kin": tuple(frozenset({row, row % nodes + 1}) for row in range(1, nodes + 1)),
            "fixed": tuple(row % 3 == 0 for row in range(1, nodes + 1)),
            "home": tuple(Id[Leaf](row % 4) for row in range(1, nodes + 1)),
        },
    })


def init(s: Odd, tag: Annotated[Tag, NULLABLE]) -> None:
    """Weights are one and the tag is any."""
    s.tag = tag


@host_call("ask node={node} ({ret})", fails=Errno.EBUSY)
def ask(s: Odd, node: Id[Node], fault: Fault) -> Errno:
    """The host marks a node."""
    if s.nodes[node].marked:
        return Errno.EINVAL
    s.nodes[node].marked = True
    return Errno.OK


@host_call("make node={out} ({ret})", fails=Errno.EBUSY)
def make(s: Odd, colour: Colour, fault: Fault) -> tuple[Errno, Id[Node]]:
    """The host colours the first red node."""
    found = first(n.id for n in s.nodes if n.colour == Colour.RED)
    if found == NONE:
        return Errno.EINVAL, NONE
    s.nodes[found].colour = colour
    return Errno.OK, found


def ready(s: Odd) -> None:
    """Guards alone."""
    require(count(leaf.id in s.busy for leaf in s.leaves) <= 2)
    require(not s.lock or s.total > 0)


def end_of(s: Odd, node: Id[Node]) -> Id[Node]:
    """Where a node leads, in two steps at most."""
    after = s.nodes[node].next
    if after == NONE:
        return node
    if s.nodes[after].next == NONE:
        return after
    return s.nodes[after].next


def weigh(s: Odd, node: Node, more: int) -> int:
    """The new weight; an effect inside an expression."""
    node.weight += more
    return node.weight


def heavy(s: Odd, node: Node) -> bool:
    """A test of a row."""
    return node.weight > 3 and (node.marked or node.tag == s.tag)


def colouring(s: Odd, colour: Colour, fault: Fault) -> Errno:
    """Two host calls, the second undone."""
    ready(s)
    require(any(n.colour != colour for n in s.nodes))
    err, node = make(s, colour, fault)
    if err != Errno.OK:
        return err
    err = ask(s, node, fault)
    if err != Errno.OK:
        s.nodes[node].colour = Colour.RED
        return err
    s.front = node
    return Errno.OK


def linking(s: Odd, node: Id[Node], leaf: Id[Leaf]) -> None:
    """Null dereferences, sets, constants, guards behind effects."""
    require(s.leaves[leaf].node != NONE)
    other = s.nodes[s.leaves[leaf].node]
    require(other.id != node)
    require(s.nodes[end_of(s, node)].colour == Colour.GREEN or other.fixed)
    if node in other.peers or node in s.nodes[node].kin:
        other.peers.discard(node)
        s.nodes[s.front].few.add(s.nodes[node].home)
    else:
        other.peers.add(s.nodes[node].next)
        s.leaves[s.nodes[node].home].friends.clear()
    require(not other.marked or other.weight < 5)
    s.busy.add(leaf)
    other.next = first(x.next for x in s.nodes if x.colour == Colour.BLUE)


def counting(s: Odd, up: bool, tag: Annotated[Tag, NULLABLE], by: Annotated[int, Range(-1, 2)],
             ) -> Errno:
    """Ints that leave their range, loops with jumps, bounds."""
    total = 0
    for node in s.nodes:
        if node.tag == tag:
            continue
        if heavy(s, node):
            break
        total += node.weight if up else 0 - by
    limit(total < 9, "total")
    check(total != 7, "seven")
    s.total = total
    for step in range(1, 4):
        if weigh(s, s.nodes[s.leaves[s.top].node], by) == step and not up:
            return Errno.EINVAL
    last = s.nodes[end_of(s, s.front)] if s.lock else s.nodes[s.front]
    last.tag = tag
    s.lock = any(x.marked and heavy(s, y) for x in s.nodes for y in s.nodes if x.id in y.kin)
    s.front = first(n.id for n in s.nodes if n.colour == Colour.RED)
    return Errno.OK if all(leaf.level == 0 for leaf in s.leaves) else Errno.EBUSY


def levels(s: Odd, leaf: Id[Leaf]) -> None:
    """Quantifiers over columns."""
    require(leaf in s.busy and not s.lock)
    row = s.leaves[leaf]
    require(count(n.marked for n in s.nodes) >= count(n.id in s.nodes[row.node].peers
                                                      for n in s.nodes))
    row.level = count(x.level == row.level for x in s.leaves)
    if any(n.id in s.nodes[s.front].peers and n.id in n.kin for n in s.nodes) or s.tag == NULL:
        s.busy.discard(leaf)
    s.total += 1
    row.friends.add(leaf)
    others = any(x.id in row.friends for x in s.leaves if x.id != s.top)
    if all(n.marked for n in s.nodes) or not others:
        s.total = row.level + s.total
    s.nodes[s.front].weight = 1 if row.node in (s.front, NONE) else 2


def calm(s: Odd, node: Id[Node], leaf: Id[Leaf]) -> bool:
    """An invariant with two parameters and a failing check in it."""
    if not s.lock:
        return True
    mine = s.nodes[node]
    if s.leaves[leaf].level > 1 and leaf in mine.few:
        return mine.next != NONE
    return s.nodes[end_of(s, s.leaves[leaf].node)].weight <= mine.weight + 3


def looped(s: Odd) -> bool:
    """An invariant with a loop."""
    seen = 0
    for node in s.nodes:
        if node.marked:
            seen += 1
        if seen > 2:
            return False
    return True


def unchanged(before: Odd, s: Odd, node: Id[Node]) -> bool:
    """A refusal leaves the colours."""
    return before.nodes[node].colour == s.nodes[node].colour


ODD = Machine(
    name="odd",
    state=Odd,
    init=init,
    actions=(colouring, linking, counting, levels),
    bounds={"small": Bounds({"nodes": 9, "leaves": 4, "Tag": 3})},
    shape=shape,
    invariants=(invariant()(calm), invariant()(looped), on_failure()(unchanged)),
)

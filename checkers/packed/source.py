"""Generated functions of a slice: by how much each step that it allows changes a state; its tally.

A tally is an int of several lanes. The sum of the tallies of all slices of a state says which of
its rules hold, how many steps each action has and whether one of the teardown lowers the rank.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from checkers.explicit.writer import Writer
from checkers.frontend.ir import Node
from checkers.packed.packing import SLACK, Packing
from checkers.packed.parts import Move, Support
from checkers.packed.texts import UNIT, Texts, Unusual, above, below


@dataclass(frozen=True)
class Atom:
    """A part of a sum over the state: what is added to a tally for each one of a node's value."""

    node: Node
    weight: int
    needs: Support


@dataclass
class Group:
    """Moves and atoms that know of a state the same few variables."""

    needs: Support
    moves: list[Move] = field(default_factory=list)
    atoms: list[Atom] = field(default_factory=list)


def steps(packing: Packing, group: Group) -> Callable[[int], tuple[int, ...]]:
    """The function that gives what to add to a state for each step that its slice allows."""
    out = Writer()
    with out.block("def steps(x)"):
        roots = [node for move in group.moves for node in _roots(move)]
        texts = Texts(out, packing, group.needs, roots)
        out.line("found = []")
        for move in group.moves:
            _step(texts, move)
        out.line("return tuple(found)")
    return _compiled(out, "steps")


def tallies(
    packing: Packing, group: Group, start: int, actions: Sequence[int], lower: int
) -> Callable[[int], int]:
    """The function that gives the tally of a slice; `actions` and `lower` are ones of lanes."""
    out = Writer()
    with out.block("def tally(x)"):
        roots = [move.step.enabled for move in group.moves]
        roots += [node for move in group.moves for _, node in move.lowers or ()]
        texts = Texts(out, packing, group.needs, [*roots, *(atom.node for atom in group.atoms)])
        out.line(f"sum = {start}")
        for move in group.moves:
            with texts.block(f"if {texts.value(move.step.enabled)}"):
                out.line(f"sum += {actions[move.action]}")
                if lower and move.lowers is not None:
                    terms = [f"{factor} * {texts.value(node)}" for factor, node in move.lowers]
                    with texts.block(f"if {' + '.join(terms)} < 0"):
                        out.line(f"sum += {lower}")
        for atom in group.atoms:
            out.line(f"sum += {texts.value(atom.node)} * {atom.weight}")
        out.line("return sum")
    return _compiled(out, "tally")


def _roots(move: Move) -> list[Node]:
    step = move.step
    return [step.enabled, *move.ends, *step.next.values(), *move.ranges]


def _step(texts: Texts, move: Move) -> None:
    """Lines that append the change that a move makes, if its slice allows it."""
    out, step = texts.out, move.step
    for node in move.ends:
        out.line(f"if {texts.value(node)}: raise Unusual")
    with texts.block(f"if {texts.value(step.enabled)}"):
        changes, moved = _changes(texts, step.next)
        for node in move.ranges:
            out.line(f"if {texts.fails(node, moved)}: raise Unusual")
        out.line(f"found.append({' + '.join(changes) or '0'})")
    late = [node for node in move.ranges if not _only_if(node, step.enabled)]
    if late:
        with texts.block(f"if not {texts.value(step.enabled)}"):
            for node in late:
                out.line(f"if {texts.fails(node, '{}')}: raise Unusual")


def _changes(texts: Texts, after: Mapping[Node, Node]) -> tuple[list[str], str]:
    """What each variable adds to a state, and by how much the unknown ones move."""
    changes, moved = [], []
    for node, value in after.items():
        shift = texts.packing.shift(node)
        text = texts.value(value)
        if node in texts.known:
            changes.append(f"({text} - {texts.value(node)} << {shift})")
            continue
        place = texts.numbers[node]
        name = f"e{place}"
        texts.out.line(f"{name} = {text} - {place * UNIT}")
        texts.out.line(f"if not {-SLACK} <= {name} <= {SLACK}: raise Unusual")
        changes.append(f"({name} << {shift})")
        moved.append(f"{place}: {name}")
    return changes, f"{{{', '.join(moved)}}}"


def _only_if(node: Node, condition: Node) -> bool:
    """Whether a node is a conjunction with a condition, or with all that is in it."""
    return _conjuncts(condition) <= _conjuncts(node)


def _conjuncts(root: Node) -> set[Node]:
    found: set[Node] = set()
    stack = [root]
    while stack:
        node = stack.pop()
        if node.op == "and":
            stack.extend(node.args)
        else:
            found.add(node)
    return found


def _compiled(out: Writer, name: str) -> Callable[[int], Any]:
    space: dict[str, Any] = {}
    given = {"Unusual": Unusual, "above": above, "below": below}
    exec(compile(out.text(), "<packed>", "exec"), given, space)
    function: Callable[[int], Any] = space[name]
    return function

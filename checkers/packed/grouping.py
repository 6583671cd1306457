"""Which moves are looked up together: few look-ups for a state, and few different slices.

What slices there are is measured, on states that were found with the moves hardly grouped.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import Final

from checkers.packed.packing import Packing
from checkers.packed.parts import Move, Support
from checkers.packed.source import Atom, Group

FEW: Final = 0.4
"""Different slices of a group at most, as a part of a sample. With more a sample does not tell how
many there are; and to fill in a slice takes as long as many look-ups."""


def apart(moves: Iterable[Move], asked: bool = False) -> list[Group]:
    """Each move with those that need no more than one of them does: to be taken, or `asked`."""

    def needs(move: Move) -> Support:
        return move.asked if asked else move.needs

    groups: list[Group] = []
    for move in sorted(moves, key=lambda move: -len(needs(move))):
        group = _holding(groups, needs(move))
        if group is None:
            group = Group(needs(move))
            groups.append(group)
        group.moves.append(move)
    return groups


def merged(groups: Sequence[Group], packing: Packing, sample: Sequence[int]) -> list[Group]:
    """The groups put together as long as a sample of states has few different slices of them."""
    found = list(groups)
    slices: dict[Support, int] = {}

    def count(one: Group, other: Group) -> int:
        needs = one.needs | other.needs
        if needs not in slices:
            slices[needs] = len(set(map(packing.mask(needs).__and__, sample)))
        return slices[needs]

    while len(found) > 1:
        one, other = min(itertools.combinations(found, 2), key=lambda pair: count(*pair))
        if count(one, other) > len(sample) * FEW:
            break
        found = [group for group in found if group is not one and group is not other]
        found.append(Group(
            one.needs | other.needs, one.moves + other.moves, one.atoms + other.atoms
        ))
    return found


def with_atoms(
    groups: Sequence[Group], atoms: Iterable[Atom], packing: Packing, sample: Sequence[int]
) -> list[Group]:
    """The groups with the atoms: those that no group knows enough for in groups of their own."""
    found = [Group(group.needs, group.moves) for group in groups]
    more: list[Group] = []
    for atom in sorted(atoms, key=lambda atom: -len(atom.needs)):
        group = _holding([*found, *more], atom.needs)
        if group is None:
            group = Group(atom.needs)
            more.append(group)
        group.atoms.append(atom)
    return found + merged(more, packing, sample)


def _holding(groups: Iterable[Group], needs: Support) -> Group | None:
    """The group with the fewest variables that has all of these."""
    fit = (group for group in groups if needs <= group.needs)
    return min(fit, key=lambda group: len(group.needs), default=None)

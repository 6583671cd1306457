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

DEAR: Final = 20
"""A slice not seen before costs as much as so many look-ups. (It costs more; but of the states to
come a smaller part than of the sample has one.)"""


def apart(moves: Iterable[Move]) -> list[Group]:
    """Each move with those that know no more than one of them does."""
    groups: list[Group] = []
    for move in sorted(moves, key=lambda move: -len(move.needs)):
        group = _holding(groups, move.needs)
        if group is None:
            group = Group(move.needs)
            groups.append(group)
        group.moves.append(move)
    return groups


def merged(groups: Sequence[Group], packing: Packing, sample: Sequence[int]) -> list[Group]:
    """The groups put together where that is expected to take less time."""
    found = list(groups)
    slices: dict[Support, int] = {}

    def count(needs: Support) -> int:
        if needs not in slices:
            slices[needs] = len(set(map(packing.mask(needs).__and__, sample)))
        return slices[needs]

    while True:
        best, pair = 0, None
        for one, other in itertools.combinations(found, 2):
            more = count(one.needs | other.needs) - count(one.needs) - count(other.needs)
            gain = len(sample) - more * DEAR
            if gain > best:
                best, pair = gain, (one, other)
        if pair is None:
            return found
        one, other = pair
        found = [group for group in found if group is not one and group is not other]
        found.append(Group(
            one.needs | other.needs, one.moves + other.moves, one.atoms + other.atoms
        ))


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

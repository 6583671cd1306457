"""Moves in classes, by what need not be tried after them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from checkers.frontend.merge import Merger
from checkers.packed.parts import Move
from checkers.steps.commuting import after
from checkers.steps.ways import ways


@dataclass(frozen=True)
class Classes:
    """The moves of each class; and for each which classes are tried after a move of it.

    After a move of class 0 all are tried, after those of class 1 the fewest.
    """

    moves: tuple[tuple[Move, ...], ...]
    tried: tuple[tuple[int, ...], ...]

    @property
    def best(self) -> list[int]:
        """The numbers of the classes, those after which least is tried first."""
        return [*range(1, len(self.moves)), 0]


def one_class(moves: Sequence[Move]) -> Classes:
    """All moves in one class."""
    return Classes((tuple(moves),), ((0,),))


def classes(merger: Merger, moves: Sequence[Move]) -> Classes:
    """The classes of these moves."""
    known = [ways(merger.graph, move.deed(merger.graph)) for move in moves]
    found = after(merger, known)
    own = [
        [place for place, number in enumerate(found.classes) if number == each]
        for each in range(len(found.tried))
    ]
    return Classes(
        tuple(tuple(moves[place] for place in places) for places in own),
        tuple(
            tuple(number for number, places in enumerate(own) if tried.intersection(places))
            for tried in found.tried
        ),
    )

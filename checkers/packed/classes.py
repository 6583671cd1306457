"""Which moves need not be tried after which others, and which of two processes a state belongs to.

Two moves are apart when neither changes what the other must know. A state that a *first* move has
just reached need not have a *later* one tried that is apart from all the first: the later one could
have been made before, and the first move after it leads to the same state at the same depth. So no
state is missed, and none found later. (What steps there are is counted by other means.)
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from checkers.packed.packing import Packing
from checkers.packed.parts import Move, Support
from spec.language.layout import IntT

EVEN: Final = 0.7
"""It is not worth while to divide states if more than this part of them is on one side."""


@dataclass
class Classes:
    """The moves by whether they are first, later or neither."""

    first: list[Move] = field(default_factory=list)
    later: list[Move] = field(default_factory=list)
    other: list[Move] = field(default_factory=list)


def classes(moves: Sequence[Move]) -> Classes:
    """The classes with most pairs of a first move and a later one."""
    best = Classes(other=list(moves))
    for node in dict.fromkeys(node for move in moves for node in move.step.next):
        found = _with_first(moves, [move for move in moves if node in move.step.next])
        if len(found.first) * len(found.later) > len(best.first) * len(best.later):
            best = found
    return best


def _with_first(moves: Iterable[Move], first: list[Move]) -> Classes:
    found, own = Classes(first), {id(move) for move in first}
    written, needs = _written(first), frozenset[object]().union(*(move.needs for move in first))
    for move in moves:
        if id(move) not in own:
            near = move.needs & written or needs.intersection(move.step.next)
            (found.other if near else found.later).append(move)
    return found


def _written(moves: Iterable[Move]) -> Support:
    return frozenset(node for move in moves for node in move.step.next)


def sides(packing: Packing, found: Classes, sample: Sequence[int]) -> int:
    """Bits by whose parity states are divided: those of later moves, which are tried least.

    They are no bits of ints, so all moves that change them know them. 0 if none are of use.
    """
    often = _written([*found.first, *found.other])
    places = [node for node in packing.places if not isinstance(node.type, IntT)]
    seldom = [node for node in places if node not in often]
    bits = [
        1 << packing.shift(node) + bit
        for node in seldom or places for bit in range(packing.places[node][1])
    ]
    masks = [one | other for one, other in itertools.combinations_with_replacement(bits, 2)]
    shares = {mask: _larger(mask, sample) for mask in masks}
    best = min(masks, key=shares.__getitem__, default=0)
    return best if best and shares[best] <= EVEN else 0


def side(state: int, mask: int) -> int:
    """The side that a state is on."""
    return (state & mask).bit_count() & 1


def _larger(mask: int, sample: Sequence[int]) -> float:
    """The part of a sample that is on its larger side."""
    ones = sum((state & mask).bit_count() & 1 for state in sample)
    return max(ones, len(sample) - ones) / max(1, len(sample))

"""What one stretch of a level gave, and how stretches that several processes did are put together.

A process knows the states of the levels before, and those it found itself. Merging in the order of
the stretches leaves the states, their order and their parents as one process alone finds them.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

OWN: Final = 1 << 63
"""Marks a target that is a new state of a worker: its piece and place follow, and not an `id`."""

PLACE: Final = 32


@dataclass(frozen=True)
class Hit:
    """Where a rule is broken: in state `state`, or by the instance `code` from there."""

    rule: str
    state: int
    code: int | None = None
    why: str = ""


@dataclass
class Notes:
    """What is counted and noticed while states are expanded.

    `best`: of each rule broken by a step, the one with the fewest faults on its path, and how many.
    """

    fired: list[int]
    cuts: dict[str, int] = field(default_factory=dict)
    crashed: dict[str, int] = field(default_factory=dict)
    crashes: dict[str, Hit] = field(default_factory=dict)
    best: dict[str, tuple[int, Hit]] = field(default_factory=dict)

    def cut(self, bound: str) -> None:
        """A bound stopped an action."""
        self.cuts[bound] = self.cuts.get(bound, 0) + 1

    def beats(self, name: str, faults: int) -> bool:
        """Whether so few faults would be the fewest yet."""
        return name not in self.best or faults < self.best[name][0]

    def better(self, hit: Hit, faults: int) -> None:
        """A step breaks a rule after so many faults."""
        if self.beats(hit.rule, faults):
            self.best[hit.rule] = faults, hit

    def add(self, later: Notes) -> None:
        """Count what a later stretch of the same level has noticed."""
        self.fired = [one + two for one, two in zip(self.fired, later.fired, strict=True)]
        _count(self.cuts, later.cuts)
        _count(self.crashed, later.crashed)
        for why, hit in later.crashes.items():
            self.crashes.setdefault(why, hit)
        for faults, hit in later.best.values():
            self.better(hit, faults)


@dataclass(frozen=True)
class Piece:
    """What a worker sends: its new states in one, each of `width` bytes, and how it found them."""

    width: int
    fresh: bytes
    parents: array[int]
    codes: array[int]
    degrees: array[int]
    targets: array[int]
    notes: Notes


def packed(
    place: int, width: int, fresh: list[bytes], parents: array[int], codes: array[int],
    degrees: array[int], targets: array[int], notes: Notes, own: dict[int, int],
) -> Piece:
    """The piece at this place; `own` tells the worker's own new states by their `id`."""
    mark = OWN | place << PLACE
    own.update(zip(map(id, fresh), range(mark, mark + len(fresh)), strict=True))
    told = array("Q", [own.get(target, target) for target in targets])
    return Piece(width, b"".join(fresh), parents, codes, degrees, told, notes)


def merge(
    piece: Piece, index: dict[bytes, bytes], fresh: list[bytes], parents: array[int],
    codes: array[int], ids: list[array[int]], targets: array[int],
) -> None:
    """Add a piece to the states; `ids` has the `id`s of the states of each earlier one."""
    keep, add, parent, code = index.setdefault, fresh.append, parents.append, codes.append
    kept = array("Q")
    starts = range(0, len(piece.fresh), piece.width)
    for start, by, step in zip(starts, piece.parents, piece.codes, strict=True):
        state = piece.fresh[start : start + piece.width]
        held = keep(state, state)
        if held is state:
            add(state)
            parent(by)
            code(step)
        kept.append(id(held))
    ids.append(kept)
    low = (1 << PLACE) - 1
    targets.extend(
        target if target < OWN else ids[(target ^ OWN) >> PLACE][target & low]
        for target in piece.targets
    )


def _count(totals: dict[str, int], more: Mapping[str, int]) -> None:
    for name, count in more.items():
        totals[name] = totals.get(name, 0) + count

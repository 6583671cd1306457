"""What the tallies of states say: rules, witnesses, steps, the way down."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from checkers.packed.packing import Packing
from checkers.packed.source import Group, tallies
from checkers.packed.tally import Lanes

V = TypeVar("V")

class Memo(dict[int, V]):
    """What a function gives, kept."""

    def __init__(self, function: Callable[[int], V]) -> None:
        super().__init__()
        self.function = function

    def __missing__(self, key: int) -> V:
        self[key] = value = self.function(key)
        return value


@dataclass
class Judged:
    """What is true of some states: `fired` are the steps from them, by action.

    `usual`: all rules hold, and each state is empty or has a step of the teardown that lowers it.
    """

    fired: list[int]
    usual: bool = True
    witnessed: set[str] = field(default_factory=set)

    def add(self, more: Judged) -> None:
        """Take more states into account."""
        self.fired = [one + other for one, other in zip(self.fired, more.fired, strict=True)]
        self.usual &= more.usual
        self.witnessed |= more.witnessed


class Judge:
    """Judges states."""

    def __init__(self, packing: Packing, lanes: Lanes, groups: Sequence[Group]) -> None:
        self.lanes = lanes
        ones = [1 << lane.shift for lane in lanes.actions]
        lower = 1 << lanes.lower.shift if lanes.lower.width else 0
        starts = [lanes.start] + [0] * (len(groups) - 1)
        self.tally = _sums(packing, groups, [
            Memo(tallies(packing, group, start, ones, lower))
            for group, start in zip(groups, starts, strict=True)
        ])

    def nothing(self) -> Judged:
        """What is true of no state."""
        return Judged([0] * len(self.lanes.actions))

    def look(self, level: Iterable[int]) -> Judged:
        """Judge states."""
        found = self.nothing()
        for tally, count in Counter(self.tally(level)).items():
            self._one(found, tally, count)
        return found

    def _one(self, found: Judged, tally: int, count: int) -> None:
        """Take so many states of one tally into account."""
        lanes = self.lanes
        found.usual &= not lanes.broken.of(tally) and tally & lanes.equal == lanes.expected
        if lanes.left.of(tally) and not lanes.lower.of(tally):
            found.usual = False
        for name, lane in lanes.witnesses.items():
            if not lane.of(tally):
                found.witnessed.add(name)
        for action, lane in enumerate(lanes.actions):
            found.fired[action] += lane.of(tally) * count


def _sums(
    packing: Packing, groups: Sequence[Group], memos: Sequence[Memo[int]]
) -> Callable[[Iterable[int]], list[int]]:
    """The function that gives the tallies of states."""
    masks = [packing.mask(group.needs) for group in groups]
    parts = [f"g{place}[s & {mask}]" for place, mask in enumerate(masks)]
    names = ", ".join(f"g{place}" for place in range(len(memos)))
    text = f"lambda {names}: lambda level: [{' + '.join(parts)} for s in level]"
    made: Callable[[Iterable[int]], list[int]] = eval(text)(*memos)
    return made

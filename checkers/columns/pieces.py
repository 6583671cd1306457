"""What expanding some states of a level gave, as one process tells another."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from checkers.columns.breach import Breach
from checkers.columns.packing import Rows


@dataclass
class Notes:
    """What is counted, by the number of the action or the name of the bound; what was broken."""

    fired: Counter[int] = field(default_factory=Counter)
    crashed: Counter[int] = field(default_factory=Counter)
    cuts: Counter[str] = field(default_factory=Counter)
    broken: dict[str, Breach] = field(default_factory=dict)

    def add(self, more: Notes) -> None:
        """Count what another piece of the same level has noticed."""
        self.fired += more.fired
        self.crashed += more.crashed
        self.cuts += more.cuts
        for rule, breach in more.broken.items():
            if rule in self.broken:
                self.broken[rule].add(breach)
            else:
                self.broken[rule] = breach


@dataclass(frozen=True)
class Piece:
    """Of one block: the states reached that were not known, by the class of the step; the notes.

    `descends` is of the teardown; `failed`: a check failed or a bound was met.
    """

    rows: list[tuple[int, Rows]]
    notes: Notes
    descends: bool
    failed: bool

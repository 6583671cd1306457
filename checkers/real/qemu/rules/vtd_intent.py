"""What VT-d must do with a device's requests, by the architecture: a model of the guest's intent.

It knows nothing of any implementation. A write of the guest's need not be in force before
invalidations cover it, and may be: so there is a set of what hardware may do.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Final

BLOCKED: Final = "blocked"
BYPASS: Final = "bypass"

NEAR: Final = 0
FAR: Final = 0x2005
"""Requests without a PASID, and a PASID that a small directory does not reach."""

PASIDS: Final = (NEAR, FAR)


class Reach(IntEnum):
    """A context entry: there is none, or how far the PASID directory goes that it points to."""

    ABSENT = 0
    SMALL = 1
    LARGE = 2


@dataclass(frozen=True)
class Entry:
    """What is done with requests, and the domain id of the entry that says so, 0 if none does."""

    does: str
    did: int = 0


NO_ENTRY: Final = Entry(BLOCKED)


@dataclass(frozen=True)
class Stale:
    """What was in memory. `context`: an invalidation of the context cache has to come first."""

    entry: Entry
    context: bool


@dataclass
class Row:
    """One PASID of one requester id: its entry in memory, and those that may be in force still."""

    memory: Entry = NO_ENTRY
    stale: set[Stale] = field(default_factory=set)


@dataclass
class Place:
    """A requester id: its context entry and its PASIDs."""

    reach: Reach = Reach.LARGE
    rows: dict[int, Row] = field(default_factory=lambda: {pasid: Row() for pasid in PASIDS})

    def asked(self, pasid: int) -> Entry:
        """What memory says of a PASID."""
        reached = self.reach is Reach.LARGE or (self.reach is Reach.SMALL and pasid == NEAR)
        return self.rows[pasid].memory if reached else NO_ENTRY


class VtdIntent:
    """The guest's tables and registers, and what follows from them. Places are slots, from 0."""

    def __init__(self, places: int) -> None:
        self.places = [Place() for _ in range(places)]
        self.queue = True
        self.enabled = False

    def may(self, place: int, pasid: int) -> frozenset[str]:
        """All that hardware may do with requests."""
        if not self.enabled:
            return frozenset((BYPASS,) if pasid == NEAR else (BYPASS, BLOCKED))
        there = self.places[place]
        old = {item.entry.does for item in there.rows[pasid].stale}
        return frozenset(old | {there.asked(pasid).does})

    def due(self, place: int, pasid: int) -> str:
        """What memory, and what is on, says that is to be done with requests."""
        return self.places[place].asked(pasid).does if self.enabled else BYPASS

    def entry(self, place: int, pasid: int, new: Entry) -> None:
        """A PASID entry is written."""
        there = self.places[place]
        before = there.asked(pasid)
        there.rows[pasid].memory = new
        if there.asked(pasid) != before:
            there.rows[pasid].stale.add(Stale(before, False))

    def context(self, place: int, reach: Reach) -> None:
        """A context entry is written: until it is invalidated, all that was may be in force."""
        there = self.places[place]
        before = {pasid: there.asked(pasid) for pasid in PASIDS}
        there.reach = reach
        for pasid, row in there.rows.items():
            items = {replace(item, context=True) for item in row.stale}
            row.stale = items | {Stale(before[pasid], True)}

    def cover(self, did: int, pasid: int | None) -> None:
        """PASID-cache invalidation: of a domain id (0: of all), of one PASID (None: of all).

        That there was no entry may be in force until the new one's domain id is named.
        """
        for there, number, row in self._rows():
            if pasid in (None, number):
                asked = there.asked(number).did
                row.stale = {
                    item for item in row.stale
                    if item.context or (did and did != (item.entry.did or asked))
                }  # fmt: skip

    def cover_contexts(self, place: int | None) -> None:
        """Context-cache invalidation, of one device (None: of all)."""
        for there, _, row in self._rows():
            if place is None or there is self.places[place]:
                row.stale = {replace(item, context=False) for item in row.stale}

    def reset(self) -> None:
        """Registers are as at first, and caches are empty; memory is as it was."""
        self.queue = self.enabled = False
        for _, _, row in self._rows():
            row.stale.clear()

    def _rows(self) -> Iterator[tuple[Place, int, Row]]:
        for there in self.places:
            for number, row in there.rows.items():
                yield there, number, row

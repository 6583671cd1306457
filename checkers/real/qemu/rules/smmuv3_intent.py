"""What an SMMUv3 must do with a device's requests, by the architecture, as in `vtd_intent`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

ABORT: Final = "abort"
BYPASS: Final = "bypass"


@dataclass
class Stream:
    """The entry of a stream in memory, and those that may be in force still."""

    memory: str = ABORT
    stale: set[str] = field(default_factory=set)


class SmmuIntent:
    """The guest's stream table and registers, and what follows from them."""

    def __init__(self, places: int) -> None:
        self.streams = [Stream() for _ in range(places)]
        self.queue = True
        self.enabled = False
        self.bypass = BYPASS

    def may(self, place: int) -> frozenset[str]:
        """All that hardware may do with requests."""
        stream = self.streams[place]
        return frozenset((stream.memory, *stream.stale) if self.enabled else (self.bypass,))

    def due(self, place: int) -> str:
        """What memory, and what is on, says that is to be done with requests."""
        return self.streams[place].memory if self.enabled else self.bypass

    def entry(self, place: int, new: str) -> None:
        """A stream table entry is written."""
        stream = self.streams[place]
        if new != stream.memory:
            stream.stale.add(stream.memory)
        stream.memory = new

    def cover(self, place: int | None) -> None:
        """CFGI_STE, of one stream (None: CFGI_ALL), without an error."""
        for number, stream in enumerate(self.streams):
            if place in (None, number):
                stream.stale.clear()

    def reset(self) -> None:
        """Registers are as at first, and caches are empty; memory is as it was."""
        self.queue = self.enabled = False
        self.bypass = BYPASS
        self.cover(None)

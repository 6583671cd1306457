"""Actions of a guest."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Act:
    """An action of the guest, with its numbers; `refused`: which host call of it, or 0."""

    kind: str
    given: tuple[int, ...] = ()
    refused: int = 0

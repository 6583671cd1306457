"""Actions of a guest, and what can be wrong after one."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Act:
    """An action of the guest, with its numbers; `refused`: which host call of it, or 0."""

    kind: str
    given: tuple[int, ...] = ()
    refused: int = 0


@dataclass(frozen=True, order=True)
class Class:
    """What is wrong: a rule, and how it came to be broken, in words that many runs share."""

    rule: str
    what: str

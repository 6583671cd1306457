"""What came of taking one action from many states."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from checkers.columns.packing import Bytes, Numbers, Rows
from spec.language.steps import Step

Naming = Callable[[int], Step]
"""The step that a run took, by its number among the runs."""


@dataclass(frozen=True)
class Taken:
    """Runs of an action that came to its end: from which states of the block, to which.

    `step` names them by the numbers in `runs`; they are `struck` if a call of the host fails in
    them. If some reported an error, `errors` has their places here, with the columns of all states
    before and after. `kind` is the class of the step; the states are `known` if they need no look.
    """

    action: int
    sources: Numbers
    rows: Rows
    step: Naming
    runs: Numbers
    struck: bool = False
    errors: Numbers | None = None
    before: Bytes | None = None
    after: Bytes | None = None
    kind: int = 0
    known: bool = False


@dataclass(frozen=True)
class Counted:
    """So many runs of an action came to its end, in states that are known."""

    action: int
    count: int


@dataclass(frozen=True)
class Ended:
    """Runs of an action that a failed check (or a bound of the model) ended."""

    action: int
    kind: str
    why: str
    sources: Numbers
    step: Naming
    runs: Numbers

"""What every engine answers: findings with a verdict, and for a violation the steps to it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Final

from spec.language.program import Program
from spec.language.steps import Step


class Verdict(Enum):
    """Only `HOLDS` and `PROVED` are success.

    `BOUNDED`: a limit was met, or the solver did not know. `NOT_INDUCTIVE`: the proof was finished
    and is none, and no counterexample was found. `NOT_REFUTED`: random runs were made and none
    broke the rule, which says nothing of the others.
    """

    HOLDS = "holds"
    PROVED = "proved"
    NOT_REFUTED = "not refuted"
    VIOLATED = "violated"
    BOUNDED = "bounded"
    NOT_INDUCTIVE = "not inductive"


GOOD: Final = (Verdict.HOLDS, Verdict.PROVED)
"""What success is."""


ANOTHER_CHOICE: Final = "needs another choice of ids than the lowest free"
"""What is said of a violation that no run of its length shows in which the lowest is taken."""


@dataclass(frozen=True)
class Violation:
    """A path from an initial state to where `rule` is broken.

    `binding` are the values of the invariant's further parameters, that is the objects at fault.
    If the last step crashes, `why` names the failed check. A path may be a counterexample to
    induction, of which `initial` is any state and not an initial one. If a step has `ids`, no run
    of this length in which `fresh` takes the first row breaks the rule.
    """

    rule: str
    initial: bytes
    steps: tuple[Step, ...]
    binding: tuple[int, ...] = ()
    why: str = ""
    induction: bool = False

    @property
    def another_choice(self) -> str:
        """That it needs another choice of ids than the lowest free, if it does."""
        return ANOTHER_CHOICE if any(step.ids for step in self.steps) else ""


class Renaming(Enum):
    """Which states the explicit engine takes for one.

    `NONE`: only equal ones. `SORTS`: those that differ in the names of data values. `IDS`: those
    that differ in the ids of records that the machine declares symmetric, too.
    """

    NONE = "none"
    SORTS = "sorts"
    IDS = "ids"


@dataclass(frozen=True)
class Finding:
    """One row of the table: what one engine says of one property of one program.

    Figures of the explicit engine are of states up to `renaming`. `seconds` are those of the engine
    for all rules together; `own_seconds` of this rule, where there is no other or it is decided by
    itself.
    """

    engine: str
    rule: str
    verdict: Verdict
    detail: str = ""
    states: int | None = None
    transitions: int | None = None
    depth: int | None = None
    seconds: float = 0.0
    own_seconds: float | None = None
    violation: Violation | None = None
    renaming: Renaming = Renaming.SORTS


@dataclass(frozen=True)
class Progress:
    """How far an engine is: for the explicit one, states, frontier, states a second."""

    states: int
    frontier: int
    rate: float
    note: str = ""


class Explorer(Enum):
    """How the explicit engine explores; both find the same."""

    REFERENCE = "reference"
    NATIVE = "native"


@dataclass
class Limits:
    """What an engine may use. Zero means no limit; the memory limit is in MiB of the process.

    Without an `explorer`, or a `renaming`, the explicit engine picks one. `interrupted` is set by
    the engine when Ctrl-C stopped it; what it knew is still reported. `checkpoint` is where the
    native explorer keeps its levels, to `resume` from if there are some. With `scratch` it does not
    end at the memory limit: what has no room there is kept in files in that directory.

    The time counts `since` a moment of the `clock`, so that what was done before the engine
    was asked is part of it. An engine that prepares a search calls `prepared` when it has done so
    and sees to its limits itself; until then a watch may end the preparation with an exception.

    An engine that explores calls `found`, at the end of the level where a rule is first broken,
    with the rule and the depth: the steps of its shortest trace. Then it asks whether the rules
    broken so far are `enough`, and stops if they are: those not decided are BOUNDED. With `deeper`
    nothing is enough but every rule, whatever a variant declares.
    """

    seconds: float = 0.0
    memory_mib: int = 0
    jobs: int = 1
    seed: int = 0
    progress: Callable[[Progress], None] = field(default=lambda _: None)
    interrupted: bool = False
    explorer: Explorer | None = None
    renaming: Renaming | None = None
    checkpoint: Path | None = None
    resume: bool = False
    scratch: Path | None = None
    since: float = field(default_factory=time.monotonic)
    clock: Callable[[], float] = time.monotonic
    prepared: Callable[[], None] = field(default=lambda: None)
    found: Callable[[str, int], None] = field(default=lambda rule, depth: None)
    enough: Callable[[frozenset[str]], bool] = field(default=lambda broken: False)
    deeper: bool = False


Engine = Callable[[Program, frozenset[str], Limits], list[Finding]]
"""An engine: a program, the names of the rules to check (empty: all), limits; one row a rule."""

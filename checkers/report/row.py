"""One row of the results, and what all rows together mean for the exit status."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

from checkers.result import GOOD, Finding, Verdict
from checkers.trace.format import Trace


class Status(IntEnum):
    """The exit statuses; `git bisect run` understands them."""

    HOLDS = 0
    VIOLATED = 1
    WRONG_INPUT = 2
    INCONCLUSIVE = 3


@dataclass(frozen=True)
class Row:
    """What one engine says of one rule of one machine, with the trace if there is one.

    `asked` are the bounds of the check, if the engine did not use those. Of a rule that the variant
    is declared to break, `expected` is in how many steps; `about` marks the first of these.
    """

    machine: str
    variant: str | None
    bounds: str
    finding: Finding
    trace: Trace | None = None
    asked: str = ""
    expected: int | None = None
    about: bool = False

    @property
    def subject(self) -> str:
        """The machine, and the variant if it is one."""
        return f"{self.machine}/{self.variant}" if self.variant else self.machine


def detail(finding: Finding) -> str:
    """What there is to say besides the verdict: ``exhausted 120 states``."""
    if not finding.detail and finding.verdict is Verdict.HOLDS and finding.states is not None:
        return f"exhausted {finding.states} states"
    if not finding.detail and finding.verdict is Verdict.PROVED:
        return "all lengths"
    return finding.detail


def said(finding: Finding) -> str:
    """The verdict in words: ``holds (exhausted 120 states)``."""
    more = detail(finding)
    return f"{finding.verdict.value} ({more})" if more else finding.verdict.value


def status(rows: Iterable[Row], *, interrupted: bool = False) -> Status:
    """The exit status of a check; a violation outranks all else, and an empty one is inconclusive.

    Random runs decide nothing: a rule that nobody else looked at is inconclusive, and beside others
    they do not count.
    """
    found = list(rows)
    verdicts = {row.finding.verdict for row in found}
    if Verdict.VIOLATED in verdicts:
        return Status.VIOLATED
    shown = {_about(row) for row in found if row.finding.verdict in GOOD}
    open_ = {_about(row) for row in found if row.finding.verdict not in GOOD}
    only_random = verdicts <= {*GOOD, Verdict.NOT_REFUTED} and open_ <= shown
    return Status.HOLDS if shown and only_random and not interrupted else Status.INCONCLUSIVE


def _about(row: Row) -> tuple[str, str]:
    """The rule of a row, and of what."""
    return row.subject, row.finding.rule

"""What a search says that could not do all that it was asked for."""

from __future__ import annotations

import pytest

from checkers import machines
from checkers.explore.native.library import SearchEndedError, Space
from checkers.explore.verdicts import check
from checkers.result import Explorer, Limits, Verdict
from spec.language.rules import TEARDOWN


@pytest.mark.parametrize(
    ("error", "words"), [(MemoryError(), "no memory"), (SearchEndedError("it is gone"), "is gone")]
)
def test_what_can_be_taken_down_is_left_open_when_it_cannot_be_seen(
    error: Exception, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(space: Space, threads: int) -> int:
        raise error

    monkeypatch.setattr(Space, "stuck", fails)
    program = machines.program(machines.machine("object-lifetime"), "small")
    rows = check(program, frozenset(), Limits(explorer=Explorer.NATIVE))
    left = [row for row in rows if row.verdict is not Verdict.HOLDS]
    assert [(row.rule, row.verdict) for row in left] == [(TEARDOWN, Verdict.BOUNDED)]
    assert words in left[0].detail
    assert len(rows) > 1

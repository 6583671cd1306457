"""What never happens, an action or what a witness sees, is told of each random machine."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from checkers.explore import reference, verdicts
from checkers.explore.explored import Explored
from checkers.result import Finding, Limits, Verdict
from spec.language.rules import ACTIONS, WITNESSES
from tests.random.drawing import SMALL, draw
from tests.random.machines import Taste

IDLE = Taste(actions=(1, 2), variant=1.0, helpers=(0, 1))


def told_wrongly(seeds: int) -> Iterator[tuple[int, str]]:
    """The machines of which the rows against vacuous success do not say what brute force says."""
    for seed in range(seeds):
        with draw(seed, SMALL, IDLE) as drawn:
            for program, facts in drawn:
                found = reference.explore(program, frozenset(), Limits())
                rows = {row.rule: row.verdict for row in verdicts.said(found, frozenset(), "")}
                missing = {
                    ACTIONS: any(not facts.fired.get(rule.name) for rule in program.actions),
                    WITNESSES: bool({item.name for item in program.witnesses} - facts.witnessed),
                }
                for name, so in missing.items():
                    if not found.stopped and (rows.get(name) is Verdict.VIOLATED) != so:
                        yield seed, name


def test_what_never_happens_is_told() -> None:
    assert not list(told_wrongly(6))


def test_rows_that_are_left_out_for_variants_are_missed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As they once were: then a variant whose action never happens holds."""
    whole = verdicts._coverage

    def none_of_variants(found: Explored, names: frozenset[str]) -> list[Finding]:
        return [] if found.program.variant is not None else whole(found, names)

    monkeypatch.setattr(verdicts, "_coverage", none_of_variants)
    assert any(name == ACTIONS for _, name in told_wrongly(6))

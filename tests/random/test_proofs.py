"""What is proved of a random machine holds in it, and what is refuted is broken as early."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from checkers.engines import engine
from checkers.frontend.ir import Node
from checkers.result import Limits, Verdict
from checkers.symbolic.system import System
from checkers.symbolic.terms import Terms
from spec.language.types import Sort
from tests.random.drawing import SMALL, draw
from tests.random.machines import Taste

VALUES = Taste(
    data=3.0, distinct=1.0, alike=0.0, host=0.0, variant=0.0, teardown=0.0, actions=(1, 2),
    helpers=(0,),
)

DATA = Taste(
    data=2.0, distinct=0.4, actions=(2, 3), helpers=(0, 1), variant=0.0, teardown=0.7
)


def test_proofs_and_refutations_are_true() -> None:
    proved = refuted = 0
    for seed in range(11, 14):
        with draw(seed, SMALL, DATA) as drawn:
            for program, facts in drawn:
                for row in engine("symbolic")(program, frozenset(), Limits()):
                    length = facts.broken.get(row.rule)
                    if row.verdict is Verdict.PROVED:
                        assert length is None, (seed, row.rule)
                        proved += 1
                    if row.verdict is Verdict.VIOLATED and row.violation is not None:
                        steps = len(row.violation.steps)
                        assert length is None or steps <= length, (seed, row.rule)
                        refuted += 1
    assert proved
    assert refuted


def proved_falsely(seeds: Iterable[int], taste: Taste) -> bool:
    """Whether what is broken in one of these machines is proved."""
    for seed in seeds:
        with draw(seed, SMALL, taste) as drawn:
            for program, facts in drawn:
                rows = engine("symbolic")(program, frozenset(), Limits())
                if any(row.verdict is Verdict.PROVED and row.rule in facts.broken for row in rows):
                    return True
    return False


def test_one_value_of_data_for_all_parameters_is_too_few(monkeypatch: pytest.MonkeyPatch) -> None:
    """An action that needs several different values then never happens in a proof."""
    seeds = (2, 5)
    assert not proved_falsely(seeds, VALUES)
    carriers = System.carriers

    def too_few(self: System, extra: Iterable[Node] = ()) -> dict[type[Sort], int]:
        return {cls: max(1, self._constants().get(cls, 0)) for cls in carriers(self, extra)}

    monkeypatch.setattr(System, "carriers", too_few)
    monkeypatch.setattr(Terms, "short", lambda self: [])
    assert proved_falsely(seeds, VALUES)

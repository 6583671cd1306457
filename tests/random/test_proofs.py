"""What is proved of a random machine holds in it, and what is refuted is broken as early."""

from __future__ import annotations

from checkers.engines import engine
from checkers.result import Limits, Verdict
from tests.random.drawing import SMALL, draw
from tests.random.machines import Taste

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

"""Other readings of a random machine than the explorers' say the same of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from spec.language.rules import TEARDOWN
from tests.checkers.murphi.rumur import asked
from tests.checkers.symbolic.agreement import agree
from tests.random.drawing import draw


def test_the_merged_graph_and_its_terms_say_what_a_run_says() -> None:
    ends = set[str]()
    for seed in range(8):
        with draw(seed) as drawn:
            for program, _ in drawn:
                report = agree(program, 100, seed)
                assert report.agreed, (seed, report.disagreements[:2])
                ends |= {name.split()[-1] for name in report.kinds}
    assert ends >= {"done", "disabled", "crash"}


@pytest.mark.parametrize("seed", [1, 3, 4, 24])
def test_rumur_counts_what_brute_force_counts(seed: int, tmp_path: Path) -> None:
    """Three of these break nothing; of one that does it says so. Teardown it does not know."""
    with draw(seed) as drawn:
        program, facts = drawn.programs[0], drawn.facts[0]
        answer = asked(program, tmp_path)
        assert bool(answer.error) == bool(facts.broken.keys() - {TEARDOWN})
        if not answer.error:
            assert (answer.states, answer.rules) == (facts.states, sum(facts.fired.values()))

"""Random machines: what explores them says what brute force says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from checkers.frontend.scalarsets import scalarsets
from checkers.result import Renaming
from tests.random import __main__ as command
from tests.random.brute import TooLargeError
from tests.random.comparing import EXPLORERS, compare, same_verdicts
from tests.random.drawing import SMALL, Size, draw
from tests.random.machines import text_of
from tests.random.relaxed import Relaxed, RelaxedUp

COUNT = 200
BLOCK = 20
KEPT = sorted(command.KEPT.glob("machine_*.py"))


@pytest.mark.parametrize("first", range(0, COUNT, BLOCK))
def test_the_explorers_say_what_brute_force_says(first: int) -> None:
    """Each machine with its states as they are, or up to one renaming; all of them by hand."""
    times = with_ids = 0
    for seed in range(first, first + BLOCK):
        renamings = [list(Renaming)[seed % 3]]
        with draw(seed) as drawn:
            for program, facts in drawn:
                found = compare(program, facts, renamings=renamings)
                assert not found.differences, f"python -m tests.random --seed {seed} --count 1"
                times, with_ids = times + found.times, with_ids + found.with_ids
    assert times >= len(EXPLORERS) * BLOCK * 0.9
    assert with_ids >= 2


@pytest.mark.parametrize("path", KEPT, ids=[path.stem for path in KEPT])
def test_what_was_told_differently_once_is_told_alike(path: Path) -> None:
    assert not command.differences(path.read_text(encoding="utf-8"), Size(0))


def test_a_seed_has_one_text() -> None:
    assert text_of("1.0") == text_of("1.0") != text_of("1.1")


def test_rows_that_nothing_tells_apart_may_change_places() -> None:
    """With every choice of ids the space up to renaming is that of the states, renamed."""
    orbits = states = 0
    for seed in range(40):
        with draw(seed) as drawn:
            for program, _ in drawn:
                found = scalarsets(program)[0]
                classes = {item.table.record.__name__: list(item.classes) for item in found}
                if not classes:
                    continue
                try:
                    full, up = Relaxed(program, classes), RelaxedUp(program, classes)
                    one, other = full.explore(), up.explore()
                except TooLargeError:
                    continue
                assert len(set(map(up.representative, full.depths))) == other.states, seed
                assert not list(same_verdicts(one, other)), seed
                orbits, states = orbits + other.states, states + one.states
    assert 100 < orbits < states


WORDS = {
    "first(": r"\bfirst\(", "fresh(": r"\bfresh\(", "count(": r"\bcount\(", "any": r"\bany\(",
    "all": r"\ball\(", "break": r"\bbreak\b", "continue": r"\bcontinue\b", "return": r"\breturn$",
    "else": r"^ +else:", "choice": r" if .* else ", "add": r"\.add\(", "discard": r"\.discard\(",
    "clear": r"\.clear\(", "host call": r"@host_call", "limit": r"^ +limit\(",
    "check": r"^ +check\(", "require behind a host call": r"host\d\(.*\n +require\(v\d+ ==",
    "host call in a helper": r"def does9", "tuple": r"^ +v\d+, v\d+ = does", "row": r"p\d: Node",
    "on failure": r"@on_failure", "teardown": r"Teardown\(\(", "variant": r"@overrides",
    "constant": r"CONST\]", "null data": r"NULLABLE\]",
    "own id": r"^class Node.*\n( .*\n)*.*Id\[Node",
    "set": r"IdSet\[", "named row": r"= FIRST_", "range": r"in range\(", "in": r" in \(",
    "kept across rows": r"\bv\d+ = x\d+\.id", "kept row":
    r"^ +(r\d+) = s.*\n +for (x\d+) in .*\n( .*\n)*?\s+\1 = \2$", "distinct data": r"def distinct",
    "bound": r"'top'\)", "check in a host call": r"def host\d.*\n +check\(",
    "several parameters": r"p2: .*p3: ", "init with parameters": r"def init\(s: Whole, p1",
}  # fmt: skip


def test_the_texts_have_everything_in_the_language() -> None:
    texts = [text_of(str(number)) for number in range(200)]
    for name, pattern in WORDS.items():
        found = sum(bool(re.search(pattern, text, re.M)) for text in texts)
        assert found >= 3, name


def test_the_sizes_are_those_that_are_wanted() -> None:
    for seed in range(10):
        with draw(seed) as drawn:
            assert SMALL.least <= drawn.facts[0].states <= SMALL.most

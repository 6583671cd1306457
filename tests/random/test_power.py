"""Faults that explorers have had, put back one by one: random machines show each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest

from checkers.frontend.scalarsets import free_sorts
from spec.language import Program
from spec.language.program import Linked
from tests.random.brute import Brute, Classes, Ended, TooLargeError
from tests.random.comparing import Up, same_verdicts
from tests.random.drawing import SMALL, draw
from tests.random.machines import Taste


class NoFaultsIfDisabled(Brute):
    """A guard that is false behind a host call hides that the call may fail."""

    def faults(self, rule: Linked, first: Ended) -> int:
        return 0 if first.how == "disabled" else super().faults(rule, first)


class NoFaultsIfCrashed(Brute):
    """A check that fails inside a host call, or behind it, hides that the call may fail."""

    def faults(self, rule: Linked, first: Ended) -> int:
        return 0 if first.how == "crash" else super().faults(rule, first)


class RenamedAfter(Up):
    """A rule about refused steps sees the state after one with its data renamed."""

    def __init__(self, program: Program) -> None:
        sorts = free_sorts(program).items()
        super().__init__(program, {name: [tuple(range(1, size + 1))] for name, size in sorts})

    def judge_failure(self, before: bytes, after: bytes, depth: int) -> None:
        super().judge_failure(before, self.representative(after), depth)


class AllRowsAlike(Up):
    """Rows are taken for alike whatever the text does with them."""

    def __init__(self, program: Program) -> None:
        rows: Classes = {
            table.record.__name__: [tuple(range(1, table.rows + 1))]
            for table in program.layout.tables.values()
        }
        super().__init__(program, rows)


class FirstLevelOnly(Brute):
    """A rule is looked at only where an action has changed the state."""

    def reach(self, state: bytes, depth: int, fresh: list[bytes]) -> None:
        if depth or state in self.depths:
            super().reach(state, depth, fresh)
        else:
            self.depths[state] = 0
            fresh.append(state)


class FaultsBeyond(Brute):
    """A fault that no call consumes is a step."""

    def faults(self, rule: Linked, first: Ended) -> int:
        return first.calls + 1 if rule.fault else 0


class CutsAreGuards(Brute):
    """A bound that is met is not counted."""

    def run(self, rule: Linked, state: bytes, values: tuple[int, ...], fault: int) -> Ended:
        ended = super().run(rule, state, values, fault)
        return replace(ended, how="disabled") if ended.how == "cut" else ended


class NoTeardown(Brute):
    """Every state is taken for one that can be taken down."""

    def teardown(self) -> None:
        pass


def shown_by(broken: type[Brute], seeds: Iterable[int], taste: Taste | None = None) -> bool:
    """Whether one of these machines shows that this explorer is broken."""
    counts = not issubclass(broken, Up)
    for seed in seeds:
        with draw(seed, SMALL, taste) as drawn:
            for program, facts in drawn:
                try:
                    said = broken(program).explore()
                    if list(same_verdicts(facts, said)) or (counts and said != facts):
                        return True
                except TooLargeError:
                    continue
    return False


def test_no_difference_is_found_where_there_is_none() -> None:
    assert not shown_by(Brute, range(10))


HOSTS, ALIKE = Taste(host=1.0), Taste(alike=1.0)
REFUSALS = Taste(
    data=3.0, alike=0.0, variant=0.0, teardown=0.0, refusing=0.5, actions=(3,), helpers=(0, 1)
)


@pytest.mark.parametrize(
    ("broken", "first", "taste"),
    [
        (NoFaultsIfDisabled, 4, HOSTS), (NoFaultsIfCrashed, 0, HOSTS), (FaultsBeyond, 0, HOSTS),
        (RenamedAfter, 24, REFUSALS), (AllRowsAlike, 3, ALIKE), (FirstLevelOnly, 0, None),
        (CutsAreGuards, 35, None), (NoTeardown, 26, None),
    ],
)  # fmt: skip
def test_a_fault_put_back_is_found(broken: type[Brute], first: int, taste: Taste | None) -> None:
    """The first seed is one that shows it as the grammar is; a new grammar has forty to try."""
    assert shown_by(broken, range(first, first + 40), taste)

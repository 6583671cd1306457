"""Whether the explorers say of a machine what brute force says."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final
from unittest.mock import patch

from checkers.explore import reference
from checkers.explore.explored import Explored
from checkers.explore.native import search
from checkers.explore.symmetry import symmetry, tried
from checkers.frontend.scalarsets import scalarsets
from checkers.result import Limits, Renaming, Violation
from spec.language import Program
from spec.language.rules import CRASH, TEARDOWN
from spec.language.steps import take
from tests.random.brute import Brute, Classes, Facts, Orbits, TooLargeError, sizes_of
from tests.random.relaxed import RelaxedUp

Explore = Callable[[Program, frozenset[str], Limits], Explored]


def quickly_compiled(program: Program, names: frozenset[str], limits: Limits) -> Explored:
    """The native explorer, with what takes the compiler the least time."""
    with patch.object(search, "optimisation", lambda program, chosen: "-O0"):
        return search.explore(program, names, limits)


EXPLORERS: Final[Mapping[str, Explore]] = {
    "reference": reference.explore, "native": quickly_compiled,
}  # fmt: skip


@dataclass
class Compared:
    """The differences found in a program, each a sentence, and how often was compared."""

    differences: list[str] = field(default_factory=list)
    times: int = 0
    with_ids: int = 0


def compare(
    program: Program, facts: Facts, explorers: Mapping[str, Explore] = EXPLORERS,
    renamings: Collection[Renaming] = tuple(Renaming),
) -> Compared:
    """Hold explorers against the facts of the states as they are, and against brute orbits.

    Renamings that come to the same are compared once.
    """
    found = Compared()
    known: dict[tuple[Renaming, frozenset[str]], Facts] = {}
    chosen = {tried(symmetry(program, item)).names: item for item in reversed(renamings)}
    for renaming in chosen.values():
        for name, explore in explorers.items():
            where = f"{name} {renaming.value}"
            try:
                said = explore(program, frozenset(), Limits(renaming=renaming))
                key = said.renaming, frozenset(said.symmetric)
                if key not in known:
                    known[key] = brute_of(program, *key).explore() if key[1] else facts
            except TooLargeError:
                continue
            except Exception as error:
                found.differences.append(f"{where}: {type(error).__name__}: {error}")
                continue
            found.times += 1
            found.with_ids += said.renaming is Renaming.IDS
            found.differences += [f"{where}: {line}" for line in differ(program, known[key], said)]
    return found


def brute_of(program: Program, renaming: Renaming, names: Collection[str]) -> Brute:
    """Brute force up to the renaming of some sorts and records."""
    classes = classes_of(program, names)
    return RelaxedUp(program, classes) if renaming is Renaming.IDS else Up(program, classes)


def classes_of(program: Program, names: Collection[str]) -> Classes:
    """The values and rows that are like each other, of these sorts and records."""
    found: Classes = {
        name: [tuple(range(1, size + 1))] for name, size in sizes_of(program).items()
        if name in names
    }
    for item in scalarsets(program)[0]:
        if item.table.record.__name__ in names:
            found[item.table.record.__name__] = list(item.classes)
    return found


class Up(Brute):
    """Explores up to a renaming of some sorts and records."""

    def __init__(self, program: Program, classes: Classes) -> None:
        super().__init__(program)
        self.orbits = Orbits(program, classes)

    def representative(self, state: bytes) -> bytes:
        return self.orbits.representative(state)


def same_verdicts(facts: Facts, orbits: Facts) -> Iterator[str]:
    """What may not change when states are taken for one."""
    for what in ("depth", "broken", "witnessed"):
        one, other = getattr(facts, what), getattr(orbits, what)
        if one != other:
            yield f"{what} is {one}, of orbits {other}"


def facts_of(said: Explored) -> Facts:
    """What an explorer says, as facts."""
    return Facts(
        said.states, said.depth, list(said.levels), _counted(said.fired), _counted(said.crashed),
        _counted(said.cuts), set(said.witnessed),
        {rule: len(item.steps) for rule, item in said.violations.items()},
    )


def _counted(numbers: Mapping[str, int]) -> dict[str, int]:
    return {name: number for name, number in numbers.items() if number}


def differ(program: Program, facts: Facts, said: Explored) -> Iterator[str]:
    """Where an explorer does not say what the facts are."""
    rules = [*program.invariants, CRASH, *([TEARDOWN] if program.empty else [])]
    told = facts_of(said)
    if all(rule in facts.broken for rule in rules):
        # It may end as soon as it knows that; there is always a rule that holds, but in kept texts.
        told = Facts(**{**vars(facts), "broken": told.broken})
    for name, value in vars(facts).items():
        if getattr(told, name) != value:
            yield f"{name}: {getattr(told, name)} for {value}"
    for rule, why in said.untold.items():
        yield f"{rule} cannot be told: {why}"
    for rule, violation in said.violations.items():
        if violation.rule != rule or not shows(program, violation):
            yield f"the steps of {rule} do not show it"


def shows(program: Program, violation: Violation) -> bool:
    """Whether the steps of a violation lead from an initial state to where its rule is broken."""
    state, rule = violation.initial, program.invariants.get(violation.rule)
    if state not in program.initial():
        return False
    for place, step in enumerate(violation.steps):
        outcome = take(program, state, step)
        last = place == len(violation.steps) - 1
        if violation.rule == CRASH and last:
            return outcome.kind.value == "crash" and outcome.why == violation.why
        if outcome.kind.value != "done":
            return False
        if last and rule is not None and rule.states == 2:
            broken = not program.evaluate(rule, state, outcome.state, values=violation.binding)
            return broken and outcome.result != 0
        state = outcome.state
    if violation.rule == TEARDOWN:
        return program.empty is not None and not program.evaluate(program.empty, state)
    return rule is not None and not program.evaluate(rule, state, values=violation.binding)

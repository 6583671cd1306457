"""Do the readings agree: running an action, its merged graph, its z3 term, generated code.

Random states (met on random walks, or with fields changed within their types), random parameters
and faults. Each reading must say the same: disabled, cut by the same bound, crashed at the same
check, or done with the same next state and the same errno.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from checkers.frontend.merge import Merger
from spec.language.layout import Column, IntT, SetT, SortT
from spec.language.program import Kind, Linked, Outcome, Program
from tests.checkers.symbolic.evaluated import Compiled, Sample

WALK = 12
"""Steps of a random walk before a state on it is a sample."""

DRAWS = 5
"""How often a sample is drawn, at most, for one that is enabled."""

BY_Z3 = 50
"""Samples an action that z3 itself and the graph evaluate; the others by columns of the terms."""


class Reading(Protocol):
    """Another way to run an action: what `Program.run` would answer."""

    def __call__(
        self, rule: Linked, state: bytes, values: tuple[int, ...], fault: int
    ) -> Outcome:
        """The outcome of one action."""


@dataclass(frozen=True)
class Disagreement:
    """One sample that two readings tell differently."""

    reading: str
    action: str
    state: bytes
    values: tuple[int, ...]
    fault: int
    run: str
    other: str


@dataclass
class Report:
    """How many samples were compared, how they ended, and where readings differ."""

    samples: int = 0
    by_z3: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    disagreements: list[Disagreement] = field(default_factory=list)

    @property
    def agreed(self) -> bool:
        """Whether there was something to compare and no difference."""
        return self.samples > 0 and not self.disagreements


def agree(
    program: Program, samples: int, seed: int, further: Mapping[str, Reading] | None = None
) -> Report:
    """Compare the readings of every action on random samples, as many for each."""
    chance = random.Random(seed)
    report = Report()
    merger = Merger(program)
    starts = program.initial()
    each = -(-samples // len(program.actions))
    for rule in program.actions:
        made = [_sample(program, chance, starts, rule) for _ in range(each)]
        runs = [program.run(rule, item.state, item.values, item.fault) for item in made]
        compiled = Compiled(merger, rule)
        report.samples += each
        report.by_z3 += min(BY_Z3, each)
        report.kinds.update(f"{rule.name} {run.kind.value}" for run in runs)
        answers = {
            "terms": compiled.run(made),
            "z3": compiled.by_z3(made[:BY_Z3]),
            "graph": compiled.by_graph(made[:BY_Z3]),
        }
        for name, reading in (further or {}).items():
            answers[name] = [reading(rule, x.state, x.values, x.fault) for x in made]
        for name, others in answers.items():
            for sample, run, other in zip(made, runs, others, strict=False):
                if _told(run) != _told(other):
                    report.disagreements.append(Disagreement(
                        name, rule.name, sample.state, sample.values, sample.fault,
                        _told(run), _told(other),
                    ))
    return report


def _sample(
    program: Program, chance: random.Random, starts: Sequence[bytes], rule: Linked
) -> Sample:
    """A sample; one that is disabled is drawn again a few times, for there is little to compare."""
    for _ in range(DRAWS):
        state = _state(program, chance, starts)
        values = _values(program, chance, rule)
        fault = chance.choice((0, 0, 1, 2, 3, chance.randrange(12))) if rule.fault else 0
        if program.run(rule, state, values, fault).kind is not Kind.DISABLED:
            break
    return Sample(state, values, fault)


def _told(outcome: Outcome) -> str:
    """What the readings must agree on, as text."""
    if outcome.kind is Kind.DONE:
        return f"done {outcome.result} {outcome.state.hex()}"
    return f"{outcome.kind.value} {outcome.why}".strip()


def _values(program: Program, chance: random.Random, rule: Linked) -> tuple[int, ...]:
    return tuple(chance.choice(program.layout.domain(item.type)) for item in rule.parameters)


def _state(program: Program, chance: random.Random, starts: Sequence[bytes]) -> bytes:
    """A state of a random walk; every other time with some fields changed."""
    state = chance.choice(starts)
    for _ in range(chance.randrange(WALK)):
        rule = chance.choice(program.actions)
        fault = chance.choice((0, 0, 0, 1, 2)) if rule.fault else 0
        outcome = program.run(rule, state, _values(program, chance, rule), fault)
        if outcome.kind is Kind.DONE:
            state = outcome.state
    if chance.random() < 0.5:
        return state
    cells = bytearray(state)
    columns = [column for column in program.layout.columns() if column.size]
    for _ in range(chance.choice((1, 2, 4, 16, 64))):
        _perturb(program, chance, chance.choice(columns), cells)
    return bytes(cells)


def _perturb(
    program: Program, chance: random.Random, column: Column, cells: bytearray
) -> None:
    kind = column.type
    place = column.offset(chance.randrange(column.rows) + 1)
    if isinstance(kind, SetT):
        element = chance.randrange(program.layout.table_of(kind.record).rows)
        cells[place + (element >> 3)] ^= 1 << (element & 7)
        return
    domain = list(program.layout.domain(kind))
    if not isinstance(kind, IntT) and 0 not in domain and not _enum(kind):
        domain.append(0)
    cells[place] = chance.choice(domain)


def _enum(kind: object) -> bool:
    return hasattr(kind, "cls") and not isinstance(kind, SortT)


__all__ = ["Disagreement", "Reading", "Report", "agree"]

"""Which rules a state or a step breaks, and which witnesses a state satisfies: once, for all."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from spec.language.names import ACTIONS as ACTIONS
from spec.language.names import CRASH as CRASH
from spec.language.names import TEARDOWN as TEARDOWN
from spec.language.names import WITNESSES as WITNESSES
from spec.language.program import Kind, Outcome, Program


@dataclass(frozen=True)
class Breach:
    """One rule broken at one place: the objects at fault, or the failed check of a crash."""

    rule: str
    binding: tuple[int, ...] = ()
    why: str = ""


def broken_by_state(program: Program, state: bytes, names: Collection[str]) -> Iterator[Breach]:
    """The *always* rules among `names` that a state breaks, each with the first binding."""
    return _broken(program, names, state)


def broken_by_step(
    program: Program, before: bytes, outcome: Outcome, names: Collection[str]
) -> Iterator[Breach]:
    """The rules about steps among `names` that one breaks: it crashes, or is refused uncleanly."""
    if outcome.kind is Kind.CRASH and CRASH in names:
        yield Breach(CRASH, why=outcome.why)
    if outcome.kind is Kind.DONE and outcome.result:
        yield from _broken(program, names, before, outcome.state)


def broken_after(
    program: Program, before: bytes, outcome: Outcome, names: Collection[str]
) -> Iterator[Breach]:
    """The rules among `names` that a step breaks, or the state that it leads to."""
    yield from broken_by_step(program, before, outcome, names)
    if outcome.kind is Kind.DONE:
        yield from broken_by_state(program, outcome.state, names)


def witnesses_of(program: Program, state: bytes) -> list[str]:
    """The names of the witnesses that a state satisfies."""
    return [name for name, rule in program.witness_rules.items() if program.evaluate(rule, state)]


def _broken(program: Program, names: Collection[str], *states: bytes) -> Iterator[Breach]:
    for name, rule in program.invariants.items():
        if name not in names or rule.states != len(states):
            continue
        for values in rule.instances(program.layout):
            if not program.evaluate(rule, *states, values=values):
                yield Breach(name, values)
                break

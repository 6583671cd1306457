"""Which steps a state allows, and what each of them gives: once, for every reader."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from spec.language.program import Kind, Linked, Outcome, Program


@dataclass(frozen=True)
class Step:
    """One action with its parameters' values and the index of the failing host call (0: none).

    `ids` are the rows that the calls of `fresh` with several candidates took, in their order;
    empty, as in the kernel: always the first.
    """

    action: str
    values: tuple[int, ...]
    fault: int = 0
    ids: tuple[int, ...] = ()


Taken = tuple[Step, Outcome]


def take(program: Program, state: bytes, step: Step, *, spelling: bool = False) -> Outcome:
    """Take one step from a state; DISABLED if the state does not allow it."""
    action = program.action(step.action)
    return program.run(action, state, step.values, step.fault, spelling, step.ids or None)


def steps(program: Program, state: bytes, relaxed: bool = False) -> Iterator[Taken]:
    """Every step that does something, in a fixed order: action, parameters, fault, ids.

    Its outcome is DONE, CRASH or CUT. If `relaxed`, `fresh` takes each of its candidates in turn.
    """
    for action in program.actions:
        yield from steps_of(program, state, action, relaxed)


def steps_of(
    program: Program, state: bytes, action: Linked, relaxed: bool = False
) -> Iterator[Taken]:
    """Every step of one action."""
    for values in action.instances(program.layout):
        yield from steps_with(program, state, action, values, relaxed)


def steps_with(
    program: Program, state: bytes, action: Linked, values: tuple[int, ...], relaxed: bool = False
) -> Iterator[Taken]:
    """Every step of one action with given parameters: no host call fails, then each of them.

    A guard may stand behind a host call, or a check fail inside one: so the calls are counted
    however the run without a failure ends.
    """
    fault = last = 0
    while fault <= last:
        for ids, outcome in _choices(program, state, action, values, fault, relaxed):
            if not fault:
                last = max(last, outcome.begun)
            if outcome.kind is not Kind.DISABLED:
                yield Step(action.name, values, fault, ids), outcome
        fault += 1


def _choices(
    program: Program, state: bytes, action: Linked, values: tuple[int, ...], fault: int,
    relaxed: bool,
) -> Iterator[tuple[tuple[int, ...], Outcome]]:
    """The run with the first ids; if `relaxed`, one for every other choice, in row order."""
    if not relaxed:
        yield (), program.run(action, state, values, fault)
        return
    ids: tuple[int, ...] = ()
    while True:
        outcome = program.run(action, state, values, fault, ids=ids)
        options = outcome.options
        taken = [*ids, *(rows[0] for rows in options[len(ids) :])]
        yield tuple(taken) if ids else (), outcome
        while taken and taken[-1] == options[len(taken) - 1][-1]:
            taken.pop()
        if not taken:
            return
        rows = options[len(taken) - 1]
        ids = (*taken[:-1], rows[rows.index(taken[-1]) + 1])

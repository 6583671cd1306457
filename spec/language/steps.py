"""Which steps a state allows, and what each of them gives: once, for every reader."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from spec.language.control import Options
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


def steps(program: Program, state: bytes, relaxed: Collection[str] = ()) -> Iterator[Taken]:
    """Every step that does something, in a fixed order: action, parameters, fault, ids.

    Its outcome is DONE, CRASH or CUT. Of `relaxed` tables `fresh` takes each candidate in turn.
    """
    for action in program.actions:
        yield from steps_of(program, state, action, relaxed)


def steps_of(
    program: Program, state: bytes, action: Linked, relaxed: Collection[str] = ()
) -> Iterator[Taken]:
    """Every step of one action."""
    for values in action.instances(program.layout):
        yield from steps_with(program, state, action, values, relaxed)


def steps_with(
    program: Program, state: bytes, action: Linked, values: tuple[int, ...],
    relaxed: Collection[str] = (),
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
    relaxed: Collection[str],
) -> Iterator[tuple[tuple[int, ...], Outcome]]:
    """The run with the first ids; of relaxed tables every other choice, too, in row order."""
    ids: tuple[int, ...] | None = () if relaxed else None
    while True:
        outcome = program.run(action, state, values, fault, ids=ids)
        chosen, options = ids or (), outcome.options
        taken = [*chosen, *(item.rows[0] for item in options[len(chosen) :])]
        yield tuple(taken) if chosen else (), outcome
        while taken and not _others(options[len(taken) - 1], taken[-1], relaxed):
            taken.pop()
        if not taken:
            return
        others = _others(options[len(taken) - 1], taken[-1], relaxed)
        ids = (*taken[:-1], others[0])


def _others(options: Options, taken: int, relaxed: Collection[str]) -> tuple[int, ...]:
    """The rows that come after the one taken, if they are a choice."""
    if options.table not in relaxed:
        return ()
    return options.rows[options.rows.index(taken) + 1 :]

"""What a program does by running the functions themselves, for comparison."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator

from spec.language.control import Crash, Cut, Disabled, Fault
from spec.language.layout import IntT, SetT
from spec.language.program import Kind, Linked, Outcome, Program


def random_state(program: Program, source: random.Random) -> bytes:
    """A state with any values of its fields."""
    layout = program.layout
    cells = bytearray(layout.size)
    for column in layout.columns():
        for row in range(1, column.rows + 1) if column.constants is None else ():
            if isinstance(column.type, SetT):
                rows = layout.table_of(column.type.record).rows
                mask = source.getrandbits(rows)
                at = column.offset(row)
                cells[at : at + column.width] = mask.to_bytes(column.width, "little")
            elif isinstance(column.type, IntT):
                cells[column.offset(row)] = source.randint(column.type.lo, column.type.hi)
            else:
                values = {0, *layout.domain(column.type)}
                cells[column.offset(row)] = source.choice(sorted(values))
    return bytes(cells)


def runs(
    program: Program, rule: Linked, state: bytes, values: tuple[int, ...]
) -> Iterator[tuple[int, Outcome]]:
    """The run without a failure, and one for each host call that fails."""
    fault = 0
    while True:
        if fault and not reached(program, rule, state, values, fault):
            return
        yield fault, program.run(rule, state, values, fault)
        if not rule.fault:
            return
        fault += 1


def reached(
    program: Program, rule: Linked, state: bytes, values: tuple[int, ...], fault: int
) -> bool:
    """Whether a run makes as many host calls as `fault`, however it ends."""
    store = program.store()
    store.load(state)
    context = Fault(fault)
    with contextlib.suppress(Disabled, Crash, Cut):
        rule.function(store.state, *program.arguments(rule, values), context)
    return context.calls >= fault


def successors(program: Program, state: bytes) -> tuple[set[bytes], int, list[str], list[str]]:
    """States one step away, how many steps, the messages of crashes, the bounds of cuts."""
    states, steps, crashes, cuts = set(), 0, [], []
    for rule in program.actions:
        for values in rule.instances(program.layout):
            for _, outcome in runs(program, rule, state, values):
                steps += outcome.kind in (Kind.DONE, Kind.CRASH)
                if outcome.kind is Kind.DONE:
                    states.add(outcome.state)
                elif outcome.kind is Kind.CRASH:
                    crashes.append(outcome.why)
                elif outcome.kind is Kind.CUT:
                    cuts.append(outcome.why)
    return states, steps, crashes, cuts

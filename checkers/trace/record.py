"""Makes a trace of an engine's violation: runs its steps once more and writes down all there is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, get_type_hints

import msgspec

from checkers import graph
from checkers.cells import Value, changes, condensed, spelled
from checkers.result import Violation
from checkers.trace.format import (
    VERSION,
    Answered,
    BoundsUsed,
    Broken,
    Call,
    Culprit,
    Kind,
    StepTaken,
    Trace,
)
from checkers.trace.naming import row_fields, step_in_brief
from spec.language.control import HostCall
from spec.language.layout import IdT
from spec.language.machine import summary
from spec.language.program import Kind as Ending
from spec.language.program import Linked, Outcome, Program
from spec.language.rules import CRASH, TEARDOWN, broken_by_state, broken_by_step
from spec.language.steps import Step, take
from spec.language.types import Record

AROUND = 12
"""How many references around the objects at fault a trace names."""


class DoesNotRunError(Exception):
    """A path that an engine reported, or a trace says, is none: `step` (from 1) cannot be taken."""

    def __init__(self, step: int, why: str) -> None:
        super().__init__(f"step {step}: {why}")
        self.step = step
        self.why = why


@dataclass(frozen=True)
class Path:
    """Steps that were taken: the states (one more than the steps), and how each step ended."""

    states: list[bytes]
    outcomes: list[Outcome]


def walk(program: Program, initial: bytes, steps: Sequence[Step]) -> Path:
    """Take steps from a state; only the last one may crash."""
    path = Path([initial], [])
    for number, step in enumerate(steps, 1):
        if path.outcomes and path.outcomes[-1].kind is Ending.CRASH:
            raise DoesNotRunError(number, f"follows a crash: {path.outcomes[-1].why}")
        rule = program.action(step.action)
        outcome = take(program, path.states[-1], step, spelling=True)
        if outcome.kind is Ending.DISABLED:
            raise DoesNotRunError(number, f"{called(rule, step)} is not enabled")
        if outcome.kind is Ending.CUT:
            raise DoesNotRunError(number, f"{called(rule, step)} is cut off by {outcome.why}")
        path.states.append(outcome.state)
        path.outcomes.append(outcome)
    return path


def called(rule: Linked, step: Step) -> str:
    """A step as a call: ``attach(device=1, hwpt=3, fault=1)``."""
    return call_text(step.action, _parameters(rule, step.values), step.fault, step.ids)


def call_text(
    action: str, parameters: dict[str, Value], fault: int, ids: Sequence[int] = ()
) -> str:
    """An action and its parameters as a call; a fault and chosen ids are parameters, if any."""
    given = [f"{name}={value}" for name, value in parameters.items()]
    given += [f"fault={fault}"] if fault else []
    given += [f"ids={'+'.join(map(str, ids))}"] if ids else []
    return f"{action}({', '.join(given)})"


@dataclass(frozen=True)
class Names:
    """Who found a path, and what the user calls the machine and the variant (else: their names)."""

    engine: str = ""
    machine: str = ""
    variant: str | None = None


def record(program: Program, violation: Violation, names: Names | None = None) -> Trace:
    """The trace of a violation; `DoesNotRunError` if its path is none."""
    path = walk(program, violation.initial, violation.steps)
    broken = _broken(program, violation, path)
    kind = kind_of(program, violation)
    return _trace(program, path, violation.steps, names or Names(), kind, broken)


def record_run(
    program: Program, initial: bytes, steps: Sequence[Step], names: Names,
    answered: Answered | None = None,
) -> Trace:
    """The trace of a run that breaks nothing; a real system may have answered it otherwise."""
    told = _trace(program, walk(program, initial, steps), steps, names, "run", None)
    return msgspec.structs.replace(told, answered=answered)


def kind_of(program: Program, violation: Violation) -> Kind:
    """What a trace of this violation shows; a run to it is no counterexample to induction."""
    begins = violation.initial in program.initial() and violation.rule != TEARDOWN
    if violation.induction and not begins:
        return "induction"
    if violation.rule == CRASH:
        return "crash"
    if violation.rule == TEARDOWN:
        return "teardown"
    return "on-failure" if program.invariants[violation.rule].states == 2 else "state"


def binding_of(program: Program, violation: Violation, path: Path) -> tuple[int, ...]:
    """The values for which the rule is false at the end of a path: the engine's, else the first."""
    rule = program.invariants.get(violation.rule)
    if rule is None or len(violation.binding) == len(rule.parameters):
        return violation.binding
    names, states = (violation.rule,), path.states
    found = broken_by_state(program, states[-1], names)
    if rule.states == 2 and path.outcomes:
        found = broken_by_step(program, states[-2], path.outcomes[-1], names)
    return next((breach.binding for breach in found), ())


def _trace(
    program: Program,
    path: Path,
    steps: Sequence[Step],
    names: Names,
    kind: Kind,
    violation: Broken | None,
) -> Trace:
    own_variant = program.variant.name if program.variant else None
    return Trace(
        version=VERSION,
        machine=names.machine or program.machine.name,
        variant=names.variant or own_variant,
        bounds=BoundsUsed(name=program.bounds_name, values=dict(program.bounds.values)),
        kind=kind,
        engine=names.engine,
        initial=condensed(program.layout, path.states[0]),
        steps=taken(program, path, steps),
        violation=violation,
    )


def taken(program: Program, path: Path, steps: Sequence[Step]) -> list[StepTaken]:
    """All there is to say of each step of a path."""
    return [
        StepTaken(
            action=step.action,
            parameters=_parameters(program.action(step.action), step.values),
            fault=step.fault,
            ids=list(step.ids),
            calls=[_call(item) for item in outcome.calls],
            changes=changes(program.layout, before, outcome.state),
            result=reported(program.action(step.action), outcome.result),
            ends="crash" if outcome.kind is Ending.CRASH else "done",
            brief=step_in_brief(program, program.action(step.action), step.values, before),
        )
        for step, before, outcome in zip(steps, path.states[:-1], path.outcomes, strict=True)
    ]


def _broken(program: Program, violation: Violation, path: Path) -> Broken:
    rule = program.invariants.get(violation.rule)
    about = {
        CRASH: "No check of an action fails.",
        TEARDOWN: "From every reachable state the machine can be taken down.",
    }.get(violation.rule, "")
    final = path.states[-1]
    culprits: dict[str, Culprit] = {}
    at_fault: list[str] = []
    if rule is not None:
        about = summary(rule.function)
        binding = binding_of(program, violation, path)
        for parameter, raw in zip(rule.parameters, binding, strict=False):
            value = spelled(parameter.type, raw)
            culprit = Culprit(value=value, label=str(value))
            if isinstance(parameter.type, IdT) and raw:
                culprit = _row_at_fault(program, final, parameter.type.record, raw)
                table = program.layout.table_of(parameter.type.record).name
                at_fault.append(graph.node(table, raw))
            culprits[parameter.name] = culprit
    why = violation.why
    if not why and path.outcomes:
        why = path.outcomes[-1].why
    drawn = graph.graph(program, final)
    edges = graph.around(drawn, at_fault)
    dead = set(graph.dangling(drawn))
    around = [f"{edge}{' (not live)' if edge in dead else ''}" for edge in edges[:AROUND]]
    if len(edges) > AROUND:
        around.append(f"and {len(edges) - AROUND} more references")
    return Broken(rule=violation.rule, about=about, binding=culprits, why=why, around=around)


def _row_at_fault(program: Program, state: bytes, record: type[Record], row: int) -> Culprit:
    table = program.layout.table_of(record).name
    return Culprit(
        value=row,
        label=graph.label(program, state, table, row),
        fields=row_fields(program, record, row, state),
    )


def _parameters(rule: Linked, values: tuple[int, ...]) -> dict[str, Value]:
    return {
        parameter.name: spelled(parameter.type, value)
        for parameter, value in zip(rule.parameters, values, strict=True)
    }


def _call(call: HostCall) -> Call:
    results = call.result if isinstance(call.result, tuple) else (call.result,)
    return Call(
        name=call.name,
        arguments={name: _plain(item) for name, item in call.arguments.items() if _shown(item)},
        result=[_plain(item) for item in results if _shown(item)],
        event=call.text(),
        injected=call.injected,
    )


def _shown(item: Any) -> bool:
    return isinstance(item, int | Record)


def _plain(item: Any) -> Value:
    if isinstance(item, Record):
        return int(item.id)
    if isinstance(item, bool):
        return item
    return item.name if isinstance(item, IntEnum) else int(item)


def reported(rule: Linked, result: int) -> str:
    """The errno that an action reported, as the kernel writes it: ``0`` or ``-ENOMEM``."""
    kind = get_type_hints(rule.function).get("return")
    if result and isinstance(kind, type) and issubclass(kind, IntEnum):
        return f"-{kind(result).name}"
    return str(result)

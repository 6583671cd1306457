"""A trace in the words of other tools: a pytest module, Apalache's Informal Trace Format."""

from __future__ import annotations

import json
import re
from typing import Any

from checkers.cells import condensed, raw_value, spelled
from checkers.trace.load import Opened
from checkers.trace.record import walk
from spec.language.layout import Column, SetT

TEST = '''\
"""{title}."""

from checkers import machines
from checkers.cells import condensed, frozen
from spec.language.program import Kind
from spec.language.steps import Step, take

INITIAL = {initial}
STEPS = [
{steps}
]
FINAL = {final}


def test_{name}() -> None:
    machine = machines.machine({machine!r})
    variant = {variant}
    program = machines.program(machine, {bounds!r}, variant)
    before = state = frozen(program.layout, INITIAL, "INITIAL")
    for step, ends, result in STEPS:
        outcome = take(program, state, step)
        assert outcome.kind is ends, outcome.why
        assert outcome.result == result
        before, state = state, outcome.state
    assert condensed(program.layout, state) == FINAL
'''


def pytest_module(trace: Opened) -> str:
    """A test that takes the steps of a trace and ends where it ends; it passes as the trace is."""
    said, program, violation = trace.trace, trace.program, trace.violation
    path = walk(program, violation.initial, violation.steps)
    steps = [
        f"    ({step!r}, {outcome.kind}, {outcome.result}),"
        for step, outcome in zip(violation.steps, path.outcomes, strict=True)
    ]
    variant = "None"
    if said.variant is not None:
        variant = f"machines.variant({said.variant!r}, machine)"
    values = ",".join(f"{key}={value}" for key, value in said.bounds.values.items())
    title = f"{said.machine}{f', variant {said.variant}' if said.variant else ''}: "
    text = TEST.format(
        title=_docstring(title + (violation.rule or "a run")),
        initial=repr(said.initial),
        steps="\n".join(steps),
        final=repr(condensed(program.layout, path.states[-1])),
        name=re.sub(r"\W", "_", violation.rule or "run", flags=re.ASCII),
        machine=said.machine,
        variant=variant,
        bounds=values,
    )
    return text + _asserted(trace, path.outcomes[-1].why if path.outcomes else "")


def _asserted(trace: Opened, why: str) -> str:
    """The line that says what is broken at the end."""
    violation = trace.violation
    rule = trace.program.invariants.get(violation.rule)
    if rule is None:
        return f"    assert outcome.why == {why!r}\n" if trace.trace.kind == "crash" else ""
    states = "before, state" if rule.states == 2 else "state"
    return (
        f"    rule = program.invariants[{violation.rule!r}]\n"
        f"    assert not program.evaluate(rule, {states}, values={violation.binding!r})\n"
    )


def _docstring(text: str) -> str:
    return text.encode("unicode_escape").decode().replace('"', "'")


def itf(trace: Opened) -> str:
    """The states of a trace in the Informal Trace Format, which Apalache's tools and viewers read.

    A table is a function from row to record; the step that led to a state is in its ``#meta``.
    """
    program, violation = trace.program, trace.violation
    path = walk(program, violation.initial, violation.steps)
    layout = program.layout
    states = []
    for index, state in enumerate(path.states):
        meta: dict[str, Any] = {"index": index}
        if index:
            step = trace.trace.steps[index - 1]
            meta |= {"action": step.action, "parameters": step.parameters, "fault": step.fault}
            meta |= {"ids": step.ids} if step.ids else {}
        found: dict[str, Any] = {"#meta": meta}
        for name, column in layout.scalars.items():
            found[name] = _itf_value(column, 1, state)
        for name, table in layout.tables.items():
            rows = [
                [
                    row,
                    {key: _itf_value(column, row, state) for key, column in table.columns.items()},
                ]
                for row in range(1, table.rows + 1)
            ]
            found[name] = {"#map": rows}
        states.append(found)
    document = {
        "#meta": {"format": "ITF", "description": f"{trace.trace.machine}: {violation.rule}"},
        "vars": [*layout.scalars, *layout.tables],
        "states": states,
    }
    return json.dumps(document, indent=1) + "\n"


def _itf_value(column: Column, row: int, state: bytes) -> Any:
    value = spelled(column.type, raw_value(column, row, state))
    return {"#set": value} if isinstance(column.type, SetT) else value

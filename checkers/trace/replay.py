"""Takes the steps of a trace again and says where, if anywhere, they go another way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import msgspec

from checkers.cells import Value
from checkers.result import Violation
from checkers.trace.format import Call, StepTaken, Trace
from checkers.trace.load import Opened
from checkers.trace.record import (
    DoesNotRunError,
    Names,
    Path,
    kind_of,
    record,
    record_run,
    walk,
)
from spec.language.program import Kind, Program
from spec.language.rules import CRASH, TEARDOWN, broken_by_state, broken_by_step
from spec.language.steps import steps_of

SEARCHED = 100_000
"""How many states a search for a way down may see."""


def diverges(trace: Opened) -> str:
    """Where running again differs from what the trace says; empty if it is reproduced.

    The run is recorded anew, and all that the two documents say is compared.
    """
    program, violation = trace.program, trace.violation
    if trace.trace.kind != "induction" and violation.initial not in program.initial():
        return "the initial state is not one of the machine"
    try:
        path = walk(program, violation.initial, violation.steps)
        again = retold(trace)
    except DoesNotRunError as error:
        return str(error)
    for number, (old, new) in enumerate(zip(trace.trace.steps, again.steps, strict=True), 1):
        found = _difference(old, new, path.outcomes[number - 1].why)
        if found:
            return f"step {number} ({old.action}): {found}"
    return _not_broken(trace, path) or differs(trace.trace, again)


def retold(trace: Opened) -> Trace:
    """The trace of the same steps as the program tells it now; `DoesNotRunError` if they are none.

    What the run cannot tell is kept: who found it, by which names it asks for its files, and what a
    real system answered.
    """
    said, program, violation = trace.trace, trace.program, trace.violation
    names = Names(said.engine, said.machine, said.variant)
    if said.violation is None:
        return record_run(program, violation.initial, violation.steps, names, said.answered)
    return record(program, replace(violation, why=""), names)


def differs(old: Trace, new: Trace) -> str:
    """The first member in which two traces differ, by its place; empty if there is none."""
    return _first(msgspec.to_builtins(old), msgspec.to_builtins(new), "$")


def _first(old: object, new: object, place: str) -> str:
    if isinstance(old, dict) and isinstance(new, dict):
        for name in dict.fromkeys([*old, *new]):
            found = _first(old.get(name), new.get(name), f"{place}.{name}")
            if found:
                return found
        return ""
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        pairs = enumerate(zip(old, new, strict=True))
        each = (_first(x, y, f"{place}[{at}]") for at, (x, y) in pairs)
        return next((found for found in each if found), "")
    same = type(old) is type(new) and old == new
    return "" if same else f"{place}: was {_json(old)}, now {_json(new)}"


def _json(value: object) -> str:
    return "nothing" if value is None else msgspec.json.encode(value).decode()


def _difference(old: StepTaken, new: StepTaken, why: str) -> str:
    if old.ends != new.ends:
        return f"ended in {old.ends}, now in {new.ends}{': ' if why else ''}{why}"
    for name in [*old.changes, *new.changes]:
        if old.changes.get(name) != new.changes.get(name):
            was, now = _arrow(old.changes.get(name)), _arrow(new.changes.get(name))
            return f"field {name} {was}, now {now}"
    for index, (was_call, now_call) in enumerate(zip(old.calls, new.calls, strict=False), 1):
        found = _call_difference(was_call, now_call)
        if found:
            return f"host call {index} {found}"
    if len(old.calls) != len(new.calls):
        return f"made {len(old.calls)} host calls, now {len(new.calls)}"
    if old.result != new.result:
        return f"reported {old.result}, now {new.result}"
    if old.brief != new.brief:
        return f"was called {old.brief}, now {new.brief}"
    return ""


def _call_difference(old: Call, new: Call) -> str:
    for part in ("name", "arguments", "result", "injected", "event"):
        was, now = getattr(old, part), getattr(new, part)
        if was != now:
            return f"{part} was {was}, now {now}"
    return ""


def _arrow(change: tuple[Value, Value] | None) -> str:
    return "did not change" if change is None else f"went from {change[0]} to {change[1]}"


def _not_broken(trace: Opened, path: Path) -> str:
    """Why the end of a path does not break the trace's rule; empty if it does."""
    program, violation = trace.program, trace.violation
    last = path.outcomes[-1] if path.outcomes else None
    inductive = violation.induction and kind_of(program, violation) == "induction"
    if inductive and (wrong := _no_induction(program, violation)):
        return wrong
    if violation.rule == "":
        return f"the last step crashes: {last.why}" if last and last.kind is Kind.CRASH else ""
    if violation.rule == TEARDOWN:
        final = path.states[-1]
        stuck = no_way_down(program, final, one_step=violation.induction)
        return "" if stuck else "the machine can be taken down from the last state"
    names = (violation.rule,)
    breaches = [] if last is None else [*broken_by_step(program, path.states[-2], last, names)]
    if violation.rule == CRASH:
        if not breaches:
            return "no check fails in the last step"
        same = breaches[0].why == violation.why
        return "" if same else f"failed {violation.why!r}, now {breaches[0].why!r}"
    rule = program.invariants[violation.rule]
    if rule.states == 2 and not (last and last.result):
        return "the last step reports no error"
    if program.evaluate(rule, *path.states[-rule.states :], values=violation.binding):
        return f"{violation.rule} holds at the end"
    return ""


def _no_induction(program: Program, violation: Violation) -> str:
    """Why this is no counterexample to induction: one step from where all rules hold, or none."""
    count = len(violation.steps)
    if count != (violation.rule != TEARDOWN):
        return f"{count} steps are no step of an induction"
    broken = next(broken_by_state(program, violation.initial, program.invariants), None)
    return f"{broken.rule} is broken before the step" if broken else ""


def no_way_down(program: Program, state: bytes, *, one_step: bool) -> bool:
    """No teardown actions lead from a state to the empty host; or (`one_step`) lower the rank."""
    if program.empty is None or program.rank is None:
        return False
    if one_step:
        rank = program.evaluate(program.rank, state)
        after = _torn(program, state)
        lower = any(program.evaluate(program.rank, item) < rank for item in after)
        return not lower and not program.evaluate(program.empty, state)
    seen, waiting = {state}, [state]
    while waiting and len(seen) < SEARCHED:
        found = waiting.pop()
        if program.evaluate(program.empty, found):
            return False
        fresh = [item for item in _torn(program, found) if item not in seen]
        seen.update(fresh)
        waiting += fresh
    return not waiting


def _torn(program: Program, state: bytes) -> Sequence[bytes]:
    found: dict[bytes, None] = {}
    for name in program.teardown_actions:
        for step, outcome in steps_of(program, state, program.action(name)):
            if outcome.kind is Kind.DONE and not step.fault:
                found[outcome.state] = None
    return list(found)

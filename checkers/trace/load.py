"""Reads a trace from a file, trusting nothing in it; and finds the program it is a trace of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from checkers import machines
from checkers.cells import Value, cells, frozen, parsed
from checkers.machines import choose
from checkers.result import Violation
from checkers.trace.format import VERSION, Broken, GuestTrace, StepTaken, Trace
from checkers.userfiles import InputError, at, regular
from spec.language import Bounds, Machine, Program
from spec.language.program import Linked
from spec.language.rules import CRASH, TEARDOWN
from spec.language.steps import Step

LARGEST = 64 << 20
"""A file with more bytes is refused unread."""


class _Head(msgspec.Struct):
    version: int
    kind: str


@dataclass(frozen=True)
class Opened:
    """A trace, the program it is of, and its path in that program's own terms."""

    trace: Trace
    program: Program
    violation: Violation


def opened(path: str) -> Opened | GuestTrace:
    """The trace in a file and what it is a trace of; `InputError` for anything that is none.

    A trace whose machine or variant is a file of the user's runs that file, as `check` does. That
    of a guest on a QEMU is of no machine.
    """
    trace = _decoded(_content(path), path)
    if isinstance(trace, GuestTrace):
        return trace
    with at(path):
        return resolve(trace)


def _content(path: str) -> bytes:
    file = regular(path)
    try:
        size = file.stat().st_size
        if size > LARGEST:
            raise InputError(f"{path}: {size >> 20} MiB is no trace (at most {LARGEST >> 20})")
        return file.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error


def _decoded(data: bytes, path: str) -> Trace | GuestTrace:
    try:
        head = msgspec.json.decode(data, type=_Head)
        if head.version != VERSION:
            raise InputError(f"{path}: $.version: {head.version}, but this program reads {VERSION}")
        if head.kind == "guest":
            return msgspec.json.decode(data, type=GuestTrace)
        return msgspec.json.decode(data, type=Trace)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"{path}: {error}") from error


def resolve(trace: Trace) -> Opened:
    """Find the program of a trace, and check that all the trace names is there and in range."""
    with at("$.machine"):
        machine = machines.machine(trace.machine)
    with at("$.variant"):
        variant = None if trace.variant is None else machines.variant(trace.variant, machine)
    program = machines.readable(machines.link(machine, _bounds(trace, machine), variant))
    initial = frozen(program.layout, trace.initial, "$.initial")
    names = {name for name, _, _ in cells(program.layout)}
    steps = []
    for index, step in enumerate(trace.steps):
        place = f"$.steps[{index}]"
        steps.append(_step(program, step, place))
        for name in step.changes:
            if name not in names:
                raise InputError(f"{place}.changes: the machine has no field {name!r}")
    if (trace.violation is None) != (trace.kind == "run"):
        raise InputError(f"$.violation: a trace of kind {trace.kind!r} has one, or it is a run")
    if trace.violation is None:
        return Opened(trace, program, Violation("", initial, tuple(steps)))
    rule, binding = _rule(program, trace)
    why = trace.violation.why
    induction = trace.kind == "induction"
    return Opened(trace, program, Violation(rule, initial, tuple(steps), binding, why, induction))


def _bounds(trace: Trace, machine: Machine) -> str | Bounds:
    """The machine's own bounds, if the trace's are those; else what the trace says."""
    used = trace.bounds
    own = machine.bounds.get(used.name)
    if own is not None and dict(own.values) == used.values:
        return used.name
    known = {key for item in machine.bounds.values() for key in item.values}
    for key, value in used.values.items():
        if key not in known:
            raise InputError(f"$.bounds.values: machine {machine.name} has no bound {key!r}")
        if not 0 <= value < 256:
            raise InputError(f"$.bounds.values.{key}: {value} is not a number from 0 to 255")
    return Bounds(used.values, "given by the trace")


def _step(program: Program, step: StepTaken, place: str) -> Step:
    with at(f"{place}.action"):
        choose(step.action, [rule.name for rule in program.actions], "action")
    rule = program.action(step.action)
    if step.fault < 0 or (step.fault and not rule.fault):
        raise InputError(f"{place}.fault: {step.fault} is no fault of {step.action}")
    values = _values(program, rule, step.parameters, f"{place}.parameters")
    return Step(step.action, values, step.fault, tuple(step.ids))


def _values(
    program: Program, rule: Linked, given: Mapping[str, Value], place: str
) -> tuple[int, ...]:
    """The values of a rule's parameters, each in its domain, none missing and none beside them."""
    names = [parameter.name for parameter in rule.parameters]
    for name in [*names, *given]:
        if (name in names) != (name in given):
            what = "lacks" if name in names else "has no"
            raise InputError(f"{place}: {rule.name} {what} parameter {name!r}")
    values = []
    for parameter in rule.parameters:
        where = f"{place}.{parameter.name}"
        value = parsed(parameter.type, given[parameter.name], program.layout, where)
        domain = program.layout.domain(parameter.type)
        if value not in domain:
            raise InputError(f"{where}: {value} is no value of this parameter")
        values.append(value)
    return tuple(values)


def _rule(program: Program, trace: Trace) -> tuple[str, tuple[int, ...]]:
    broken: Broken | None = trace.violation
    assert broken is not None
    known = [CRASH, *([TEARDOWN] if program.machine.teardown else []), *program.invariants]
    with at("$.violation.rule"):
        choose(broken.rule, known, "rule")
    rule = program.invariants.get(broken.rule)
    given = {name: culprit.value for name, culprit in broken.binding.items()}
    if rule is None:
        return broken.rule, ()
    return broken.rule, _values(program, rule, given, "$.violation.binding")

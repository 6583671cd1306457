"""What came of a walk along a log, in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from checkers.cells import condensed
from checkers.conform.events import Called
from checkers.conform.walk import Expected, Walked, Way
from checkers.trace.record import called
from spec.language.machine import sources_of, summary
from spec.language.program import Program

SHOWN = 6
"""How many of the calls that could have come are shown, those after the fewest steps first."""


def spelled(event: Called) -> str:
    """A call of a log, by what the machine is asked to match."""
    words = [event.name, event.device, *(f"id={number}" for number in event.objects)]
    words += [f"out={event.made}"] if event.made else []
    words.append(f"({event.error or 0})")
    return " ".join(word for word in words if word)


def divergence(program: Program, walked: Walked, events: Sequence[Called]) -> Iterator[str]:
    """Where the machine does otherwise: the state before, the log's call, and the machine's."""
    yield f"  the log: {spelled(events[walked.held])}"
    nearest = sorted(walked.expected, key=lambda item: (len(item.way.steps), item.step.fault))
    if not nearest:
        yield "  the machine makes no call that a log tells"
        return
    yield f"  after: {told_way(program, nearest[0].way) or 'nothing yet'}"
    yield f"  in the state: {_state(program, nearest[0].way.state)}"
    yield "  expected one of:"
    for item in nearest[:SHOWN]:
        yield from _expected(program, item)
    if len(nearest) > SHOWN:
        yield f"    and {len(nearest) - SHOWN} more"


def _expected(program: Program, item: Expected) -> Iterator[str]:
    rule = program.action(item.step.action)
    yield f"    {item.call}"
    yield f"      in {called(rule, item.step)}: {summary(rule.function)}"
    sources = ", ".join(map(str, sources_of(rule.function)))
    if sources:
        yield f"      {sources}"


def told_way(program: Program, way: Way) -> str:
    """The steps of a way as calls."""
    return ", ".join(called(program.action(step.action), step) for step in way.steps)


def _state(program: Program, state: bytes) -> str:
    """A state by the rows that hold something."""
    rows: dict[str, list[str]] = {}
    for name, value in condensed(program.layout, state).items():
        row, _, field = name.rpartition(".")
        rows.setdefault(row, []).append(f"{field}={value}")
    return "; ".join(f"{row} {' '.join(held)}".strip() for row, held in rows.items()) or "empty"

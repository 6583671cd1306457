"""The specification walks along with a log: every way that it may have gone, at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from checkers.conform.events import QUIET_FAILURES, VISIBLE, Called
from checkers.conform.names import Names, error_of, fits
from spec.language.control import HostCall
from spec.language.program import Kind, Outcome, Program
from spec.language.steps import Step, steps
from spec.language.steps import take as taken

Outcomes = dict[bytes, list[tuple[Step, Outcome]]]
"""What each step of a state gives, kept for the next time."""

MOST: Final = 20_000
"""Ways at one place of a log; with more the walk gives up."""


@dataclass(frozen=True)
class At:
    """One way the machine may have gone: its state, and what the log's names stand for."""

    state: bytes
    names: Names


@dataclass(frozen=True)
class Way:
    """Steps from an initial state, and the state that they lead to."""

    initial: bytes
    steps: tuple[Step, ...]
    state: bytes


@dataclass(frozen=True)
class Expected:
    """What a step would have called next, at the place that no way comes past."""

    way: Way
    step: Step
    call: str


@dataclass
class Walked:
    """How far the machine came: `held` calls of the log, of all if it conforms.

    `unfinished`: the log ends in the middle of these actions. `expected`: what came next instead.
    """

    held: int = 0
    complete: bool = False
    unfinished: tuple[str, ...] = ()
    expected: list[Expected] = field(default_factory=list)
    way: Way | None = None
    too_many: bool = False


class Walk:
    """The ways along the calls of one log."""

    def __init__(
        self, program: Program, events: Sequence[Called], outcomes: Outcomes | None = None
    ) -> None:
        self.program = program
        self.events = events
        self.told = {event.name for event in events} | VISIBLE
        self.came: dict[tuple[int, At], tuple[tuple[int, At], Step] | None] = {}
        self.partial: dict[int, list[tuple[tuple[int, At], Step, HostCall]]] = {}
        self.outcomes: Outcomes = {} if outcomes is None else outcomes

    def walk(self) -> Walked:
        """Go as far as any way leads."""
        waiting: dict[int, list[At]] = {0: [At(s, Names()) for s in self.program.initial()]}
        for at in waiting[0]:
            self.came[0, at] = None
        place = 0
        for place in range(len(self.events) + 1):
            for number, at in enumerate(waiting.setdefault(place, [])):
                if number >= MOST:
                    return Walked(place, too_many=True)
                self._from(place, at, waiting)
        return self._result(waiting)

    def _from(self, place: int, at: At, waiting: dict[int, list[At]]) -> None:
        """Take every step; a step without a call that is told leads to the same place."""
        for step, outcome in self._steps(at.state):
            calls = [call for call in outcome.calls if call.name in VISIBLE]
            for end, names in self._along(place, at, step, calls):
                after = At(outcome.state, names)
                if (end, after) not in self.came and (end > place or after.state != at.state):
                    self.came[end, after] = (place, at), step
                    waiting.setdefault(end, []).append(after)

    def _steps(self, state: bytes) -> list[tuple[Step, Outcome]]:
        if state not in self.outcomes:
            self.outcomes[state] = [
                (step, outcome) for step, outcome in steps(self.program, state)
                if outcome.kind is Kind.DONE
            ]  # fmt: skip
        return self.outcomes[state]

    def _along(
        self, place: int, at: At, step: Step, calls: Sequence[HostCall]
    ) -> Iterator[tuple[int, Names]]:
        """The places where a step's calls end in the log."""
        ways = [(place, at.names)]
        for call in calls:
            following = []
            for end, names in ways:
                quiet = bool(error_of(call)) and call.name in QUIET_FAILURES
                if quiet:
                    following.append((end, names))
                found = fits(call, self.events[end], names) if end < len(self.events) else None
                if found is not None:
                    following.append((end + 1, found))
                elif not quiet:
                    self.partial.setdefault(end, []).append(((place, at), step, call))
            ways = following
        yield from ways

    def _result(self, waiting: dict[int, list[At]]) -> Walked:
        last = len(self.events)
        if waiting.get(last):
            return Walked(last, complete=True, way=self._way(last, waiting[last][0]))
        unfinished = {step.action for _, step, _ in self.partial.get(last, ())}
        if unfinished:
            return Walked(last, unfinished=tuple(sorted(unfinished)))
        furthest = max(self.partial, default=0)
        result = Walked(furthest)
        seen = set[str]()
        for (place, at), step, call in self.partial.get(furthest, ()):
            way = self._way(place, at)
            spelled = self._spelled(at.state, step, call)
            if spelled not in seen:
                seen.add(spelled)
                result.expected.append(Expected(way, step, spelled))
        return result

    def _spelled(self, state: bytes, step: Step, call: HostCall) -> str:
        """A call as QEMU's trace-events spell it."""
        outcome = taken(self.program, state, step, spelling=True)
        plain = next(o for each, o in self._steps(state) if each == step)
        number = next(n for n, each in enumerate(plain.calls) if each is call)
        return outcome.calls[number].text()

    def _way(self, place: int, at: At) -> Way:
        found: list[Step] = []
        first, came = at, self.came[place, at]
        while came is not None:
            found.append(came[1])
            first, came = came[0][1], self.came[came[0]]
        return Way(first.state, tuple(reversed(found)), at.state)

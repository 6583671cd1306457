"""Random runs by hypothesis, and the shortest way to each class of what is wrong."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any, Final

from hypothesis import HealthCheck, Phase, Verbosity, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from checkers.real.qemu.rules.acts import Act
from checkers.real.qemu.rules.guest_run import QUIT, Run
from checkers.trace.format import GuestStep, Wrong

STEPS: Final = 20
"""Actions of one run, several times what the known defects need: to start QEMU takes longer."""

REFUSED: Final = (0, 0, 0, 0, 0, 0, 1, 1, 2, 3)
"""Which host call of an action is refused, 0 for none: most actions make no more than three."""

WEIGHTS: Final = {"entry": 5, "invalidate": 6, "install": 6, "translation": 2}
"""How many rules a kind of actions has, one if it is not here: it is drawn as often."""

KINDS: Final = (
    "entry", "invalidate", "install", "translation", "context", "invalidate-contexts",
    "invalidate-iotlb", "bypass", "plug", "unplug", "root", "queues", "reset", "low-memory",
)  # fmt: skip


class Stopped(BaseException):
    """The time is over. Not an `Exception`, so that hypothesis does not take it for a failure."""


@dataclass
class Search:
    """All runs of one platform: how one is started, and what was found by which actions."""

    start: Callable[[], Run]
    deadline: float = 0.0
    found: dict[Wrong, tuple[Act, ...]] = field(default_factory=dict)
    runs: int = 0
    acts: int = 0
    calls: int = 0
    not_modelled: dict[str, int] = field(default_factory=dict)

    def note(self, found: Sequence[Wrong], acts: Sequence[Act]) -> None:
        """Keep the shortest way to each class."""
        for item in found:
            known = self.found.get(item)
            if known is None or len(acts) < len(known):
                self.found[item] = tuple(acts)

    def spend(self) -> None:
        """Count an action; raises `Stopped` if there is no time left."""
        self.acts += 1
        if self.deadline and time.monotonic() > self.deadline:
            raise Stopped

    def ended(self, run: Run) -> None:
        """Count a run."""
        self.runs += 1
        self.calls += len(run.guest.vm.host.calls)
        if run.not_modelled:
            why = run.not_modelled
            self.not_modelled[why] = self.not_modelled.get(why, 0) + 1


class Walk(RuleBasedStateMachine):
    """One run; `search` is set by `walk_of`, which also adds the rules."""

    search: Search

    def __init__(self) -> None:
        super().__init__()
        self.run = self.search.start()
        self.acts: list[Act] = []

    def act(self, preferred: str, data: st.DataObject) -> None:
        """Take an action of a kind, or of the next that can be taken."""
        if self.run.over:
            return
        self.search.spend()
        choices = self.run.choices()
        first = KINDS.index(preferred)
        kind = next(kind for kind in KINDS[first:] + KINDS[:first] if choices.get(kind))
        given = data.draw(st.sampled_from(choices[kind]))
        self.take(Act(kind, tuple(given), data.draw(st.sampled_from(REFUSED))))

    def take(self, act: Act) -> None:
        """Take an action, and note what is wrong after it."""
        found = self.run.take(act)
        refused = act.refused if self.run.seen[-1].refused else 0
        self.acts.append(Act(act.kind, act.given, refused))
        self.search.note(found, self.acts)

    def teardown(self) -> None:
        """The run ends: nothing may be left then."""
        try:
            if not self.run.over:
                self.take(Act(QUIT))
        finally:
            self.search.ended(self.run)
            self.run.close()


def walk(search: Search, runs: int, number: int) -> bool:
    """So many random runs; whether there was time for them. The same number gives the same runs."""
    try:
        run_state_machine_as_test(seed(number)(walk_of(search)), settings=settings(
            max_examples=runs, stateful_step_count=STEPS, phases=(Phase.generate,),
            suppress_health_check=list(HealthCheck), verbosity=Verbosity.quiet,
            derandomize=False, print_blob=False, database=None, deadline=None,
        ))  # fmt: skip
    except Stopped:
        return False
    return True


def walk_of(search: Search) -> type[RuleBasedStateMachine]:
    """A hypothesis state machine with rules for each kind of actions."""
    members: dict[str, Any] = {"search": search, "__doc__": "Random runs of a guest."}
    for kind in KINDS:
        for number in range(WEIGHTS.get(kind, 1)):
            members[f"{kind.replace('-', '_')}_or_next_{number}"] = _rule_of(kind, number)
    return type("WalkOfGuest", (Walk,), members)


def _rule_of(kind: str, number: int) -> Callable[..., None]:
    def step(self: Walk, data: st.DataObject) -> None:
        self.act(kind, data)

    step.__name__ = f"{kind.replace('-', '_')}_{number}"
    return rule(data=st.data())(step)


@dataclass(frozen=True)
class Shortest:
    """The shortest way that was found to a class, as it goes."""

    wrong: Wrong
    acts: tuple[Act, ...]
    seen: tuple[GuestStep, ...]
    log: str


class Shrinker:
    """Leaves out of a way to a class what it does not need. Each way is run once."""

    def __init__(self, start: Callable[[], Run]) -> None:
        self.start = start
        self.runs = 0
        self.known: dict[tuple[Act, ...], dict[Wrong, tuple[Act, ...]]] = {}

    def shortest(self, wrong: Wrong, acts: tuple[Act, ...]) -> Shortest | None:
        """The shortest way to a class; None if the way does not lead there a second time."""
        best = self._leads(wrong, acts)
        if best is None:
            return None
        size = len(best) // 2
        while size:
            shorter = self._without(wrong, best, size)
            size = size if size == 1 and shorter != best else size // 2
            best = shorter
        best = self._refusing_less(wrong, self._without_two(wrong, best))
        self.known.clear()
        with self.start() as run:
            go(run, best)
            return Shortest(wrong, best, tuple(run.seen), run.log)

    def _without(self, wrong: Wrong, acts: tuple[Act, ...], size: int) -> tuple[Act, ...]:
        """Leave out so many actions in a row wherever they are not needed, from the end on."""
        for start in range(len(acts) - 1 - size, -1, -1):
            if start < len(acts) - 1:
                acts = self._leads(wrong, acts[:start] + acts[start + size :]) or acts
        return acts

    def _without_two(self, wrong: Wrong, acts: tuple[Act, ...]) -> tuple[Act, ...]:
        """Leave out pairs of actions that need each other."""
        for gone in combinations(range(len(acts) - 2, -1, -1), 2):
            kept = tuple(act for turn, act in enumerate(acts) if turn not in gone)
            found = self._leads(wrong, kept)
            if found is not None:
                return self._without_two(wrong, found)
        return acts

    def _refusing_less(self, wrong: Wrong, acts: tuple[Act, ...]) -> tuple[Act, ...]:
        """Refuse nothing, or an earlier call, where that leads there too."""
        for turn, act in enumerate(acts):
            for refused in range(act.refused):
                fewer = Act(act.kind, act.given, refused)
                found = self._leads(wrong, (*acts[:turn], fewer, *acts[turn + 1 :]))
                if found is not None:
                    return self._refusing_less(wrong, found)
        return acts

    def _leads(self, wrong: Wrong, acts: tuple[Act, ...]) -> tuple[Act, ...] | None:
        if acts not in self.known:
            self.runs += 1
            with self.start() as run:
                self.known[acts] = go(run, acts)
        return self.known[acts].get(wrong)


def go(run: Run, acts: tuple[Act, ...]) -> dict[Wrong, tuple[Act, ...]]:
    """Take actions as long as they can be; what was wrong, and after which of them first."""
    found: dict[Wrong, tuple[Act, ...]] = {}
    for turn, act in enumerate(acts, 1):
        if run.over or (act.kind != QUIT and act.given not in run.choices().get(act.kind, ())):
            break
        for item in run.take(act):
            found.setdefault(item, acts[:turn])
    return found


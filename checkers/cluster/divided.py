"""One exploration whose states are divided among the workers of a cluster, by a hash.

In each round every part expands some of its states; what it finds of the others' is sent to them by
their workers directly; then each takes in what came. A level is done when every part has expanded
all of its share. What was sent and what was received, the sizes of levels and those of the parts
are compared, so that what is lost ends the search instead of making it smaller.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from operator import getitem
from typing import Any, Final

from checkers.cluster.connection import Cluster, LostError
from checkers.cluster.part import LEAST, Answer, Part, Setup, in_turn, length
from checkers.engines import ALL
from checkers.explore.counterexample import UntoldError
from checkers.explore.explored import Explored
from checkers.explore.native.c_program import CProgram
from checkers.explore.native.compiler import NoCompilerError, load
from checkers.explore.native.library import Figures, SearchEndedError, Space
from checkers.explore.native.partition import lead_to
from checkers.explore.native.search import SLICE, searched
from checkers.explore.symmetry import symmetry
from checkers.explore.verdicts import ENGINE, looked_at, said
from checkers.gauge import memory_mib
from checkers.result import Finding, Limits, Verdict
from checkers.userfiles import InputError
from spec.language.program import Program
from spec.language.rules import TEARDOWN

HERE: Final = "traces are of an exploration on this machine, to their depth"

ROUND: Final = 0.5
"""Seconds for which parts expand states between two exchanges, at most."""


def check(
    program: Program, names: frozenset[str], limits: Limits, cluster: Cluster
) -> list[Finding]:
    """Explore on a cluster, and say of each requested rule whether it holds."""
    rules = frozenset(looked_at(program, names))
    try:
        count = len(cluster.workers())
        found = explore(program, rules, limits, cluster)
    except (LostError, SearchEndedError) as error:  # before there was anything to be found
        return [Finding(ENGINE, ALL, Verdict.BOUNDED, str(error))]
    declined = symmetry(program, limits.renaming).declined
    notes = [declined, f"divided among {count} workers", HERE if found.violations else ""]
    return said(found, names, "; ".join(note for note in notes if note))


def explore(
    program: Program, names: frozenset[str], limits: Limits, cluster: Cluster
) -> Explored:
    """Explore all reachable states on a cluster, checking the named rules (empty: all)."""

    def states(text: CProgram, option: str, stack: ExitStack) -> Divided:
        space = Divided(cluster, text, option, program.initial(), limits.memory_mib)
        stack.callback(space.close)
        return space

    try:
        return searched(program, names, limits, states)
    except NoCompilerError as error:
        raise InputError(f"a worker of the cluster has {error}") from error


class Divided:
    """The set of states of one search, in the memory of the workers."""

    def __init__(
        self, cluster: Cluster, text: CProgram, option: str, initial: Sequence[bytes], mib: int
    ) -> None:
        self._cluster, self._text, self._option = cluster, text, option
        self._initial, self._mib = initial, mib
        self._workers = sorted(cluster.workers())
        if not self._workers:
            raise SearchEndedError("the cluster has no worker any more")
        self._turns = [0] * len(self._workers)
        self._known = frozenset[str]()
        self.sizes: list[int] = []
        self._local: Space | None = None
        self._stuck: tuple[int, bytes] | None = None
        count = len(self._workers)
        self._parts = [
            cluster.submit(Part, Setup(text, option, own, count, mib), worker=worker)
            for own, worker in enumerate(self._workers)
        ]
        self._figures: list[Figures] = []
        self._all(Part.look)

    def close(self) -> None:
        """Let the parts go."""
        self._parts.clear()
        if self._local is not None:
            self._local.close()

    def add(self, states: Sequence[bytes], *, judged: bool) -> int:
        """Add states to the level that is being made; how many were new."""
        cells = b"".join(state or b"\0" for state in states)
        return sum(item.number for item in self._all(Part.add, cells, judged))

    def next_level(self) -> int:
        """The level that was made is the next to be expanded; how many states it has."""
        self.sizes.append(sum(item.number for item in self._all(Part.next_level)))
        if self.figures().states != sum(self.sizes):
            raise SearchEndedError("the parts have not as many states as the levels")
        return self.sizes[-1]

    def expand(self, threads: int, seconds: float) -> bool:
        """Expand some of the level, and exchange what was found; whether the level is done."""
        every = range(len(self._parts))
        found = [self._turn(own, Part.expand, max(seconds, ROUND), self._known) for own in every]
        answers = self._exchanged(found, Part.receive)
        if sum(item.sent for item in answers) != sum(item.number for item in answers):
            raise SearchEndedError("not all states that were sent have come")
        return all(item.done for item in answers)

    def figures(self) -> Figures:
        """What all parts have counted, as they last said."""
        found = self._figures
        return Figures(
            _sum([item.fired for item in found]), _sum([item.crashed for item in found]),
            {name: n for name, n in _sum([item.cuts for item in found]).items() if n},
            frozenset().union(*(item.broken for item in found)),
            frozenset().union(*(item.seen for item in found)),
            states=sum(item.states for item in found),
            expanded=sum(item.expanded for item in found),
            used=sum(item.used for item in found), on_disk=sum(item.on_disk for item in found),
            set_bytes=sum(item.set_bytes for item in found),
        )  # fmt: skip

    def restore(self, found: Figures) -> None:
        """Go on from known figures, which are kept by the first part."""
        self._answers([self._turn(0, Part.restore, found)], first=True)

    def seek_no_longer(self, rule: str) -> None:
        """A rule that is known to be broken is not looked at any more."""
        self._known |= {rule}

    def states(self, first: int, count: int) -> Iterator[bytes]:
        """The states of the last level, part by part."""
        for own in range(len(self._parts)):
            yield self._result(self._turn(own, Part.last_level))

    def stuck(self, threads: int) -> int | None:
        """The least level with a state that cannot be taken down."""
        every = range(len(self._parts))
        self._exchanged([self._turn(own, Part.ask) for own in every], Part.asked)
        found = [self._turn(own, Part.look_down) for own in every]
        while sum(self._results([self._beside(own, length, found[own]) for own in every])):
            found = [self._turn(to, Part.look_down, *self._sent(found, to)) for to in every]
        stuck = self._results([self._turn(own, Part.stuck) for own in every])
        self._stuck = min((item for item in stuck if item is not None), default=None)
        return None if self._stuck is None else self._stuck[0]

    @contextmanager
    def leading_to(self, rule: str, level: int, threads: int) -> Iterator[None]:
        """Inside, `cost` is that of a breach of this rule by states of, or steps from, a level.

        What leads there is found by an exploration on this machine, which goes no further.
        """
        local = self._explored_here(level, threads)
        if rule == TEARDOWN and self._stuck is not None:
            lead_to(local, self._stuck[1], level, threads)
            yield
            return
        with local.leading_to(rule, level, threads):
            yield

    def cost(self, state: bytes, level: int) -> int | None:
        """The fewest faults on a shortest way from a state of a level to the breach."""
        assert self._local is not None
        return self._local.cost(state, level)

    def _explored_here(self, level: int, threads: int) -> Space:
        """The states on this machine up to a level, which must be as many as on the cluster."""
        if self._local is None:
            left = (self._mib - int(memory_mib())) << 20
            try:
                library = load(self._text.text, self._option)
            except NoCompilerError as error:
                raise UntoldError(f"it is broken, but for its trace there is {error}") from error
            self._local = Space(library, self._text, max(LEAST, left) if self._mib else 0)
            self._local.add(self._initial, judged=False)
            self._local.next_level()
        local = self._local
        while len(local.sizes) <= level:
            while not local.expand(threads, SLICE):
                pass
            local.next_level()
        for number, (here, there) in enumerate(zip(local.sizes, self.sizes, strict=False)):
            if here != there:
                raise UntoldError(f"level {number} has {here} states here, {there} on the cluster")
        return local

    def _exchanged(self, found: Sequence[Any], taking: Callable[..., Answer]) -> list[Answer]:
        """Every part takes in what each part has found for it."""
        every = range(len(self._parts))
        return self._answers([self._turn(to, taking, *self._sent(found, to)) for to in every])

    def _sent(self, found: Sequence[Any], to: int) -> list[Any]:
        """Of what each part has found, that for one of them."""
        return [self._beside(own, getitem, item, to) for own, item in enumerate(found)]

    def _beside(self, own: int, work: Callable[..., object], *given: object) -> Any:
        """Have something done where a part is, besides its turns."""
        return self._cluster.submit(work, *given, worker=self._workers[own])

    def _all(self, work: Callable[..., Answer], *given: object) -> list[Answer]:
        """The answers of all parts to the same question."""
        every = range(len(self._parts))
        return self._answers([self._turn(own, work, *given) for own in every])

    def _turn(self, own: int, work: Callable[..., object], *given: object) -> Any:
        """Have a part do something as its next turn."""
        turn = self._turns[own]
        self._turns[own] += 1
        return self._cluster.submit(
            in_turn, self._parts[own], turn, work, *given, worker=self._workers[own]
        )

    def _answers(self, futures: Sequence[Any], *, first: bool = False) -> list[Answer]:
        """What the parts (or the first of them) answer; their figures are kept."""
        found: list[Answer] = self._results(futures)
        told = [item.figures for item in found]
        self._figures = [*told, *self._figures[1:]] if first else told
        return found

    def _results(self, futures: Sequence[Any]) -> list[Any]:
        return [self._result(future) for future in futures]

    def _result(self, future: Any) -> Any:
        try:
            return self._cluster.result(future, self._workers)
        except LostError as error:
            raise SearchEndedError(str(error)) from error
        except MemoryError:
            if self._mib:
                raise
            raise SearchEndedError("a worker has no memory for more states") from None


def _sum(counts: Sequence[Mapping[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for item in counts:
        total.update(item)
    return dict(total)

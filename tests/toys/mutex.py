"""Two processes and a lock: 1 + 2 states a process in its critical section, 3 in all."""

from __future__ import annotations

from spec.language import Bounds, Id, Machine, Record, State, Table, invariant, require, sometimes


class Process(Record):
    """One process: it is inside or not."""

    inside: bool


class Mutex(State):
    """The lock and its processes."""

    locked: bool
    processes: Table[Process]


def init(s: Mutex) -> None:
    """Nobody is inside."""


def enter(s: Mutex, process: Id[Process]) -> None:
    """A process takes the free lock."""
    require(not s.locked)
    s.locked = True
    s.processes[process].inside = True


def leave(s: Mutex, process: Id[Process]) -> None:
    """The process inside gives the lock back."""
    require(s.processes[process].inside)
    s.processes[process].inside = False
    s.locked = False


@sometimes
def somebody_inside(s: Mutex) -> bool:
    """A process is inside."""
    return any(p.inside for p in s.processes)


@invariant(witness=somebody_inside)
def one_at_a_time(s: Mutex, a: Id[Process], b: Id[Process]) -> bool:
    """No two processes are inside."""
    return a == b or not (s.processes[a].inside and s.processes[b].inside)


MUTEX = Machine(
    name="mutex",
    state=Mutex,
    init=init,
    actions=(enter, leave),
    bounds={"small": Bounds({"processes": 2}, states=3, transitions=4, depth=1)},
    invariants=(one_at_a_time,),
)

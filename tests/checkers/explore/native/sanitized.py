"""Explores machines that are compiled for a sanitizer, whose options it is given.

A process of its own (see `test_sanitizers`), in which the sanitizer's library is loaded first.
"""

from __future__ import annotations

import os
import sys

from checkers.explore.native import compiler, search
from checkers.result import Limits, Renaming
from spec.language import Program, build
from tests.checkers.explore import test_partition as divided
from tests.checkers.explore.native.facts import figures
from tests.checkers.lifetimes import LIFETIMES
from tests.toys.keys import COPIES_ITSELF, KEYS
from tests.toys.ports import PORTS
from tests.toys.refcount import FREES_WHILE_HELD, REFCOUNT


def whole(program: Program, renaming: Renaming) -> None:
    """Explore with two threads, make all traces, see what can be taken down."""
    found = search.explore(program, frozenset(), Limits(renaming=renaming, jobs=2))
    assert not found.untold
    print(program.machine.name, *figures(found), *sorted(found.violations))


def in_parts(program: Program) -> None:
    """The same in parts that exchange states."""
    with divided.parts(program, divided.written(program)) as found:
        levels = divided.explored(found, 1 << 12)
        print(program.machine.name, sum(levels), divided.taken_down(found))


def memory() -> None:
    """Machines with forests, with sets in renamed rows, with choices, faults and crashes."""
    whole(build(LIFETIMES, "small"), Renaming.IDS)
    whole(build(PORTS, "small"), Renaming.IDS)
    whole(build(KEYS, "small", COPIES_ITSELF), Renaming.IDS)
    whole(build(REFCOUNT, "small", FREES_WHILE_HELD), Renaming.NONE)
    in_parts(build(REFCOUNT, "small"))


def threads() -> None:
    """As many states as make the index grow while threads share it."""
    whole(build(LIFETIMES, "S", values={"devices": 2}), Renaming.NONE)
    in_parts(build(LIFETIMES, "S", values={"devices": 1}))


if __name__ == "__main__":
    what, *options = sys.argv[1:]
    del os.environ["LD_PRELOAD"]  # the compiler's own memory is no matter

    def loading(text: str, _: str) -> object:
        return compiler.load(text, "-O0", *options)

    search.load = divided.load = loading  # type: ignore[assignment]
    {"memory": memory, "threads": threads}[what]()

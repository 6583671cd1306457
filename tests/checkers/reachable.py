"""Every reachable state of a program, by the native explorer."""

from __future__ import annotations

from checkers.explore.native.c_program import c_program
from checkers.explore.native.c_state import Renamed
from checkers.explore.native.compiler import load
from checkers.explore.native.library import Space
from spec.language import Program


def reachable(program: Program) -> list[bytes]:
    """All states, in the order in which they are found."""
    text = c_program(program, Renamed({}, {}), [])
    space = Space(load(text.text, "-O1"), text)
    space.add(program.initial(), judged=False)
    count = 0
    while size := space.next_level():
        count += size
        while not space.expand(1, 0.0):
            pass
    size = program.layout.size
    cells = b"".join(space.states(0, count))
    space.close()
    return [cells[at : at + size] for at in range(0, len(cells), size)]

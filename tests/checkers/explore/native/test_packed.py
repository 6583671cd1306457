"""A state is kept as the bits that its fields use, whatever the processor can do at once."""

from __future__ import annotations

import pytest

from checkers import machines
from checkers.explore.native.c_program import c_program
from checkers.explore.native.c_state import Renamed
from checkers.explore.native.compiler import load
from checkers.explore.native.library import Space
from spec.language.program import Program

SIZES = [("object-lifetime", "S"), ("iommufd-objects", "small")]


@pytest.mark.parametrize(("machine", "bounds"), SIZES)
@pytest.mark.parametrize("option", ["-DBIT_BY_BIT", "-O1"])
def test_the_bits_of_a_state_are_all_that_is_kept(
    machine: str, bounds: str, option: str
) -> None:
    program = machines.program(machines.machine(machine), bounds)
    found = explored(program, option)
    assert len(found) == len(set(found)) == program.bounds.states


def explored(program: Program, option: str) -> list[bytes]:
    """All reachable states, as they come back from where they are kept."""
    text = c_program(program, Renamed({}, {}), [])
    space = Space(load(text.text, option), text)
    space.add(program.initial(), judged=False)
    found, size = list[bytes](), program.layout.size
    while (count := space.next_level()) > 0:
        level = b"".join(space.states(len(found), count))
        found += [level[at : at + size] for at in range(0, len(level), size)]
        assert space.expand(1, 0)
    space.close()
    return found

"""Parts of a state set have together what one has alone; what is lost between them is noticed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from checkers import machines
from checkers.explore.explored import wanted
from checkers.explore.native.c_program import CProgram, c_program
from checkers.explore.native.c_state import Renamed
from checkers.explore.native.compiler import load
from checkers.explore.native.library import SearchEndedError, Space
from checkers.explore.native.partition import Letters, PartSpace
from spec.language import Program

PARTS = 3


def program(name: str, variant: str | None = None) -> Program:
    other = machines.variants()[variant] if variant else None
    return machines.program(machines.machine(name), "small", other)


def written(of: Program) -> CProgram:
    return c_program(of, Renamed({}, {}), wanted(of, []))


@contextmanager
def parts(of: Program, text: CProgram) -> Iterator[list[PartSpace]]:
    """The initial states, divided."""
    library = load(text.text, "-O0")
    found = [PartSpace(library, text, own, PARTS) for own in range(PARTS)]
    for part in found:
        part.add(list(part.owned(of.initial())), judged=True)
    yield found
    for part in found:
        part.close()


def explored(found: list[PartSpace], most: int) -> list[int]:
    """The sizes of the levels; so few bytes may wait that a level takes many rounds."""
    levels = [sum(part.next_level() for part in found)]
    while levels[-1]:
        done = [False]
        while not all(done):
            done = [part.expand_some(2, 10.0, most) for part in found]
            sent = [part.letters() for part in found]
            for to, part in enumerate(found):
                for boxes in sent:
                    part.receive(boxes[to])
        levels.append(sum(part.next_level() for part in found))
    return levels


def alone(of: Program, text: CProgram) -> Space:
    space = Space(load(text.text, "-O0"), text)
    space.add(of.initial(), judged=True)
    while space.next_level():
        while not space.expand(1, 10.0):
            pass
    return space


@pytest.mark.parametrize(
    ("name", "variant"),
    [("object-lifetime", None), ("pci-hotplug", None), ("vfio-attach", "vfio-parent-kept")],
)
def test_parts_have_together_what_one_has_alone(name: str, variant: str | None) -> None:
    of = program(name, variant)
    text = written(of)
    whole = alone(of, text)
    with parts(of, text) as found:
        assert explored(found, most=1) == whole.sizes
        told, expected = [part.figures() for part in found], whole.figures()
        for action in text.actions:
            assert sum(item.fired[action] for item in told) == expected.fired[action]
            assert sum(item.crashed[action] for item in told) == expected.crashed[action]
        assert frozenset().union(*(item.broken for item in told)) == expected.broken
        assert frozenset().union(*(item.seen for item in told)) == expected.seen
        assert sum(item.states for item in told) == sum(whole.sizes)
        assert all(item.states for item in told) or sum(whole.sizes) < 100
        assert taken_down(found) == whole.stuck(1)
    whole.close()


def taken_down(found: list[PartSpace]) -> int | None:
    """The least level with a state that cannot be taken down."""
    asked = [part.ask(1) for part in found]
    for to, part in enumerate(found):
        for sender, letters in enumerate(asked):
            part.asked(sender, letters[to])
    answers = [part.look_down(1, []) for part in found]
    while any(any(item) for item in answers):
        answers = [
            part.look_down(1, [item[to] for item in answers]) for to, part in enumerate(found)
        ]
    stuck = [part.first_stuck() for part in found]
    return min((item[0] for item in stuck if item is not None), default=None)


def test_letters_that_are_not_what_was_sent_are_refused() -> None:
    of = program("pci-hotplug")
    text = written(of)
    with parts(of, text) as found:
        to, letters = several(found)
        one = len(letters.data) // letters.count
        fewer = replace(letters, data=letters.data[one:], count=letters.count - 1)
        for wrong in (fewer, replace(letters, data=letters.data[one:])):
            with pytest.raises(SearchEndedError):
                found[to].receive(wrong)
        with pytest.raises(SearchEndedError, match="belong"):
            found[(to + 1) % PARTS].receive(letters)
        found[to].receive(letters)


def several(found: list[PartSpace]) -> tuple[int, Letters]:
    """The first letters with more than one state in them, and to whom they are."""
    while True:
        for part in found:
            part.next_level()
            part.expand_some(1, 10.0, 1 << 20)
        sent = [part.letters() for part in found]
        for to, part in enumerate(found):
            for boxes in sent:
                if boxes[to].count > 1:
                    return to, boxes[to]
                part.receive(boxes[to])

"""The machines of a seed: random texts that are neither too small nor too large."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from checkers.frontend.parse import Parser
from spec.language import LanguageError, Program
from tests.random.brute import Brute, Facts, TooLargeError
from tests.random.loading import loaded
from tests.random.machines import Taste, text_of


@dataclass(frozen=True)
class Size:
    """How many states a machine may have, and how many runs of actions it may take."""

    least: int = 8
    most: int = 3000
    runs: int = 60_000


DRAWN_AGAIN = ("init ", "a call here changes the state, or may end the action")
"""What the grammar does not avoid, and the language refuses."""

SMALL = Size(8, 120, 2000)


@dataclass(frozen=True)
class Drawn:
    """A machine: its text, its programs, and what brute force says of each."""

    text: str
    programs: list[Program]
    facts: list[Facts]

    def __iter__(self) -> Iterator[tuple[Program, Facts]]:
        return zip(self.programs, self.facts, strict=True)


@contextmanager
def draw(seed: int, size: Size = SMALL, taste: Taste | None = None) -> Iterator[Drawn]:
    """The machine of a seed: the first of its texts that has the size that is wanted."""
    for attempt in range(1000):
        text = text_of(f"{seed}.{attempt}", taste)
        with opened(text, size) as drawn:
            if drawn.facts and drawn.facts[0].states >= size.least:
                yield drawn
                return
    raise AssertionError(f"no machine of seed {seed} has the size that is wanted")


@contextmanager
def opened(text: str, size: Size) -> Iterator[Drawn]:
    """The programs of a text and what brute force says of them; none if they are too large."""
    with loaded(text) as programs:
        try:
            for item in programs:
                for linked in (item.init, *item.actions, *item.invariants.values()):
                    Parser.of(item.layout).function(linked.function)
            facts = [Brute(item, size.most, size.runs).explore() for item in programs]
        except TooLargeError:
            programs, facts = [], []
        except LanguageError as error:
            if not any(why in str(error) for why in DRAWN_AGAIN):
                raise
            programs, facts = [], []
        yield Drawn(text, programs, facts)

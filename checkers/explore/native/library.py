"""The functions of a compiled machine, as Python calls them."""

from __future__ import annotations

import ctypes
import itertools
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Final, Protocol

from checkers.explore.native.c_program import CProgram
from spec.language.rules import CRASH, TEARDOWN

FAR: Final = 255
"""The cost of a state from which no breach is near."""

PIECE: Final = 1 << 16
"""States that are copied at a time."""

FAILURES: Final = {
    2: "more host calls, or choices of rows, than an action may have",
    3: "the scratch disk is full",
    5: "a state came to a part that it does not belong to",
    6: "a state that was sent has changed",
}

_POINTER = ctypes.c_void_p
_NUMBER = ctypes.c_uint64
_SIGNATURES: Final[dict[str, tuple[type | None, tuple[type, ...]]]] = {
    "space_open": (_POINTER, (_NUMBER, ctypes.c_int)),
    "space_close": (None, (_POINTER,)),
    "space_add": (ctypes.c_int64, (_POINTER, ctypes.c_char_p, _NUMBER, ctypes.c_int)),
    "space_next_level": (ctypes.c_int64, (_POINTER,)),
    "space_halt": (None, (_POINTER,)),
    "space_expand": (ctypes.c_int, (_POINTER, ctypes.c_int, ctypes.c_double)),
    "space_figures": (None, (_POINTER,) * 7),
    "space_restore": (None, (_POINTER,) * 6),
    "space_seek": (None, (_POINTER, ctypes.c_int, ctypes.c_int)),
    "space_states": (None, (_POINTER, _NUMBER, _NUMBER, ctypes.c_char_p)),
    "space_lead_back": (ctypes.c_int, (_POINTER, ctypes.c_int, ctypes.c_int, ctypes.c_int)),
    "space_cost": (ctypes.c_int, (_POINTER, ctypes.c_char_p, ctypes.c_int)),
    "space_stuck": (ctypes.c_int64, (_POINTER, ctypes.c_int)),
}


@dataclass(frozen=True)
class Figures:
    """What the search has counted so far; `broken` rules and `seen` witnesses by name."""

    fired: Mapping[str, int]
    crashed: Mapping[str, int]
    cuts: Mapping[str, int]
    broken: frozenset[str]
    seen: frozenset[str]
    states: int
    expanded: int
    used: int
    on_disk: int
    set_bytes: int


class SearchEndedError(Exception):
    """The search cannot go on; `str()` says why. What was found until then is still known."""


def refused_below_0(result: int) -> int:
    """A result; the error that it stands for if it is below 0."""
    if result == -1:
        raise MemoryError
    if result < 0:
        raise SearchEndedError(FAILURES[-result])
    return int(result)


class StateSet(Protocol):
    """The set of states of one search, wherever they are."""

    def add(self, states: Sequence[bytes], *, judged: bool) -> int:
        """Add states to the level that is being made; how many were new."""

    def next_level(self) -> int:
        """The level that was made is the next to be expanded; how many states it has."""

    def expand(self, threads: int, seconds: float) -> bool:
        """Expand the level for some time; whether it is done."""

    def figures(self) -> Figures:
        """What was counted, and how much memory it took."""

    def restore(self, found: Figures) -> None:
        """Go on from known figures."""

    def seek_no_longer(self, rule: str) -> None:
        """A rule that is known to be broken is not looked at any more."""

    def states(self, first: int, count: int) -> Iterator[bytes]:
        """The states of the last level, `count` of them from number `first` on, in stretches."""

    def stuck(self, threads: int) -> int | None:
        """The least level with a state that cannot be taken down."""

    def leading_to(self, rule: str, level: int, threads: int) -> AbstractContextManager[None]:
        """Inside, `cost` is that of a breach of this rule by states of, or steps from, a level."""

    def cost(self, state: bytes, level: int) -> int | None:
        """The fewest faults on a shortest way from a state of a level to the breach."""


class Space:
    """The set of states of one search in a compiled machine, in the memory of this process."""

    def __init__(
        self, library: ctypes.CDLL, names: CProgram, limit: int = 0, scratch: int = -1
    ) -> None:
        self.names = names
        self.actions = names.actions
        self.sizes: list[int] = []
        self.rules = [*names.always, *names.refusals, CRASH]
        self.library = library
        for name, (result, arguments) in _SIGNATURES.items():
            function = getattr(library, name)
            function.restype, function.argtypes = result, list(arguments)
        self.handle = library.space_open(limit, scratch)
        if not self.handle:
            raise MemoryError

    def close(self) -> None:
        """Give the memory back."""
        self.library.space_close(self.handle)

    def add(self, states: Sequence[bytes], *, judged: bool) -> int:
        """Add states to the level that is being made; how many were new."""
        added = self.library.space_add(
            self.handle, b"".join(state or b"\0" for state in states), len(states), int(judged)
        )
        return refused_below_0(added)

    def next_level(self) -> int:
        """The level that was made is the next to be expanded; how many states it has."""
        size = int(self.library.space_next_level(self.handle))
        if size < 0:
            raise SearchEndedError(f"there are more than {len(self.sizes)} levels")
        self.sizes.append(size)
        return size

    def expand(self, threads: int, seconds: float) -> bool:
        """Expand the level for some time; whether it is done."""
        return bool(refused_below_0(self.library.space_expand(self.handle, threads, seconds)))

    def figures(self) -> Figures:
        """What was counted, and how much memory it took."""
        fired, crashed = self._numbers(len(self.actions)), self._numbers(len(self.actions))
        cuts, sizes = self._numbers(len(self.names.bounds) + 1), self._numbers(5)
        broken = (ctypes.c_uint8 * len(self.rules))()
        seen = (ctypes.c_uint8 * (len(self.names.witnesses) + 1))()
        self.library.space_figures(self.handle, fired, crashed, cuts, broken, seen, sizes)
        return Figures(
            dict(zip(self.actions, fired, strict=True)),
            dict(zip(self.actions, crashed, strict=True)),
            {name: n for name, n in zip(self.names.bounds, cuts, strict=False) if n},
            frozenset(name for name, yes in zip(self.rules, broken, strict=True) if yes),
            frozenset(name for name, yes in zip(self.names.witnesses, seen, strict=False) if yes),
            states=sizes[2], expanded=min(sizes[3], sizes[2]), used=sizes[0], on_disk=sizes[1],
            set_bytes=sizes[4],
        )

    def restore(self, found: Figures) -> None:
        """Go on from known figures."""
        fired, crashed = self._numbers(len(self.actions)), self._numbers(len(self.actions))
        cuts = self._numbers(len(self.names.bounds) + 1)
        for place, name in enumerate(self.actions):
            fired[place], crashed[place] = found.fired[name], found.crashed[name]
        for place, name in enumerate(self.names.bounds):
            cuts[place] = found.cuts.get(name, 0)
        broken = (ctypes.c_uint8 * len(self.rules))(*(n in found.broken for n in self.rules))
        seen = (ctypes.c_uint8 * (len(self.names.witnesses) + 1))(
            *(name in found.seen for name in self.names.witnesses)
        )
        self.library.space_restore(self.handle, fired, crashed, cuts, broken, seen)

    def seek_no_longer(self, rule: str) -> None:
        """A rule that is known to be broken is not looked at any more."""
        self.library.space_seek(self.handle, self.rules.index(rule), 0)

    def states(self, first: int, count: int) -> Iterator[bytes]:
        """Stretches of states as they lie one after the other."""
        size = self.names.state_bytes
        while count > 0:
            many = min(count, PIECE)
            cells = ctypes.create_string_buffer(many * size)
            self.library.space_states(self.handle, first, many, cells)
            yield cells.raw
            first, count = first + many, count - many

    def stuck(self, threads: int) -> int | None:
        """The least level with a state that cannot be taken down."""
        found = self._beside("space_stuck", threads)
        if found == -2:
            raise MemoryError
        return None if found < 0 else self.level_of(found)

    def level_of(self, number: int) -> int:
        """The level of the state of a number."""
        ends = itertools.accumulate(self.sizes)
        return next(level for level, end in enumerate(ends) if number < end)

    @contextmanager
    def leading_to(self, rule: str, level: int, threads: int) -> Iterator[None]:
        """Inside, `cost` is that of a breach of this rule by states of, or steps from, a level."""
        number = len(self.rules) if rule == TEARDOWN else self.rules.index(rule)
        if not self._beside("space_lead_back", number, level, threads):
            raise MemoryError
        yield

    def cost(self, state: bytes, level: int) -> int | None:
        """The fewest faults on a shortest way from a state of a level to the breach."""
        found = int(self.library.space_cost(self.handle, state or b"\0", level))
        return None if found == FAR else found

    def _beside(self, name: str, *arguments: int) -> int:
        """What a function answers that may take long; Ctrl-C ends it, and this space."""
        with ThreadPoolExecutor(1) as thread:
            try:
                answer = thread.submit(getattr(self.library, name), self.handle, *arguments)
                return int(answer.result())
            except KeyboardInterrupt:
                self.library.space_halt(self.handle)
                raise

    @staticmethod
    def _numbers(count: int) -> ctypes.Array[ctypes.c_uint64]:
        return (ctypes.c_uint64 * count)()

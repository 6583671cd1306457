"""One of several sets of states that a search is divided into, as `partition.c` has it."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from checkers.explore.native.c_program import CProgram
from checkers.explore.native.library import SearchEndedError, Space, refused_below_0

_POINTER = ctypes.c_void_p
_NUMBER = ctypes.c_uint64
_SIGNATURES: Final[dict[str, tuple[type | None, tuple[type, ...]]]] = {
    "part_open": (ctypes.c_int, (_POINTER, ctypes.c_int, ctypes.c_int)),
    "part_close": (None, (_POINTER,)),
    "part_owner": (ctypes.c_int, (_POINTER, ctypes.c_char_p)),
    "part_letter_bytes": (_NUMBER, ()),
    "part_expand": (ctypes.c_int, (_POINTER, ctypes.c_int, ctypes.c_double, _NUMBER)),
    "part_letters": (_POINTER, (_POINTER, ctypes.c_int, _POINTER, _POINTER)),
    "part_sent": (None, (_POINTER,)),
    "part_receive": (ctypes.c_int64, (_POINTER, ctypes.c_char_p, _NUMBER, _NUMBER)),
    "part_ask": (ctypes.c_int, (_POINTER, ctypes.c_int)),
    "part_asked": (ctypes.c_int, (_POINTER, ctypes.c_int, ctypes.c_char_p, _NUMBER)),
    "part_told": (None, (_POINTER, ctypes.c_char_p, _NUMBER)),
    "part_look_down": (ctypes.c_int, (_POINTER, ctypes.c_int)),
    "part_questions": (_NUMBER, (_POINTER, ctypes.c_int)),
    "part_tell": (_NUMBER, (_POINTER, ctypes.c_int, ctypes.c_char_p)),
    "part_stuck": (ctypes.c_int64, (_POINTER,)),
}


@dataclass(frozen=True)
class Letters:
    """States for their owner, with what says that none is missing and none has changed."""

    data: bytes
    count: int
    total: int


class PartSpace(Space):
    """The states that are number `own` of so many parts."""

    def __init__(
        self, library: ctypes.CDLL, names: CProgram, own: int, parts: int, limit: int = 0
    ) -> None:
        super().__init__(library, names, limit)
        self.own, self.parts = own, parts
        for name, (result, arguments) in _SIGNATURES.items():
            function = getattr(library, name)
            function.restype, function.argtypes = result, list(arguments)
        self._letter_bytes = int(library.part_letter_bytes())
        if not library.part_open(self.handle, own, parts):
            raise MemoryError

    def close(self) -> None:
        """Give the memory back."""
        self.library.part_close(self.handle)
        super().close()

    def owned(self, states: Sequence[bytes]) -> Iterator[bytes]:
        """Those of some states that belong here."""
        for state in states:
            if self.library.part_owner(self.handle, state or b"\0") == self.own:
                yield state

    def expand_some(self, threads: int, seconds: float, most: int) -> bool:
        """Expand until the level is done, the time over or so many bytes are to be sent."""
        done = self.library.part_expand(self.handle, threads, seconds, most)
        return bool(refused_below_0(done))

    def letters(self) -> list[Letters]:
        """What is to be sent to each part, taken out of the outboxes."""
        found = []
        count, total = _NUMBER(), _NUMBER()
        for to in range(self.parts):
            told = ctypes.byref(count), ctypes.byref(total)
            at = self.library.part_letters(self.handle, to, *told)
            data = ctypes.string_at(at, count.value * self._letter_bytes) if count.value else b""
            found.append(Letters(data, count.value, total.value))
        self.library.part_sent(self.handle)
        return found

    def receive(self, letters: Letters) -> int:
        """Take in what another part sent; how many states were new."""
        if len(letters.data) != letters.count * self._letter_bytes:
            raise SearchEndedError("states that were sent have not come")
        return refused_below_0(
            self.library.part_receive(self.handle, letters.data, letters.count, letters.total)
        )

    def ask(self, threads: int) -> list[Letters]:
        """Begin to see what can be taken down: what is to be asked of each part."""
        refused_below_0(self.library.part_ask(self.handle, threads))
        return self.letters()

    def asked(self, sender: int, letters: Letters) -> None:
        """Take in what another part asks."""
        refused_below_0(
            self.library.part_asked(self.handle, sender, letters.data, letters.count)
        )

    def look_down(self, threads: int, answers: Sequence[bytes]) -> list[bytes]:
        """With answers of other parts, find what can be taken down; new answers for each part."""
        for answer in answers:
            self.library.part_told(self.handle, answer, len(answer) // 8)
        refused_below_0(self.library.part_look_down(self.handle, threads))
        found = []
        for to in range(self.parts):
            room = int(self.library.part_questions(self.handle, to))
            numbers = ctypes.create_string_buffer(8 * room + 1)
            told = int(self.library.part_tell(self.handle, to, numbers))
            found.append(numbers.raw[: 8 * told])
        return found

    def first_stuck(self) -> tuple[int, bytes] | None:
        """The least level with a state of this part that cannot be taken down, and that state."""
        number = int(self.library.part_stuck(self.handle))
        if number < 0:
            return None
        return self.level_of(number), next(self.states(number, 1))[: self.names.state_bytes]


def lead_to(space: Space, state: bytes, level: int, threads: int) -> None:
    """After this, `cost` is that of a way to one state of a level."""
    library = space.library
    library.space_lead_to.restype = ctypes.c_int
    library.space_lead_to.argtypes = [_POINTER, ctypes.c_char_p, ctypes.c_int, ctypes.c_int]
    if not library.space_lead_to(space.handle, state, level, threads):
        raise MemoryError

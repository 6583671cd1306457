"""One of several sets of states that a search is divided into, as `partition.c` has it."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from checkers.explore.native.c_program import CProgram
from checkers.explore.native.library import FAILURES, SearchEndedError, Space

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
        if not library.part_open(self._space, own, parts):
            raise MemoryError

    def close(self) -> None:
        """Give the memory back."""
        self._c.part_close(self._space)
        super().close()

    def owned(self, states: Sequence[bytes]) -> Iterator[bytes]:
        """Those of some states that belong here."""
        for state in states:
            if self._c.part_owner(self._space, state or b"\0") == self.own:
                yield state

    def expand_some(self, threads: int, seconds: float, most: int) -> bool:
        """Expand until the level is done, the time over or so many bytes are to be sent."""
        done = int(self._c.part_expand(self._space, threads, seconds, most))
        _refuse(done)
        return bool(done)

    def letters(self) -> list[Letters]:
        """What is to be sent to each part, taken out of the outboxes."""
        found = []
        count, total = _NUMBER(), _NUMBER()
        for to in range(self.parts):
            at = self._c.part_letters(self._space, to, ctypes.byref(count), ctypes.byref(total))
            data = ctypes.string_at(at, count.value * self._letter_bytes) if count.value else b""
            found.append(Letters(data, count.value, total.value))
        self._c.part_sent(self._space)
        return found

    def receive(self, letters: Letters) -> int:
        """Take in what another part sent; how many states were new."""
        if len(letters.data) != letters.count * self._letter_bytes:
            raise SearchEndedError("states that were sent have not come")
        added = int(
            self._c.part_receive(self._space, letters.data, letters.count, letters.total)
        )
        _refuse(added)
        return added


def _refuse(result: int) -> None:
    """The error that a result below 0 stands for."""
    if result == -1:
        raise MemoryError
    if result == -2:
        raise OverflowError(FAILURES[2])
    if result < 0:
        raise SearchEndedError("states came that belong to another part, or are not what was sent")

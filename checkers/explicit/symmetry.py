"""One representative of all states that differ only in the names of data values.

Values of a data sort are only stored, copied and compared, so renaming them turns runs into runs.
The representative numbers the values of a sort in the order in which they first occur.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from checkers.explicit.scope import parts
from checkers.explicit.writer import Writer
from checkers.frontend import tree as t
from spec.language.layout import SortT
from spec.language.program import Program


class Exchange(Protocol):
    """What may be renamed in a state; `sort` names it."""

    @property
    def sort(self) -> str:
        """The data sort, or the record whose ids it is."""

    def canonical(self, state: bytes) -> bytes:
        """The representative of a state."""

    def write(self, out: Writer) -> None:
        """Lines that replace the state `c`, frozen as `k`, by its representative."""

    def changed_by(self, function: t.Function) -> bool:
        """Whether a function, or one it calls, may make a state that is no representative."""


@dataclass(frozen=True)
class Symmetry:
    """A sort whose values are interchangeable, and the stretches of the state that hold them."""

    sort: str
    carrier: int
    slices: tuple[tuple[int, int], ...]

    def canonical(self, state: bytes) -> bytes:
        """The representative of a state."""
        held = b"".join(state[lo:hi] for lo, hi in self.slices)
        table = renaming(held)
        cells = bytearray(state)
        for lo, hi in self.slices:
            cells[lo:hi] = cells[lo:hi].translate(table)
        return bytes(cells)

    def write(self, out: Writer) -> None:
        """Lines that replace the state `c`, frozen as `k`, by its representative."""
        held = " + ".join(f"k[{lo}:{hi}]" for lo, hi in self.slices)
        if self.carrier == 2:
            out.line(f"w = {held}")
            test = "(p := w.find(2)) >= 0 and w.find(1, 0, p) < 0"
        else:
            out.line(f"w = bytes(dict.fromkeys(({held}).translate(None, b'\\0')))")
            test = f"w not in {set(self._ordered())}"
        with out.block(f"if {test}"):
            out.line("table = renaming(w)")
            for lo, hi in self.slices:
                out.line(f"c[{lo}:{hi}] = k[{lo}:{hi}].translate(table)")
            out.line("k = bytes(c)")

    def changed_by(self, function: t.Function) -> bool:
        """Whether a function, or one it calls, may write a value of this sort."""
        return any(_writes(statement, self.sort) for statement in function.body)

    def _ordered(self) -> Iterator[bytes]:
        for count in range(self.carrier + 1):
            yield bytes(range(1, count + 1))


def symmetries(program: Program) -> list[Symmetry]:
    """The sorts with several values that no constant tells apart, and that the state holds."""
    layout = program.layout
    places: dict[str, list[tuple[int, int]]] = {}
    carriers: dict[str, int] = {}
    fixed = set()
    for column in layout.columns():
        if not isinstance(column.type, SortT):
            continue
        name = column.type.cls.__name__
        carriers[name] = layout.carrier(column.type.cls)
        if column.constants is not None:
            fixed |= {name} if any(int(value) for value in column.constants) else set()
        else:
            _join(places.setdefault(name, []), (column.base, column.base + column.size))
    return [
        Symmetry(name, carriers[name], tuple(slices))
        for name, slices in places.items()
        if carriers[name] > 1 and name not in fixed
    ]


def canonicaliser(found: Sequence[Exchange]) -> Callable[[bytes], bytes]:
    """The function from states to representatives."""

    def canonical(state: bytes) -> bytes:
        for symmetry in found:
            state = symmetry.canonical(state)
        return state

    return canonical


def _writes(node: object, sort: str) -> bool:
    if isinstance(node, t.Store):
        kind = node.column.type
        if isinstance(kind, SortT) and kind.cls.__name__ == sort:
            return True
    if isinstance(node, t.Call) and any(_writes(item, sort) for item in node.function.body):
        return True
    return any(_writes(child, sort) for child in parts(node))


def _join(slices: list[tuple[int, int]], more: tuple[int, int]) -> None:
    if slices and slices[-1][1] == more[0]:
        slices[-1] = (slices[-1][0], more[1])
    elif more[0] < more[1]:
        slices.append(more)


@functools.lru_cache(maxsize=100_000)
def renaming(held: bytes) -> bytes:
    """The table that numbers the values other than null in the order in which they occur here."""
    table = list(range(256))
    order = [value for value in dict.fromkeys(held) if value]
    free = [value for value in range(1, 256) if value not in order]
    for number, value in enumerate(order + free, start=1):
        table[value] = number
    return bytes(table)

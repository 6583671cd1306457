"""Which states are taken for one, and the least of them, by trying every permutation.

Values of a data sort are only stored, copied and compared, and nothing tells the rows of a
scalarset apart; so a permutation of either maps runs to runs (Ip and Dill, Better verification
through symmetry, 1996). What is here is for the reference: it shows what is meant and is no faster
than that. An explorer with a canonical form of its own must have as many states.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Final

from checkers.frontend.scalarsets import Scalarset, free_sorts, scalarsets
from checkers.result import Renaming
from spec.language.errors import LanguageError
from spec.language.layout import Column, IdT, Layout, SetT, SortT
from spec.language.program import Program

MOST: Final = 10_000
"""Permutations that are tried of a state; that of `iommufd-objects` with six ids are 720."""

Row = tuple[int, ...]
"""A permutation: at each number (of a row, of a value) the number that takes its place; 0 is 0."""


@dataclass(frozen=True)
class Symmetry:
    """What is renamed, for a `renaming` that is sound; `declined` says why it is less than wished.

    `sorts` has the number of the values of each data sort besides null.
    """

    renaming: Renaming
    sorts: Mapping[str, int]
    sets: tuple[Scalarset, ...] = ()
    declined: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """The sorts and the records of which the names are no matter."""
        return (*self.sorts, *(item.table.record.__name__ for item in self.sets))

    @property
    def tables(self) -> tuple[str, ...]:
        """The tables of which `fresh` takes any row, for their ids are no matter."""
        return tuple(item.table.name for item in self.sets)

    @property
    def size(self) -> int:
        """How many permutations there are."""
        classes = [len(rows) for item in self.sets for rows in item.classes]
        return math.prod(map(math.factorial, [*self.sorts.values(), *classes]))


def symmetry(program: Program, wished: Renaming | None) -> Symmetry:
    """What may be renamed in the states of a program; without a wish, as much as is sound."""
    if wished is Renaming.NONE:
        return Symmetry(Renaming.NONE, {})
    sorts = free_sorts(program)
    if wished is Renaming.SORTS:
        return Symmetry(Renaming.SORTS, sorts)
    found, refused = scalarsets(program)
    if found:
        return Symmetry(Renaming.IDS, sorts, tuple(found))
    return Symmetry(Renaming.SORTS, sorts, declined=_declined(refused))


def tried(found: Symmetry) -> Symmetry:
    """As much of a symmetry as can be had by trying every permutation."""
    if found.size <= MOST:
        return found
    why = f"{found.size} permutations are too many to try"
    less = Symmetry(Renaming.SORTS, found.sorts, declined=f"ids are not renamed: {why}")
    return less if less.size <= MOST else Symmetry(Renaming.NONE, {}, declined=why)


def _declined(refused: Sequence[LanguageError]) -> str:
    return f"ids are not renamed: {refused[0]}" if refused else ""


def orbit_least(layout: Layout, found: Symmetry) -> Callable[[bytes], bytes]:
    """The function from a state to the least of those that are taken for one with it."""
    permutations = [_permutation(layout, *chosen) for chosen in _chosen(layout, found)]

    @functools.lru_cache(maxsize=1 << 17)
    def least(state: bytes) -> bytes:
        return min(permuted(state) for permuted in permutations)

    return least


def _chosen(layout: Layout, found: Symmetry) -> Iterator[tuple[dict[str, Row], dict[str, Row]]]:
    """Every choice of permutations: of rows by table, of values by sort."""
    values = [_permutations(count, [range(1, count + 1)]) for count in found.sorts.values()]
    rows = [_permutations(item.table.rows, item.classes) for item in found.sets]
    tables = [item.table.name for item in found.sets]
    for chosen in itertools.product(*rows, *values):
        yield (
            dict(zip(tables, chosen, strict=False)),
            dict(zip(found.sorts, chosen[len(tables) :], strict=True)),
        )


def _permutations(count: int, classes: Sequence[Sequence[int]]) -> list[Row]:
    """The permutations of 1 to `count` that leave each class what it is."""
    found = []
    for chosen in itertools.product(*map(itertools.permutations, classes)):
        numbers = list(range(count + 1))
        for members, images in zip(classes, chosen, strict=True):
            for member, image in zip(members, images, strict=True):
                numbers[member] = image
        found.append(tuple(numbers))
    return found


def _permutation(
    layout: Layout, rows: Mapping[str, Row], values: Mapping[str, Row]
) -> Callable[[bytes], bytes]:
    """The function that moves the contents of rows and renames what names them, and values."""
    sources = list(range(layout.size))
    renamed: list[tuple[slice, Callable[[bytes], bytes]]] = []
    for column in layout.columns():
        if column.constants is not None:
            continue
        for row in range(1, column.rows + 1):
            to = rows[column.table][row] if column.table in rows else row
            for byte in range(column.width):
                sources[column.offset(to) + byte] = column.offset(row) + byte
        renaming = _renaming(layout, column, rows, values)
        if renaming is not None:
            renamed.append((slice(column.base, column.base + column.size), renaming))
    moved = itemgetter(*sources, 0, 0)  # with two at least, it gives a tuple

    def permuted(state: bytes) -> bytes:
        cells = bytearray(moved(state)[:-2]) if state else bytearray()
        for place, renaming in renamed:
            cells[place] = renaming(bytes(cells[place]))
        return bytes(cells)

    return permuted


def _renaming(
    layout: Layout, column: Column, rows: Mapping[str, Row], values: Mapping[str, Row]
) -> Callable[[bytes], bytes] | None:
    """The function that renames what the cells of a column name, None if nothing is renamed."""
    match column.type:
        case SortT(cls):
            image = values.get(cls.__name__)
        case IdT(record) | SetT(record):
            image = rows.get(layout.table_of(record).name)
        case _:
            image = None
    if image is None:
        return None
    if not isinstance(column.type, SetT):
        table = bytes([*image, *range(len(image), 256)])
        return lambda cells: cells.translate(table)
    width = column.width

    def each(cells: bytes) -> bytes:
        masks = (cells[at : at + width] for at in range(0, len(cells), width))
        return b"".join(_members(mask, image) for mask in masks)

    return each


def _members(mask: bytes, image: Row) -> bytes:
    """A set with the ids of its members renamed."""
    held = int.from_bytes(mask, "little")
    found = sum(1 << image[row] - 1 for row in range(1, len(image)) if held >> row - 1 & 1)
    return found.to_bytes(len(mask), "little")

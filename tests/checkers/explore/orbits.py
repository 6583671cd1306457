"""Every state up to the names of rows and values, by a search and a renaming of a test's own.

States are read as nested tuples of what the fields say, not as bytes; the rows of a table are
permuted as a list, and every id is looked up in the permutation.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator
from typing import Any

from spec.language import Program, steps
from spec.language.layout import IdT, SetT, SortT
from spec.language.program import Kind

Names = dict[str, dict[int, int]]
"""For tables and sorts by name: the new name of each old one."""


def reachable(program: Program, relaxed: Collection[str]) -> set[bytes]:
    """Every state, with any choice of ids of `relaxed` tables."""
    found = set(program.initial())
    waiting = list(found)
    while waiting:
        for _, outcome in steps(program, waiting.pop(), relaxed):
            if outcome.kind is Kind.DONE and outcome.state not in found:
                found.add(outcome.state)
                waiting.append(outcome.state)
    return found


def orbits(program: Program, states: set[bytes], tables: list[str], sorts: list[str]) -> int:
    """How many sets of states there are that differ in these names only."""
    return len({frozenset(renamed(program, state, tables, sorts)) for state in states})


def renamed(
    program: Program, state: bytes, tables: list[str], sorts: list[str]
) -> Iterator[tuple[Any, ...]]:
    """What a state is called with every permutation of all rows of tables and values of sorts."""
    layout = program.layout
    sizes = {name: layout.tables[name].rows for name in tables}
    sizes |= {name: layout.shape.sizes[name] for name in sorts}
    every = [itertools.permutations(range(1, size + 1)) for size in sizes.values()]
    for chosen in itertools.product(*every):
        names = {
            name: {0: 0, **dict(enumerate(images, 1))}
            for name, images in zip(sizes, chosen, strict=True)
        }
        yield tuple(_read(program, state, names))


def _read(program: Program, state: bytes, names: Names) -> Iterator[Any]:
    """Every cell under its new place and with its new value, sorted by the place."""
    layout, cells = program.layout, []
    for column in layout.columns():
        if column.constants is not None:
            continue
        for row in range(1, column.rows + 1):
            at = column.offset(row)
            held = int.from_bytes(state[at : at + column.width], "little")
            value: Any = held
            match column.type:
                case SortT(cls):
                    value = names.get(cls.__name__, {}).get(held, held)
                case IdT(record):
                    value = names.get(layout.table_of(record).name, {}).get(held, held)
                case SetT(record):
                    image = names.get(layout.table_of(record).name)
                    members = [x + 1 for x in range(8 * column.width) if held >> x & 1]
                    value = tuple(sorted(image[x] if image else x for x in members))
            to = names[column.table][row] if column.table in names else row
            cells.append((column.table, column.name, to, value))
    return iter(sorted(cells))

"""Which states of a machine over an iommufd go on alike: a way to one is a way to all of them."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Final

from checkers.cells import raw_value
from spec.language.layout import Column, FieldT, IdT, Layout, SetT

OBJECTS: Final = "objects"
USERS: Final = "refs"


class Alike:
    """The key of a state: without ids, and without what nobody can come back to.

    What is leaked stays for good. All that is felt of it is that what it was made on is in use, no
    matter by how many; and which id is the next.
    """

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        changing = [column for column in layout.columns() if column.constants is None]
        own = [column for column in changing if column.table == OBJECTS and column.name != USERS]
        self.links = [column for column in own if self._names(column.type)]
        self.values = [column for column in own if not self._names(column.type)]
        rest = [column for column in changing if column.table != OBJECTS]
        self.names = [column for column in rest if self._names(column.type)]
        self.others = [column for column in rest if not self._names(column.type)]
        self.users = layout.tables[OBJECTS].columns[USERS]
        self.rows = range(1, layout.tables[OBJECTS].rows + 1)

    def __call__(self, state: bytes) -> Hashable:
        """Two states with one key go on alike, as long as there are ids to give."""
        known = {0: 0}
        names = [
            self._seen(column, raw_value(column, row, state), known)
            for column in self.names for row in range(1, column.rows + 1)
        ]  # fmt: skip
        links = {row: [raw_value(c, row, state) for c in self.links] for row in self.rows}
        waiting = list(known)
        while waiting:
            for link in links.get(waiting.pop(0), []):
                if link not in known:
                    _number(link, known)
                    waiting.append(link)
        lost = [link for row in self.rows if row not in known for link in links[row]]
        del known[0]
        others = [state[column.base : column.base + column.size] for column in self.others]
        return b"".join(others), tuple(names), tuple(
            (
                *(known.get(link, 0) for link in links[row]),
                *(state[c.offset(row) : c.offset(row) + c.width] for c in self.values),
                raw_value(self.users, row, state) - lost.count(row), row in lost,
            )
            for row in known
        )  # fmt: skip

    def _names(self, kind: FieldT) -> bool:
        return isinstance(kind, IdT | SetT) and self.layout.table_of(kind.record).name == OBJECTS

    def _seen(self, column: Column, raw: int, known: dict[int, int]) -> Hashable:
        """A cell outside of the objects that names one, or several: each has the next number."""
        if isinstance(column.type, SetT):
            return tuple(_number(row, known) for row in self.rows if raw >> row - 1 & 1)
        return _number(raw, known)


def _number(row: int, known: dict[int, int]) -> int:
    return known.setdefault(row, len(known))

"""Rows of which `fresh` need take one only: nothing tells them apart, in this state or this run.

Say that two rows are alike (`scalarsets`), that their cells are the same constants in the state
before the step and where `fresh` is called, and that nothing names either: no cell of one of these
states, no local or parameter, no earlier choice of `fresh`. Then exchanging the two maps the state
before the step to itself, and a run in which `fresh` takes the one to a run in which it takes the
other; a rule is broken after both or after neither. So every broken rule is broken after a run that
takes the first of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from checkers.frontend.ir import Node
from spec.language.layout import Column, IdT, Layout, SetT, TableLayout

Classes = Mapping[str, Sequence[Sequence[int]]]
"""Of each table the rows that are alike."""

Places = Mapping[Node, tuple[Column, int, int]]
"""Of each variable the column, the row, and for a set the element (else 0)."""

Cells = Mapping[Node, Node]


@dataclass
class Untouched:
    """What is known of rows while one action is merged: `before` is the state that it began in."""

    layout: Layout
    classes: Classes
    where: Places
    before: Cells
    named: list[Node] = field(default_factory=list)
    """Parameters of the action, and what earlier calls of `fresh` gave."""

    def representatives(
        self, table: TableLayout, now: Cells, values: Iterable[object]
    ) -> dict[int, int]:
        """Of each row that is like an earlier one, that one; `values` are those of all locals."""
        classes = self.classes.get(table.name, ())
        if not classes:
            return {}
        named = {row for node in (*self.named, *_nodes(values)) for row in _rows(node, table)}
        for cells in (self.before, now):
            named |= set(self._referred(table, cells))
        found: dict[int, int] = {}
        for rows in classes:
            first: dict[tuple[Node, ...], int] = {}
            for row in rows:
                key = () if row in named else self._contents(table, row, now)
                if key:
                    earlier = first.setdefault(key, row)
                    if earlier != row:
                        found[row] = earlier
        return found

    def _contents(self, table: TableLayout, row: int, now: Cells) -> tuple[Node, ...]:
        """The constants of a row's cells, before and now; none if one is no constant."""
        key: list[Node] = []
        for node, (column, at, _) in self.where.items():
            if column.table == table.name and at == row:
                key += [self.before[node], now[node]]
        return tuple(key) if all(node.op == "const" for node in key) else ()

    def _referred(self, table: TableLayout, cells: Cells) -> Iterator[int]:
        """The rows that some cell of a state may name."""
        for node, (column, _, element) in self.where.items():
            value = cells[node]
            if isinstance(column.type, IdT):
                yield from _rows(value, table)
            elif isinstance(column.type, SetT) and column.type.record is table.record and (
                value.op != "const" or value.value
            ):
                yield element


def _rows(node: Node, table: TableLayout) -> Iterator[int]:
    """The rows of a table that a value may be the id of."""
    if isinstance(node.type, IdT) and node.type.record is table.record:
        yield from (row for row in range(1, table.rows + 1) if node.may_be(row))


def _nodes(values: Iterable[object]) -> Iterator[Node]:
    for value in values:
        if isinstance(value, Node):
            yield value
        elif isinstance(value, tuple):
            yield from _nodes(value)

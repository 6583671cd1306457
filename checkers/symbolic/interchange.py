"""Rows that no action and no invariant tells apart: a proof looks at them in one order only.

If every function treats some rows of a table alike, permuting them maps runs to runs and invariants
to themselves, so it is enough to start an inductive step where these rows are sorted. That needs
allocation to take *any* free row, as `fresh` does in a proof.
"""

from __future__ import annotations

import itertools

from checkers.frontend.parse import Parser
from checkers.frontend.scalarsets import classes, reached, told_apart
from spec.language.layout import Column, EnumT
from spec.language.program import Program


def orders(program: Program, parser: Parser) -> list[tuple[Column, int, int]]:
    """Pairs of rows: a proof may assume that the column's value at the first is not less."""
    functions = reached(program, parser)
    found = []
    for table in program.layout.tables.values():
        column = next((x for x in table.columns.values() if _sortable(x)), None)
        if column is None or any(told_apart(program, parser, table)):
            continue
        for rows in classes(program, functions, table):
            found += [(column, low, high) for low, high in itertools.pairwise(rows)]
    return found


def _sortable(column: Column) -> bool:
    return isinstance(column.type, EnumT) and column.constants is None

"""Rows that no action and no invariant tells apart: a proof looks at them in one order only.

Say that a step leads from a state in which the invariants hold to one where a rule is broken. If
no function tells some rows of a table apart (`scalarsets` has the conditions), permuting them in
both states makes another such step, of the same action with its ids permuted; and some permutation
sorts the rows of the first state by a column. So it is enough to start where they are sorted, if
every instance of every action is taken, and if `fresh` gives *any* row with its test: the first one
of the permuted state may be another. Nothing is assumed of the initial states, nor of the state
after the step. Rows of two tables are permuted at a time, so each may be sorted by itself.
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

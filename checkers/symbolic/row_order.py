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
from collections.abc import Iterator

from checkers.frontend.parse import Parser
from checkers.frontend.scalarsets import classes, reached, told_apart
from checkers.frontend.untouched import Classes
from spec.language.layout import Column, EnumT
from spec.language.program import Program


def alike(program: Program) -> dict[str, list[list[int]]]:
    """Of each table the rows that nothing tells apart, in classes."""
    parser = Parser.of(program.layout)
    functions = reached(program, parser)
    return {
        name: classes(program, functions, table)
        for name, table in program.layout.tables.items()
        if not any(told_apart(program, parser, table))
    }


def orders(program: Program, rows: Classes) -> Iterator[tuple[Column, int, int]]:
    """Pairs of rows: a proof may assume that the column's value at the first is not less."""
    for name, found in rows.items():
        columns = program.layout.tables[name].columns.values()
        column = next((x for x in columns if _sortable(x)), None)
        for members in found if column is not None else ():
            assert column is not None
            yield from ((column, low, high) for low, high in itertools.pairwise(members))


def _sortable(column: Column) -> bool:
    return isinstance(column.type, EnumT) and column.constants is None

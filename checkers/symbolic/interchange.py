"""Rows that no action and no invariant tells apart: a proof looks at them in one order only.

If every function treats some rows of a table alike, permuting them maps runs to runs and invariants
to themselves, so it is enough to start an inductive step where these rows are sorted. That needs
allocation to take *any* free row (`fresh` in a proof), and the text to be checked:

- no `first` over the table (but `fresh`), no loop over it whose turns depend on their order;
- constants of a row are compared with literals only (then rows with the same answers are alike), or
  else rows are alike only if they have the same value;
- a row that a constant of another table names is like no other.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from checkers.frontend import tree as t
from checkers.frontend.parse import Parser
from spec.language.layout import Column, EnumT, IdT, TableLayout
from spec.language.program import Program

COMPARE = {
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
}


def orders(program: Program, parser: Parser) -> list[tuple[Column, int, int]]:
    """Pairs of rows: a proof may assume that the column's value at the first is not less."""
    functions = list(_functions(program, parser))
    found = []
    for table in program.layout.tables.values():
        column = next((x for x in table.columns.values() if _sortable(x)), None)
        if column is None or not _order_free(functions, table):
            continue
        for rows in _classes(program, functions, table):
            found += [(column, low, high) for low, high in itertools.pairwise(rows)]
    return found


def _sortable(column: Column) -> bool:
    return isinstance(column.type, EnumT) and column.constants is None


def _functions(program: Program, parser: Parser) -> Iterator[t.Function]:
    """Every function that an action or a predicate reaches; `init` is checked as it is."""
    rules = [*program.actions, *program.invariants.values()]
    rules += [rule for rule in (program.empty, program.rank) if rule is not None]
    seen: set[int] = set()
    todo = [parser.function(rule.function) for rule in rules]
    while todo:
        function = todo.pop()
        if function.serial not in seen:
            seen.add(function.serial)
            yield function
            todo += [node.function for node in t.nodes(function.body) if isinstance(node, t.Call)]


# order


def _order_free(functions: list[t.Function], table: TableLayout) -> bool:
    for node in (node for function in functions for node in t.nodes(function.body)):
        if isinstance(node, t.Quantified) and node.table is not None:
            ordered = node.op == "first" and not node.relaxed
            if node.table.name == table.name and ordered:
                return False
        if isinstance(node, t.For) and not _loop_apart(node, table):
            return False
    return True


def _loop_apart(loop: t.For, table: TableLayout) -> bool:
    """Whether a loop is over another table, or its turns may come in any order."""
    other = loop.table is None or loop.table.name != table.name
    return other or _turns_apart(loop.body, table, {loop.name})


def _turns_apart(body: tuple[t.Stmt, ...], table: TableLayout, own: set[str]) -> bool:
    """Whether a turn of a loop reads and writes only the row it is about (`own` names it)."""
    return all(_apart(statement, table, own) for statement in body)


def _apart(statement: t.Stmt, table: TableLayout, own: set[str]) -> bool:
    match statement:
        case t.Store(_, row, value):
            return _is_own(row, table, own) and _reads_own(value, table, own)
        case t.SetChange("clear", _, row, None):
            return _is_own(row, table, own)
        case t.If(test, then, other):
            return _reads_own(test, table, own) and _turns_apart((*then, *other), table, own)
        case t.Assign((name,), value):
            own |= {name}
            return _is_own(value, table, own - {name})
        case t.Do(call):
            return _call_apart(call, table, own)
    return False


def _call_apart(call: t.Call, table: TableLayout, own: set[str]) -> bool:
    if call.function.host is not None:
        return False
    names = set()
    for (name, kind), given in zip(call.function.parameters, call.arguments, strict=True):
        if isinstance(kind, t.StateT):
            continue
        if not _is_own(given, table, own):
            return False
        names.add(name)
    return _turns_apart(call.function.body, table, names)


def _is_own(expr: t.Expr | None, table: TableLayout, own: set[str]) -> bool:
    """Whether an expression is the row of this turn, or its id."""
    match expr:
        case t.Local(name, _):
            return name in own
        case t.RowId(row, _):
            return _is_own(row, table, own)
        case t.Deref(_, found, index, _):
            return found.name == table.name and _is_own(index, table, own)
    return False


def _reads_own(expr: t.Expr, table: TableLayout, own: set[str]) -> bool:
    """Whether an expression is made of constants and fields of the row of this turn."""
    match expr:
        case t.Constant():
            return True
        case t.Field(_, _, row, _):
            return _is_own(row, table, own)
        case t.Compare(_, left, right, _) | t.Logic(_, left, right, _):
            return _reads_own(left, table, own) and _reads_own(right, table, own)
        case t.Not(operand, _):
            return _reads_own(operand, table, own)
    return False


# classes


def _classes(
    program: Program, functions: list[t.Function], table: TableLayout
) -> list[list[int]]:
    """The rows that are alike, two at least in each list, in row order."""
    named = _named(program, table)
    keys = [_answers(functions, column) for column in table.columns.values() if column.constants]
    found: dict[tuple[object, ...], list[int]] = {}
    for row in range(1, table.rows + 1):
        if row not in named:
            found.setdefault(tuple(key[row - 1] for key in keys), []).append(row)
    return [rows for rows in found.values() if len(rows) > 1]


def _named(program: Program, table: TableLayout) -> set[int]:
    """The rows that a constant names."""
    return {
        int(value)
        for column in program.layout.columns()
        if column.constants and isinstance(column.type, IdT)
        and program.layout.table_of(column.type.record).name == table.name
        for value in column.constants
    }


def _answers(functions: list[t.Function], column: Column) -> list[object]:
    """What each row answers about a constant: to each comparison with a literal, else its value."""
    assert column.constants is not None
    tests: list[tuple[str, int, bool]] = []
    uses = 0
    for node in (node for function in functions for node in t.nodes(function.body)):
        if isinstance(node, t.Field | t.Member) and node.column == column:
            uses += 1
        if isinstance(node, t.Compare):
            tests += _tests(node, column)
    if uses != len(tests):
        return list(column.constants)
    return [
        tuple(
            COMPARE[op](literal, value) if swapped else COMPARE[op](value, literal)
            for op, literal, swapped in tests
        )
        for value in column.constants
    ]


def _tests(node: t.Compare, column: Column) -> list[tuple[str, int, bool]]:
    """The operator, the literal and whether it stands left, if a constant is compared with one."""
    return [
        (node.op, other.value, swapped)
        for side, other, swapped in (
            (node.left, node.right, False),
            (node.right, node.left, True),
        )
        if isinstance(side, t.Field) and side.column == column and isinstance(other, t.Constant)
    ]

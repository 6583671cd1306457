"""Which rows of a table no function tells apart.

If every function treats some rows of a table alike, permuting them maps runs to runs and rules to
themselves. The text is checked:

- no `first` over the table, no loop over it whose turns depend on their order;
- constants of a row are compared with literals only (then rows with the same answers are alike), or
  else rows are alike only if they have the same value;
- a row that a constant of another table names is like no other.

In a proof that is all, for there `fresh` takes any row. Exploring takes the first, and compares
states for being equal, so for it more is asked: `fresh` is as bad as `first`; no function names a
row; and no `any` or `all` ends, at the luck of the order, before it comes to a row for which it
would fail.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeGuard

from checkers.frontend import tree as t
from checkers.frontend.failing import may_fail
from checkers.frontend.parse import Parser
from spec.language.errors import LanguageError
from spec.language.layout import Column, IdT, SetT, TableLayout
from spec.language.program import Program, Rule

COMPARE = {
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
}


def reached(program: Program, parser: Parser, more: Iterable[Rule] = ()) -> list[t.Function]:
    """Every function that an action, an invariant, the teardown or one of `more` reaches."""
    rules = [*program.actions, *program.invariants.values(), *more]
    rules += [rule for rule in (program.empty, program.rank) if rule is not None]
    seen: dict[int, t.Function] = {}
    todo = [parser.function(rule.function) for rule in rules]
    while todo:
        function = todo.pop()
        if function.serial not in seen:
            seen[function.serial] = function
            todo += [node.function for node in t.nodes(function.body) if isinstance(node, t.Call)]
    return list(seen.values())


# order


def order_told(functions: list[t.Function], table: TableLayout) -> Iterator[LanguageError]:
    """Where the order of the rows matters, even if `fresh` takes any of them."""
    for function in functions:
        for node in t.nodes(function.body):
            if _draws(node, table) and not node.relaxed:
                yield _at(function, node.line, f"`first` over `{table.name}` depends on the order")
            if isinstance(node, t.For) and not _loop_apart(node, table):
                why = f"the turns of this loop over `{table.name}` may depend on their order"
                yield _at(function, node.line, why)


def told_apart(functions: list[t.Function], table: TableLayout) -> Iterator[LanguageError]:
    """Where rows are told apart when the machine is run, in any way but by their constants."""
    yield from order_told(functions, table)
    for function in functions:
        for node in t.nodes(function.body):
            if _draws(node, table) and node.relaxed:
                yield _at(function, node.line, f"`fresh` over `{table.name}` takes the first row")
            if isinstance(node, t.Constant) and _names_row(node, table):
                yield _at(function, node.line, f"row {node.value} of `{table.name}` is named")
            if isinstance(node, t.Quantified) and _ends_early(node, table):
                why = f"`{node.op}` over `{table.name}` may fail for a row, or end before it"
                yield _at(function, node.line, why)


def _at(function: t.Function, line: int, why: str) -> LanguageError:
    return LanguageError(function.file, line, why)


def _draws(node: object, table: TableLayout) -> TypeGuard[t.Quantified]:
    """Whether this is a `first` or `fresh` over the table."""
    return isinstance(node, t.Quantified) and node.op == "first" and _is_over(node, table)


def _is_over(node: t.Quantified | t.For, table: TableLayout) -> bool:
    return node.table is not None and node.table.name == table.name


def _names_row(node: t.Constant, table: TableLayout) -> bool:
    return isinstance(node.type, IdT) and node.type.record is table.record and node.value > 0


def _ends_early(node: t.Quantified, table: TableLayout) -> bool:
    """Whether it may come to its value without looking at a row for which it would fail."""
    return node.op in ("any", "all") and _is_over(node, table) and may_fail(node)


def _loop_apart(loop: t.For, table: TableLayout) -> bool:
    """Whether a loop is over another table, or its turns may come in any order."""
    return not _is_over(loop, table) or _turns_apart(loop.body, table, {loop.name})


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


def classes(
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
    found: set[int] = set()
    for column in program.layout.columns():
        if column.constants and refers(column, table):
            for value in column.constants:
                found |= set(map(int, value)) if isinstance(column.type, SetT) else {int(value)}
    return found


def refers(column: Column, table: TableLayout) -> bool:
    """Whether the cells of a column name rows of a table."""
    return isinstance(column.type, IdT | SetT) and column.type.record is table.record


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

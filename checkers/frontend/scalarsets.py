"""Which rows of a table nothing tells apart: what may be renamed in a state.

If every function treats some rows of a table alike, permuting them maps runs to runs and rules to
themselves, so states may be taken for one that differ in a permutation (a *scalarset*: Ip and Dill,
Better verification through symmetry, 1996). A permutation moves the rows of the table and renames
the ids of its rows wherever they are: in fields, in sets, in the values of parameters.

`fresh` may then give any row for which its condition is true. What an exploration finds so may need
a choice of ids that the kernel does not make.

The text is checked. Rows are told apart by

- a `first` over their table, or a `fresh` in what is no action, for a rule has one value;
- a loop over it whose turns may not come in any order (`turns`);
- an ``any``, ``all``, ``count`` or ``fresh`` over it for which the order of rows may matter, as it
  may end with one row where the next would fail (`outcomes`);
- a literal id of a row;
- a constant of theirs: rows are alike if it is the same, or has the same answers to all literals
  that it is compared with, if it is used for nothing else;
- a constant of any table that names a row: that is like no other;
- the initial states, if they are not the same for all.
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeGuard

from checkers.frontend import tree as t
from checkers.frontend.outcomes import order_matters
from checkers.frontend.parse import Parser
from checkers.frontend.turns import order_told
from spec.language.errors import LanguageError, refuse
from spec.language.layout import Column, IdT, SetT, SortT, TableLayout
from spec.language.program import Linked, Program
from spec.language.types import Record

COMPARE = {
    "==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le,
    ">": operator.gt, ">=": operator.ge,
}


@dataclass(frozen=True)
class Scalarset:
    """The rows of a table in classes (rows from 1); those of one class are interchangeable."""

    table: TableLayout
    classes: tuple[tuple[int, ...], ...]


def scalarsets(program: Program) -> tuple[list[Scalarset], list[LanguageError]]:
    """The tables with rows that are alike; and why no rows of another are, if it has several.

    Rows of two tables may be permuted at a time.
    """
    found, refused = list[Scalarset](), list[LanguageError]()
    for table in _with_several(program):
        classes, why = _alike(program, table)
        if classes:
            found.append(Scalarset(table, classes))
        elif why is not None:
            refused.append(why)
    return found, refused


def declared(program: Program) -> None:
    """Raises `LanguageError` if rows are told apart that the machine declares symmetric."""
    name = program.machine.name
    for record in program.machine.symmetric:
        if not any(table.record is record for table in program.layout.tables.values()):
            why = f"the state of {name} has no table of {record.__name__}, declared symmetric"
            raise refuse(program.machine.state, why)
        for table in _with_several(program):
            why_not = _told_apart(program, table) if table.record is record else None
            if why_not is not None:
                why = f"{why_not.message}; so its rows are not alike, as {name} declares"
                raise LanguageError(why_not.file, why_not.line, why)


def free_sorts(program: Program) -> dict[str, int]:
    """The data sorts with several values that no constant tells apart, by name; how many values.

    Sorts of which the state has none are left out.
    """
    layout = program.layout
    carriers, fixed = dict[str, int](), set[str]()
    for column in layout.columns():
        if isinstance(column.type, SortT):
            name = column.type.cls.__name__
            if column.constants is None:
                carriers[name] = layout.carrier(column.type.cls)
            elif any(map(int, column.constants)):
                fixed.add(name)
    return {name: size for name, size in carriers.items() if size > 1 and name not in fixed}


def exchanged(program: Program, table: TableLayout, state: bytes, a: int, b: int) -> bytes:
    """A state with two rows of a table exchanged, and their ids wherever they are."""
    cells = bytearray(state)
    names = bytes.maketrans(bytes((a, b)), bytes((b, a)))
    for column in program.layout.columns():
        if column.constants is not None:
            continue
        places = [
            slice(column.offset(row), column.offset(row) + column.width)
            for row in range(1, column.rows + 1)
        ]
        if column.table == table.name:
            one, other = places[a - 1], places[b - 1]
            cells[one], cells[other] = cells[other], cells[one]
        if names_rows(column, table):
            for place in places:
                is_set = isinstance(column.type, SetT)
                held = bytes(cells[place])
                cells[place] = _renamed(held, a, b) if is_set else held.translate(names)
    return bytes(cells)


def _renamed(held: bytes, a: int, b: int) -> bytes:
    """A set with one id in the place of another."""
    members = int.from_bytes(held, "little")
    if members >> (a - 1) & 1 != members >> (b - 1) & 1:
        members ^= 1 << (a - 1) | 1 << (b - 1)
    return members.to_bytes(len(held), "little")


# a table


def _with_several(program: Program) -> Iterator[TableLayout]:
    return (table for table in program.layout.tables.values() if table.rows > 1)


def _alike(
    program: Program, table: TableLayout
) -> tuple[tuple[tuple[int, ...], ...], LanguageError | None]:
    """The classes of a table, or why there are none."""
    why = _told_apart(program, table)
    if why is not None:
        return (), why
    found = classes(program, reached(program, Parser.of(program.layout)), table)
    if not found:
        each = f"constants tell each row of `{table.name}` from all others, with these bounds"
        return (), refuse(table.record, each)
    return tuple(map(tuple, found)), None


def _told_apart(program: Program, table: TableLayout) -> LanguageError | None:
    """Where the text or the initial states tell rows apart that have the same constants."""
    parser = Parser.of(program.layout)
    why = next(told_apart(program, parser, table), None)
    if why is not None:
        return why
    initial = set(program.initial())
    for rows in classes(program, reached(program, parser), table):
        for a, b in itertools.pairwise(rows):
            if not initial.issuperset(exchanged(program, table, s, a, b) for s in initial):
                uneven = f"not every row of `{table.name}` may begin as any other"
                return refuse(program.machine.init, uneven)
    return None


def reached(program: Program, parser: Parser) -> list[t.Function]:
    """Every function that an action, a rule, a witness or the teardown reaches."""
    return _closure(parser, [*program.actions, *_predicates(program)])


def _predicates(program: Program) -> list[Linked]:
    teardown = [rule for rule in (program.empty, program.rank) if rule is not None]
    return [*program.invariants.values(), *program.witness_rules.values(), *teardown]


def _closure(parser: Parser, rules: Iterable[Linked]) -> list[t.Function]:
    seen: dict[int, t.Function] = {}
    todo = [parser.function(rule.function) for rule in rules]
    while todo:
        function = todo.pop()
        if function.serial not in seen:
            seen[function.serial] = function
            todo += function.called
    return list(seen.values())


def told_apart(program: Program, parser: Parser, table: TableLayout) -> Iterator[LanguageError]:
    """Where the text tells rows of a table apart, in any way but by their constants."""
    for function in _closure(parser, _predicates(program)):
        for node in function.nodes:
            if _draws(node, table) and node.relaxed:
                why = f"`fresh` over `{table.name}` gives one of several rows, in no action"
                yield LanguageError(function.file, node.line, why)
    for function in reached(program, parser):
        for node in function.nodes:
            line_and_why = _why(function, node, table)
            if line_and_why is not None:
                yield LanguageError(function.file, *line_and_why)


def _why(function: t.Function, node: object, table: TableLayout) -> tuple[int, str] | None:
    """The line and the reason, if a node tells rows apart."""
    over = f"over `{table.name}`"
    match node:
        case t.Quantified(op="first"):
            if _draws(node, table) and not node.relaxed:
                return node.line, f"`first` {over} depends on the order"
            if _draws(node, table) and order_matters(node):
                return node.line, f"`fresh` {over} may fail for a row, or end before it"
        case t.Quantified(table=found):
            if found is not None and found.name == table.name and order_matters(node):
                return node.line, f"`{node.op}` {over} may fail for a row, or end before it"
        case t.For(table=found):
            why = order_told(function, node) if found and found.name == table.name else ""
            return (node.line, why) if why else None
        case t.Constant(value, IdT(record)) if value and record in (table.record, Record):
            return node.line, f"row {value} of `{table.name}` is named"
    return None


def _draws(node: object, table: TableLayout) -> TypeGuard[t.Quantified]:
    """Whether this is a `first` or `fresh` over the table."""
    found = node.table if isinstance(node, t.Quantified) and node.op == "first" else None
    return found is not None and found.name == table.name


# classes


def classes(
    program: Program, functions: list[t.Function], table: TableLayout
) -> list[list[int]]:
    """The rows with the same constants, two at least in each list, in row order."""
    named = _named(program, table)
    nodes = [node for function in functions for node in function.nodes]
    looks = [node for node in nodes if isinstance(node, t.Field | t.Member | t.Compare)]
    keys = [_answers(looks, column) for column in table.columns.values() if column.constants]
    found: dict[tuple[object, ...], list[int]] = {}
    for row in range(1, table.rows + 1):
        if row not in named:
            found.setdefault(tuple(key[row - 1] for key in keys), []).append(row)
    return [rows for rows in found.values() if len(rows) > 1]


def _named(program: Program, table: TableLayout) -> set[int]:
    """The rows that a constant names."""
    found: set[int] = set()
    for column in program.layout.columns():
        if column.constants and names_rows(column, table):
            for value in column.constants:
                found |= set(map(int, value)) if isinstance(column.type, SetT) else {int(value)}
    return found


def names_rows(column: Column, table: TableLayout) -> bool:
    """Whether the cells of a column name rows of a table."""
    return isinstance(column.type, IdT | SetT) and column.type.record is table.record


def _answers(looks: Sequence[t.Expr], column: Column) -> list[object]:
    """What each row answers about a constant: to each comparison with a literal, else its value."""
    assert column.constants is not None
    tests: list[tuple[str, int, bool]] = []
    uses = 0
    for node in looks:
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

"""One representative of all states that differ only in which row is which.

Rows that nothing tells apart may change places: that turns runs into runs. The representative has
them sorted by all their cells. A machine says of which records it is so (`Machine.symmetric`); it
is believed only where the text bears it out.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from checkers.explicit.symmetry import Exchange, symmetries
from checkers.explicit.writer import Writer
from checkers.frontend import tree as t
from checkers.frontend.parse import Parser
from checkers.frontend.scalarsets import classes, names_rows, reached, told_apart
from checkers.result import Renaming
from spec.language.errors import LanguageError, place, refuse
from spec.language.layout import Column, SortT, TableLayout
from spec.language.program import Program
from spec.language.types import Record


@dataclass(frozen=True)
class Alike:
    """The rows of a table in classes; those of one class are interchangeable."""

    table: TableLayout
    classes: tuple[tuple[int, ...], ...]

    @property
    def sort(self) -> str:
        """What is renamed: the ids of this record."""
        return self.table.record.__name__

    @property
    def columns(self) -> list[Column]:
        """What the rows are sorted by, the first before the others."""
        return [column for column in self.table.columns.values() if column.constants is None]

    def canonical(self, state: bytes) -> bytes:
        """The representative of a state."""
        cells = bytearray(state)
        for rows in self.classes:
            places = [self._bytes(row) for row in rows]
            held = sorted(bytes(state[at] for at in row) for row in places)
            for row, values in zip(places, held, strict=True):
                for at, value in zip(row, values, strict=True):
                    cells[at] = value
        return bytes(cells)

    def write(self, out: Writer) -> None:
        """Lines that replace the state `c`, frozen as `k`, by its representative."""
        for rows in self.classes:
            places = [self._bytes(row) for row in rows]
            out.line(f"w = {_row('k', places)}")
            out.line("v = sorted(w)")
            with out.block("if v != w"):
                out.line(f"{_row('c', places)} = v")
                out.line("k = bytes(c)")

    def changed_by(self, function: t.Function) -> bool:
        """Whether a function, or one it calls, may write a cell of these rows."""
        return any(
            (isinstance(node, t.Store | t.SetChange) and node.column.table == self.table.name)
            or (isinstance(node, t.Call) and self.changed_by(node.function))
            for node in t.nodes(function.body)
        )

    def exchanged(self, state: bytes) -> Iterator[bytes]:
        """The state with each two neighbours of a class exchanged."""
        for rows in self.classes:
            for one, other in itertools.pairwise(rows):
                cells = bytearray(state)
                for a, b in zip(self._bytes(one), self._bytes(other), strict=True):
                    cells[a], cells[b] = state[b], state[a]
                yield bytes(cells)

    def _bytes(self, row: int) -> list[int]:
        """The places of the cells of a row, in the order in which they count."""
        return [
            place
            for column in self.columns
            for place in reversed(range(column.offset(row), column.offset(row) + column.width))
        ]


def _row(name: str, places: list[list[int]]) -> str:
    """Source of the cells of some rows: a list of numbers, or of tuples of them."""
    cells = [", ".join(f"{name}[{at}]" for at in row) for row in places]
    return f"[{', '.join(text if ',' not in text else f'({text})' for text in cells)}]"


def exchanges(program: Program, renaming: Renaming | None) -> tuple[Exchange, ...]:
    """What may be exchanged in the states of a program; without a wish, what is best."""
    if renaming is None:
        renaming = default(program)[0]
    if renaming is Renaming.NONE:
        return ()
    more = alike(program) if renaming is Renaming.IDS else []
    return (*symmetries(program), *more)


def default(program: Program) -> tuple[Renaming, str]:
    """How states are counted if nobody says it; and why ids are not renamed, if they are not.

    The exact figures of bounds are those with ids as they are.
    """
    if not program.machine.symmetric:
        return Renaming.SORTS, ""
    if program.variant is None:
        known = program.bounds.states is not None
        return (Renaming.SORTS if known else Renaming.IDS), ""
    try:
        alike(program)
    except LanguageError as error:
        return Renaming.SORTS, f"ids are not renamed: {error}"
    return Renaming.IDS, ""


def alike(program: Program) -> list[Alike]:
    """The rows that the machine declares alike, and that are; `LanguageError` if they are not."""
    found = [_declared(program, record) for record in program.machine.symmetric]
    return [item for item in found if item.classes and item.columns]


def _declared(program: Program, record: type[Record]) -> Alike:
    name = program.machine.name
    table = next((x for x in program.layout.tables.values() if x.record is record), None)
    if table is None:
        why = f"the state of {name} has no table of {record.__name__}, declared symmetric"
        raise refuse(program.machine.state, why)
    parser = Parser(program.layout)
    functions = reached(program, parser)
    text = (*told_apart(program, parser, table), *_drawn(functions, table))
    for reason in (*text, *_unfit(program, table)):
        why = f"{reason.message}; so its rows are not alike, as {name} declares"
        raise LanguageError(reason.file, reason.line, why)
    rows = classes(program, functions, table)
    found = Alike(table, tuple(map(tuple, rows)))
    initial = set(program.initial())
    for state in initial:
        if not initial.issuperset(found.exchanged(state)):
            why = f"not every row of `{table.name}` may begin as any other; so its rows are not"
            raise refuse(program.machine.init, f"{why} alike, as {name} declares")
    return found


def _drawn(functions: list[t.Function], table: TableLayout) -> Iterator[LanguageError]:
    """Where the first of several rows is taken, which here `fresh` does too."""
    for function in functions:
        for node in t.nodes(function.body):
            if isinstance(node, t.Quantified) and node.relaxed and node.table is table:
                why = f"`fresh` over `{table.name}` takes the first row"
                yield LanguageError(function.file, node.line, why)


def _unfit(program: Program, table: TableLayout) -> Iterator[LanguageError]:
    """What in the declarations needs more than sorting rows."""
    free = {item.sort for item in symmetries(program)}
    for column in program.layout.columns():
        where = f"`{column.table}.{column.name}`".replace("`.", "`")
        owner = program.layout.tables[column.table].record if column.table else (
            program.machine.state
        )
        if column.constants is None and names_rows(column, table):
            yield LanguageError(*place(owner), f"{where} names rows of `{table.name}`")
        kind = column.type
        if column.table == table.name and isinstance(kind, SortT) and kind.cls.__name__ in free:
            yield LanguageError(*place(owner), f"{where} has values that are renamed themselves")

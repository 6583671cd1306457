"""The state as a C structure of bytes, and everything that depends on where a field is.

It is the flat state that everybody else has, under names; kept states have only the bits that a
field can use.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from checkers.explore.native.c_lines import Code
from checkers.explore.native.c_names import local
from spec.language.layout import BoolT, Column, EnumT, IdT, IntT, Layout, SetT, SortT

WORD: Final = 64
"""Bits of a word."""


@dataclass(frozen=True)
class Renamed:
    """What is renamed: the data sorts with their carriers, and the classes of rows of tables."""

    sorts: Mapping[str, int]
    tables: Mapping[str, Sequence[Sequence[int]]]


class CState:
    """Reads and writes of fields as C, and the declarations that they need."""

    def __init__(self, layout: Layout, renamed: Renamed) -> None:
        self.layout = layout
        self.renamed = renamed
        self.columns = [column for column in layout.columns() if column.constants is None]
        self._numbers = {(c.table, c.name): n for n, c in enumerate(self.columns)}
        self.vertices: dict[str, int] = {}
        self.classes: list[int] = []
        for name, classes in renamed.tables.items():
            self._vertices(name, classes, layout.tables[name].rows)
        if renamed.tables:
            for name, carrier in renamed.sorts.items():
                self._vertices(name, [range(1, carrier + 1)], carrier)

    def _vertices(self, name: str, classes: Sequence[Sequence[int]], rows: int) -> None:
        """Rows of one class may change places; every other row is a class of its own."""
        first, fresh = len(self.classes), max(self.classes, default=-1) + 1
        self.vertices[name] = first
        of = {row: fresh + number for number, rows_ in enumerate(classes) for row in rows_}
        fresh += len(classes)
        for row in range(1, rows + 1):
            if row not in of:
                of[row], fresh = fresh, fresh + 1
            self.classes.append(of[row])

    # fields

    def bits(self, column: Column) -> int:
        """How many bits of a cell may be set."""
        match column.type:
            case BoolT():
                return 1
            case EnumT(cls):
                return max(1, int(max(cls)).bit_length())
            case IntT(_, hi):
                return max(1, hi.bit_length())
            case IdT(record):
                return self.layout.table_of(record).rows.bit_length()
            case SetT(record):
                return self.layout.table_of(record).rows
            case SortT(cls):
                return max(1, self.layout.carrier(cls).bit_length())

    def mask(self, column: Column) -> int:
        """The bit that says that a column was written; beyond 64 columns some share one."""
        return 1 << self._numbers[column.table, column.name] % WORD

    def place(self, column: Column, row: str, state: str) -> str:
        """A cell of a state; `row` is an id that is not 0."""
        if not column.table:
            return f"{state}->at.{field(column)}"
        index = str(int(row) - 1) if row.isdigit() else f"{row} - 1"
        return f"{state}->at.{local(column.table)}.{field(column)}[{index}]"

    def read(self, column: Column, row: str, state: str) -> str:
        """The value of a field, an int; or the bytes of a set."""
        if column.constants is not None:
            index = (str(int(row) - 1) if row.isdigit() else f"{row} - 1") if column.table else "0"
            return f"{constant(column)}[{index}]"
        return self.place(column, row, state)

    def width(self, column: Column) -> int:
        """The bytes of a set."""
        return (self.bits(column) + 7) // 8

    def change(self, op: str, column: Column, row: str, item: str, state: str) -> str:
        """A statement that puts an id into a set, takes it out, or clears the set."""
        cell = self.place(column, row, state)
        if op == "clear":
            return f"memset({cell}, 0, {self.width(column)});"
        return f"set_put({cell}, {item}, {int(op == 'add')});"

    # declarations

    def structure(self, out: Code) -> None:
        """The type of a state, column by column as it is flat, and which of its bits are used."""
        scalars = {c.base: c for c in self.layout.scalars.values() if c.constants is None}
        tables = {
            min(c.base for c in columns): columns
            for table in self.layout.tables.values()
            if (columns := [c for c in table.columns.values() if c.constants is None])
        }
        with out.block("typedef struct", "} cells;"):
            for base in sorted(scalars | tables):
                if base in scalars:
                    out.line(self._member(scalars[base], ""))
                    continue
                with out.block("struct", f"}} {local(tables[base][0].table)};"):
                    for column in tables[base]:
                        out.line(self._member(column, f"[{column.rows}]"))
            if not self.columns:
                out.line("uint8_t nothing;")
        out.line()
        size, used = max(1, self.layout.size), self._used()
        words = -(-size // 8)
        out.line(f"enum {{ FLAT_BYTES = {size}, FLAT_WORDS = {words} }};")
        out.line('_Static_assert(sizeof(cells) == FLAT_BYTES, "a state is flat");')
        out.line(f"enum {{ STATE_BITS = {max(1, sum(byte.bit_count() for byte in used))} }};")
        masks = [int.from_bytes(used[8 * n : 8 * n + 8], "little") for n in range(words)]
        texts = ", ".join(f"UINT64_C({hex(mask)})" for mask in masks)
        out.line(f"static const uint64_t used[] = {{{texts}}};")
        counts = _listed(mask.bit_count() for mask in masks)
        out.line(f"static const uint8_t used_bits[] = {{{counts}}};")
        with out.block("typedef union", "} state;"):
            out.line("cells at;")
            out.line("uint64_t w[FLAT_WORDS];")
        out.line()

    def _member(self, column: Column, rows: str) -> str:
        width = f"[{column.width}]" if isinstance(column.type, SetT) else ""
        return f"uint8_t {field(column)}{rows}{width};"

    def _used(self) -> bytes:
        """The bits of each byte of a state that may be set."""
        columns = sorted(self.columns, key=lambda c: c.base)
        return b"".join(
            ((1 << self.bits(c)) - 1).to_bytes(c.width, "little") * c.rows for c in columns
        )

    def constants(self, out: Code) -> None:
        """What the bounds fix, as arrays by row."""
        for column in self.layout.columns():
            if column.constants is None:
                continue
            if isinstance(column.type, SetT):
                size = self.width(column)
                masks = [sum(1 << int(item) - 1 for item in value) for value in column.constants]
                rows = (f"{{{_listed(mask.to_bytes(size, 'little'))}}}" for mask in masks)
                head = f"static const uint8_t {constant(column)}[{column.rows}][{size}]"
                out.line(f"{head} = {{{', '.join(rows)}}};")
            else:
                values = _listed(int(value) for value in column.constants)
                out.line(f"static const int {constant(column)}[{column.rows}] = {{{values}}};")
        out.line()

    # renaming

    def graph(self, out: Code) -> None:
        """Which columns name what, for canonical forms; which rows are of one class."""
        count = len(self.classes)
        out.line(f"enum {{ VERTICES = {count}, RELAXED = {int(bool(self.renamed.tables))} }};")
        out.line(f"enum {{ COLUMNS = {len(self.columns)} }};")
        out.line("enum { PLAIN, NAME, SET };")
        out.line("typedef struct { int base, rows, width, kind, own, first; } column;")
        references = [n for n, c in enumerate(self.columns) if self._first(c) >= 0]
        out.line(f"enum {{ REFERENCES = {len(references)} }};")
        rows = ", ".join(f"{{{_listed(self._described(c))}}}" for c in self.columns)
        if count:
            out.line(f"static const column columns[] = {{{rows}}};")
            out.line(f"static const int references[] = {{{_listed(references) or '0'}}};")
        out.line(f"static const int class_of[] = {{{_listed(self.classes) or '0'}}};")
        slots = sorted(range(count), key=lambda vertex: (self.classes[vertex], vertex))
        ends = [(self.classes.index(c), self.classes.count(c)) for c in self.classes]
        starts = [slots.index(first) for first, _ in ends]
        lasts = [start + size for start, (_, size) in zip(starts, ends, strict=True)]
        for name, values in (("slots", slots), ("first_slot", starts), ("last_slot", lasts)):
            out.line(f"static const int {name}[] = {{{_listed(values) or '0'}}};")
        firsts = [self.vertices.get(name, 0) for name in self.layout.tables]
        out.line(f"static const int first_vertex[] = {{{_listed(firsts) or '0'}}};")
        out.line()

    def _first(self, column: Column) -> int:
        """The vertex that the value 1 of a column names; -1 if it names none."""
        match column.type:
            case IdT(record) | SetT(record):
                return self.vertices.get(self.layout.table_of(record).name, -1)
            case SortT(cls):
                return self.vertices.get(cls.__name__, -1)
        return -1

    def _described(self, column: Column) -> tuple[int, ...]:
        first = self._first(column)
        kind = 0 if first < 0 else 2 if isinstance(column.type, SetT) else 1
        own = self.vertices.get(column.table, -1)
        return column.base, column.rows, column.width, kind, own, first

    def canonical(self, out: Code) -> None:
        """The representative of a state: up to ids, or up to the names of data values."""
        sorts = {} if self.renamed.tables else self.renamed.sorts
        for name, carrier in sorts.items():
            self._rename(out, name, carrier)
        with out.block("static inline void canonical(state *s, uint64_t written)"):
            out.line("(void)s; (void)written;")
            if self.renamed.tables:
                out.line("represent(s);")
            for name in sorts:
                mask = 0
                for column in self._of_sort(name):
                    mask |= self.mask(column)
                out.line(f"if (written & UINT64_C({hex(mask)})) rename_{local(name)}(s);")
        out.line()

    def _of_sort(self, name: str) -> Iterator[Column]:
        for column in self.columns:
            if isinstance(column.type, SortT) and column.type.cls.__name__ == name:
                yield column

    def _rename(self, out: Code, name: str, carrier: int) -> None:
        """Number the values of a sort in the order in which they first occur."""
        with out.block(f"static void rename_{local(name)}(state *s)"):
            out.line(f"uint8_t new[{1 << carrier.bit_length()}] = {{0}};")
            out.line("int count = 0, moved = 0;")
            for act in (
                "if (old && !new[old]) { new[old] = (uint8_t)++count; moved |= old != count; }",
                "",
            ):
                for column in self._of_sort(name):
                    cell = self.place(column, "(i + 1)", "s")
                    with out.block(f"for (int i = 0; i < {column.rows}; i++)"):
                        out.line(f"int old = {cell};" if act else f"{cell} = new[{cell}];")
                        if act:
                            out.line(act)
                if act:
                    out.line("if (!moved) return;")
        out.line()


def field(column: Column) -> str:
    """The name of a member."""
    return local(column.name)


def constant(column: Column) -> str:
    """The name of the array of what the bounds fix."""
    return f"{local(column.table)}__{local(column.name)}"


def _listed(values: object) -> str:
    assert hasattr(values, "__iter__")
    return ", ".join(str(int(value)) for value in values)

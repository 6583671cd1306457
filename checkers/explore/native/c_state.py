"""The state as a C structure of bit fields, and everything that depends on where a field is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from checkers.explore.native.c_lines import Code
from checkers.explore.native.c_names import local
from spec.language.layout import BoolT, Column, EnumT, IdT, IntT, Layout, SetT, SortT, TableLayout

WORD: Final = 64
"""A set of more rows than a word has bits is an array of bytes."""


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
        """How many bits a cell takes."""
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

    def is_wide(self, column: Column) -> bool:
        """A set that is an array of bytes."""
        return isinstance(column.type, SetT) and self.bits(column) > WORD

    def mask(self, column: Column) -> int:
        """The bit that says that a column was written; beyond 64 columns some share one."""
        return 1 << self._numbers[column.table, column.name] % WORD

    def place(self, column: Column, row: str, state: str) -> str:
        """A cell of a state, as an lvalue; `row` is an id that is not 0."""
        if not column.table:
            return f"{state}->at.{field(column)}"
        index = str(int(row) - 1) if row.isdigit() else f"{row} - 1"
        return f"{state}->at.{local(column.table)}[{index}].{field(column)}"

    def read(self, column: Column, row: str, state: str) -> str:
        """The value of a field, an int."""
        if column.constants is not None:
            index = (str(int(row) - 1) if row.isdigit() else f"{row} - 1") if column.table else "0"
            return f"{constant(column)}[{index}]"
        return f"(int){self.place(column, row, state)}"

    def has(self, column: Column, row: str, item: str, state: str) -> str:
        """Whether an id, a plain name or number, is in a set."""
        if column.constants is not None:
            index = f"{row} - 1" if column.table else "0"
            return f"set_has({constant(column)}[{index}], {item})"
        cell = self.place(column, row, state)
        if self.is_wide(column):
            return f"set_has({cell}, {item})"
        return f"({item} && ({cell} >> ({item} - 1) & 1))"

    def write(self, column: Column, row: str, state: str, value: str) -> str:
        """A statement that stores a value that the field can hold."""
        place = self.place(column, row, state)
        return f"{place} = (unsigned)({value}) & {(1 << self.bits(column)) - 1};"

    def change(self, op: str, column: Column, row: str, item: str, state: str) -> str:
        """A statement that puts an id into a set, takes it out, or clears the set."""
        cell = self.place(column, row, state)
        if op == "clear":
            return f"memset({cell}, 0, sizeof {cell});" if self.is_wide(column) else f"{cell} = 0;"
        if self.is_wide(column):
            return f"set_put({cell}, {item}, {int(op == 'add')});"
        bit = f"UINT64_C(1) << ({item} - 1)"
        return f"{cell} |= {bit};" if op == "add" else f"{cell} &= ~({bit});"

    # declarations

    def structure(self, out: Code) -> None:
        """The type of a state: rows of bit fields, padded to words."""
        for table in self.layout.tables.values():
            fields = [c for c in table.columns.values() if c.constants is None]
            if fields:
                with out.block("typedef struct __attribute__((packed))", f"}} {_row(table)};"):
                    self._fields(out, fields)
        out.line()
        with out.block("typedef struct __attribute__((packed))", "} cells;"):
            self._fields(out, [c for c in self.layout.scalars.values() if c.constants is None])
            for table in self.layout.tables.values():
                if any(c.constants is None for c in table.columns.values()):
                    out.line(f"{_row(table)} {local(table.name)}[{table.rows}];")
            if not self.columns:
                out.line("uint8_t nothing;")
        out.line()
        out.line("enum { STATE_BYTES = sizeof(cells), STATE_WORDS = (STATE_BYTES + 7) / 8 };")
        with out.block("typedef union", "} state;"):
            out.line("cells at;")
            out.line("uint64_t w[STATE_WORDS];")
        out.line()

    def _fields(self, out: Code, columns: Sequence[Column]) -> None:
        narrow = [c for c in columns if not self.is_wide(c)]
        for column in sorted(narrow, key=lambda c: -self.bits(c)):
            out.line(f"uint64_t {field(column)}:{self.bits(column)};")
        for column in columns:
            if self.is_wide(column):
                out.line(f"uint8_t {field(column)}[{(self.bits(column) + 7) // 8}];")

    def constants(self, out: Code) -> None:
        """What the bounds fix, as arrays by row."""
        for column in self.layout.columns():
            if column.constants is None:
                continue
            if isinstance(column.type, SetT):
                size = (self.bits(column) + 7) // 8
                masks = [sum(1 << int(item) - 1 for item in value) for value in column.constants]
                rows = (f"{{{_listed(mask.to_bytes(size, 'little'))}}}" for mask in masks)
                head = f"static const uint8_t {constant(column)}[{column.rows}][{size}]"
                out.line(f"{head} = {{{', '.join(rows)}}};")
            else:
                values = _listed(int(value) for value in column.constants)
                out.line(f"static const int {constant(column)}[{column.rows}] = {{{values}}};")
        out.line()

    def conversions(self, out: Code) -> None:
        """A state from its flat bytes, as everybody else has it, and back."""
        with out.block("static void unpack(const state *s, uint8_t *cells)"):
            for column in self.columns:
                self._convert(out, column, packing=False)
            out.line("(void)s; (void)cells;")
        with out.block("static void pack(const uint8_t *cells, state *s)"):
            for column in self.columns:
                self._convert(out, column, packing=True)
            out.line("(void)s; (void)cells;")
        out.line()

    def _convert(self, out: Code, column: Column, *, packing: bool) -> None:
        cell = self.place(column, "(i + 1)", "s")
        width = column.width
        flat = f"cells[{column.base} + i * {width}]"
        with out.block(f"for (int i = 0; i < {column.rows}; i++)"):
            if self.is_wide(column):
                ends = (cell, f"&{flat}") if packing else (f"&{flat}", cell)
                out.line(f"memcpy({ends[0]}, {ends[1]}, {width});")
            elif width > 1:
                if packing:
                    out.line("uint64_t word = 0;")
                    out.line(f"memcpy(&word, &{flat}, {width});")
                    out.line(f"{cell} = word & UINT64_C({hex((1 << self.bits(column)) - 1)});")
                else:
                    out.line(f"uint64_t word = {cell};")
                    out.line(f"memcpy(&{flat}, &word, {width});")
            elif packing:
                out.line(f"{cell} = {flat} & {hex((1 << self.bits(column)) - 1)};")
            else:
                out.line(f"{flat} = (uint8_t){cell};")

    # renaming

    def graph(self, out: Code) -> None:
        """Which columns name what, for canonical forms; which rows are of one class."""
        count = len(self.classes)
        out.line(f"enum {{ VERTICES = {count}, RELAXED = {int(bool(self.renamed.tables))} }};")
        sizes = f"FLAT_BYTES = {max(1, self.layout.size)}, COLUMNS = {len(self.columns)}"
        out.line(f"enum {{ {sizes} }};")
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

    def comparisons(self, out: Code) -> None:
        """Which rows something names, and whether two rows hold the same."""
        with out.block("static void note_references(const state *s, uint8_t *touched)"):
            for column in self.columns:
                first = self._first(column)
                if first >= 0 and isinstance(column.type, IdT | SetT):
                    self._note(out, column, first)
            out.line("(void)s; (void)touched;")
        with out.block("static int rows_equal(const state *s, int table, int a, int b)"):
            out.line("(void)s; (void)table; (void)a; (void)b;")
            for number, (name, table) in enumerate(self.layout.tables.items()):
                if name in self.vertices and any(
                    c.constants is None for c in table.columns.values()
                ):
                    rows = f"s->at.{local(name)}"
                    with out.block(f"if (table == {number})"):
                        size = f"sizeof {rows}[0]"
                        out.line(f"return !memcmp(&{rows}[a - 1], &{rows}[b - 1], {size});")
            out.line("return 1;")
        out.line()

    def _note(self, out: Code, column: Column, first: int) -> None:
        with out.block(f"for (int i = 0; i < {column.rows}; i++)"):
            cell = self.place(column, "(i + 1)", "s")
            if isinstance(column.type, SetT):
                item = "item"
                with out.block(f"for (int item = 1; item <= {self.bits(column)}; item++)"):
                    test = self.has(column, "(i + 1)", item, "s")
                    out.line(f"if ({test}) touched[{first} + item - 1] = 1;")
            else:
                out.line(f"if ({cell}) touched[{first} + {cell} - 1] = 1;")

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


def _row(table: TableLayout) -> str:
    return f"{local(table.name)}__row"


def _listed(values: object) -> str:
    assert hasattr(values, "__iter__")
    return ", ".join(str(int(value)) for value in values)

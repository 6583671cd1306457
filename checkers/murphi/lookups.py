"""Reading the state: fields, sets, constants of the bounds, and what a null dereference is."""

from __future__ import annotations

from checkers.murphi.lines import Lines
from checkers.murphi.ranges import Types
from spec.language.layout import Column, IdT, SetT, TableLayout


class Constants:
    """Texts that read the state; the functions that some of them need are in `out`."""

    def __init__(self, types: Types) -> None:
        self.types = types
        self.out = Lines()
        self._known: dict[str, str] = {}

    def row(self, table: TableLayout, index: str) -> str:
        """The id of the row with an id: the same, and an error for none."""
        if index.isdigit() and index != "0":
            return index
        key = f"row of {table.name}"
        if key not in self._known:
            kind = self.types.of(IdT(table.record))
            name = self._known[key] = self.types.names.give(f"{table.name}_row")
            with self.out.block(f"function {name}(row: {kind}): {kind};\nbegin", "end;"):
                why = f"null dereference: {table.name}"
                self.out.lines([f'if row = 0 then error "{why}"; endif;', "return row;"])
            self.out.line()
        return f"{self._known[key]}({index})"

    def read(self, column: Column, row: str, state: str) -> str:
        """The value of a field, of the state or fixed by the bounds."""
        if column.constants is None:
            return self.types.store.place(column, row, state)
        kind = column.type
        assert not isinstance(kind, SetT)
        values = [self.types.literal(int(value), kind) for value in column.constants]
        if not row or row.isdigit():
            return values[int(row or 1) - 1]
        return f"{self._look_up(column, self.types.of(kind), values)}({row})"

    def has(self, column: Column, row: str, item: str, state: str) -> str:
        """Whether an id is in a set; none is in no set."""
        assert isinstance(column.type, SetT)
        if column.constants is None:
            found = self.types.store.place(column, row, state, item)
        else:
            found = self._fixed(column, row, item)
        return found if item.isdigit() and item != "0" else f"({item} != 0 & {found})"

    def _fixed(self, column: Column, row: str, item: str) -> str:
        """Membership in a set that the bounds fix: one test for each member."""
        assert column.constants is not None
        tests = []
        for number, members in enumerate(column.constants, start=1):
            inside = " | ".join(f"{item} = {int(member)}" for member in sorted(members))
            if inside:
                tests.append(f"({row} = {number} & ({inside}))" if row else f"({inside})")
        return f"({' | '.join(tests)})" if tests else "false"

    def _look_up(self, column: Column, kind: str, values: list[str]) -> str:
        """The function that has a constant of each row."""
        key = f"{column.table}.{column.name}"
        if key not in self._known:
            name = self._known[key] = self.types.names.give(f"{column.table}_{column.name}")
            rows = self.types.of(IdT(self.types.layout.tables[column.table].record))
            with self.out.block(f"function {name}(row: {rows}): {kind};\nbegin", "end;"):
                for value in dict.fromkeys(values[:-1]):
                    own = [n for n, item in enumerate(values, start=1) if item == value]
                    if value != values[-1]:
                        test = " | ".join(f"row = {number}" for number in own)
                        self.out.line(f"if {test} then return {value}; endif;")
                self.out.line(f"return {values[-1]};")
            self.out.line()
        return self._known[key]

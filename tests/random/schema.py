"""What the state of a random machine is made of: enums, sorts, tables, fields, constants."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Final

RECORDS: Final = (("nodes", "Node"), ("leaves", "Leaf"), ("ports", "Port"))
ENUMS: Final = {
    "Errno": (("OK", 0), ("EINVAL", 22), ("EBUSY", 16)),
    "Colour": (("RED", 0), ("GREEN", 1), ("BLUE", 4)),
    "Mode": (("OFF", 0), ("ON", 1)),
}
SORTS: Final = ("Tag", "Key")


@dataclass(frozen=True)
class Kind:
    """A type of the language: `what` it is, and of which enum, sort or record."""

    what: str
    of: str = ""
    lo: int = 0
    hi: int = 0
    end: str = ""

    @property
    def text(self) -> str:
        """As an annotation."""
        if self.what == "int":
            end = repr(self.end) if self.end else self.hi
            return f"Annotated[int, Range({self.lo}, {end})]"
        return {"bool": "bool", "id": f"Id[{self.of}]", "set": f"IdSet[{self.of}]"}.get(
            self.what, self.of
        )

    def like(self, other: Kind) -> bool:
        """Whether values of the one may stand where those of the other may."""
        return (self.what, self.of) == (other.what, other.of)


BOOL: Final = Kind("bool")
ERRNO: Final = Kind("enum", "Errno")
INT: Final = Kind("int", "", -9, 9)


@dataclass(frozen=True)
class Field:
    """A field; a constant one has the text of its values, one a row."""

    name: str
    kind: Kind
    constant: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """Its declaration."""
        if not self.constant:
            return f"{self.name}: {self.kind.text}"
        return f"{self.name}: Annotated[{self.kind.text}, CONST]"


@dataclass
class Rows:
    """A table: its name, its record, the number of its rows, its fields."""

    name: str
    record: str
    rows: int
    fields: list[Field] = field(default_factory=list)


@dataclass
class Schema:
    """Everything that is declared before the first function."""

    tables: list[Rows]
    scalars: list[Field]
    sorts: dict[str, int]
    numbers: dict[str, int]
    symmetric: list[str]

    def table(self, record: str) -> Rows:
        """The table of a record."""
        return next(table for table in self.tables if table.record == record)

    def fields(self) -> Iterator[tuple[Rows | None, Field]]:
        """Every field, with the table that it is in."""
        for item in self.scalars:
            yield None, item
        for table in self.tables:
            for item in table.fields:
                yield table, item

    def kinds(self) -> list[Kind]:
        """The kinds that a parameter may have, ids and data of this machine among them."""
        found = [BOOL, Kind("int", "", 0, 2), Kind("int", "", -1, 1), Kind("enum", "Mode")]
        found += [Kind("id", table.record) for table in self.tables] * 3
        return found + [Kind("sort", name) for name in self.sorts] * 2


def schema(chance: Random, data: float, alike: float) -> Schema:
    """Random tables and fields; with these chances there are data sorts and symmetric records.

    The more often there are data, the more fields have them.
    """
    tables = [
        Rows(name, record, chance.choice((2, 2, 2, 3, 3, 4)))
        for name, record in RECORDS[: chance.choice((1, 1, 2, 2, 3))]
    ]
    sorts = {name: chance.choice((1, 2, 2, 3)) for name in SORTS if chance.random() < data}
    turn = Field("turn", Kind("int", "", 0, 2))
    found = Schema(tables, [turn], sorts, {"top": chance.choice((1, 2, 3))}, [])
    found.symmetric = [table.record for table in tables if chance.random() < alike]
    serial = 0
    room = 14.0
    for table in (None, *tables):
        own = found.scalars if table is None else table.fields
        for _ in range(chance.choice((1, 2, 3, 3))):
            kind, bits = _kind(chance, found, table, round(6 * data) if sorts else 0)
            rows = table.rows if table else 1
            constant = chance.random() < 0.12
            if not constant and bits * rows > room:
                continue
            serial += 1
            name = f"{PREFIX[kind.what]}{serial}"
            values = _constants(chance, found, kind, rows) if constant else ()
            own.append(Field(name, kind, values))
            room -= 0 if constant else bits * rows
        if table is not None and not own:
            own.append(Field(f"flag{serial + 1}", BOOL))
            serial += 1
    return found


PREFIX: Final = {
    "bool": "flag", "int": "level", "enum": "mode", "id": "link", "set": "some", "sort": "data",
}  # fmt: skip


def _kind(
    chance: Random, found: Schema, table: Rows | None, data: int
) -> tuple[Kind, float]:
    """A kind of a field, and about how many bits a cell of it has."""
    plain = table is not None and table.record in found.symmetric and chance.random() < 0.6
    what = chance.choices(
        ("bool", "int", "enum", "id", "set", "sort"),
        (3, 3, 2, 0, 0, 0) if plain else (3, 3, 2, 4, 2, data),
    )[0]
    if what == "bool":
        return BOOL, 1.0
    if what == "int":
        low, end = chance.choice((0, 0, 0, 1)), chance.choice(("", "", "top"))
        high = max(low, found.numbers["top"]) if end else low + chance.choice((1, 2, 3))
        if end and high > found.numbers["top"]:
            end = ""
        return Kind("int", "", low, high, end), 1.7
    if what == "enum":
        return Kind("enum", chance.choice(("Colour", "Mode"))), 1.4
    if what == "sort":
        return Kind("sort", chance.choice(list(found.sorts))), 1.5
    other = chance.choice(found.tables)
    return Kind(what, other.record), 1.7 if what == "id" else float(other.rows)


def _constants(chance: Random, found: Schema, kind: Kind, rows: int) -> tuple[str, ...]:
    """The text of the values of a constant field; often all rows have the same one."""
    one = _constant(chance, found, kind)
    same = chance.random() < 0.4
    return tuple(one if same else _constant(chance, found, kind) for _ in range(rows))


def _constant(chance: Random, found: Schema, kind: Kind) -> str:
    if kind.what == "bool":
        return chance.choice(("True", "False"))
    if kind.what == "int":
        return str(chance.randint(kind.lo, kind.hi))
    if kind.what == "enum":
        return f"{kind.of}.{chance.choice(ENUMS[kind.of])[0]}"
    if kind.what == "sort":
        return f"{kind.of}({chance.randint(0, found.sorts[kind.of])})"
    rows = found.table(kind.of).rows
    if kind.what == "id":
        return f"Id[{kind.of}]({chance.randint(0, rows)})"
    members = [str(row) for row in range(1, rows + 1) if chance.random() < 0.5]
    return f"frozenset(({''.join(item + ', ' for item in members)}))"

from __future__ import annotations

from enum import IntEnum
from typing import Annotated, Any

import pytest

from spec.language import (
    CONST,
    NULLABLE,
    Id,
    IdSet,
    LanguageError,
    Range,
    Record,
    Shape,
    Sort,
    State,
    Table,
    bits,
)
from spec.language.layout import BoolT, EnumT, IdT, IntT, Layout, SetT, SortT
from tests.spec.language.places import assert_place


class Colour(IntEnum):
    RED = 0
    BLUE = 5


class Word(Sort):
    """Data."""


class Node(Record):
    colour: Colour
    next: Id[Node]
    peers: IdSet[Node]
    word: Word
    level: Annotated[int, Range(1, "levels")]
    home: Annotated[bool, CONST]


class Graph(State):
    locked: bool
    nodes: Table[Node]
    root: Id[Node]


SIZES = {"nodes": 9, "Word": 2, "levels": 3}
HOMES = {"nodes": {"home": (True,) + (False,) * 8}}


def graph(**sizes: int) -> Layout:
    values = {**SIZES, **sizes}
    return Layout(Graph, Shape(values, HOMES), values)


def test_columns_lie_side_by_side_and_constants_take_no_place() -> None:
    layout = graph()
    places = [(c.table, c.name, c.base, c.size) for c in layout.columns()]
    assert places == [
        ("", "locked", 0, 1),
        ("", "root", 55, 1),
        ("nodes", "colour", 1, 9),
        ("nodes", "next", 10, 9),
        ("nodes", "peers", 19, 18),
        ("nodes", "word", 37, 9),
        ("nodes", "level", 46, 9),
        ("nodes", "home", -1, 0),
    ]
    assert layout.size == 56
    assert layout.tables["nodes"].columns["home"].constants == HOMES["nodes"]["home"]


def test_each_annotation_has_its_type() -> None:
    columns = graph().tables["nodes"].columns
    assert {name: column.type for name, column in columns.items()} == {
        "colour": EnumT(Colour),
        "next": IdT(Node),
        "peers": SetT(Node),
        "word": SortT(Word),
        "level": IntT(1, 3),
        "home": BoolT(),
    }


def test_domains_leave_out_none_and_null_but_where_they_are_wanted() -> None:
    layout = graph()
    assert list(layout.domain(BoolT())) == [0, 1]
    assert list(layout.domain(EnumT(Colour))) == [0, 5]
    assert list(layout.domain(IntT(2, 4))) == [2, 3, 4]
    assert list(layout.domain(IdT(Node))) == list(range(1, 10))
    assert list(layout.domain(SortT(Word))) == [1, 2]
    nullable = layout.value_type(Graph, "word", Annotated[Word, NULLABLE])
    assert list(layout.domain(nullable)) == [0, 1, 2]  # type: ignore[arg-type]


def test_the_lowest_bit_of_a_mask_is_the_first_row() -> None:
    assert bits(0b011, 3) == (True, True, False)
    assert bits(~0b011, 3) == (False, False, True)


def test_a_cell_is_found_by_row() -> None:
    column = graph().tables["nodes"].columns["peers"]
    assert column.width == 2
    assert column.offset(1) == column.base
    assert column.offset(9) == column.base + 16


class BareInt(Record):
    number: int


class Stranger(Record):
    other: Id[Node]


class Wide(Record):
    number: Annotated[int, Range(0, 256)]


class NoSuchBound(Record):
    number: Annotated[int, Range(0, "nowhere")]


class Fixed(Record):
    value: Annotated[bool, CONST]


class Unread(Record):
    value: Missing  # type: ignore[name-defined]  # noqa: F821


class Text(Record):
    value: str


class Unsized(Sort):
    """A sort of which the bounds say nothing."""


class HasUnsized(Record):
    value: Unsized


REFUSED = [
    (BareInt, "`number: int` is not a type of the language"),
    (Text, "`value: str` is not a type of the language"),
    (Stranger, "of which the state has no table"),
    (Wide, "more than 256 values"),
    (NoSuchBound, "no value named 'nowhere'"),
    (Fixed, "constant `value` needs one value for each of 2 rows"),
    (Unread, "cannot be read"),
]


@pytest.mark.parametrize(("record", "message"), REFUSED, ids=[r.__name__ for r, _ in REFUSED])
def test_a_field_outside_the_language_is_refused_where_it_stands(
    record: type[Record], message: str
) -> None:
    state: Any = type("Holder", (State,), {"__annotations__": {"rows": Table[record]}})  # type: ignore[valid-type]
    with pytest.raises(LanguageError) as caught:
        Layout(state, Shape({"rows": 2}), {"rows": 2})
    assert message in caught.value.message
    assert_place(caught, __file__, f"class {record.__name__}(Record)")


def test_a_sort_without_a_size_is_refused_at_the_sort() -> None:
    class SortState(State):
        rows: Table[HasUnsized]

    SortState.__annotations__ = {"rows": Table[HasUnsized]}
    with pytest.raises(LanguageError, match="no size for the sort Unsized") as caught:
        Layout(SortState, Shape({"rows": 2}), {"rows": 2})
    assert_place(caught, __file__, "class Unsized(Sort)")


def test_a_table_without_a_row_is_refused() -> None:
    with pytest.raises(LanguageError, match="the table 'nodes' has 0 rows"):
        graph(nodes=0)


class TwoTables(State):
    these: Table[Node]
    those: Table[Node]


def test_two_tables_of_one_record_are_refused() -> None:
    with pytest.raises(LanguageError, match="a record has one table") as caught:
        Layout(TwoTables, Shape({"these": 1, "those": 1}), {})
    assert_place(caught, __file__, "class TwoTables(State)")


def test_a_table_without_a_size_is_refused() -> None:
    with pytest.raises(LanguageError, match="no size for the table 'nodes'") as caught:
        Layout(Graph, Shape({"Word": 1}), {})
    assert_place(caught, __file__, "class Graph(State)")


def test_a_constant_with_too_few_values_is_refused() -> None:
    with pytest.raises(LanguageError, match="each of 3 rows") as caught:
        graph(nodes=3)
    assert_place(caught, __file__, "class Node(Record)")


class Base(Record):
    on: bool


class Derived(Base):
    more: bool


class Rows(State):
    rows: Table[Derived]


def test_an_id_of_a_base_record_names_the_rows_of_a_derived_one() -> None:
    layout = Layout(Rows, Shape({"rows": 2}), {})
    assert layout.table_of(Base) is layout.table_of(Derived)
    assert list(layout.table_of(Base).columns) == ["on", "more"]
    assert layout.value_type(Rows, "x", Id[Base]) == IdT(Derived)


class Shade(IntEnum):
    LIGHT = 0
    DARK = 4


class Cup(Record):
    full: Annotated[bool, CONST]
    shade: Annotated[Shade, CONST]
    size: Annotated[int, Range(1, "sizes"), CONST]
    next: Annotated[Id[Cup], CONST]
    near: Annotated[IdSet[Cup], CONST]


class Shelf(State):
    cups: Table[Cup]


CUP: dict[str, Any] = {
    "full": True, "shade": Shade.DARK, "size": 2, "next": 0, "near": frozenset({1, 2}),
}  # fmt: skip


def shelf(**changed: Any) -> Layout:
    values = {name: (value, value) for name, value in {**CUP, **changed}.items()}
    return Layout(Shelf, Shape({"cups": 2}, {"cups": values}), {"sizes": 3})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("full", 2), ("shade", 1), ("size", 0), ("size", 4), ("next", 3), ("next", -1),
        ("near", {3}), ("near", {0}), ("near", 1), ("size", "2"), ("size", None),
    ],
)  # fmt: skip
def test_a_constant_outside_its_type_is_refused(name: str, value: Any) -> None:
    assert shelf().tables["cups"].columns[name].constants
    with pytest.raises(LanguageError, match=f"constant `{name}` cannot be .* with these bounds"):
        shelf(**{name: value})

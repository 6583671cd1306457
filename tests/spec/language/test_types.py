from __future__ import annotations

import pytest

from spec.language import NONE, NULL, Id, IdSet, Record, Sort, Table, count, first


class Thing(Record):
    big: bool


def test_none_and_null_are_zero() -> None:
    assert NONE == Id[Thing](0) == 0
    assert Sort(0) == NULL


def test_first_takes_the_lowest_and_none_of_nothing() -> None:
    nothing: tuple[Id[Thing], ...] = ()
    assert first(Id[Thing](i) for i in (3, 2, 5)) == 3
    assert first(i for i in nothing) is NONE


def test_count_counts_what_is_true() -> None:
    assert count(i > 1 for i in range(4)) == 2
    assert count(i > 9 for i in range(4)) == 0


def test_label_names_the_row() -> None:
    class Row(Thing):
        @property
        def id(self) -> Id[Row]:
            return Id(4)

    assert Row().label() == "row 4"


@pytest.mark.parametrize("use", [
    lambda: Id[Thing](1) in IdSet[Thing](),
    lambda: IdSet[Thing]().add(Id(1)),
    lambda: IdSet[Thing]().discard(Id(1)),
    lambda: IdSet[Thing]().clear(),
    lambda: Table[Thing]()[Id(1)],
    lambda: len(Table[Thing]()),
    lambda: iter(Table[Thing]()),
    lambda: Thing().id,
])  # fmt: skip
def test_declarations_have_no_state_of_their_own(use: object) -> None:
    with pytest.raises(NotImplementedError):
        use()  # type: ignore[operator]

"""Of rows that nothing tells apart one is as good as another; what names a row tells it apart."""

from __future__ import annotations

from checkers.frontend.ir import Node
from checkers.frontend.merge import Merger
from checkers.frontend.untouched import Untouched
from spec.language.layout import IdT
from tests.checkers.symbolic.test_false_proofs import Slot, link, slotted

PROGRAM = slotted(link, rows=4)
TABLE = PROGRAM.layout.tables["slots"]


def like(
    cells: dict[str, int] | None = None,
    before: dict[str, int] | None = None,
    named: tuple[int, ...] = (),
    locals_: tuple[int, ...] = (),
    unknown: str = "",
) -> dict[int, int]:
    """Which of four slots, all cleared but for some cells, are like an earlier one."""
    merger = Merger(PROGRAM)
    g, names = merger.graph, {node.value: node for node in merger.where}

    def state(changed: dict[str, int] | None) -> dict[Node, Node]:
        new = {names[x]: g.const(n, names[x].type) for x, n in (changed or {}).items()}
        kept = {names[unknown]: names[unknown]} if unknown else {}
        return {**merger.cleared(), **new, **kept}

    def ids(rows: tuple[int, ...]) -> list[Node]:
        return [g.const(row, IdT(Slot)) for row in rows]

    known = Untouched(
        PROGRAM.layout, {"slots": [[1, 2, 3, 4]]}, merger.where, state(before), ids(named)
    )
    return known.representatives(TABLE, state(cells), [(g.true, *ids(locals_)), None])


def test_rows_with_the_same_constants_are_alike() -> None:
    assert like() == {2: 1, 3: 1, 4: 1}
    assert like({"slots[2].kind": 1}) == {3: 1, 4: 1}
    assert like({"slots[2].kind": 1, "slots[3].kind": 1}, {"slots[3].kind": 1}) == {4: 1}


def test_a_row_with_a_cell_that_is_no_constant_is_not() -> None:
    assert like(unknown="slots[1].mark") == {3: 2, 4: 2}


def test_a_row_that_is_named_is_not() -> None:
    assert like({"last": 1}) == {3: 2, 4: 2}
    assert like(before={"slots[4].peer": 2}) == {3: 1}
    assert like(named=(1, 3)) == {4: 2}
    assert like(locals_=(2,)) == {3: 1, 4: 1}
    assert like(unknown="last") == {}

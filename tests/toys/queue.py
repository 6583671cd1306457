"""A bounded queue of data: one state for each sequence of items that fits, 15 in all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from spec.language import (
    CONST,
    NONE,
    NULL,
    Bounds,
    Id,
    Machine,
    Range,
    Record,
    Shape,
    Sort,
    State,
    Table,
    first,
    invariant,
    overrides,
    require,
    sometimes,
    variant_of,
)


class Item(Sort):
    """What is queued; nobody looks inside."""


class Cell(Record):
    """One place of the queue: its item, how many came after that, and the place behind it."""

    item: Item
    after: Annotated[int, Range(0, "cells")]
    behind: Annotated[Id[Cell], CONST]


class Queue(State):
    """The places, of which one is the front."""

    front: Annotated[Id[Cell], CONST]
    cells: Table[Cell]


def shape(values: Mapping[str, int]) -> Shape:
    """Each place has the next one behind it, the last has none."""
    rows = values["cells"]
    behind = tuple(Id[Cell](row + 1 if row < rows else 0) for row in range(1, rows + 1))
    return Shape(values, {"": {"front": (Id[Cell](1),)}, "cells": {"behind": behind}})


def init(s: Queue) -> None:
    """The queue is empty."""


def enqueue(s: Queue, item: Item) -> None:
    """An item takes the first free place."""
    free = first(c.id for c in s.cells if c.item == NULL)
    require(free != NONE)
    for c in s.cells:
        if c.item != NULL:
            c.after += 1
    s.cells[free].item = item


def dequeue(s: Queue) -> None:
    """The front item leaves, the others move up."""
    require(s.cells[s.front].item != NULL)
    for c in s.cells:
        if c.behind != NONE:
            c.item = s.cells[c.behind].item
            c.after = s.cells[c.behind].after
        else:
            c.item = NULL
            c.after = 0


@sometimes
def full(s: Queue) -> bool:
    """Every place is taken."""
    return all(c.item != NULL for c in s.cells)


@invariant(witness=full)
def no_gap(s: Queue, cell: Id[Cell]) -> bool:
    """Behind a free place there is no item."""
    behind = s.cells[cell].behind
    return behind == NONE or s.cells[cell].item != NULL or s.cells[behind].item == NULL


@invariant(witness=full)
def fifo(s: Queue, cell: Id[Cell]) -> bool:
    """An item came before the one behind it."""
    behind = s.cells[cell].behind
    if behind == NONE or s.cells[cell].item == NULL or s.cells[behind].item == NULL:
        return True
    return s.cells[cell].after > s.cells[behind].after


QUEUE = Machine(
    name="queue",
    state=Queue,
    init=init,
    actions=(enqueue, dequeue),
    bounds={
        "small": Bounds(
            {"cells": 3, "Item": 2},
            why="three places let an item wait in the middle",
            states=15, transitions=28, depth=3,
        ),
    },
    shape=shape,
    invariants=(no_gap, fifo),
    title="A bounded queue",
    about="Items leave in the order in which they came.",
)


@overrides(dequeue)
def dequeue_in_place(s: Queue) -> None:
    """The front item leaves, the others stay where they are."""
    require(s.cells[s.front].item != NULL)
    s.cells[s.front].item = NULL
    s.cells[s.front].after = 0


STANDS_STILL = variant_of(
    "queue",
    "stands-still",
    dequeue_in_place,
    about="Nobody moves up, so a newcomer takes the front place.",
    no_gap=3,
    fifo=4,
    no_failed_check=9,
)

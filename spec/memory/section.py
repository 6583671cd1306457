"""The guest's memory map as state: which view is in force, and what each section of it is."""

from __future__ import annotations

from typing import Annotated

from spec.language import CONST, Id, IdSet, Range, Record, State, Table
from spec.memory.map import load


class View(Record):
    """One flat view of the guest's memory map."""

    next: Annotated[Id[View], CONST]


class Section(Record):
    """One section of the map: constant, present in some views.

    `ram`, `ram_device` and `upper_half` are what the skip rules look at; `number` is its place in
    the map, for its name.
    """

    readonly: Annotated[bool, CONST]
    ram: Annotated[bool, CONST]
    ram_device: Annotated[bool, CONST]
    upper_half: Annotated[bool, CONST]
    views: Annotated[IdSet[View], CONST]
    overlapping: Annotated[IdSet[Section], CONST]
    map_views: Annotated[int, Range(0, 31), CONST]

    def label(self) -> str:
        """The names and addresses of the sections of the map that this row stands for, if any."""
        if not self.map_views:
            return "memory" if self.ram else f"page{int(self.id) - 1}"
        return load().joined(views_of(self.map_views))[int(self.id) - 1].name


class Memory(State):
    """The map and the view in force."""

    view: Id[View]
    views: Table[View]
    sections: Table[Section]


def views_of(mask: int) -> tuple[str, ...]:
    """The names of the views that a bit mask selects (bit 0: the first view of the file)."""
    return tuple(name for bit, name in enumerate(load().views) if mask >> bit & 1)


def plain_shape(
    sections: int,
) -> tuple[dict[str, int], dict[str, dict[str, tuple[object, ...]]]]:
    """Sizes and constants of so many sections of RAM apart from each other, in one view."""
    constants: dict[str, dict[str, tuple[object, ...]]] = {
        "views": {"next": (1,)},
        "sections": {
            "readonly": (False,) * sections, "ram": (True,) * sections,
            "ram_device": (False,) * sections, "upper_half": (False,) * sections,
            "views": (frozenset({1}),) * sections, "map_views": (1,) * sections,
            "overlapping": tuple(frozenset({row + 1}) for row in range(sections)),
        },
    }  # fmt: skip
    return {"views": 1, "sections": sections}, constants


def memory_shape(mask: int) -> tuple[dict[str, int], dict[str, dict[str, tuple[object, ...]]]]:
    """Sizes and constants of `views` and `sections` for a selection of views."""
    names = views_of(mask)
    rows = load().joined(names)
    number = {name: index + 1 for index, name in enumerate(names)}
    constants: dict[str, dict[str, tuple[object, ...]]] = {
        "views": {"next": tuple(index % len(names) + 1 for index in range(1, len(names) + 1))},
        "sections": {
            "readonly": tuple(row.extents[0].readonly for row in rows),
            "ram": tuple(row.extents[0].kind != "io" for row in rows),
            "ram_device": tuple(row.extents[0].kind == "ram-device" for row in rows),
            "upper_half": tuple(row.upper_half for row in rows),
            "views": tuple(frozenset(number[name] for name in row.views) for row in rows),
            "overlapping": tuple(
                frozenset(j + 1 for j, other in enumerate(rows) if row.overlaps(other))
                for row in rows
            ),
            "map_views": tuple(mask for _ in rows),
        },
    }
    return {"views": len(names), "sections": len(rows)}, constants

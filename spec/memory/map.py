"""Loads a memory map from its data file and joins the sections that no listener can tell apart."""

from __future__ import annotations

import itertools
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

Q35 = Path(__file__).with_name("q35.toml")
KINDS = ("ram", "ram-device", "io")


@dataclass(frozen=True)
class Extent:
    """One section of the map: bytes [iova, iova + size) of the guest-physical address space."""

    name: str
    iova: int
    size: int
    readonly: bool
    kind: str
    printed: bool
    views: frozenset[str]

    def overlaps(self, other: Extent) -> bool:
        """Whether the two share a byte."""
        return self.iova < other.iova + other.size and other.iova < self.iova + self.size


@dataclass(frozen=True)
class Joined:
    """Sections that come and go together and pass the same skip rules: one row of a model."""

    extents: tuple[Extent, ...]
    views: frozenset[str]

    @property
    def name(self) -> str:
        """The names of the sections, each once."""
        return "+".join(dict.fromkeys(f"{x.name}@{x.iova:x}" for x in self.extents))

    def overlaps(self, other: Joined) -> bool:
        """Whether any of the sections share a byte."""
        return any(a.overlaps(b) for a in self.extents for b in other.extents)

    @property
    def upper_half(self) -> bool:
        """Whether bit 63 of the address is set: a BAR that is being sized."""
        return bool(self.extents[0].iova >> 63)


@dataclass(frozen=True)
class MemoryMap:
    """The views in their order, and every section of every view."""

    views: tuple[str, ...]
    extents: tuple[Extent, ...]

    def view(self, name: str) -> list[Extent]:
        """The sections of one view, by address."""
        return sorted((x for x in self.extents if name in x.views), key=lambda x: x.iova)

    def joined(self, views: Iterable[str]) -> tuple[Joined, ...]:
        """The sections of these views as a model has them, in the order of the file.

        Sections with the same access, the same skip rules and the same views among these are one:
        a listener adds and deletes them in the same event, so only a refusal between two of them
        could tell them apart, and that is the refusal of the joined section.
        """
        wanted = frozenset(views)
        groups: dict[tuple[Any, ...], list[Extent]] = {}
        for extent in self.extents:
            seen = extent.views & wanted
            if seen:
                key = (extent.readonly, extent.kind, extent.iova >> 63, tuple(sorted(seen)))
                groups.setdefault(key, []).append(replace(extent, views=seen))
        return tuple(Joined(tuple(group), group[0].views) for group in groups.values())


@cache
def load(path: Path = Q35) -> MemoryMap:
    """Read a map; ValueError names the file and the section that is wrong."""
    data = tomllib.loads(path.read_text(encoding="utf-8"))
    views = tuple(view["name"] for view in data["view"])
    extents = []
    for row in data["section"]:
        extent = Extent(
            row["name"],
            row["iova"],
            row["size"],
            row.get("readonly", False),
            row.get("kind", "ram"),
            row.get("printed", False),
            frozenset(row["views"]),
        )
        if not extent.views <= set(views) or extent.kind not in KINDS or extent.size <= 0:
            raise ValueError(f"{path}: section {extent.name} at {extent.iova:#x} is wrong")
        extents.append(extent)
    found = MemoryMap(views, tuple(extents))
    for name in views:
        rows = found.view(name)
        for low, high in itertools.pairwise(rows):
            if low.overlaps(high):
                raise ValueError(f"{path}: {low.name} and {high.name} overlap in view {name}")
    return found

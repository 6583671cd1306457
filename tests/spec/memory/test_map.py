"""The memory map is the one that was printed, and joins only what no listener can tell apart."""

from __future__ import annotations

from pathlib import Path

import pytest

from spec.memory.map import load
from spec.memory.section import memory_shape, views_of


def test_the_read_only_sections_are_the_eleven_that_were_printed() -> None:
    assert sum(x.printed for x in load().extents) == 11
    assert all(x.readonly == x.printed for x in load().extents)


def test_every_view_has_4_gib_of_ram_but_for_the_holes_of_a_pc() -> None:
    found = load()
    for name in found.views:
        low = [x for x in found.view(name) if x.kind == "ram" and x.iova < 0x80000000]
        assert low[0].iova == 0
        covered = sum(x.size for x in low)
        assert covered == 0x80000000 - 0x20000  # all but a0000-bffff
        high = [x for x in found.view(name) if x.kind == "ram" and x.iova == 1 << 32]
        assert [x.size for x in high] == [0x80000000]


def test_overlapping_sections_are_never_in_one_view() -> None:
    found = load()
    overlapping = [
        (a, b) for a in found.extents for b in found.extents if a is not b and a.overlaps(b)
    ]
    assert overlapping
    assert not any(a.views & b.views for a, b in overlapping)


def test_joined_sections_come_and_go_together() -> None:
    found = load()
    rows = found.joined(found.views)
    assert sum(len(row.extents) for row in rows) == len(found.extents)
    assert len(rows) < len(found.extents)
    for row in rows:
        assert {x.views for x in row.extents} == {row.views}
        assert len({(x.readonly, x.kind) for x in row.extents}) == 1


def test_a_mask_selects_views_and_the_last_is_followed_by_the_first() -> None:
    assert views_of(0b10001) == ("reset", "booted")
    sizes, constants = memory_shape(0b10001)
    assert sizes["views"] == 2
    assert constants["views"]["next"] == (2, 1)


def test_a_map_with_overlapping_sections_in_a_view_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "map.toml"
    path.write_text(
        '[[view]]\nname = "v"\n'
        '[[section]]\nname = "a"\niova = 0\nsize = 8\nviews = ["v"]\n'
        '[[section]]\nname = "b"\niova = 4\nsize = 8\nviews = ["v"]\n'
    )
    with pytest.raises(ValueError, match="a and b overlap in view v"):
        load(path)

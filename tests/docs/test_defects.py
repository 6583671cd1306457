"""Every known defect of the host side is shown by a variant, or the book says why not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from sphinx.errors import ExtensionError
from viommu_spec.defects import known, row, showing

from checkers.machines import variants
from tests.seeds import document

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "docs" / "defects.toml"
SMMUV3 = {f"S-{n:02}" for n in (1, 3, 4, 29, 30, *range(37, 42))}


def test_the_file_has_just_the_entries_that_concern_the_host() -> None:
    of_the_host = set(re.findall(r"^### ([CK]-\d+) ", document("defects"), re.MULTILINE))
    assert set(known(FILE)) == of_the_host | SMMUV3


def test_each_entry_has_a_variant_or_a_reason() -> None:
    shown = showing(list(variants().values()))
    for key, entry in known(FILE).items():
        assert row(key, entry, shown.get(key, []))


def test_an_entry_with_neither_or_both_is_an_error() -> None:
    shown = showing(list(variants().values()))["S-01"]
    with pytest.raises(ExtensionError, match="S-99 has neither a variant nor a reason"):
        row("S-99", {"title": "nothing"}, [])
    with pytest.raises(ExtensionError, match="S-01 has both a variant and a reason"):
        row("S-01", {"title": "a group", "outside": "no groups"}, shown)


def test_a_row_has_the_variants_with_the_length_of_each_trace() -> None:
    shown = showing(list(variants().values()))["S-01"]
    cells = row("S-01", known(FILE)["S-01"], shown)
    assert "smmuv3-v9-group" in cells[2]
    assert "a-device-that-fits-is-not-refused" in cells[2]


def test_a_field_that_is_not_known_is_named(tmp_path: Path) -> None:
    file = tmp_path / "defects.toml"
    file.write_text('[X-01]\ntitle = "a"\nwhy = "b"\n')
    with pytest.raises(ExtensionError, match="X-01 has no field 'why'"):
        known(file)

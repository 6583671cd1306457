"""Every known defect is shown by a variant, or the book says why not; where it stands is said."""

from __future__ import annotations

from pathlib import Path

import pytest
from sphinx.errors import ExtensionError
from viommu_spec.defects import Defect, known, row, showing
from viommu_spec.index import commits

from checkers.machines import variants

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "docs" / "defects.toml"


def test_each_entry_has_a_variant_or_a_reason() -> None:
    shown = showing(list(variants().values()))
    for key, entry in known(FILE).items():
        assert row(key, entry, shown.get(key, []))


def test_an_entry_with_neither_or_both_is_an_error() -> None:
    shown = showing(list(variants().values()))["S-01"]
    entry: Defect = {"title": "a group", "where": "there", "stands": "fixed", "known": "read"}
    with pytest.raises(ExtensionError, match="S-99 has neither a variant nor a reason"):
        row("S-99", entry, [])
    with pytest.raises(ExtensionError, match="S-01 has both a variant and a reason"):
        row("S-01", {**entry, "outside": "no groups"}, shown)
    assert row("S-01", entry, [], whole=False)


def test_a_row_has_the_variants_with_the_length_of_each_trace() -> None:
    shown = showing(list(variants().values()))["S-01"]
    cells = row("S-01", known(FILE)["S-01"], shown)
    assert ".. _defect-S-01:" in cells[0]
    assert "smmuv3_accel_alloc_viommu" in cells[1]
    assert "In QEMU 11.1. Known: reported." in cells[2]
    assert "smmuv3-v9-group" in cells[3]
    assert "a-device-that-fits-is-not-refused" in cells[3]


@pytest.mark.parametrize(
    ("field", "error"),
    [
        ('why = "b"', "X-01 has no field 'why'"),
        ("where = ''", "X-01 has no where"),
        ('known = "heard"', "X-01 is known by none of seen,"),
    ],
)
def test_a_wrong_field_is_named(tmp_path: Path, field: str, error: str) -> None:
    fields = {"title": '"a"', "where": '"b"', "stands": '"fixed"', "known": '"read"'}
    name, _, value = field.partition(" = ")
    file = tmp_path / "defects.toml"
    rows = (f"{key} = {text}\n" for key, text in {**fields, name: value}.items())
    file.write_text("[X-01]\n" + "".join(rows))
    with pytest.raises(ExtensionError, match=error):
        known(file)


def test_commits_are_links_to_what_is_a_commit_of_qemu_or_linux() -> None:
    assert commits(["qemu 0686ac68e1"]).endswith("qemu/-/commit/0686ac68e1>`__")
    for strange in ("bsd 0686ac68e1", "qemu v11.0"):
        with pytest.raises(ExtensionError, match=f"{strange} is no commit"):
            commits([strange])

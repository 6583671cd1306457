"""What a variant breaks besides the rule that it is about is listed from its declaration."""

from __future__ import annotations

import pytest
from sphinx.errors import ExtensionError
from viommu_spec.findings import more

from checkers.machines import variants


def test_a_row_has_the_rules_behind_the_first_with_their_lengths() -> None:
    name = "lifetime-detach-keeps-count"
    cells = more(name, variants()[name])
    assert ": 4" in cells[1]
    assert "counts-equal-referrers" in cells[1]
    assert "no-failed-check" in cells[2]
    assert ": 9" in cells[2]
    assert "counts-equal-referrers" not in cells[2]


def test_a_variant_that_is_not_there_or_breaks_one_rule_is_an_error() -> None:
    with pytest.raises(ExtensionError, match="mutant-none is no variant"):
        more("mutant-none", None)
    with pytest.raises(ExtensionError, match="mutant-parent-kept breaks one rule alone"):
        more("mutant-parent-kept", variants()["mutant-parent-kept"])

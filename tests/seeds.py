"""Finds the source documents beside the checkout; where absent, tests that need them say so."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parent.parent.parent / "shared"


@cache
def document(number: str) -> str:
    """The text of a seed document ("002"), of the kernel rules, or of the defects."""
    if not SHARED.is_dir():
        pytest.skip("the source documents are not beside this checkout")
    if number == "kernel":
        return (SHARED / "kernel_rules.md").read_text(encoding="utf-8")
    if number == "defects":
        return (SHARED / "defects.md").read_text(encoding="utf-8")
    (path,) = (SHARED / "seeds").glob(f"{number}_*.txt")
    return path.read_text(encoding="utf-8")

"""Where a refusal must point: looked up in the text of the test, not by the code under test."""

from __future__ import annotations

from pathlib import Path

import pytest

from spec.language import LanguageError


def line_of(file: str, text: str) -> int:
    """The number of the one line of a file that begins with `text`, indentation aside."""
    lines = Path(file).read_text().splitlines()
    found = [number for number, line in enumerate(lines, 1) if line.strip().startswith(text)]
    assert len(found) == 1, f"{text!r} begins {len(found)} lines of {file}"
    return found[0]


def assert_place(caught: pytest.ExceptionInfo[LanguageError], file: str, text: str) -> None:
    """The error names the file and the line that begins with `text`, in one line."""
    error = caught.value
    assert (error.file, error.line) == (file, line_of(file, text))
    assert str(error) == f"{error.file}:{error.line}: {error.message}"
    assert "\n" not in str(error)

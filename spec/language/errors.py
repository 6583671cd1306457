"""The one error a declaration outside the language raises: a sentence and its place."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any


class LanguageError(Exception):
    """A declaration or a line of an action that the language does not have.

    `str()` of it is one line, ``FILE:LINE: what is wrong; what to write instead``.
    """

    def __init__(self, file: str, line: int, message: str) -> None:
        super().__init__(f"{file}:{line}: {message}")
        self.file = file
        self.line = line
        self.message = message


def place(thing: type | Callable[..., Any]) -> tuple[str, int]:
    """File and line where a class or function is written; ("<unknown>", 0) if it has no source."""
    try:
        thing = inspect.unwrap(thing)
        file = inspect.getsourcefile(thing) or "<unknown>"
        return file, inspect.getsourcelines(thing)[1]
    except (OSError, TypeError):
        return "<unknown>", 0


def refuse(thing: type | Callable[..., Any], message: str) -> LanguageError:
    """The error for a declaration, at the place where it is written."""
    return LanguageError(*place(thing), message)

"""Where a function is written, and its text as Python's own tree."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable
from typing import Any

from spec.language.errors import LanguageError


def place(function: Callable[..., Any]) -> tuple[str, int]:
    """The file and the first line of a function."""
    plain: Any = inspect.unwrap(function)
    return plain.__code__.co_filename, _first_line(plain)


def _first_line(function: Any) -> int:
    try:
        return int(inspect.getsourcelines(function.__code__)[1])
    except OSError:
        return int(function.__code__.co_firstlineno)


def definition(function: Any, file: str, line: int) -> ast.FunctionDef:
    """The definition of a function that begins there."""
    try:
        source = textwrap.dedent("".join(inspect.getsourcelines(function.__code__)[0]))
    except OSError as error:
        raise LanguageError(file, line, "the source of this function cannot be read") from error
    node = ast.parse(source).body[0]
    if not isinstance(node, ast.FunctionDef):
        raise LanguageError(file, line, "a specification function is written with `def`")
    return node

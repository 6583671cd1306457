"""Where a function is written, and its text as Python's own tree."""

from __future__ import annotations

import ast
import functools
import inspect
import textwrap
from collections.abc import Callable
from types import CodeType
from typing import Any

from spec.language.errors import LanguageError


def place(function: Callable[..., Any]) -> tuple[str, int]:
    """The file and the first line of a function."""
    plain: Any = inspect.unwrap(function)
    return plain.__code__.co_filename, _first_line(plain)


def _first_line(function: Any) -> int:
    try:
        return _lines(function.__code__)[1]
    except OSError:
        return int(function.__code__.co_firstlineno)


def definition(function: Any, file: str, line: int) -> ast.FunctionDef:
    """The definition of a function that begins there."""
    try:
        node = _tree(function.__code__)
    except OSError as error:
        raise LanguageError(file, line, "the source of this function cannot be read") from error
    if not isinstance(node, ast.FunctionDef):
        raise LanguageError(file, line, "a specification function is written with `def`")
    return node


@functools.cache
def _lines(code: CodeType) -> tuple[list[str], int]:
    """The lines of a function and the first one's number, the same for all linked copies."""
    lines, first = inspect.getsourcelines(code)
    return lines, int(first)


@functools.cache
def _tree(code: CodeType) -> ast.stmt:
    """Python's own tree of a function; it is read only."""
    return ast.parse(textwrap.dedent("".join(_lines(code)[0]))).body[0]

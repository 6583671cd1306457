"""Where a function is written, and its text as Python's own tree."""

from __future__ import annotations

import ast
import functools
import inspect
import linecache
import textwrap
from collections.abc import Callable, Mapping
from types import CodeType
from typing import Any

from spec.language.errors import LanguageError


def place(function: Callable[..., Any]) -> tuple[str, int]:
    """The file and the first line of a function, which is that of its first decorator."""
    code: CodeType = inspect.unwrap(function).__code__
    return code.co_filename, code.co_firstlineno


@functools.cache
def _tree(code: CodeType) -> ast.FunctionDef | None:
    """Python's own tree of a function, the same for all linked copies; it is read only."""
    linecache.checkcache(code.co_filename)
    lines, first = linecache.getlines(code.co_filename), code.co_firstlineno
    end = _ends("".join(lines)).get(first)
    if end is None:
        return None
    node = ast.parse(textwrap.dedent("".join(lines[first - 1 : end]))).body[0]
    return node if isinstance(node, ast.FunctionDef) else None


@functools.lru_cache(maxsize=64)
def _ends(text: str) -> Mapping[int, int]:
    """The last line of each function that is written with `def` in a file, by its first line."""
    found = {}
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            first = min([node.lineno, *(item.lineno for item in node.decorator_list)])
            found[first] = node.end_lineno or first
    return found


def definition(function: Any, file: str, line: int) -> ast.FunctionDef:
    """The definition of a function that begins there."""
    node = _tree(function.__code__)
    if node is None and not linecache.getlines(file):
        raise LanguageError(file, line, "the source of this function cannot be read")
    if node is None:
        raise LanguageError(file, line, "a specification function is written with `def`")
    return node

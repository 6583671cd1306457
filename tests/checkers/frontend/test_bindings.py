"""Where a local has a value: a read without one is refused, in its line; all others are not."""

from __future__ import annotations

import linecache
from types import FunctionType

import pytest

from checkers.frontend.parse import Parser
from spec.language import LanguageError, build
from tests.toys.refcount import REFCOUNT

HEAD = "def act(s: State, n: Index) -> None:\n"


def parsed(body: str) -> None:
    """Reads a function of this body, a line of which is indented with `|`."""
    layout = build(REFCOUNT, "small").layout
    text = HEAD + "".join(f"    {line}\n" for line in body.replace("|", "    ").split("; "))
    file = f"<{body}>"
    linecache.cache[file] = (len(text), None, text.splitlines(True), file)
    names: dict[str, object] = {"State": layout.state, "Index": bool}
    exec(compile(text, file, "exec"), names)
    function = names["act"]
    assert isinstance(function, FunctionType)
    Parser(layout).function(function)


@pytest.mark.parametrize(
    "body",
    [
        "a = n; b = a",
        "a = n; if n:; |a = False; b = a",
        "if n:; |a = True; else:; |a = False; b = a",
        "if n:; |return; else:; |a = False; b = a",
        "if n:; |a = False; |b = a",
        "for i in range(3):; |if i == 1:; ||break; |a = i; |b = a",
        "for i in range(3):; |if i == 1:; ||continue; |else:; ||a = i; |b = a",
        "for i in range(3):; |b = i; for i in range(2):; |b = i",
        "b = any(i == 1 for i in range(3)); for i in range(2):; |b = i == 0",
        "a = n; return; b = a",
        "if n:; |a = n; return; for n in range(2):; |b = a",
        "a = n; a = not a",
    ],
)
def test_a_local_that_has_a_value_is_read(body: str) -> None:
    parsed(body)


@pytest.mark.parametrize(
    ("line", "body"),
    [
        (2, "b = a; a = n"),
        (4, "if n:; |a = n; b = a"),
        (4, "for i in range(2):; |a = i; b = a"),
        (4, "for i in range(2):; |b = i; b = i"),
        (3, "for i in range(2):; |b = a; |a = i"),
        (6, "for i in range(2):; |if i == 1:; ||a = i; ||break; |b = a"),
        (3, "b = n; b = any(a for i in range(2)); a = n"),
        (3, "b = any(i == 1 for i in range(2)); b = i == 0; for i in range(2):; |b = i == 1"),
        (2, "a += 1"),
        (6, "if n:; |return; elif n:; |a = 1; b = a; a = b"),
    ],
)
def test_a_local_that_may_have_none_is_refused(line: int, body: str) -> None:
    with pytest.raises(LanguageError, match=rf":{line}: `\w` may have no value here; bind it"):
        parsed(body)


@pytest.mark.parametrize("body", ["for n in range(2):; |pass", "i = 1; for i in range(2):; |pass"])
def test_a_loop_binds_no_name_that_has_a_value(body: str) -> None:
    with pytest.raises(LanguageError, match="has a value before this loop; use another name"):
        parsed(body)

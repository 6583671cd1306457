"""What the names in a function stand for, and where a local has a value."""

from __future__ import annotations

import ast
import builtins
import inspect
from collections.abc import Callable
from enum import IntEnum
from typing import Any, Final, NoReturn

from checkers.frontend import tree as t
from checkers.frontend.source import place
from spec.language import types
from spec.language.errors import LanguageError
from spec.language.layout import BoolT, EnumT, IdT, IntT, SortT

ANY_INT: Final = IntT(-512, 511)
"""The range of intermediate and local ints."""

BOOL: Final = BoolT()

Sure = frozenset[str] | None
"""The locals that have a value in any case; None where control never comes."""


class Names:
    """The names of one function, as it is read from its first line to its last.

    `locals` are those bound so far, with their types. A local that is bound in one branch only, or
    in a loop that may take no turn, has no value behind it: only those that are `sure` may be read.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.plain: Any = inspect.unwrap(function)
        self.file, self.line = place(function)
        self.locals: dict[str, t.Type] = {}
        self.sure: Sure = frozenset()
        code = self.plain.__code__
        self._own = {*code.co_varnames, *code.co_cellvars}

    def refuse(self, node: ast.AST, message: str) -> NoReturn:
        """Say what is wrong, with the line."""
        raise LanguageError(self.file, self.line_of(node), message)

    def line_of(self, node: ast.AST) -> int:
        """The line of the file in which a part of the function is written."""
        return self.line + int(getattr(node, "lineno", 1)) - 1

    def bind(self, name: str, kind: t.Type) -> None:
        """A local has a value of this type from here on."""
        self.locals[name] = kind
        if self.sure is not None:
            self.sure |= {name}

    def is_local(self, name: str) -> bool:
        """Whether a name is one of the function's own, bound here or elsewhere in it."""
        return name in self.locals or name in self._own

    def named(self, node: ast.AST, name: str) -> t.Expr:
        """What a name stands for: a local that has a value, or a constant."""
        if not self.is_local(name):
            return self._constant(node, name, self.global_(node, name))
        if name not in self.locals or (self.sure is not None and name not in self.sure):
            why = f"`{name}` may have no value here; bind it before the branch or the loop"
            self.refuse(node, why)
        return t.Local(name, self.locals[name])

    def resolve(self, node: ast.expr) -> Any:
        """The global that a call names."""
        if isinstance(node, ast.Name) and not self.is_local(node.id):
            return self.global_(node, node.id)
        self.refuse(node, f"`{ast.unparse(node)}` cannot be called; import the function by name")

    def global_(self, node: ast.AST, name: str) -> Any:
        """What a name stands for in the module of the function."""
        if name in self.plain.__globals__:
            return self.plain.__globals__[name]
        if hasattr(builtins, name):
            return getattr(builtins, name)
        self.refuse(node, f"`{name}` is not known here")

    def number(self, node: ast.AST, value: int) -> t.Expr:
        """A literal int."""
        if not ANY_INT.lo <= value <= ANY_INT.hi:
            self.refuse(node, f"numbers are {ANY_INT.lo} to {ANY_INT.hi}; this is beyond them")
        return t.Constant(value, IntT(value, value))

    def _constant(self, node: ast.AST, name: str, value: Any) -> t.Expr:
        if isinstance(value, types.Id):
            return t.Constant(int(value), IdT(types.Record), self.line_of(node))
        if isinstance(value, IntEnum):
            return t.Constant(int(value), EnumT(type(value)))
        if value is types.NULL and isinstance(value, int) and name == "NULL":
            return t.Constant(0, SortT(types.Sort))
        if isinstance(value, bool):
            return t.Constant(int(value), BOOL)
        if isinstance(value, int):
            return self.number(node, value)
        self.refuse(node, f"`{name}` is not a value of the language")


def either(one: Sure, other: Sure) -> Sure:
    """What is sure where two branches meet: control may come from either, if it comes."""
    if one is None or other is None:
        return one if other is None else other
    return one & other

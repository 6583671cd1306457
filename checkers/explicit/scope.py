"""What is known at one place of a function that is being translated, and walks over its tree."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import Field, dataclass, field, fields, is_dataclass
from typing import Any, Final

from checkers.explicit import code as c
from checkers.explicit.code import Code
from checkers.frontend import tree as t


@dataclass(frozen=True)
class Buffer:
    """A state in generated code: what its cells are read from, and its bytes."""

    cells: str
    bytes: str


@dataclass(frozen=True)
class Scope:
    """What names stand for at one place; `known` are bare texts that are not 0 there."""

    buffers: tuple[Buffer, ...]
    names: Mapping[str, Code] = field(default_factory=dict)
    known: frozenset[str] = frozenset()
    cases: int = 1

    def after(self, code: Code, result: bool | None = None) -> Scope:
        """The scope where `code` was evaluated, and was true or false."""
        more = code.facts if result is None else code.facts | (code.yes if result else code.no)
        known = c.lasting(self.known) if code.effect else self.known
        if known is self.known and more <= known:
            return self
        return Scope(self.buffers, self.names, known | more, self.cases)

    def naming(self, name: str, code: Code) -> Scope:
        """The scope in which `name` stands for `code`."""
        return Scope(self.buffers, {**self.names, name: code}, self.known, self.cases)


Given = tuple[int | None, ...]
"""What is known of the arguments of a call: the value of a literal, `SOME` if not 0, or nothing."""

SOME: Final = -1 << 30


@dataclass(frozen=True)
class Lowered:
    """A function of the specification as a generated one; `takes` are its remaining parameters."""

    name: str
    takes: tuple[str, ...]
    pure: bool
    effect: bool


def is_nonzero(code: Code, scope: Scope) -> bool:
    """Whether it is known that a value is not 0, once it was evaluated."""
    return code.nonzero or bool(code.value) or code.bare in scope.known


def plain_names(function: t.Function) -> list[str]:
    """The parameters that are neither a state nor the fault."""
    return [
        name for name, kind in function.parameters if not isinstance(kind, t.StateT | t.FaultT)
    ]


def leaves(body: Sequence[t.Stmt]) -> bool:
    """Control never comes to the end of these statements."""
    if not body:
        return False
    last = body[-1]
    if isinstance(last, t.If):
        return leaves(last.then) and leaves(last.other)
    return isinstance(last, t.Return | t.Jump)


def uses(node: object, name: str) -> int:
    """How often a local is read; under a quantifier, once more."""
    if isinstance(node, t.Local):
        return int(node.name == name)
    count = sum([uses(child, name) for child in parts(node)])
    return 2 * count if isinstance(node, t.Quantified | t.For) else count


def walk(node: object) -> Iterator[object]:
    """A part of a tree and all that is inside it."""
    left = [node]
    while left:
        item = left.pop()
        yield item
        left.extend(reversed(parts(item)))


def parts(node: object) -> Sequence[object]:
    """The expressions and statements that a part of a tree has directly inside."""
    if isinstance(node, tuple):
        return node
    found = [getattr(node, name) for name in inside(node)]
    return [item for item in found if item is not None]


def inside(node: object) -> tuple[str, ...]:
    """The fields of a part of a tree that hold expressions and statements.

    The body of a function is inside none of its calls.
    """
    kind = type(node)
    if kind not in _INSIDE:
        declared = fields(node) if is_dataclass(node) and kind is not t.Function else ()
        _INSIDE[kind] = tuple(item.name for item in declared if _holds(item))
    return _INSIDE[kind]


def _holds(item: Field[Any]) -> bool:
    """What the type of a field says."""
    return re.search(r"\b(Expr|Stmt|Call)\b", str(item.type)) is not None


_INSIDE: Final[dict[type, tuple[str, ...]]] = {}
"""The answers of `inside`, which are the same for all of a class."""

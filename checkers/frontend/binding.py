"""Where a local of a function may be read that has no value there."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence


def misread(function: ast.FunctionDef) -> list[tuple[ast.Name, str]]:
    """The locals that may be read without a value, and loops that bind what has one; why not.

    A local has none that is bound in one branch only, or in a loop that may take no turn.
    """
    parameters = {argument.arg for argument in function.args.args}
    found = _Reads(parameters | set(_bound(function.body)))
    found.block(function.body, frozenset(parameters))
    return found.refused


def _bound(body: Sequence[ast.stmt]) -> Iterator[str]:
    """The names that statements bind; those of a generator are its own."""
    for statement in body:
        for node in ast.walk(statement):
            targets: list[ast.expr] = []
            if isinstance(node, ast.Assign):
                targets = node.targets
            elif isinstance(node, ast.AnnAssign | ast.AugAssign | ast.For):
                targets = [node.target]
            for target in targets:
                yield from _names(target)


def _names(target: ast.expr) -> Iterator[str]:
    for node in ast.walk(target):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id


class _Reads:
    """Goes through statements with the names that have a value in any case."""

    def __init__(self, locals_: set[str]) -> None:
        self.locals = locals_
        self.refused: list[tuple[ast.Name, str]] = []

    def block(self, body: Sequence[ast.stmt], sure: frozenset[str]) -> frozenset[str] | None:
        """The names that have a value behind statements; None if control never comes there."""
        for statement in body:
            after = self._statement(statement, sure)
            if after is None:
                return None
            sure = after
        return sure

    def _statement(self, node: ast.stmt, sure: frozenset[str]) -> frozenset[str] | None:
        match node:
            case ast.If(test, then, other):
                self._read(test, sure)
                sides = self.block(then, sure), self.block(other, sure)
                reached = [side for side in sides if side is not None]
                return frozenset.intersection(*reached) if reached else None
            case ast.For(target, iterable, body, _):
                self._read(iterable, sure)
                if isinstance(target, ast.Name) and target.id in sure:
                    why = f"`{target.id}` has a value before this loop; use another name for a turn"
                    self.refused.append((target, why))
                self.block(body, sure | set(_names(target)))
                return sure
            case ast.Return(value):
                self._read(value, sure)
                return None
            case ast.Break() | ast.Continue():
                return None
            case ast.Assign(targets, value):
                self._read(value, sure)
                for target in targets:
                    self._read(target, sure)
                return sure.union(*map(_names, targets))
            case ast.AnnAssign(target, _, value):
                self._read(value, sure)
                self._read(target, sure)
                return sure | set(_names(target))
            case ast.AugAssign(ast.Name(name) as target, _, value):
                self._read(ast.copy_location(ast.Name(name, ast.Load()), target), sure)
                self._read(value, sure)
                return sure
        self._read(node, sure)
        return sure

    def _read(self, node: ast.AST | None, sure: frozenset[str]) -> None:
        match node:
            case None:
                return
            case ast.Name(name, ast.Load()):
                if name in self.locals and name not in sure:
                    why = f"`{name}` may have no value here; bind it before the branch or the loop"
                    self.refused.append((node, why))
            case ast.GeneratorExp(value, generators):
                for clause in generators:
                    self._read(clause.iter, sure)
                    sure = sure | set(_names(clause.target))
                    for test in clause.ifs:
                        self._read(test, sure)
                self._read(value, sure)
            case _:
                for child in ast.iter_child_nodes(node):
                    self._read(child, sure)

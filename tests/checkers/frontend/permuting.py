"""Whether permuting rows commutes with every step and every rule of a small machine: brute force.

`fresh` gives any of its candidates here, as an exploration up to renaming has it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from types import FunctionType
from typing import Any

from checkers.frontend.scalarsets import exchanged
from spec.language import NONE, Program
from spec.language.control import Crash
from spec.language.layout import IdT, TableLayout
from spec.language.program import Kind, Linked

Outcomes = frozenset[tuple[Kind, bytes, int]]


class Chooser:
    """A `fresh` that gives the candidates that a script says, the first after its end."""

    def __init__(self) -> None:
        self.script: list[int] = []
        self.sizes: list[int] = []

    def __call__(self, ids: Iterable[Any]) -> Any:
        candidates = list(ids) or [NONE]
        turn = len(self.sizes)
        self.sizes.append(len(candidates))
        return candidates[self.script[turn] if turn < len(self.script) else 0]

    def next(self) -> bool:
        """The script of the next run; false if all have been."""
        taken = [*self.script, *[0] * len(self.sizes)][: len(self.sizes)]
        while taken and taken[-1] + 1 >= self.sizes[len(taken) - 1]:
            taken.pop()
        self.script, self.sizes = [*taken[:-1], taken[-1] + 1] if taken else [], []
        return bool(taken)


def installed(function: Callable[..., Any], chooser: Chooser, seen: set[int]) -> None:
    """Have a linked function, and those that it calls, choose so."""
    plain: Any = getattr(function, "__wrapped__", function)
    names = plain.__globals__
    if id(names) in seen:
        return
    seen.add(id(names))
    if "fresh" in names:
        names["fresh"] = chooser
    code = plain.__code__
    for name in code.co_names:
        called = names.get(name)
        if isinstance(called, FunctionType) and not called.__module__.startswith("spec.language"):
            installed(called, chooser, seen)


def outcomes(program: Program, rule: Linked, state: bytes, values: tuple[int, ...]) -> Outcomes:
    """Every way in which an action may end."""
    chooser, found = Chooser(), set()
    installed(rule.function, chooser, set())
    going = True
    while going:
        outcome = program.run(rule, state, values)
        after = outcome.state if outcome.kind is Kind.DONE else b""
        found.add((outcome.kind, after, outcome.result))
        going = chooser.next()
    return frozenset(found)


def answer(program: Program, rule: Linked, state: bytes, values: tuple[int, ...]) -> object:
    """The value of a rule, or that it fails."""
    store = program.store()
    store.load(state)
    try:
        return rule.function(store.state, *program.arguments(rule, values))
    except Crash:
        return "fails"


def states(program: Program, at_most: int = 300) -> list[bytes]:
    """Some of the states that are reached."""
    found = dict.fromkeys(program.initial())
    todo = list(found)
    while todo and len(found) < at_most:
        state = todo.pop(0)
        for rule in program.actions:
            for values in rule.instances(program.layout):
                for kind, after, _ in outcomes(program, rule, state, values):
                    if kind is Kind.DONE and after not in found:
                        found[after] = None
                        todo.append(after)
    return list(found)


def differences(program: Program, table: TableLayout, rows: Iterable[int]) -> Iterator[str]:
    """The actions and rules that tell two neighbours of these rows apart."""
    for (a, b), state in itertools.product(itertools.pairwise(rows), states(program)):
        other = exchanged(program, table, state, a, b)
        for rule in program.actions:
            for values in rule.instances(program.layout):
                here = outcomes(program, rule, state, values)
                there = outcomes(program, rule, other, moved(rule, values, table, a, b))
                if there != {
                    (kind, after and exchanged(program, table, after, a, b), result)
                    for kind, after, result in here
                }:
                    yield rule.name
        for rule in (*program.invariants.values(), *program.witness_rules.values()):
            for values in rule.instances(program.layout):
                here_, there_ = (
                    answer(program, rule, state, values),
                    answer(program, rule, other, moved(rule, values, table, a, b)),
                )
                if here_ != there_:
                    yield rule.name


def moved(
    rule: Linked, values: tuple[int, ...], table: TableLayout, a: int, b: int
) -> tuple[int, ...]:
    """Parameters with two ids of a table exchanged."""
    return tuple(
        {a: b, b: a}.get(value, value)
        if isinstance(parameter.type, IdT) and parameter.type.record is table.record
        else value
        for parameter, value in zip(rule.parameters, values, strict=True)
    )

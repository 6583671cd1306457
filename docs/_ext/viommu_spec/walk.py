"""What the page that walks through one action shows of each engine's reading of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from checkers.explicit.driver import Options, expander
from checkers.explicit.instances import Instances
from checkers.explicit.lower import Lowering
from checkers.explicit.scope import walk
from checkers.frontend import tree as t
from checkers.trace.naming import step_in_brief
from spec.language.program import Outcome, Program
from spec.language.steps import steps_with

INDENT = "  "


class _Kept(Lowering):
    """A lowering that keeps the texts it has compiled."""

    def __init__(self, program: Program) -> None:
        super().__init__(program)
        self.texts: list[str] = []

    def compile(self, text: str, name: str) -> Callable[..., Any]:
        """Keep, then compile."""
        self.texts += self.sources
        return super().compile(text, name)


def generated(program: Program, action: str, name: str) -> list[str]:
    """Every version of a function that exploring generates for an action, shortest first.

    If it is written out in all its callers, the version that stands alone.
    """
    lowering = _Kept(program)
    rule = program.action(action)
    expander(lowering, Instances(replace(program, actions=(rule,))), Options())
    function = next(item for item in called(lowering.tree(rule)) if item.name == name)
    head = f"def f{function.serial}_"
    found = [text for text in lowering.texts if text.startswith(head)]
    if not found:
        lowering.lowered(function)
        found = [text for text in lowering.sources if text.startswith(head)]
    return sorted(found, key=len)


def called(function: t.Function) -> Iterator[t.Function]:
    """The functions that a function calls, and those that these call."""
    for node in walk(function.body):
        if isinstance(node, t.Call):
            yield node.function
            yield from called(node.function)


def fault_loop(program: Program, action: str, state: bytes) -> str:
    """For each combination that a state enables: the host calls, transitions, states, refusals."""
    rule = program.action(action)
    lines = [f"{'calls':>5} {'transitions':>11} {'next states':>11} {'refused':>7}  parameters"]
    total: list[Outcome] = []
    for values in rule.instances(program.layout):
        found = [outcome for _, outcome in steps_with(program, state, rule, values)]
        if found:
            called = step_in_brief(program, rule, values, state).removeprefix(f"{action} ")
            lines.append(f"{len(found[0].calls):5} {_figures(found)}  {called}")
            total += found
    return "\n".join([*lines, f"{'':5} {_figures(total)}  in all"])


def _figures(found: list[Outcome]) -> str:
    states = len({outcome.state for outcome in found})
    refused = sum(outcome.result != 0 for outcome in found)
    return f"{len(found):11} {states:11} {refused:7}"


def outline(term: Any, depth: int, indent: str = "") -> str:
    """A z3 term down to a depth; what is below that is dots."""
    below = term.children()
    if not below:
        return f"{indent}{term}"
    name = term.decl().name()
    if not depth:
        return f"{indent}({name} ...)"
    if all(not child.children() for child in below):
        return f"{indent}({' '.join([name, *map(str, below)])})"
    inner = "\n".join(outline(child, depth - 1, indent + INDENT) for child in below)
    return f"{indent}({name}\n{inner})"

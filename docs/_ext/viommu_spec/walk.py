"""What the page that walks through one action shows of each engine's reading of it."""

from __future__ import annotations

from typing import Any

from checkers.explore.native.c_functions import CFunctions
from checkers.explore.native.c_state import CState, Renamed
from checkers.frontend.effects import Effects
from checkers.frontend.parse import Parser
from checkers.trace.naming import step_in_brief
from spec.language.program import Outcome, Program
from spec.language.steps import steps_with

INDENT = "  "


def in_c(program: Program, action: str, name: str) -> str:
    """A function that an action calls, as the native explorer has it in C."""
    functions = CFunctions(CState(program.layout, Renamed({}, {})), Effects())
    functions.name(Parser.of(program.layout).function(program.action(action).function))
    texts = functions.out.text().split("\nstatic ")
    return next(f"static {text}".strip() for text in texts if f" {name}__" in text.split("(")[0])


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

"""A plain breadth-first engine, so that the tests of the tools need no real one."""

from __future__ import annotations

from checkers.result import Finding, Limits, Progress, Verdict, Violation
from spec.language.program import Kind, Program
from spec.language.rules import CRASH, broken_by_state, broken_by_step
from spec.language.steps import Step, steps


def explore(program: Program, selected: frozenset[str], limits: Limits) -> list[Finding]:
    """Every state, breadth first; one finding a rule, with the shortest trace."""
    paths: dict[bytes, tuple[bytes, tuple[Step, ...]]] = {}
    for state in program.initial():
        paths[state] = (state, ())
    found: dict[str, Violation] = {}
    waiting, transitions, depth = list(paths), 0, 0
    every = (*program.invariants, CRASH)
    for state in waiting:
        first, taken = paths[state]
        depth = max(depth, len(taken))
        limits.progress(Progress(len(paths), len(waiting), 0.0))
        for breach in broken_by_state(program, state, every):
            found.setdefault(breach.rule, Violation(breach.rule, first, taken, breach.binding))
        for step, outcome in steps(program, state):
            path = (*taken, step)
            for breach in broken_by_step(program, state, outcome, every):
                ended = Violation(breach.rule, first, path, breach.binding, breach.why)
                found.setdefault(breach.rule, ended)
            if outcome.kind is not Kind.DONE:
                continue
            transitions += 1
            if outcome.state not in paths:
                paths[outcome.state] = (first, path)
                waiting.append(outcome.state)
    rules = [name for name in every if not selected or name in selected]
    return [
        Finding(
            "explicit",
            name,
            Verdict.VIOLATED if name in found else Verdict.HOLDS,
            states=len(paths),
            transitions=transitions,
            depth=depth,
            violation=found.get(name),
        )
        for name in rules
    ]


def undecided(program: Program, selected: frozenset[str], limits: Limits) -> list[Finding]:
    """Knows nothing."""
    return [Finding("symbolic", name, Verdict.BOUNDED, "unknown") for name in program.invariants]


def interrupted(program: Program, selected: frozenset[str], limits: Limits) -> list[Finding]:
    """Is stopped before it knows anything."""
    raise KeyboardInterrupt


def silent(program: Program, selected: frozenset[str], limits: Limits) -> list[Finding]:
    """Says nothing."""
    return []

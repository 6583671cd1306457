"""A plain breadth-first engine, so that the tests of the tools need no real one."""

from __future__ import annotations

from checkers.result import CRASH, Finding, Limits, Progress, Step, Verdict, Violation
from spec.language.program import Kind, Program


def explore(program: Program, selected: frozenset[str], limits: Limits) -> list[Finding]:
    """Every state, breadth first; one finding a rule, with the shortest trace."""
    paths: dict[bytes, tuple[bytes, tuple[Step, ...]]] = {}
    for state in program.initial():
        paths[state] = (state, ())
    found: dict[str, Violation] = {}
    waiting, transitions, depth = list(paths), 0, 0
    for state in waiting:
        first, steps = paths[state]
        depth = max(depth, len(steps))
        limits.progress(Progress(len(paths), len(waiting), 0.0))
        for name, rule in program.invariants.items():
            for values in rule.instances(program.layout) if rule.states == 1 else ():
                if not program.evaluate(rule, state, values=values):
                    found.setdefault(name, Violation(name, first, steps, values))
        for action in program.actions:
            for values in action.instances(program.layout):
                for fault in range(3 if action.fault else 1):
                    outcome = program.run(action, state, values, fault)
                    path = (*steps, Step(action.name, values, fault))
                    if outcome.kind is Kind.CRASH:
                        found.setdefault(CRASH, Violation(CRASH, first, path, why=outcome.why))
                    if outcome.kind is not Kind.DONE:
                        continue
                    transitions += 1
                    for name, rule in program.invariants.items():
                        failed = rule.states == 2 and outcome.result
                        if failed and not program.evaluate(rule, state, outcome.state):
                            found.setdefault(name, Violation(name, first, path))
                    if outcome.state not in paths:
                        paths[outcome.state] = (first, path)
                        waiting.append(outcome.state)
    rules = [name for name in (*program.invariants, CRASH) if not selected or name in selected]
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

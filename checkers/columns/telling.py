"""From the states and steps of a path to a run that anybody can repeat."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

from checkers.explicit.instances import FAULTS, Instances
from checkers.explicit.paths import violation
from checkers.explicit.pieces import Hit
from checkers.explicit.search import ROOT, Exploration
from checkers.explicit.symmetry import Exchange, canonicaliser
from checkers.result import Violation
from spec.language.program import Program
from spec.language.steps import Step


def told(
    program: Program, symmetric: tuple[Exchange, ...], rule: str, states: Sequence[bytes],
    steps: Sequence[Step], breaking: Step | None = None, why: str = "",
) -> Violation:
    """The run along these states (representatives); it ends there, or with a `breaking` step.

    It is told by what tells those of the specialised explorer, from an exploration of one path.
    """
    found = Exploration(program, Instances(program), symmetric=symmetric)
    found.codes = found.instances.store()
    found.index = {state: state for state in states}
    found.parents = array("I", [ROOT, *range(len(steps))])
    found.codes.extend([0, *(_number(found.instances, step) for step in steps)])
    canonical = canonicaliser(symmetric)
    found.initial = [next(x for x in program.initial() if canonical(x) == states[0])]
    code = None if breaking is None else _number(found.instances, breaking)
    return violation(found, Hit(rule, len(steps), code, why))


def _number(instances: Instances, step: Step) -> int:
    """The number of a step among all instances."""
    action = next(item for item in instances.actions if item.rule.name == step.action)
    number = 0
    for value, low, radix in zip(step.values, action.lows, action.radices, strict=True):
        number = number * radix + value - low
    return action.start + number * FAULTS + step.fault

"""Every (action, parameters, fault) as one number, so that a path costs a few bytes a state."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from spec.language.layout import Layout
from spec.language.program import Linked, Program
from spec.language.steps import Step

FAULTS: Final = 256
"""Fault indices of one instance, 0 among them: an action makes fewer host calls than this."""


@dataclass(frozen=True)
class Numbering:
    """The numbers of one action: from `start`, mixed radix over the spans of its parameters."""

    rule: Linked
    start: int
    lows: tuple[int, ...]
    radices: tuple[int, ...]

    @property
    def size(self) -> int:
        """How many numbers the action has."""
        total = FAULTS
        for radix in self.radices:
            total *= radix
        return total

    def text(self, names: Sequence[str], fault: str) -> str:
        """The number as an expression of the parameters and the fault."""
        terms, constant, weight = [], self.start, FAULTS
        for name, low, radix in reversed(list(zip(names, self.lows, self.radices, strict=True))):
            terms.append(f"{name} * {weight}")
            constant -= low * weight
            weight *= radix
        return " + ".join([*terms, *([fault] if fault else []), f"({constant})"])

    def step(self, number: int) -> Step:
        """What a number of this action stands for."""
        rest, fault = divmod(number - self.start, FAULTS)
        values: list[int] = []
        for low, radix in reversed(list(zip(self.lows, self.radices, strict=True))):
            rest, digit = divmod(rest, radix)
            values.append(digit + low)
        return Step(self.rule.name, tuple(reversed(values)), fault)


class Instances:
    """The numbers of all actions of a program."""

    def __init__(self, program: Program) -> None:
        self.actions: list[Numbering] = []
        start = 0
        for rule in program.actions:
            self.actions.append(_numbering(rule, start, program.layout))
            start += self.actions[-1].size
        self.size = start

    def step(self, number: int) -> Step:
        """What a number stands for."""
        for action in reversed(self.actions):
            if action.start <= number:
                return action.step(number)
        raise ValueError(f"no instance has the number {number}")

    def store(self) -> array[int]:
        """An empty array that can hold the numbers."""
        return array("I" if self.size < 1 << 32 else "Q")


def _numbering(rule: Linked, start: int, layout: Layout) -> Numbering:
    domains = [layout.domain(item.type) or (0,) for item in rule.parameters]
    lows = tuple(min(domain) for domain in domains)
    highs = [max(domain) for domain in domains]
    radices = tuple(high - low + 1 for low, high in zip(lows, highs, strict=True))
    return Numbering(rule, start, lows, radices)

"""Generated predicates: whether all rules hold in a state, and which witnesses it satisfies."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from checkers.explicit import code as c
from checkers.explicit.lower import Lowering
from checkers.explicit.scope import Buffer, Scope
from checkers.explicit.writer import Writer
from spec.language.program import Linked, Program

UNROLLED: Final = 64
"""So many values of a rule's parameters are written out; the rest are loops around them."""

LONGEST: Final = 5000
"""A rule with given parameters is written out up to this many characters."""

Judge = Callable[[Sequence[bytes], int, list[int]], int]
"""Given states and where to begin: the place of the next that breaks a rule, or their number; the
places of the empty ones are appended."""


@dataclass(frozen=True)
class Broken:
    """A rule and the values of its parameters with which it is false."""

    rule: str
    binding: tuple[int, ...]


class Judges:
    """The rules still to be checked, as generated predicates."""

    def __init__(self, lowering: Lowering, wanted: Iterable[str], empties: bool) -> None:
        self.program = program = lowering.program
        self.rules, self.space = program.invariants, lowering.space
        self.empty = program.empty if empties else None
        self.always = [n for n in wanted if n in self.rules and self.rules[n].states == 1]
        self.failures = [n for n in wanted if n in self.rules and self.rules[n].states == 2]
        self.witnesses = {
            name: witness_of(lowering, rule) for name, rule in program.witness_rules.items()
        }
        self._single: dict[str, Callable[..., bool]] = {}
        self._generate(lowering)

    @functools.cached_property
    def lowering(self) -> Lowering:
        """What generates further predicates; the first one is not kept, for its trees are large."""
        return Lowering(self.program)

    def _generate(self, lowering: Lowering) -> None:
        self.judge = judge_of(lowering, [self.rules[n] for n in self.always], self.empty)
        failures = [self.rules[n] for n in self.failures]
        self.space["failure_holds"] = failure_judge(lowering, failures)

    def without(self, broken: Collection[str]) -> None:
        """Check these rules no longer."""
        if not set(broken).isdisjoint([*self.always, *self.failures]):
            self.always = [name for name in self.always if name not in broken]
            self.failures = [name for name in self.failures if name not in broken]
            self._generate(self.lowering)

    def look(self, states: Sequence[bytes]) -> tuple[list[int], list[int], dict[str, int]]:
        """The places of those that break a rule, of the empty ones, of each witness's first."""
        bad: list[int] = []
        empties: list[int] = []
        place = self.judge(states, 0, empties)
        while place < len(states):
            bad.append(place)
            place = self.judge(states, place + 1, empties)
        firsts = {
            name: next((place for place, state in enumerate(states) if witness(state)), None)
            for name, witness in self.witnesses.items()
        }
        return bad, empties, {name: x for name, x in firsts.items() if x is not None}

    def holds(self, name: str, *states: bytes) -> bool:
        """Whether one rule holds in a state, or in a step from one to another."""
        if name not in self._single:
            self._single[name] = rule_judge(self.lowering, self.rules[name])
        return self._single[name](*states)


def judge_of(lowering: Lowering, rules: Iterable[Linked], empty: Linked | None) -> Judge:
    """Generate the check of these rules."""
    out = Writer()
    buffer = Buffer("t", "s")
    with out.block("def broken_by(s)"):
        out.line("t = tuple(s)")
        with out.block("try"):
            for rule in rules:
                _require(lowering, out, rule, (buffer,), "return True")
        with out.block("except Crash"):
            out.line("return True")
    with out.block("def judge(states, start, empties)"):
        with out.block("for place in range(start, len(states))"):
            out.line("s = states[place]")
            if empty is not None:
                test = lowering.apply(lowering.tree(empty), (), Scope((Buffer("s", "s"),)))
                with out.block(f"if {test.text}"):
                    out.line("empties.append(place)")
            out.line("if broken_by(s): return place")
        out.line("return len(states)")
    return lowering.compile(out.text(), "judge")


def failure_judge(lowering: Lowering, rules: Sequence[Linked]) -> Callable[..., bool]:
    """Whether all rules about failures hold of a step."""
    return _predicate(lowering, "failure_holds", rules, (Buffer("s", "s"), Buffer("c", "c")))


def rule_judge(lowering: Lowering, rule: Linked) -> Callable[..., bool]:
    """Whether one rule holds, of a state or of two."""
    buffers = (Buffer("s", "s"), Buffer("c", "c"))[: rule.states]
    return _predicate(lowering, lowering.fresh("holds"), [rule], buffers)


def _predicate(
    lowering: Lowering, name: str, rules: Sequence[Linked], buffers: tuple[Buffer, ...]
) -> Callable[..., bool]:
    out = Writer()
    with out.block(f"def {name}({', '.join(buffer.bytes for buffer in buffers)})"):
        with out.block("try"):
            for rule in rules:
                _require(lowering, out, rule, buffers, "return False")
        with out.block("except Crash"):
            out.line("return False")
        out.line("return True")
    return lowering.compile(out.text(), name)


def witness_of(lowering: Lowering, rule: Linked) -> Callable[[bytes], bool]:
    """Whether a state satisfies a witness."""
    out = Writer()
    with out.block("def witness(s)"):
        test = lowering.apply(lowering.tree(rule), (), Scope((Buffer("s", "s"),)))
        with out.block("try"):
            out.line(f"return {test.text}")
        with out.block("except Crash"):
            out.line("return False")
    return lowering.compile(out.text(), "witness")


def broken_in(program: Program, names: Iterable[str], *states: bytes) -> list[Broken]:
    """Which of these rules are false in a state (or of two), each with the first binding."""
    found = []
    for name in names:
        rule = program.invariants[name]
        for binding in rule.instances(program.layout):
            if not program.evaluate(rule, *states, values=binding):
                found.append(Broken(name, binding))
                break
    return found


def _require(
    lowering: Lowering, out: Writer, rule: Linked, buffers: tuple[Buffer, ...], otherwise: str
) -> None:
    """Lines that do `otherwise` if a rule is false with any values of its parameters."""
    domains = [tuple(lowering.program.layout.domain(item.type)) for item in rule.parameters]
    outer = 0
    while _product(domains[outer:]) > UNROLLED:
        outer += 1
    heads = [f"p{place}_{item.name}" for place, item in enumerate(rule.parameters[:outer])]
    _loops(lowering, out, rule, buffers, otherwise, heads, domains)


def _loops(
    lowering: Lowering, out: Writer, rule: Linked, buffers: tuple[Buffer, ...], otherwise: str,
    heads: list[str], domains: list[tuple[int, ...]], depth: int = 0,
) -> None:
    if depth < len(heads):
        with out.block(f"for {heads[depth]} in {domains[depth]}"):
            _loops(lowering, out, rule, buffers, otherwise, heads, domains, depth + 1)
        return
    tree = lowering.tree(rule)
    known = frozenset(heads) if heads else frozenset[str]()
    outside = [c.Code(head) for head in heads]
    cases = []
    for values in itertools.product(*domains[depth:]):
        arguments = [*outside, *(c.literal(value) for value in values)]
        cases.append(lowering.apply(tree, arguments, Scope(buffers, {}, known), LONGEST))
    held = c.conjunction(cases)
    if held.value is None or not held.value:
        out.line(f"if {c.negation(held).text}: {otherwise}")


def _product(domains: Sequence[Sequence[int]]) -> int:
    total = 1
    for domain in domains:
        total *= len(domain)
    return total

"""The rules of a program as columns: which states break them, which steps, what is witnessed."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from checkers.columns.kernel import WIDTH, Column, Kernel, Registers
from checkers.columns.packing import Bytes, Numbers, Packing, true_at
from checkers.columns.taken import Taken
from checkers.columns.writing import Writer
from checkers.frontend.ir import Node
from spec.language.program import Linked, Program


class Judge:
    """The rules about states among those `wanted`, all witnesses, and what an empty host is."""

    def __init__(self, program: Program, packing: Packing, wanted: Iterable[str]) -> None:
        rules, merger = program.invariants, packing.merger
        self.always = [name for name in wanted if name in rules and rules[name].states == 1]
        self.witnesses = list(program.witness_rules)
        roots = [_holds(packing, rules[name], [merger.state()]) for name in self.always]
        roots += [
            _holds(packing, program.witness_rules[name], [merger.state()])
            for name in self.witnesses
        ]
        if program.empty is not None and program.rank is not None:
            roots.append(_holds(packing, program.empty, [merger.state()]))
            roots.append(merger.predicate(program.rank, merger.state()))
        self._kernel: Kernel = Writer([packing]).kernel(Registers(), roots)

    def look(self, columns: Bytes) -> tuple[dict[str, Numbers], set[str], list[Column]]:
        """The states that break each rule, the witnesses seen; emptiness and rank of each state."""
        answers = self._kernel.run(columns)
        rules, others = answers[: len(self.always)], answers[len(self.always) :]
        broken = {
            name: true_at(~holds)
            for name, holds in zip(self.always, rules, strict=True) if not holds.all()
        }
        seen = {name for name, true in zip(self.witnesses, others, strict=False) if true.any()}
        return broken, seen, others[len(self.witnesses) :]

    def empty(self, columns: Bytes) -> Column:
        """Which states are an empty host."""
        found: Column = self.look(columns)[2][0].copy()
        return found


class FailureJudge:
    """The rules about steps that report an error."""

    def __init__(self, program: Program, packing: Packing, wanted: Iterable[str]) -> None:
        rules = program.invariants
        self.names = [name for name in wanted if name in rules and rules[name].states == 2]
        if not self.names:
            return
        merger = packing.merger
        primed = {
            node: merger.graph.var(f"{node.value}'", node.type, node.mask) for node in merger.where
        }
        later = copy.copy(packing)
        later.fields = {primed[node]: field for node, field in packing.fields.items()}
        roots = [_holds(packing, rules[name], [merger.state(), primed]) for name in self.names]
        self._kernel = Writer([packing, later]).kernel(Registers(), roots)

    def look(self, taken: Taken) -> dict[str, Numbers]:
        """Of each rule, the places of the runs that break it."""
        errors, before, after = taken.errors, taken.before, taken.after
        if errors is None or before is None or after is None or not self.names:
            return {}
        found: dict[str, list[Numbers]] = {}
        for at in range(0, len(errors), WIDTH):
            part = errors[at : at + WIDTH]
            both = np.concatenate([before.take(part, axis=1), after.take(part, axis=1)])
            for name, holds in zip(self.names, self._kernel.run(both), strict=True):
                if not holds.all():
                    found.setdefault(name, []).append(part.take(true_at(~holds)))
        return {name: np.concatenate(parts) for name, parts in found.items()}


def _holds(packing: Packing, rule: Linked, states: Sequence[Mapping[Node, Node]]) -> Node:
    """A predicate with all values of its further parameters."""
    merger = packing.merger
    envs = [dict(state) for state in states]
    return merger.graph.all_of(
        merger.predicate(rule, *envs, given=tuple(merger.bind(rule, values)))
        for values in rule.instances(merger.layout)
    )

"""All successors of a block of states."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Container, Iterator, Sequence
from dataclasses import replace
from typing import Final

from checkers.columns.cases import cases
from checkers.columns.deeds import Given, deed
from checkers.columns.kernel import Kernel, Registers
from checkers.columns.packing import Bytes, Packing, Rows
from checkers.columns.renaming import renamed
from checkers.columns.sorting import RowSorter
from checkers.columns.tables import MergedBody, TableAction, TextBody, choices
from checkers.columns.taken import Ended, Taken
from checkers.columns.words import WordAction
from checkers.columns.writing import Writer
from checkers.explicit.alike import Alike
from checkers.explicit.symmetry import Exchange, Symmetry
from spec.language.program import Rule

WRITTEN_OUT: Final = 64
"""Parameters are given values, the first ones first, while this makes no more copies."""


class Expander:
    """The actions of a program, compiled; what they all ask of a state is computed once."""

    def __init__(
        self, packing: Packing, rules: Sequence[tuple[int, Rule]], symmetric: Sequence[Exchange]
    ) -> None:
        self.packing = packing
        self.symmetric = [item for item in symmetric if isinstance(item, Symmetry)]
        self._sorters = _sorters(packing, rules, symmetric)
        self._registers = Registers()
        self.actions: list[WordAction | TableAction] = []
        for number, rule in rules:
            self.actions += self._words(number, rule) or self._tables(number, rule)
        self._guards = self._guarded()

    def only(self, numbers: Container[int]) -> Expander:
        """The same for some of the actions."""
        found = copy.copy(self)
        found.actions = [action for action in self.actions if action.number in numbers]
        found._guards = found._guarded()
        return found

    def _guarded(self) -> Kernel:
        """What the actions ask of every state."""
        roots = [root for action in self.actions for root in action.roots]
        return Writer([self.packing]).kernel(Registers(), roots)

    def expand(self, rows: Rows, columns: Bytes, faults: bool = True) -> Iterator[Taken | Ended]:
        """Everything that can happen in these states."""
        answers = self._guards.run(columns)
        for action in self.actions:
            mine, answers = answers[: len(action.roots)], answers[len(action.roots) :]
            if isinstance(action, WordAction):
                found = action.take(rows, mine)
            else:
                found = action.take(columns, mine, faults)
            sorters = self._sorters.get(action.number)
            yield from found if sorters is None else _sorted(found, sorters)

    def _words(self, number: int, rule: Rule) -> list[WordAction]:
        """The action as arithmetic on words, for all its parameters; or nothing."""
        packing, merger = self.packing, self.packing.merger
        found: list[WordAction] = []
        if packing.words > 1 or rule.fault:
            return found
        for values in rule.instances(merger.layout):
            one = deed(merger, rule, values)
            if one is None:
                continue
            plain = renamed(merger, one.next, self.symmetric) == one.next
            split = cases(merger.graph, packing, one) if plain else None
            if split is None or one.result is not merger.graph.number(0):
                return []
            found.append(WordAction(number, split))
        return found

    def _tables(self, number: int, rule: Rule) -> list[TableAction]:
        """The action by columns: merged, or if it has faults as its text."""
        packing, merger, registers = self.packing, self.packing.merger, self._registers
        domains = [tuple(merger.layout.domain(item.type)) for item in rule.parameters]
        found = []
        if rule.fault:
            text = TextBody(packing, rule, self.symmetric, registers)
            every = choices([None] * len(domains), domains)
            found = [TableAction(number, rule, text, packing, every)]
        else:
            for given in _given(rule, packing):
                one = deed(merger, rule, given)
                if one is not None:
                    body = MergedBody(packing, one, self.symmetric, registers)
                    every = choices(given, domains)
                    found.append(TableAction(number, rule, body, packing, every))
        return [action for action in found if action.roots]


def _sorters(
    packing: Packing, rules: Sequence[tuple[int, Rule]], symmetric: Sequence[Exchange]
) -> dict[int, list[RowSorter]]:
    """Of each action what sorts the interchangeable rows that it may write."""
    alike = [item for item in symmetric if isinstance(item, Alike)]
    made = [(item, RowSorter(packing, item)) for item in alike]
    found: dict[int, list[RowSorter]] = {}
    for number, rule in rules:
        tree = packing.merger.parser.function(rule.function)
        for item, sorter in made:
            if item.changed_by(tree):
                found.setdefault(number, []).append(sorter)
    return found


def _sorted(
    found: Iterator[Taken | Ended], sorters: Sequence[RowSorter]
) -> Iterator[Taken | Ended]:
    """The same, with the representatives of the states reached."""
    for what in found:
        if isinstance(what, Taken):
            rows = what.rows
            for sorter in sorters:
                rows = sorter.sorted(rows)
            yield replace(what, rows=rows)
        else:
            yield what


def _given(rule: Rule, packing: Packing) -> Iterator[Given]:
    """Values for the first parameters, while these are few; the others are open."""
    layout = packing.merger.layout
    domains: list[Sequence[int | None]] = []
    copies = 1
    for item in rule.parameters:
        values = layout.domain(item.type)
        if copies * len(values) <= WRITTEN_OUT:
            copies *= len(values)
            domains.append(values)
        else:
            copies = WRITTEN_OUT + 1
            domains.append((None,))
    yield from itertools.product(*domains)

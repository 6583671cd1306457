"""All successors of a block of states."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from checkers.columns.cases import cases
from checkers.columns.kernel import Kernel, Registers
from checkers.columns.packing import Bytes, Packing, Rows
from checkers.columns.renaming import renamed
from checkers.columns.sorting import RowSorter
from checkers.columns.tables import MergedBody, TableAction, TextBody, choices
from checkers.columns.taken import Counted, Ended, Taken
from checkers.columns.words import WordAction
from checkers.columns.writing import Writer
from checkers.explicit.alike import Alike
from checkers.explicit.symmetry import Exchange, Symmetry
from checkers.frontend.ir import Node
from checkers.steps.commuting import after
from checkers.steps.deeds import Given, deed
from checkers.steps.ways import Ways, ways
from spec.language.program import Linked

WRITTEN_OUT: Final = 64
"""Parameters are given values, the first ones first, while this makes no more copies."""


@dataclass(frozen=True)
class _Kind:
    """What is done in states that were found by a step of one class.

    Some actions are `skipped`: unless one fails, they lead to what is known. Of those the `counted`
    are not even taken. The kernel tells of each state whether one fails, and what is asked.
    """

    skipped: frozenset[int]
    counted: frozenset[int]
    kernel: Kernel


class Expander:
    """The actions of a program, compiled; what they all ask of a state is computed once."""

    def __init__(
        self, packing: Packing, rules: Sequence[tuple[int, Linked]], symmetric: Sequence[Exchange]
    ) -> None:
        self.packing = packing
        self.symmetric = [item for item in symmetric if isinstance(item, Symmetry)]
        self._sorters = _sorters(packing, rules, symmetric)
        self._registers = Registers()
        self.actions: list[WordAction | TableAction] = []
        for number, rule in rules:
            self.actions += self._words(number, rule) or self._tables(number, rule)
        self._kinds = [self._kind()]

    def only(self, numbers: Container[int]) -> Expander:
        """The same for some of the actions."""
        found = copy.copy(self)
        found.actions = [action for action in self.actions if action.number in numbers]
        found._kinds = [found._kind()]
        return found

    def learn(self, shown: Container[int]) -> None:
        """Find out which actions need not be tried in states found by which others.

        Only where nothing is interchangeable, so that no state stands for another. Steps of actions
        with a number in `shown` are given wherever they lead.
        """
        merger, known = self.packing.merger, {action.number for action in self.actions}
        steps: list[Ways | None] = []
        for action in self.actions:
            found = self._ways(action) if action.number in known else None
            if found is None:
                known.discard(action.number)
            steps.append(found)
        learnt = after(merger, steps)
        for action, kind in zip(self.actions, learnt.classes, strict=True):
            action.kind = kind
        every = learnt.tried[0]
        self._kinds = [self._kind(every - tried, shown) for tried in learnt.tried]

    def _ways(self, action: WordAction | TableAction) -> Ways | None:
        """What an action can do, if it is known."""
        if isinstance(action, WordAction):
            return action.split.ways
        return ways(self.packing.merger.graph, action.deed) if action.deed else None

    def _kind(self, skipped: frozenset[int] = frozenset(), shown: Container[int] = ()) -> _Kind:
        graph = self.packing.merger.graph
        counted = {place for place in skipped if self.actions[place].number not in shown}
        failed = graph.false
        roots: list[Node] = []
        for place, action in enumerate(self.actions):
            if place in counted and action.deed is not None:
                deed = action.deed
                failed = graph.or_(failed, graph.and_(deed.guard, graph.any_of(deed.failures)))
                roots.append(deed.enabled)
            else:
                roots += action.roots
        kernel = Writer([self.packing]).kernel(Registers(), [failed, *roots])
        return _Kind(skipped, frozenset(counted), kernel)

    def expand(
        self, rows: Rows, columns: Bytes, faults: bool = True, kind: int = 0
    ) -> Iterator[Taken | Counted | Ended]:
        """Everything that can happen in these states, which were found by a step of one class."""
        chosen = self._kinds[kind]
        failed, *answers = chosen.kernel.run(columns)
        if chosen.counted and failed.any():
            chosen = self._kinds[0]
            answers = chosen.kernel.run(columns)[1:]
        rest = iter(answers)
        for place, action in enumerate(self.actions):
            if place in chosen.counted:
                yield Counted(action.number, int(np.count_nonzero(next(rest))))
                continue
            mine = [next(rest) for _ in action.roots]
            if isinstance(action, WordAction):
                found = action.take(rows, mine)
            else:
                found = action.take(columns, mine, faults)
            sorters = self._sorters.get(action.number)
            if place in chosen.skipped:
                found = (replace(x, known=True) if isinstance(x, Taken) else x for x in found)
            yield from found if sorters is None else _sorted(found, sorters)

    def _words(self, number: int, rule: Linked) -> list[WordAction]:
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
            split = ways(merger.graph, one) if plain else None
            if split is None or one.result is not merger.graph.number(0):
                return []
            found.append(WordAction(number, cases(merger.graph, packing, split)))
        return found

    def _tables(self, number: int, rule: Linked) -> list[TableAction]:
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
                    plain = not one.open and one.result is merger.graph.number(0)
                    known = one if plain else None
                    found.append(TableAction(number, rule, body, packing, every, known))
        return [action for action in found if action.roots]


def _sorters(
    packing: Packing, rules: Sequence[tuple[int, Linked]], symmetric: Sequence[Exchange]
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


def _given(rule: Linked, packing: Packing) -> Iterator[Given]:
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

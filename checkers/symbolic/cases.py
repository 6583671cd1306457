"""Which cases a proof takes an action in: a large one is many small ones, put together.

The states before a step are divided by what decides most of what the step does: the kinds of the
rows that it is about, and which rows of a table are in use if the action tries them one by one.
Cases in which no state has all the invariants are left out.

The cases of an action are all values of some variables, so each state is in one of them.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator

from checkers.frontend import tree as t
from checkers.frontend.ir import Node
from checkers.frontend.merge import Merger
from checkers.symbolic.states import states
from checkers.symbolic.system import Case, Given, System
from spec.language.layout import EnumT, IdT, IntT
from spec.language.program import Linked

MANY = 32
"""An action that may make so many calls of the host, all branches counted, is taken in cases."""

SEVERAL = 4
"""A loop with so many calls of the host in its text tries its rows one by one."""

MOST = 16
"""A division into more cases than this is not made: asking so often takes longer."""


class Cases:
    """The cases of every action of a system."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.merger = Merger(system.program)
        self.parser = self.merger.parser
        self._known: dict[tuple[Node, ...], list[Case]] = {}

    def of(self, rule: Linked) -> Iterator[tuple[Given, Case]]:
        """Parameters, and what to assume of the states before a step; together all steps.

        An action with few calls of the host is taken whole, with all its parameters at a time.
        """
        whole = (None,) * len(rule.parameters)
        for given in [whole] if self._few(rule, whole) else self.system.action_instances(rule):
            if self._few(rule, given):
                yield given, ()
                continue
            kinds = self._divided(self._kinds(rule, given))
            tried = self._divided(self._tried(rule))
            yield from ((given, (*one, *other)) for one in kinds for other in tried)

    def _few(self, rule: Linked, given: Given) -> bool:
        calls = self.merger.action(rule, given).calls.type
        return isinstance(calls, IntT) and calls.hi < MANY

    def _kinds(self, rule: Linked, given: Given) -> Iterator[list[Node]]:
        """The enumerated fields of the rows that an action is about."""
        for item, row in zip(rule.parameters, given, strict=True):
            if isinstance(item.type, IdT) and row is not None:
                table = self.system.program.layout.table_of(item.type.record)
                for column in table.columns.values():
                    if isinstance(column.type, EnumT) and column.constants is None:
                        yield [self.system.merger.cells.of(column, row)]

    def _tried(self, rule: Linked) -> Iterator[list[Node]]:
        """The ids in tables that an action goes through, with much to do for each row."""
        tables = {
            loop.table.name: loop.table
            for loop in _loops(self.parser.function(rule.function))
            if loop.table is not None and self._weight(loop.body) >= SEVERAL
        }
        for table in tables.values():
            for column in table.columns.values():
                if isinstance(column.type, IdT) and column.constants is None:
                    rows = range(1, table.rows + 1)
                    yield [self.system.merger.cells.of(column, row) for row in rows]

    def _weight(self, body: tuple[t.Stmt, ...]) -> int:
        calls = (x.function for x in t.nodes(body) if isinstance(x, t.Call))
        return sum(self.merger.weight(function) for function in calls)

    def _divided(self, groups: Iterable[list[Node]]) -> list[Case]:
        """The cases that groups of variables make, while they are not too many."""
        nodes: list[Node] = []
        for group in groups:
            if math.prod(len(self._values(node)) for node in (*nodes, *group)) <= MOST:
                nodes += group
        key = tuple(nodes)
        if key not in self._known:
            values = itertools.product(*(self._values(node) for node in key))
            asked = states(self.system)
            cases = [tuple(zip(key, chosen, strict=True)) for chosen in values]
            self._known[key] = [case for case in cases if not case or asked.allow(case)]
        return self._known[key]

    def _values(self, node: Node) -> list[int]:
        """The values of a variable, for an id with none."""
        domain = map(int, self.system.program.layout.domain(node.type))
        return [0, *domain] if isinstance(node.type, IdT) else list(domain)


def _loops(function: t.Function) -> Iterator[t.For]:
    """Every loop in a function and in those it calls."""
    seen: set[t.Function] = set()
    todo = [function]
    while todo:
        current = todo.pop()
        if current in seen:
            continue
        seen.add(current)
        for node in t.nodes(current.body):
            if isinstance(node, t.For):
                yield node
            if isinstance(node, t.Call):
                todo.append(node.function)

"""A program as guarded assignments: each action one merged step, each predicate one expression.

Everything is built on one graph, on the variables of one state: `Merger.cells` names them.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from checkers.frontend import tree as t
from checkers.frontend.execute import Executor
from checkers.frontend.expressions import Cells, Counts, Env, Failure, Value
from checkers.frontend.ir import ANY, BOOL, Graph, Node
from checkers.frontend.parse import Parser
from checkers.frontend.untouched import Classes, Untouched
from spec.language.errors import refuse
from spec.language.layout import BoolT, Column, EnumT, IdT, IntT, Layout, SetT, SortT, ValueT
from spec.language.program import Linked, Program

Given = int | Node | None
"""What a parameter is bound to: a value, a node, or (None) a variable of its own."""


CALLS = 511
"""An action makes no more calls of the host than this."""

LARGE = 20
"""With so many calls of the host in its text a function is merged only where it can be reached."""


@dataclass(frozen=True)
class Step:
    """One action, all its runs at once.

    `enabled`: it ends well. `crashes` and `cuts`: the conditions, which exclude each other, under
    which it fails that check or meets that bound. `next`: what each variable that may change is
    afterwards, if enabled. `parameters` are the nodes bound, the fault (or None) in `fault`.
    `choices` says what the variables are that stand for what `fresh` gives, if it may give any.
    """

    name: str
    enabled: Node
    crashes: tuple[tuple[Node, str], ...]
    cuts: tuple[tuple[Node, str], ...]
    next: Mapping[Node, Node]
    result: Node
    calls: Node
    parameters: tuple[Node, ...]
    fault: Node | None
    choices: tuple[Node, ...] = ()


class Merger:
    """Merges the functions of one program on one graph.

    If `relaxed`, `fresh` gives any row instead of the first: more runs, and the same for all rows;
    of rows that are `alike` as far as anything can tell (`untouched`) it gives the first of them.
    `possible` may say of a condition that no state makes it true: what is reached only then is left
    out, where it is large.
    """

    def __init__(
        self, program: Program, relaxed: bool = False,
        possible: Callable[[Node], bool] | None = None, alike: Classes | None = None,
    ) -> None:
        self.program = program
        self.relaxed = relaxed
        self.possible = possible
        self.alike = alike or {}
        self.weights: dict[t.Function, int] = {}
        self.layout: Layout = program.layout
        self.graph = Graph()
        self.parser = Parser.of(program.layout)
        self.cells = Cells()
        self.facts: list[Node] = []
        self.fault = self.graph.var("?fault", IntT(0, CALLS))
        self.where: dict[Node, tuple[Column, int, int]] = {}
        for column, row, element in _places(program.layout):
            node = self._variable(column, row, element)
            self.cells.nodes[column.table, column.name, row, element] = node
            self.where[node] = (column, row, element)

    def _variable(self, column: Column, row: int, element: int) -> Node:
        place = f"{column.table}[{row}].{column.name}" if column.table else column.name
        if element:
            return self.graph.var(f"{place} has {element}", BOOL)
        assert not isinstance(column.type, SetT)
        return self.graph.var(place, column.type, self.mask(column.type))

    def mask(self, kind: ValueT) -> int:
        """The bit mask of the values that a field of this type may have."""
        match kind:
            case EnumT(cls):
                return sum(1 << int(member) for member in cls)
            case IdT(record):
                return (2 << self.layout.table_of(record).rows) - 1
            case IntT():
                return 0
        return ANY

    def parameter(self, name: str, kind: ValueT) -> Node:
        """A variable for a parameter: an id is none of none, data is null only if it says so."""
        mask = self.mask(kind)
        if isinstance(kind, IdT):
            mask &= ~1
        if isinstance(kind, SortT) and not kind.nullable:
            mask = ANY & ~1
        return self.graph.var(f"?{name}", kind, mask)

    def state(self) -> Env:
        """The state in which every variable is itself."""
        return {node: node for node in self.where}

    def cleared(self) -> Env:
        """The state before `init`."""
        return {
            node: self.graph.const(node.type.lo if isinstance(node.type, IntT) else 0, node.type)
            for node in self.where
        }

    def bind(self, rule: Linked, given: tuple[Given, ...] = (), prefix: str = "") -> list[Node]:
        """The nodes of a rule's parameters."""
        bound: list[Node] = []
        for index, item in enumerate(rule.parameters):
            value = given[index] if index < len(given) else None
            if value is None:
                bound.append(self.parameter(prefix + item.name, item.type))
            else:
                constant = isinstance(value, int)
                bound.append(self.graph.const(value, item.type) if constant else value)  # type: ignore
        return bound

    def action(
        self, rule: Linked, given: tuple[Given, ...] = (), fault: Given = None,
        before: Env | None = None,
    ) -> Step:
        """Merge an action, from any state or from `before`."""
        env = dict(self.state() if before is None else before)
        if rule.fault and not isinstance(fault, Node):
            fault = self.fault if fault is None else self.graph.number(fault)
        node = fault if rule.fault and isinstance(fault, Node) else None
        start = dict(env)
        executor = Executor(self.graph, self.layout, self.cells, [env], node)
        executor.choices = [] if self.relaxed else None
        executor.reachable = self._reachable
        executor.label = f"{rule.name}{given}"
        bound = self.bind(rule, given, f"{rule.name}.")
        executor.untouched = Untouched(self.layout, self.alike, self.where, start, list(bound))
        function = self.parser.function(rule.function)
        arguments: list[Value] = [0, *bound, *([None] if rule.fault else [])]
        value = executor.call(function, arguments)
        calls = executor.env.pop(executor.calls)
        if isinstance(calls.type, IntT) and calls.type.hi > CALLS:
            raise refuse(rule.function, f"{rule.name} may make more than {CALLS} calls of the host")
        failures = list(executor.failures)
        if node is not None:
            failures.append(Failure(self.graph.lt(calls, node), "require", "", calls))
        enabled, crashes, cuts = self._sorted(failures, node)
        return Step(
            rule.name, enabled, crashes, cuts,
            {key: new for key, new in executor.env.items() if new is not start[key]},
            value if isinstance(value, Node) else self.graph.number(0), calls, tuple(bound), node,
            tuple(executor.choices or ()),
        )

    def guard(self, rule: Linked, given: tuple[Given, ...]) -> Node:
        """That an action does not end at what it requires of the state before all else.

        A check that fails among these requirements is no such end: what follows it says nothing.
        """
        function: t.Function = self.parser.function(rule.function)
        leading = tuple(itertools.takewhile(_requires, function.body))
        executor = Executor(self.graph, self.layout, self.cells, [self.state()], None)
        executor.choices = [] if self.relaxed else None
        executor.label = f"{rule.name}{given}"
        bound = self.bind(rule, given, f"{rule.name}.")
        arguments: list[Value] = [0, *bound, *([None] if rule.fault else [])]
        executor.call(replace(function, body=leading), arguments)
        well, crashes, cuts = self._sorted(executor.failures)
        return self.graph.any_of([well, *(condition for condition, _ in (*crashes, *cuts))])

    def _reachable(self, function: t.Function, condition: Node) -> bool:
        """Whether a call may be reached, if it is worth the question."""
        if self.possible is None or self.weight(function) < LARGE:
            return True
        return self.possible(condition)

    def weight(self, function: t.Function) -> int:
        """How many calls of the host are in the text of a function and of those it calls."""
        if function not in self.weights:
            calls = (x.function for x in t.nodes(function.body) if isinstance(x, t.Call))
            own = int(function.host is not None)
            self.weights[function] = own + sum(self.weight(called) for called in calls)
        return self.weights[function]

    def _sorted(self, failures: list[Failure], fault: Node | None = None) -> tuple[
        Node, tuple[tuple[Node, str], ...], tuple[tuple[Node, str], ...]
    ]:
        """Nothing fails; what crashes and what is cut, each when nothing failed before.

        A run that ends before the call that is to fail is none: the same without a fault is one.
        """
        g = self.graph
        well, found = g.true, {"require": [], "check": [], "limit": []}  # type: ignore[var-annotated]
        for failure in failures:
            here = g.and_(well, failure.condition)
            if here is not g.false:
                none = g.false if fault is None else g.lt(failure.calls, fault)
                found[failure.kind].append((g.and_(here, g.not_(none)), failure.why))
                well = g.and_(well, g.not_(failure.condition))
        return well, tuple(found["check"]), tuple(found["limit"])

    def predicate(self, rule: Linked, *envs: Env, given: tuple[Node, ...] = ()) -> Node:
        """The value of a predicate or rank; where it would fail a check it is false (or 0)."""
        return self._predicate(rule, envs, given, [])[0]

    def predicate_after(
        self, rule: Linked, before: Env, after: Env, given: tuple[Node, ...] = ()
    ) -> Node:
        """A predicate of the state after a step, its counts as what the step adds and takes.

        The value is the same as that of `predicate`; a solver that knows the predicate of the state
        before has less to add up. `facts` gets what is true of each count whatever the state.
        """
        counts = self._predicate(rule, (before,), given, [])[1]
        return self._predicate(rule, (after,), given, counts)[0]

    def _predicate(
        self, rule: Linked, envs: tuple[Env, ...], given: tuple[Node, ...], earlier: Counts
    ) -> tuple[Node, Counts]:
        executor = Executor(self.graph, self.layout, self.cells, [dict(env) for env in envs], None)
        executor.earlier = earlier
        function: t.Function = self.parser.function(rule.function)
        arguments: list[Value] = [*range(len(envs)), *given]
        value = executor.call(function, arguments)
        assert isinstance(value, Node)
        failed = self.graph.any_of(failure.condition for failure in executor.failures)
        if isinstance(value.type, BoolT):
            value = self.graph.and_(value, self.graph.not_(failed))
        else:
            value = self.graph.ite(failed, self.graph.number(0), value)
        self.facts += executor.facts
        return value, executor.counts


def _requires(statement: t.Stmt) -> bool:
    """Whether a statement only asks whether an action is enabled."""
    if isinstance(statement, t.Do):
        called = statement.call.function
        return called.host is None and all(map(_requires, called.body))
    return isinstance(statement, t.Guard) and statement.op == "require"


def _places(layout: Layout) -> Iterator[tuple[Column, int, int]]:
    """Every variable: column, row, and for a set the element (else 0)."""
    for column in layout.columns():
        if column.constants is None:
            elements = range(1)
            if isinstance(column.type, SetT):
                elements = range(1, layout.table_of(column.type.record).rows + 1)
            for row in range(1, column.rows + 1):
                for element in elements:
                    yield column, row, element

"""Values of expressions for all states at once, evaluated exactly as far as Python would.

What can fail is noted in the order in which it happens, with the condition to get there; the
first note that applies decides how the action ends, so later text needs no guard against it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from checkers.frontend import tree as t
from checkers.frontend.ir import Graph, Node
from checkers.frontend.untouched import Untouched
from spec.language.layout import Column, IdT, IntT, Layout, SetT, TableLayout

Value = Node | tuple["Value", ...] | int | None
"""A node; a row is the node of its id, a tuple of them a tuple, a state its number."""

Env = dict["Node", "Node"]
Locals = dict[str, Value]


@dataclass(frozen=True)
class Failure:
    """A failed guard: `kind` is require, check or limit; `condition` forgets earlier failures.

    `calls` is how many calls of the host there were before it.
    """

    condition: Node
    kind: str
    why: str
    calls: Node


Counts = list[tuple[t.Quantified, dict[Node, Node]]]
"""Every count that was evaluated: its text, and what is counted by row."""



@dataclass
class Frame:
    """One call: which state each of its states is, and its locals."""

    states: tuple[int, ...]
    locals: Locals


@dataclass
class Cells:
    """The variables of a layout: one a field and row, for a set one a member."""

    nodes: dict[tuple[str, str, int, int], Node] = field(default_factory=dict)

    def of(self, column: Column, row: int, element: int = 0) -> Node:
        """The variable of a cell (row from 1), or of one possible member of a set cell."""
        return self.nodes[column.table, column.name, row, element]


class Reach:
    """A stretch of text that is reached only if a condition holds; what it learns stays in it."""

    def __init__(self, evaluator: Evaluator, condition: Node) -> None:
        self.evaluator = evaluator
        self.condition = condition

    def __enter__(self) -> None:
        self.reached = self.evaluator.reached
        self.known = len(self.evaluator.dereferenced)
        self.evaluator.reached = self.evaluator.g.and_(self.reached, self.condition)

    def __exit__(self, *_: object) -> None:
        self.evaluator.reached = self.reached
        del self.evaluator.dereferenced[self.known :]


class Evaluator:
    """Executes functions on `envs`, the states by number; state 0 is the one that changes.

    `fault` is the index of the failing host call (None: no call fails), `calls` a variable that
    counts the calls in the environment.
    """

    def __init__(
        self, graph: Graph, layout: Layout, cells: Cells, envs: list[Env], fault: Node | None
    ) -> None:
        self.g = graph
        self.layout = layout
        self.cells = cells
        self.env = envs[0]
        self.others = envs[1:]
        self.fault = fault
        self.calls = graph.var("?calls", IntT(0, 255))
        self.env.setdefault(self.calls, graph.number(0))
        self.reached = graph.true
        self.failures: list[Failure] = []
        self.frame = Frame((), {})
        self.callers: list[Frame] = []
        self.untouched: Untouched | None = None
        self.changes = 0
        self.counts: Counts = []
        self.earlier: Counts = []
        self.facts: list[Node] = []
        self.choices: list[Node] | None = None
        self.label = ""
        self.reachable: Callable[[t.Function, Node], bool] = lambda function, condition: True
        self.dereferenced: list[Node] = []

    def call(self, function: t.Function, arguments: list[Value]) -> Value:
        """The value of a function; what it does is done to the environment."""
        raise NotImplementedError

    # joins

    def join(self, condition: Node, env: Env) -> None:
        """The environment becomes `env` if `condition`."""
        here, ite = self.env, self.g.ite
        for key, value in env.items():
            if here[key] is not value:
                here[key] = ite(condition, value, here[key])

    def join_locals(self, condition: Node, locals_: Locals) -> None:
        """The locals become those given if `condition`."""
        here = self.frame.locals
        for name, value in locals_.items():
            if name not in here:
                here[name] = value
            elif here[name] is not value:
                here[name] = self.choice(condition, value, here[name])

    def choice(self, condition: Node, a: Value, b: Value) -> Value:
        """`a` if `condition`, else `b`; what only one side has is that."""
        if a is b or b is None:
            return a
        if isinstance(a, Node) and isinstance(b, Node):
            return self.g.ite(condition, a, b)
        if isinstance(a, tuple) and isinstance(b, tuple):
            return tuple(self.choice(condition, x, y) for x, y in zip(a, b, strict=True))
        return b if a is None else a

    def fail(self, condition: Node, kind: str, why: str) -> None:
        """Note that here, if `condition`, something fails."""
        condition = self.g.and_(self.reached, condition)
        if condition is not self.g.false:
            self.failures.append(Failure(condition, kind, why, self.env[self.calls]))

    # state

    def places(self, column: Column, row: t.Expr | None) -> Iterator[tuple[Node, int]]:
        """The rows that an expression may mean, each with the condition that it does."""
        if row is None:
            yield self.g.true, 1
            return
        index = self.node(row)
        if index.op == "const":
            yield self.g.true, max(1, int(index.value))
            return
        for number in range(1, column.rows + 1):
            if index.may_be(number):
                yield self.g.eq(index, self.g.const(number, index.type)), number

    def read(self, column: Column, row: t.Expr | None, state: int) -> Node:
        """The value of a field."""
        env = self._env(state)
        found: Node | None = None
        for condition, number in reversed(list(self.places(column, row))):
            if column.constants is not None:
                assert not isinstance(column.type, SetT)
                value = self.g.const(int(column.constants[number - 1]), column.type)
            else:
                value = env[self.cells.of(column, number)]
            found = value if found is None else self.g.ite(condition, value, found)
        assert found is not None
        return found

    def _env(self, state: int) -> Env:
        number = self.frame.states[state]
        return self.others[number - 1] if number else self.env

    def elements(self, column: Column) -> range:
        """The ids that a set may have."""
        assert isinstance(column.type, SetT)
        return range(1, self.layout.table_of(column.type.record).rows + 1)

    def _member(self, item: Node, column: Column, row: t.Expr | None, state: int) -> Node:
        env = self._env(state)
        found = self.g.false
        for condition, number in self.places(column, row):
            for element in self.elements(column):
                if column.constants is not None:
                    inside = self.g.truth(element in column.constants[number - 1])
                else:
                    inside = env[self.cells.of(column, number, element)]
                if inside is not self.g.false and item.may_be(element):
                    same = self.g.eq(item, self.g.const(element, item.type))
                    found = self.g.or_(found, self.g.and_(condition, self.g.and_(same, inside)))
        return found

    # expressions

    def node(self, expr: t.Expr) -> Node:
        """The value of an expression that is no tuple and no state."""
        found = self.value(expr)
        assert isinstance(found, Node), expr
        return found

    def value(self, expr: t.Expr) -> Value:
        """The value of an expression, evaluated as far as Python does."""
        match expr:
            case t.Constant(value, kind):
                return self.g.const(value, kind)  # type: ignore[arg-type]
            case t.Local(name, kind):
                return kind.index if isinstance(kind, t.StateT) else self.frame.locals[name]
            case t.RowId(row):
                return self.node(row)
            case t.Deref(_, table, index):
                return self._row(self.node(index), table.name)
            case t.Field(state, column, row):
                return self.read(column, row, state)
            case t.Member(item, state, column, row):
                return self._member(self.node(item), column, row, state)
            case t.Not(operand):
                return self.g.not_(self.node(operand))
            case t.Logic(op, left, right):
                return self._logic(op, self.node(left), right)
            case t.Compare(op, left, right):
                return self._compare(op, self.node(left), self.node(right))
            case t.Arithmetic(op, left, right):
                a, b = self.node(left), self.node(right)
                return self.g.add(a, b) if op == "+" else self.g.sub(a, b)
            case t.Choice(test, then, other):
                condition = self.node(test)
                return self._fork(condition, then, other)
            case t.Quantified():
                return self._quantified(expr)
            case t.Call(function, arguments):
                return self.call(function, [self._argument(item) for item in arguments])
            case t.Several(items):
                return tuple(self.value(item) for item in items)

    def _argument(self, expr: t.Expr) -> Value:
        if isinstance(expr.type, t.StateT):
            return self.frame.states[expr.type.index]
        return None if isinstance(expr.type, t.FaultT) else self.value(expr)

    def _row(self, index: Node, table: str) -> Node:
        if index.may_be(0) and index not in self.dereferenced:
            self.fail(
                self.g.eq(index, self.g.const(0, index.type)), "check", f"null dereference: {table}"
            )
            self.dereferenced.append(index)
        return index

    def _compare(self, op: str, a: Node, b: Node) -> Node:
        if op in (">", ">="):
            op, a, b = op.replace(">", "<"), b, a
        if op in ("<", "<="):
            return self.g.lt(a, b) if op == "<" else self.g.le(a, b)
        same = self.g.eq(a, b)
        return same if op == "==" else self.g.not_(same)

    def _logic(self, op: str, left: Node, right: t.Expr) -> Node:
        if op == "and":
            return self.g.and_(left, self._if_reached(left, right))
        return self.g.or_(left, self._if_reached(self.g.not_(left), right))

    def _if_reached(self, condition: Node, expr: t.Expr) -> Node:
        """The value of a condition evaluated only if `condition`; false if never."""
        return self._under(condition, expr) or self.g.false

    def _under(self, condition: Node, expr: t.Expr) -> Node | None:
        """The value of an expression evaluated only if `condition`; None if that cannot be."""
        if self.g.and_(self.reached, condition) is self.g.false:
            return None
        before, changes = dict(self.env), self.changes
        with Reach(self, condition):
            found = self.node(expr)
        if self.changes != changes:
            self.join(self.g.not_(condition), before)
        return found

    def _fork(self, condition: Node, then: t.Expr, other: t.Expr) -> Value:
        if condition.op == "const":
            return self.value(then if condition.value else other)
        env = dict(self.env)
        with Reach(self, condition):
            a = self.value(then)
        after, self.env = self.env, env
        with Reach(self, self.g.not_(condition)):
            b = self.value(other)
        self.join(condition, after)
        return self.choice(condition, a, b)

    def _quantified(self, expr: t.Quantified) -> Node:
        if expr.relaxed and self.choices is not None:
            return self._any_of(expr)
        going, found = self.g.true, self.g.truth(expr.op == "all")
        hidden = self.frame.locals.get(expr.name)
        counted: dict[Node, Node] = {}
        picked: list[tuple[Node, Node]] = []
        for item in self.items(expr.span, expr.table):
            self.frame.locals[expr.name] = item
            test = self.g.true if expr.test is None else self._if_reached(going, expr.test)
            value = self._under(self.g.and_(going, test), expr.value)
            if value is None:
                continue
            if expr.op == "first":
                picked.append((test, value))
                going = self.g.and_(going, self.g.not_(test))
            elif expr.op == "count":
                counted[item] = self.g.and_(test, value)
            elif expr.op == "any":
                found = self.g.or_(found, self.g.and_(test, value))
                going = self.g.not_(found)
            else:
                found = self.g.and_(found, self.g.or_(self.g.not_(test), value))
                going = found
        self.frame.locals[expr.name] = hidden
        if expr.op == "count":
            return self._count(expr, counted)
        return self._first(expr, picked) if expr.op == "first" else found

    def _count(self, expr: t.Quantified, now: dict[Node, Node]) -> Node:
        """How many are true: as a difference to the same count in the state before, if known."""
        g = self.g
        self.counts.append((expr, now))
        index = len(self.counts) - 1
        if index >= len(self.earlier) or self.earlier[index][0] is not expr:
            return g.count(list(now.values()))
        old = self.earlier[index][1]
        rows = old.keys() | now.keys()
        pairs = [(now.get(row, g.false), old.get(row, g.false)) for row in rows]
        come = g.count([g.and_(new, g.not_(was)) for new, was in pairs])
        gone = g.count([g.and_(was, g.not_(new)) for new, was in pairs])
        total = g.add(g.count(list(old.values())), g.sub(come, gone))
        self.facts.append(g.eq(g.lt(g.number(0), total), g.any_of(now.values())))
        return total

    def _first(self, expr: t.Quantified, picked: list[tuple[Node, Node]]) -> Node:
        assert isinstance(expr.type, IdT)
        found = self.g.const(0, expr.type)
        for test, value in reversed(picked):
            found = self.g.ite(test, value, found)
        return found

    def _any_of(self, expr: t.Quantified) -> Node:
        """A variable that is the value of a row with the test, or none if there is no such row.

        Every row is looked at, also those behind one whose test is surely true: which row a run
        takes depends on an order, and a proof may have put the rows in another (see `choices`).
        """
        assert self.choices is not None
        assert isinstance(expr.type, IdT)
        g, kind = self.g, expr.type
        hidden = self.frame.locals.get(expr.name)
        picked: list[tuple[Node, Node]] = []
        for item in self.items(expr.span, expr.table):
            self.frame.locals[expr.name] = item
            test = g.true if expr.test is None else self._if_reached(g.true, expr.test)
            value = self._under(test, expr.value)
            if value is not None:
                picked.append((test, value))
        self.frame.locals[expr.name] = hidden
        some = g.any_of(test for test, _ in picked)
        picked = self._told_apart(expr, picked)
        if some is g.true and len(picked) == 1:
            return self._chosen(picked[0][1])
        mask = (2 << self.layout.table_of(kind.record).rows) - 1
        found = g.var(f"?fresh {len(self.choices)} of {self.label}", kind, mask)
        none = g.and_(g.eq(found, g.const(0, kind)), g.not_(some))
        taken = [g.and_(g.eq(found, value), test) for test, value in picked]
        self.choices.append(g.any_of([*taken, none]))
        return self._chosen(found)

    def _chosen(self, value: Node) -> Node:
        if self.untouched is not None:
            self.untouched.named.append(value)
        return value

    def _told_apart(
        self, expr: t.Quantified, picked: list[tuple[Node, Node]]
    ) -> list[tuple[Node, Node]]:
        """The rows to choose from, without those that are like an earlier one in all that is."""
        if self.untouched is None or expr.table is None or not isinstance(expr.value, t.RowId):
            return picked
        locals_ = [x for frame in (*self.callers, self.frame) for x in frame.locals.values()]
        like = self.untouched.representatives(expr.table, self.env, locals_)
        tests = {int(value.value): test for test, value in picked if value.op == "const"}
        return [
            (test, value) for test, value in picked
            if value.op != "const" or tests.get(like.get(int(value.value), 0)) is not test
        ]

    def items(self, span: tuple[int, int], table: TableLayout | None) -> Iterator[Node]:
        """The rows of a table, or the ints of a range."""
        for number in range(*span):
            if table is not None:
                yield self.g.const(number, IdT(table.record))
            else:
                yield self.g.number(number)

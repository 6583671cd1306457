"""Runs a typed tree once for all values: environments fork at a branch and merge at the join.

Nothing is enumerated: a branch with two live sides runs both and merges what differs with a choice.
What can fail is noted in the order in which it happens, with the condition to get there; the
first note that applies decides how the action ends, so later text needs no guard against it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from checkers.frontend import tree as t
from checkers.frontend.ir import Graph, Node
from spec.language.layout import BoolT, Column, EnumT, IdT, IntT, Layout, SetT, SortT, TableLayout

Value = Node | tuple["Value", ...] | int | None
"""A node; a row is the node of its id, a tuple of them a tuple, a state its number."""

Env = dict["Node", "Node"]
Locals = dict[str, Value]


@dataclass(frozen=True)
class Failure:
    """A failed guard: `kind` is require, check or limit; `condition` forgets earlier failures."""

    condition: Node
    kind: str
    why: str


@dataclass
class Exit:
    """Where a block is left early: the condition, from its beginning, and what holds then."""

    condition: Node
    env: Env
    locals: Locals
    value: Value = None


Exits = dict[str, Exit]
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


class _Reach:
    """A stretch of text that is reached only if a condition holds; what it learns stays in it."""

    def __init__(self, executor: Executor, condition: Node) -> None:
        self.executor = executor
        self.condition = condition

    def __enter__(self) -> None:
        self.reached = self.executor.reached
        self.known = len(self.executor.dereferenced)
        self.executor.reached = self.executor.g.and_(self.reached, self.condition)

    def __exit__(self, *_: object) -> None:
        self.executor.reached = self.reached
        del self.executor.dereferenced[self.known :]


class Executor:
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
        self.calls = graph.var("calls", IntT(0, 255))
        self.env.setdefault(self.calls, graph.int(0))
        self.reached = graph.true
        self.failures: list[Failure] = []
        self.frame = Frame((), {})
        self.changes = 0
        self.counts: Counts = []
        self.earlier: Counts = []
        self.dereferenced: list[Node] = []

    # calls

    def call(self, function: t.Function, arguments: list[Value]) -> Value:
        """The value of a function; what it does is done to the environment."""
        if function.host is None:
            return self._body(function, arguments)
        count = self.g.add(self.env[self.calls], self.g.int(1))
        self.env[self.calls] = count
        self.changes += 1
        strikes = self.g.false if self.fault is None else self.g.same(count, self.fault)
        fails = _zeros(self.g, function.returns, int(function.host.fails))
        before = dict(self.env)
        with_body = self.g.not_(strikes)
        if with_body is self.g.false:
            return fails
        with _Reach(self, with_body):
            value = self._body(function, arguments)
        self._join(strikes, before)
        return self._choice(strikes, fails, value)

    def _body(self, function: t.Function, arguments: list[Value]) -> Value:
        names = [name for name, _ in function.parameters]
        states = tuple(
            int(value)  # type: ignore[arg-type]
            for value, (_, kind) in zip(arguments, function.parameters, strict=True)
            if isinstance(kind, t.StateT)
        )
        outer = self.frame
        self.frame = Frame(states, dict(zip(names, arguments, strict=True)))
        with _Reach(self, self.g.true):
            falls, exits = self.block(function.body)
        self.frame = outer
        left = exits.get("return")
        if left is None:
            return _zeros(self.g, function.returns, 0)
        if falls is self.g.false:
            self.env = left.env
            return left.value
        self._join(left.condition, left.env)
        return self._choice(left.condition, left.value, _zeros(self.g, function.returns, 0))

    # statements: each answers when it falls through, and how it leaves otherwise

    def block(self, body: tuple[t.Stmt, ...]) -> tuple[Node, Exits]:
        """Execute statements; `reached` is afterwards what it is behind the last one."""
        start, falls = self.reached, self.g.true
        exits: Exits = {}
        for statement in body:
            through, left = self.statement(statement)
            self._leave(exits, left, falls)
            falls = self.g.and_(falls, through)
            self.reached = self.g.and_(start, falls)
            if falls is self.g.false or self.reached is self.g.false:
                return self.g.false, exits
        return falls, exits

    def statement(self, statement: t.Stmt) -> tuple[Node, Exits]:
        """Execute one statement."""
        true, false = self.g.true, self.g.false
        match statement:
            case t.Assign(names, value):
                found = self.value(value)
                if len(names) == 1 and not isinstance(value.type, t.TupleT):
                    self.frame.locals[names[0]] = found
                elif isinstance(found, tuple):
                    if len(names) == 1:
                        self.frame.locals[names[0]] = found
                    else:
                        self.frame.locals.update(zip(names, found, strict=True))
            case t.Store(column, row, value):
                self._store(column, row, self.node(value))
            case t.SetChange(op, column, row, item):
                self._change(op, column, row, item)
            case t.If(test, then, other):
                return self._if(self.node(test), then, other)
            case t.For():
                return self._for(statement)
            case t.Jump(op):
                return false, {op: Exit(true, self.env, self.frame.locals)}
            case t.Return(value):
                answer = None if value is None else self.value(value)
                return false, {"return": Exit(true, self.env, self.frame.locals, answer)}
            case t.Guard(op, test, name):
                failed = self.g.not_(self.node(test))
                self.fail(failed, op, name)
                return (false if failed is true else true), {}
            case t.Do(call):
                self.value(call)
        return true, {}

    def _if(
        self, test: Node, then: tuple[t.Stmt, ...], other: tuple[t.Stmt, ...]
    ) -> tuple[Node, Exits]:
        if test is self.g.true:
            return self.block(then)
        if test is self.g.false:
            return self.block(other)
        env, locals_ = dict(self.env), dict(self.frame.locals)
        with _Reach(self, test):
            falls, exits = self.block(then)
        after, after_locals = self.env, self.frame.locals
        self.env, self.frame.locals = env, locals_
        with _Reach(self, self.g.not_(test)):
            falls_other, exits_other = self.block(other)
        if falls_other is self.g.false:
            self.env, self.frame.locals = after, after_locals
        elif falls is not self.g.false:
            self._join(test, after)
            self._join_locals(test, after_locals)
        merged: Exits = {}
        self._leave(merged, exits, test)
        self._leave(merged, exits_other, self.g.not_(test), test)
        return self.g.ite(test, falls, falls_other), merged

    def _for(self, loop: t.For) -> tuple[Node, Exits]:
        start, alive = self.reached, self.g.true
        exits: Exits = {}
        for item in self._items(loop.table is not None, loop.span, loop.table):
            self.frame.locals[loop.name] = item
            with _Reach(self, self.g.true):
                falls, left = self.block(loop.body)
            again = left.pop("continue", None)
            self._leave(exits, left, alive)
            if again is not None:
                if falls is self.g.false:
                    self.env, self.frame.locals = again.env, again.locals
                else:
                    self._join(again.condition, again.env)
                    self._join_locals(again.condition, again.locals)
                falls = self.g.or_(again.condition, falls)
            alive = self.g.and_(alive, falls)
            self.reached = self.g.and_(start, alive)
            if alive is self.g.false or self.reached is self.g.false:
                alive = self.g.false
                break
        broken = exits.pop("break", None)
        if broken is not None:
            if alive is self.g.false:
                self.env, self.frame.locals = broken.env, broken.locals
            else:
                self._join(broken.condition, broken.env)
                self._join_locals(broken.condition, broken.locals)
            alive = self.g.or_(broken.condition, alive)
        self.reached = start
        return alive, exits

    def _leave(
        self, exits: Exits, more: Exits, when: Node, before: Node | None = None
    ) -> None:
        """Add exits taken `when`; where both apply those of `exits` come first (or if `before`)."""
        for kind, new in more.items():
            condition = self.g.and_(when, new.condition)
            old = exits.get(kind)
            if old is None:
                exits[kind] = Exit(condition, new.env, new.locals, new.value)
                continue
            first = old.condition if before is None else before
            env, locals_ = self.env, self.frame.locals
            self.env, self.frame.locals = dict(new.env), dict(new.locals)
            self._join(first, old.env)
            self._join_locals(first, old.locals)
            exits[kind] = Exit(
                self.g.or_(old.condition, condition), self.env, self.frame.locals,
                self._choice(first, old.value, new.value),
            )
            self.env, self.frame.locals = env, locals_

    # joins

    def _join(self, condition: Node, env: Env) -> None:
        """The environment becomes `env` if `condition`."""
        here, ite = self.env, self.g.ite
        for key, value in env.items():
            if here[key] is not value:
                here[key] = ite(condition, value, here[key])

    def _join_locals(self, condition: Node, locals_: Locals) -> None:
        here = self.frame.locals
        for name, value in locals_.items():
            if name not in here:
                here[name] = value
            elif here[name] is not value:
                here[name] = self._choice(condition, value, here[name])

    def _choice(self, condition: Node, a: Value, b: Value) -> Value:
        if a is b or b is None:
            return a
        if isinstance(a, Node) and isinstance(b, Node):
            return self.g.ite(condition, a, b)
        if isinstance(a, tuple) and isinstance(b, tuple):
            return tuple(self._choice(condition, x, y) for x, y in zip(a, b, strict=True))
        return b if a is None else a

    def fail(self, condition: Node, kind: str, why: str) -> None:
        """Note that here, if `condition`, something fails."""
        condition = self.g.and_(self.reached, condition)
        if condition is not self.g.false:
            self.failures.append(Failure(condition, kind, why))

    # state

    def _cells(self, column: Column, row: t.Expr | None) -> Iterator[tuple[Node, int]]:
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
        for condition, number in reversed(list(self._cells(column, row))):
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

    def _store(self, column: Column, row: t.Expr | None, value: Node) -> None:
        self.changes += 1
        cells = list(self._cells(column, row))
        kind = column.type
        if isinstance(kind, IntT):
            low, high = self.g.int(kind.lo), self.g.int(kind.hi)
            outside = self.g.or_(self.g.lt(value, low), self.g.lt(high, value))
            where = f"{column.table}.{column.name}" if column.table else column.name
            self.fail(outside, "check", f"{where} out of range")
            value = self.g.narrow(value, kind.lo, kind.hi)
        for condition, number in cells:
            cell = self.cells.of(column, number)
            self.env[cell] = self.g.ite(condition, value, self.env[cell])

    def _change(self, op: str, column: Column, row: t.Expr | None, item: t.Expr | None) -> None:
        self.changes += 1
        cells = list(self._cells(column, row))
        value = self.node(item) if item is not None else None
        if value is not None and op == "add" and value.may_be(0):
            none = self.g.eq(value, self.g.const(0, value.type))
            self.fail(none, "check", "none added to a set")
        for condition, number in cells:
            for element in self._elements(column):
                cell = self.cells.of(column, number, element)
                here = condition
                if value is not None:
                    member = self.g.eq(value, self.g.const(element, value.type))
                    here = self.g.and_(condition, member)
                self.env[cell] = self.g.ite(here, self.g.bool(op == "add"), self.env[cell])

    def _elements(self, column: Column) -> range:
        assert isinstance(column.type, SetT)
        return range(1, self.layout.table_of(column.type.record).rows + 1)

    def _member(self, item: Node, column: Column, row: t.Expr | None, state: int) -> Node:
        env = self._env(state)
        found = self.g.false
        for condition, number in self._cells(column, row):
            for element in self._elements(column):
                if column.constants is not None:
                    inside = self.g.bool(element in column.constants[number - 1])
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
        with _Reach(self, condition):
            found = self.node(expr)
        if self.changes != changes:
            self._join(self.g.not_(condition), before)
        return found

    def _fork(self, condition: Node, then: t.Expr, other: t.Expr) -> Value:
        if condition.op == "const":
            return self.value(then if condition.value else other)
        env = dict(self.env)
        with _Reach(self, condition):
            a = self.value(then)
        after, self.env = self.env, env
        with _Reach(self, self.g.not_(condition)):
            b = self.value(other)
        self._join(condition, after)
        return self._choice(condition, a, b)

    def _quantified(self, expr: t.Quantified) -> Node:
        hidden = self.frame.locals.get(expr.name)
        going, found = self.g.true, self.g.bool(expr.op == "all")
        counted: dict[Node, Node] = {}
        picked: list[tuple[Node, Node]] = []
        for item in self._items(expr.table is not None, expr.span, expr.table):
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
        return g.add(g.count(list(old.values())), g.sub(come, gone))

    def _first(self, expr: t.Quantified, picked: list[tuple[Node, Node]]) -> Node:
        assert isinstance(expr.type, IdT)
        found = self.g.const(0, expr.type)
        for test, value in reversed(picked):
            found = self.g.ite(test, value, found)
        return found

    def _items(
        self, rows: bool, span: tuple[int, int], table: TableLayout | None
    ) -> Iterator[Node]:
        for number in range(*span):
            if table is not None:
                yield self.g.const(number, IdT(table.record))
            else:
                yield self.g.int(number)


def _zeros(graph: Graph, kind: t.Type, first: int) -> Value:
    """The answer of a host call that fails: the errno, then zeros; or of a function without one."""
    if isinstance(kind, t.TupleT):
        head, *rest = kind.items
        return (_zeros(graph, head, first), *(_zeros(graph, item, 0) for item in rest))
    if isinstance(kind, BoolT | EnumT | IdT | IntT | SortT):
        return graph.const(first, kind)
    return None

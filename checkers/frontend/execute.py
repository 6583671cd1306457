"""Runs a typed tree once for all values: environments fork at a branch and merge at the join.

Nothing is enumerated: a branch with two live sides runs both and merges what differs with a choice.
"""

from __future__ import annotations

from dataclasses import dataclass

from checkers.frontend import tree as t
from checkers.frontend.expressions import Env, Evaluator, Frame, Locals, Reach, Value
from checkers.frontend.ir import Graph, Node
from spec.language.layout import BoolT, Column, EnumT, IdT, IntT, SortT


@dataclass
class Exit:
    """Where a block is left early: the condition, from its beginning, and what holds then."""

    condition: Node
    env: Env
    locals: Locals
    value: Value = None


Exits = dict[str, Exit]


class Executor(Evaluator):
    """Executes functions: state 0 is the one that changes."""

    # calls

    def call(self, function: t.Function, arguments: list[Value]) -> Value:
        """The value of a function; what it does is done to the environment."""
        if not self.reachable(function, self.reached):
            return _zeros(self.g, function.returns, 0)
        if function.host is None:
            return self._body(function, arguments)
        count = self.g.add(self.env[self.calls], self.g.number(1))
        self.env[self.calls] = count
        self.changes += 1
        strikes = self.g.false if self.fault is None else self.g.same(count, self.fault)
        fails = _zeros(self.g, function.returns, int(function.host.fails))
        before = dict(self.env)
        with_body = self.g.not_(strikes)
        if with_body is self.g.false:
            return fails
        with Reach(self, with_body):
            value = self._body(function, arguments)
        self.join(strikes, before)
        return self.choice(strikes, fails, value)

    def _body(self, function: t.Function, arguments: list[Value]) -> Value:
        names = [name for name, _ in function.parameters]
        states = tuple(
            int(value)  # type: ignore[arg-type]
            for value, (_, kind) in zip(arguments, function.parameters, strict=True)
            if isinstance(kind, t.StateT)
        )
        self.callers.append(self.frame)
        self.frame = Frame(states, dict(zip(names, arguments, strict=True)))
        with Reach(self, self.g.true):
            falls, exits = self.block(function.body)
        self.frame = self.callers.pop()
        left = exits.get("return")
        if left is None:
            return _zeros(self.g, function.returns, 0)
        if falls is self.g.false:
            self.env = left.env
            return left.value
        self.join(left.condition, left.env)
        return self.choice(left.condition, left.value, _zeros(self.g, function.returns, 0))

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
        with Reach(self, test):
            falls, exits = self.block(then)
        after, after_locals = self.env, self.frame.locals
        self.env, self.frame.locals = env, locals_
        with Reach(self, self.g.not_(test)):
            falls_other, exits_other = self.block(other)
        if falls_other is self.g.false:
            self.env, self.frame.locals = after, after_locals
        elif falls is not self.g.false:
            self.join(test, after)
            self.join_locals(test, after_locals)
        merged: Exits = {}
        self._leave(merged, exits, test)
        self._leave(merged, exits_other, self.g.not_(test), test)
        return self.g.ite(test, falls, falls_other), merged

    def _for(self, loop: t.For) -> tuple[Node, Exits]:
        start, alive = self.reached, self.g.true
        exits: Exits = {}
        for item in self.items(loop.span, loop.table):
            self.frame.locals[loop.name] = item
            with Reach(self, self.g.true):
                falls, left = self.block(loop.body)
            again = left.pop("continue", None)
            self._leave(exits, left, alive)
            if again is not None:
                if falls is self.g.false:
                    self.env, self.frame.locals = again.env, again.locals
                else:
                    self.join(again.condition, again.env)
                    self.join_locals(again.condition, again.locals)
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
                self.join(broken.condition, broken.env)
                self.join_locals(broken.condition, broken.locals)
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
            self.join(first, old.env)
            self.join_locals(first, old.locals)
            exits[kind] = Exit(
                self.g.or_(old.condition, condition), self.env, self.frame.locals,
                self.choice(first, old.value, new.value),
            )
            self.env, self.frame.locals = env, locals_

    def _store(self, column: Column, row: t.Expr | None, value: Node) -> None:
        self.changes += 1
        cells = list(self.places(column, row))
        kind = column.type
        if isinstance(kind, IntT):
            low, high = self.g.number(kind.lo), self.g.number(kind.hi)
            outside = self.g.or_(self.g.lt(value, low), self.g.lt(high, value))
            where = f"{column.table}.{column.name}" if column.table else column.name
            self.fail(outside, "check", f"{where} out of range")
            value = self.g.narrow(value, kind.lo, kind.hi)
        for condition, number in cells:
            cell = self.cells.of(column, number)
            self.env[cell] = self.g.ite(condition, value, self.env[cell])

    def _change(self, op: str, column: Column, row: t.Expr | None, item: t.Expr | None) -> None:
        self.changes += 1
        cells = list(self.places(column, row))
        value = self.node(item) if item is not None else None
        if value is not None and op == "add" and value.may_be(0):
            none = self.g.eq(value, self.g.const(0, value.type))
            self.fail(none, "check", "none added to a set")
        for condition, number in cells:
            for element in self.elements(column):
                cell = self.cells.of(column, number, element)
                here = condition
                if value is not None:
                    member = self.g.eq(value, self.g.const(element, value.type))
                    here = self.g.and_(condition, member)
                self.env[cell] = self.g.ite(here, self.g.truth(op == "add"), self.env[cell])


def _zeros(graph: Graph, kind: t.Type, first: int) -> Value:
    """The answer of a host call that fails: the errno, then zeros; or of a function without one."""
    if isinstance(kind, t.TupleT):
        head, *rest = kind.items
        return (_zeros(graph, head, first), *(_zeros(graph, item, 0) for item in rest))
    if isinstance(kind, BoolT | EnumT | IdT | IntT | SortT):
        return graph.const(first, kind)
    return None

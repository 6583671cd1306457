"""Runs the text of an action for many states at once: each branch with the states that take it.

The rows of a block that go one way are an array of their numbers. A branch runs with those for
which its test is true, so no state computes what it does not need.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from checkers.columns.evaluating import Evaluator, Frame, Value, joined, spread, taken, zero
from checkers.columns.packing import Numbers, true_at
from checkers.frontend import tree as t
from spec.language.layout import Column, IntT


class Runner(Evaluator):
    """Runs functions in a block of runs."""

    def run(self, function: t.Function, arguments: Sequence[Value]) -> Value:
        """Run a function in all rows, and answer with its value."""
        return self._body(function, arguments, np.arange(self.count))

    # calls

    def call(self, function: t.Function, arguments: Sequence[Value], rows: Numbers) -> Value:
        """The value of a function; what it does is done to the cells."""
        if function.host is None:
            return self._body(function, arguments, rows)
        self.calls[rows] += 1
        if not self.injected:
            return self._body(function, arguments, rows)
        strikes = self.calls.take(rows) == self.faults.take(rows)
        if not strikes.any():
            return self._body(function, arguments, rows)
        others = true_at(~strikes)
        given = [taken(value, others) for value in arguments]
        value = self._body(function, given, rows.take(others)) if len(others) else None
        fails = int(function.host.fails)
        if isinstance(function.returns, t.TupleT):
            values = value or [None] * len(function.returns.items)
            return tuple(
                spread(item, others, len(rows), fails if not at else 0, kind)
                for at, (item, kind) in enumerate(zip(values, function.returns.items, strict=True))
            )
        return spread(value, others, len(rows), fails, function.returns)

    def _body(self, function: t.Function, arguments: Sequence[Value], rows: Numbers) -> Value:
        outer, self.frame = self.frame, Frame({})
        plain_arguments = iter(arguments)
        for name, kind in function.parameters:
            if not isinstance(kind, t.StateT | t.FaultT):
                self.set(name, kind, next(plain_arguments), rows)
        first = function.body[0] if function.body else None
        if isinstance(first, t.Return) and first.value is not None:
            value = self.value(first.value, rows)
        else:
            self.block(function.body, rows)
            value = taken(self.frame.result, rows)
            if value is None:
                value = zero(function.returns)
        self.frame = outer
        return value

    # statements: each answers with the rows that go on behind it

    def block(self, body: Sequence[t.Stmt], rows: Numbers) -> Numbers:
        """Execute statements."""
        for statement in body:
            if not len(rows):
                break
            rows = self.statement(statement, rows)
        return rows

    def statement(self, statement: t.Stmt, rows: Numbers) -> Numbers:
        """Execute one statement."""
        deaths = self.deaths
        match statement:
            case t.Assign(names, value):
                self._assign(names, value, rows)
            case t.Store(column, row, value):
                self._store(column, row, value, rows)
            case t.SetChange():
                self._change(statement, rows)
            case t.If(test, then, other):
                return self._if(self.value(test, rows), then, other, rows)
            case t.For():
                return self._for(statement, rows)
            case t.Jump(op):
                left = self.frame.broken if op == "break" else self.frame.continued
                left[-1].append(rows)
                return rows[:0]
            case t.Return(value):
                if value is not None:
                    found = self.value(value, rows)
                    held = self.frame.result
                    if held is None:
                        held = zero(value.type)
                    self.frame.result = self.kept(held, value.type, found, rows)
                return rows[:0]
            case t.Guard(op, test, name):
                self.guard(op, self.value(test, rows), name, rows)
            case t.Do(call):
                self.value(call, rows)
        return self.live(rows)[0] if self.deaths != deaths else rows

    def _assign(self, names: Sequence[str], expr: t.Expr, rows: Numbers) -> None:
        value = self.value(expr, rows)
        if len(names) == 1:
            self.set(names[0], expr.type, value, rows)
            return
        assert isinstance(expr.type, t.TupleT)
        for name, kind, item in zip(names, expr.type.items, value, strict=True):
            self.set(name, kind, item, rows)

    def _if(
        self, test: Value, then: Sequence[t.Stmt], other: Sequence[t.Stmt], rows: Numbers
    ) -> Numbers:
        rows, test = self.live(rows, test)
        if not isinstance(test, np.ndarray):
            return self.block(then if test else other, rows)
        yes = true_at(test)
        if len(yes) == len(rows):
            return self.block(then, rows)
        if not len(yes):
            return self.block(other, rows)
        no = true_at(~test)
        first = self.block(then, rows.take(yes))
        second = self.block(other, rows.take(no))
        return joined([first, second])

    def _for(self, loop: t.For, rows: Numbers) -> Numbers:
        frame = self.frame
        frame.broken.append([])
        for item in range(*loop.span):
            frame.locals[loop.name] = item
            frame.continued.append([])
            rows = self.block(loop.body, rows)
            rows = joined([rows, *frame.continued.pop()])
            if not len(rows):
                break
        return joined([rows, *frame.broken.pop()])

    def _store(self, column: Column, row: t.Expr | None, expr: t.Expr, rows: Numbers) -> None:
        where = 1 if row is None else self.value(row, rows)
        value = self.value(expr, rows)
        kind = column.type
        if isinstance(kind, IntT):
            name = f"{column.table}.{column.name}" if column.table else column.name
            outside = (value < kind.lo) | (value > kind.hi)
            if outside.any() if isinstance(outside, np.ndarray) else outside:
                self.guard("check", ~outside if isinstance(outside, np.ndarray) else False,
                            f"{name} out of range", rows)
        rows, where, value = self.live(rows, where, value)
        self.write(column, where, 1, value, rows)

    def _change(self, change: t.SetChange, rows: Numbers) -> None:
        column = change.column
        where = 1 if change.row is None else self.value(change.row, rows)
        if change.item is None:
            rows, where = self.live(rows, where)
            for element in range(1, self.span(column) + 1):
                self.write(column, where, element, 0, rows)
            return
        item = self.value(change.item, rows)
        if change.op == "add":
            self.guard("check", item != 0, "none added to a set", rows)
        rows, where, item = self.live(rows, where, item)
        if isinstance(item, np.ndarray):
            some = true_at(item)
            rows, where, item = rows.take(some), taken(where, some), item.take(some)
        elif not item:
            return
        self.write(column, where, item, int(change.op == "add"), rows)

"""any, all, count and first, written out row by row.

So constant columns fold away the rows that cannot matter, and a test of a whole column for one
value becomes one search of its bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from checkers.explicit import code as c
from checkers.explicit.code import Code
from checkers.explicit.expressions import Expressions
from checkers.explicit.scope import Scope
from checkers.frontend import tree as t

WRITTEN_OUT: Final = 600
"""Quantifiers nested to more cases than this become generators."""


DEEPEST: Final = 60
"""A longer chain of conditional expressions is too deep for Python's parser."""



class Quantifiers(Expressions):
    """Translates the expressions that go over the rows of a table."""

    def quantified(self, node: t.Quantified, scope: Scope) -> Code:
        """The code of any, all, count or first."""
        rows = range(*node.span)
        if scope.cases * len(rows) > WRITTEN_OUT or (node.op == "first" and len(rows) > DEEPEST):
            return self._generator(node, rows, scope)
        inner = replace(scope, cases=scope.cases * max(1, len(rows)))
        cases = [self._case(node, inner.naming(node.name, c.literal(row))) for row in rows]
        effect = any(test.effect or value.effect for test, value in cases)
        if effect:
            late = replace(inner, known=c.lasting(inner.known))
            cases = [self._case(node, late.naming(node.name, c.literal(row))) for row in rows]
        match node.op:
            case "any":
                return _any([c.conjunction(case) for case in cases])
            case "all":
                return _all([c.disjunction((c.negation(test), value)) for test, value in cases])
            case "count":
                return _count([c.conjunction(case) for case in cases])
        return self._first(cases)

    def _case(self, node: t.Quantified, scope: Scope) -> tuple[Code, Code]:
        test = self.expression(node.test, scope) if node.test is not None else c.TRUE
        return test, self.expression(node.value, scope.after(test, True))

    def _first(self, cases: Sequence[tuple[Code, Code]]) -> Code:
        live = [(test, value) for test, value in cases if test.value != 0]
        run = c.run_of([test for test, _ in live])
        ids = [value.value for _, value in live]
        if run is not None and ids[0] is not None and all(
            value == ids[0] + n for n, value in enumerate(ids)
        ):
            name, shift = self.fresh(), run.lo - ids[0]
            return Code(f"({name} - {shift} if ({name} := {run.call('find')}) >= 0 else 0)")
        found = c.FALSE
        for test, value in reversed(live):
            found = c.choice(test, value, found)
        return found

    def _generator(self, node: t.Quantified, rows: range, scope: Scope) -> Code:
        name = self.fresh("r")
        inner = replace(scope, known=c.lasting(scope.known) | {name})
        test, value = self._case(node, inner.naming(node.name, Code(name)))
        source = f"for {name} in {tuple(rows)}"
        if node.op == "first":
            text = f"next(({value.text} {source} if {test.text}), 0)"
        else:
            test = c.negation(test) if node.op == "all" else test
            join = c.disjunction if node.op == "all" else c.conjunction
            function = "sum" if node.op == "count" else node.op
            text = f"{function}({join((test, value)).text} {source})"
        return replace(c.combined(text, test, value), facts=c.NOTHING)


def _any(cases: Sequence[Code]) -> Code:
    live = [case for case in cases if case.value != 0]
    run = c.run_of(live)
    if bits := c.bits_of(live):
        return c.combined(f"({bits[0]} & {bits[1]} != 0)", live[0])
    return Code(f"({run.call('find')} >= 0)") if run else c.disjunction(live)


def _all(cases: Sequence[Code]) -> Code:
    live = [case for case in cases if not case.value]
    run = c.run_of(live)
    if bits := c.bits_of(live):
        return c.combined(f"({bits[0]} & {bits[1]} == {bits[1]})", live[0])
    return Code(f"({run.call('count')} == {run.hi - run.lo})") if run else c.conjunction(live)


def _count(cases: Sequence[Code]) -> Code:
    sure = sum(case.value for case in cases if case.value is not None)
    live = [case for case in cases if case.value is None]
    run = c.run_of(live)
    bits = c.bits_of(live)
    if run:
        total = Code(run.call("count"))
    elif bits:
        total = c.combined(f"({bits[0]} & {bits[1]}).bit_count()", live[0])
    elif live:
        total = c.combined(f"({' + '.join(case.text for case in live)})", *live)
    else:
        return c.literal(sure)
    return c.sum_of("+", total, c.literal(sure)) if sure else total

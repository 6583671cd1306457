"""Calls: of a generated function, or the callee's text in place where that is one expression."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from checkers.explicit import code as c
from checkers.explicit.code import Code
from checkers.explicit.quantifiers import Quantifiers
from checkers.explicit.scope import SOME, Scope, is_nonzero, leaves, plain_names, uses, walk
from checkers.frontend import tree as t

INLINED: Final = 700
"""A function whose value is an expression is written out in its caller up to this length."""


class Calls(Quantifiers):
    """Translates calls."""

    def __init__(self) -> None:
        super().__init__()
        self._changing: dict[t.Function, bool] = {}

    def call(
        self, function: t.Function, arguments: Sequence[t.Expr], scope: Scope
    ) -> Code:
        """The code of a call."""
        buffers = tuple(
            scope.buffers[item.type.index] for item in arguments if isinstance(item.type, t.StateT)
        )
        plain = [x for x in arguments if not isinstance(x.type, t.StateT | t.FaultT)]
        codes = self.in_order(plain, scope)
        for code in codes:
            scope = scope.after(code)
        return self.apply(function, codes, replace(scope, buffers=buffers, names={}))

    def apply(
        self, function: t.Function, arguments: Sequence[Code], scope: Scope, longest: int = INLINED
    ) -> Code:
        """The value of a function for given arguments; `scope` has the buffers of its states."""
        written_out = self._written_out(function, arguments, scope)
        if written_out is not None and len(written_out.text) <= longest:
            return written_out
        lowered = self.lowered(function, tuple(self._argument(code, scope) for code in arguments))
        given = [buffer.bytes for buffer in scope.buffers]
        given += [
            item.text
            for name, item in zip(plain_names(function), arguments, strict=True)
            if name in lowered.takes
        ]
        call = c.combined(f"{lowered.name}({', '.join(given)})", *arguments)
        effect = call.effect or lowered.effect
        return replace(
            call, pure=call.pure and lowered.pure, effect=effect,
            facts=c.lasting(call.facts) if effect else call.facts,
        )

    def _changes(self, function: t.Function) -> bool:
        """Whether a function, or one it calls, may change the state."""
        if function not in self._changing:
            self._changing[function] = function.host is not None or any(
                isinstance(node, t.Store | t.SetChange)
                or (isinstance(node, t.Call) and self._changes(node.function))
                for node in walk(function.body)
            )
        return self._changing[function]

    def _argument(self, code: Code, scope: Scope) -> int | None:
        return code.value if code.value is not None else SOME if is_nonzero(code, scope) else None

    def _written_out(
        self, function: t.Function, arguments: Sequence[Code], scope: Scope
    ) -> Code | None:
        if function.host is not None or self._changes(function):
            return None
        changing = any(code.effect for code in arguments)
        bindings: list[tuple[str, Code]] = []
        for name, code in zip(plain_names(function), arguments, strict=True):
            often = uses(function.body, name) > 1
            if code.trivial or (code.pure and not often and not changing):
                scope = scope.naming(name, code)
            else:
                bindings.append((self.fresh(), code))
                if is_nonzero(code, scope):
                    scope = replace(scope, known=scope.known | {bindings[-1][0]})
                scope = scope.naming(name, Code(bindings[-1][0]))
        body = self._body(function.body, scope)
        for name, code in reversed(bindings):
            body = None if body is None else c.bound(name, code, body)
        return body

    def _body(self, body: Sequence[t.Stmt], scope: Scope) -> Code | None:
        """The value of a body that has no effect but its result; None if it is not of that kind."""
        if not body:
            return None
        match body[0]:
            case t.Return(value):
                return None if value is None else self.expression(value, scope)
            case t.Assign((name,), value):
                return self._let(((name, self.expression(value, scope)),), body[1:], scope)
            case t.Assign(names, t.Several(items)):
                codes = self.in_order(items, scope)
                return self._let(tuple(zip(names, codes, strict=True)), body[1:], scope)
            case t.If(test, then, other):
                if not (leaves(then) or leaves(other)):
                    return None
                first = self.expression(test, scope)
                yes = self._body((*then, *body[1:]), scope.after(first, True))
                no = self._body((*other, *body[1:]), scope.after(first, False))
                if yes is None or no is None:
                    return None
                return _branch(first, yes, no)
        return None

    def entered(
        self, function: t.Function, given: Sequence[t.Expr], scope: Scope
    ) -> Scope | None:
        """The scope inside a called function if its arguments are names and literals, else None."""
        buffers = tuple(
            scope.buffers[item.type.index] for item in given if isinstance(item.type, t.StateT)
        )
        plain = [x for x in given if not isinstance(x.type, t.StateT | t.FaultT)]
        codes = self.in_order(plain, scope)
        if not all(code.trivial for code in codes):
            return None
        names = dict(zip(plain_names(function), codes, strict=True))
        return replace(scope, buffers=buffers, names=names)

    def _let(
        self, given: Sequence[tuple[str, Code]], rest: Sequence[t.Stmt], scope: Scope
    ) -> Code | None:
        """The value of `rest`, in which names stand for values that are evaluated before it."""
        held: list[tuple[str, Code]] = []
        for name, value in given:
            scope = scope.after(value)
            cheap = value.pure and value.cell is not None and uses(rest, name) < 2
            if not value.trivial and not cheap:
                held.append((self.fresh(), value))
                if is_nonzero(value, scope):
                    scope = replace(scope, known=scope.known | {held[-1][0]})
                value = Code(held[-1][0])
            scope = scope.naming(name, value)
        body = self._body(rest, scope)
        for name, value in reversed(held):
            body = None if body is None else c.bound(name, value, body)
        return body


def _branch(test: Code, yes: Code, no: Code) -> Code:
    """`yes if test else no`; a test is 0 or 1, so `and` and `or` do where one of both is."""
    if test.value is None and yes.value in (0, 1) and yes.value != no.value:
        return c.disjunction((test, no)) if yes.value else c.conjunction((c.negation(test), no))
    if test.value is None and no.value in (0, 1) and yes.value is None:
        return c.disjunction((c.negation(test), yes)) if no.value else c.conjunction((test, yes))
    return c.choice(test, yes, no)

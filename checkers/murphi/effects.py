"""What a specification function may do: change the state, end the action, call the host."""

from __future__ import annotations

from checkers.explicit.scope import walk
from checkers.frontend import tree as t


class Effects:
    """Answers for the functions of one program; `actions` work on a run, whatever they do."""

    def __init__(self, actions: set[t.Function]) -> None:
        self._works: dict[t.Function, bool] = dict.fromkeys(actions, True)
        self._stops: dict[t.Function, bool] = {}
        self._calls: dict[t.Function, int] = {}

    def works(self, function: t.Function) -> bool:
        """It takes the run of an action: it, or one it calls, changes the state or may end it."""
        if function not in self._works:
            self._works[function] = function.host is not None or any(
                isinstance(node, t.Store | t.SetChange)
                or (isinstance(node, t.Guard) and node.op != "check")
                or (isinstance(node, t.Call) and self.works(node.function))
                for node in walk(function.body)
            )
        return self._works[function]

    def stops(self, function: t.Function) -> bool:
        """A guard of it, or of one it calls, may disable the action or cut it."""
        if function not in self._stops:
            self._stops[function] = any(
                (isinstance(node, t.Guard) and node.op != "check")
                or (isinstance(node, t.Call) and self.stops(node.function))
                for node in walk(function.body)
            )
        return self._stops[function]

    def written(self, thing: object) -> bool:
        """An expression has a call that is a statement in Murphi: a change, or a tuple."""
        return any(
            isinstance(node, t.Call)
            and (self.works(node.function) or isinstance(node.function.returns, t.TupleT))
            for node in walk(thing)
        )

    def calls(self, function: t.Function) -> int:
        """At most so many host calls."""
        if function not in self._calls:
            inside = self._in_block(function.body)
            self._calls[function] = inside + (function.host is not None)
        return self._calls[function]

    def _in_block(self, body: tuple[t.Stmt, ...]) -> int:
        return sum(self._in_statement(node) for node in body)

    def _in_statement(self, node: t.Stmt) -> int:
        match node:
            case t.If(test, then, other):
                return self._in(test) + max(self._in_block(then), self._in_block(other))
            case t.For(span=(low, high), body=body):
                return (high - low) * self._in_block(body)
        return self._in(node)

    def _in(self, thing: object) -> int:
        return sum(self.calls(node.function) for node in walk(thing) if isinstance(node, t.Call))

"""Expressions of the specification as Murphi expressions.

A call that changes something is a statement in Murphi: it is written before the statement that
needs its value.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from checkers.frontend import tree as t
from checkers.frontend.effects import Effects
from checkers.murphi.identifiers import Names
from checkers.murphi.lines import Lines
from checkers.murphi.lookups import Constants
from checkers.murphi.place import Scope
from checkers.murphi.ranges import Types
from spec.language.layout import BoolT

OPERATORS = {"==": "=", "and": "&", "or": "|", **{op: op for op in ("!=", "<", "<=", ">", ">=")}}


class Expressions:
    """Writes expressions; `name` is what a called function is called."""

    def __init__(self, types: Types, actions: Collection[t.Function]) -> None:
        self.types = types
        self.actions = frozenset(actions)
        self.effects = Effects()
        self.constants = Constants(types)

    def name(self, function: t.Function) -> str:
        """The Murphi name of a function."""
        raise NotImplementedError

    def declare(self, head: str, scope: Scope) -> None:
        """Write a function with this head, the body and the variables of the scope."""
        raise NotImplementedError

    def works(self, function: t.Function) -> bool:
        """It takes the run of an action: it is one, or does more than answer."""
        return function in self.actions or self.effects.acts(function)

    def is_written(self, thing: object) -> bool:
        """An expression has a call that is a statement in Murphi: a change, or a tuple."""
        return any(
            isinstance(node, t.Call)
            and (self.works(node.function) or isinstance(node.function.returns, t.TupleT))
            for node in t.nodes(thing)
        )

    def expression(self, node: t.Expr, scope: Scope) -> str:
        """The text of an expression."""
        match node:
            case t.Constant(value, kind):
                return self.types.literal(value, kind)
            case t.Local(name):
                return scope.text(name)
            case t.Deref(_, table, index):
                text = self.expression(index, scope)
                return text if _is_row(index) else self.constants.row(table, text)
            case t.RowId(row):
                return self.expression(row, scope)
            case t.Field(state, column, row):
                where = "" if row is None else self.expression(row, scope)
                return self.constants.read(column, where, scope.states[state])
            case t.Member(item, state, column, row):
                *before, given = self.expressions((*([] if row is None else [row]), item), scope)
                return self.constants.has(column, "".join(before), given, scope.states[state])
            case t.Not(operand):
                return f"!{self.expression(operand, scope)}"
            case t.Logic():
                return self._logic(node, scope)
            case t.Compare(op, left, right):
                a, b = self.expressions((left, right), scope)
                return f"({a} {OPERATORS[op]} {b})"
            case t.Arithmetic(op, left, right):
                a, b = self.expressions((left, right), scope)
                return f"({a} {op} {b})"
            case t.Choice():
                return self._choice(node, scope)
            case t.Quantified():
                return self._quantified(node, scope)
            case t.Call():
                return self._call(node, scope)
            case t.Several():
                raise scope.refuse("a tuple is returned, or taken apart, at once")

    def expressions(self, nodes: Sequence[t.Expr], scope: Scope) -> list[str]:
        """Several expressions.

        What a call changes that is written before them, none of the others can tell: the front end
        refuses the rest.
        """
        return [self.expression(node, scope) for node in nodes]

    def kept(self, text: str, kind: t.Type, scope: Scope) -> str:
        """A variable with a value as it is here."""
        if scope.floating:
            raise scope.refuse("what a generator evaluates has no effect")
        name = scope.local("t", self.types.of(kind))
        scope.out.line(f"{name} := {text};")
        return name

    def _logic(self, node: t.Logic, scope: Scope) -> str:
        left = self.expression(node.left, scope)
        if not self.is_written(node.right):
            return f"({left} {OPERATORS[node.op]} {self.expression(node.right, scope)})"
        name = self.kept(left, node.type, scope)
        with scope.out.block(f"if {'' if node.op == 'and' else '!'}{name} then", "endif;"):
            scope.out.line(f"{name} := {self.expression(node.right, scope)};")
        return name

    def _choice(self, node: t.Choice, scope: Scope) -> str:
        test = self.expression(node.test, scope)
        if not self.is_written((node.then, node.other)):
            then, other = self.expression(node.then, scope), self.expression(node.other, scope)
            return f"({test} ? {then} : {other})"
        test = self.kept(test, BoolT(), scope)
        name = scope.local("t", self.types.of(node.type))
        for condition, value in ((test, node.then), (f"!{test}", node.other)):
            with scope.out.block(f"if {condition} then", "endif;"):
                scope.out.line(f"{name} := {self.expression(value, scope)};")
        return name

    # quantifiers

    def _quantified(self, node: t.Quantified, scope: Scope) -> str:
        low, high = node.span
        if node.op in ("count", "first"):
            return self._searched(node, scope)
        name = scope.names.give(node.name)
        inside = scope.naming(node.name, name)
        value = self.expression(node.value, inside)
        if node.test is not None:
            test = self.expression(node.test, inside)
            value = f"({test} & {value})" if node.op == "any" else f"(!{test} | {value})"
        word = "exists" if node.op == "any" else "forall"
        return f"({word} {name}: {low}..{high - 1} do {value} end{word})"

    def _searched(self, node: t.Quantified, scope: Scope) -> str:
        """A count or a first, which Murphi has not: a function with a loop of its own."""
        read = {x.name: x.type for x in t.nodes((node.test, node.value)) if isinstance(x, t.Local)}
        given = [
            name for name, kind in read.items()
            if name in scope.texts and name != node.name and not isinstance(kind, t.StateT)
        ]
        inside = self._apart(scope)
        inside.texts = {name: inside.names.give(name) for name in given}
        shown = [f"{state}: {self.types.state}" for state in inside.states]
        shown += [f"{inside.texts[name]}: {self.types.of(read[name])}" for name in given]
        name = self.types.names.give(f"{scope.function.name}_{node.op}")
        self._search(node, inside)
        head = f"function {name}({'; '.join(shown)}): {self.types.of(node.type)};"
        self.declare(head, inside)
        return f"{name}({', '.join([*scope.states, *(scope.texts[x] for x in given)])})"

    def _apart(self, scope: Scope) -> Scope:
        """A function that reads the same states."""
        names = Names(self.types.names)
        states = tuple(names.give("s") for _ in scope.states)
        return Scope(scope.function, states, names, Lines())

    def _search(self, node: t.Quantified, scope: Scope) -> None:
        """The body of such a function."""
        low, high = node.span
        out, number = scope.out, ""
        if node.op == "count":
            number = scope.local("number", self.types.of(node.type))
            out.line(f"{number} := 0;")
        row = scope.texts[node.name] = scope.names.give(node.name)
        tests = [node.test, None if node.op == "first" else node.value]
        with out.block(f"for {row} := {low} to {high - 1} do", "endfor;"):
            text = " & ".join(self.expression(test, scope) for test in tests if test)
            found = f"{number} := {number} + 1;"
            if node.op == "first":
                found = f"return {self.expression(node.value, scope)};"
            out.line(f"if {text} then {found} endif;" if text else found)
        out.line(f"return {number or 0};")

    # calls

    def _call(self, node: t.Call, scope: Scope) -> str:
        if isinstance(node.type, t.NoneT | t.TupleT):
            raise scope.refuse("a call without a single value is no expression")
        if not self.is_written(node):
            return self.called(node, scope)
        text = self.called(node, scope)
        if not self.works(node.function):
            return text
        name = self.kept(text, node.type, scope)
        self.stop(node.function, scope)
        return name

    def called(self, node: t.Call, scope: Scope, results: Sequence[str] = ()) -> str:
        """The text of a call: states or the run, values, variables for several results."""
        states = [item.type.index for item in node.arguments if isinstance(item.type, t.StateT)]
        if self.works(node.function):
            if not scope.run or states != [0]:
                raise scope.refuse(f"{node.function.name} changes the state; this may only read it")
            given = [scope.run]
        else:
            given = [scope.states[state] for state in states]
        plain = [x for x in node.arguments if not isinstance(x.type, t.StateT | t.FaultT)]
        texts = self.expressions(plain, scope)
        return f"{self.name(node.function)}({', '.join([*given, *texts, *results])})"

    def stop(self, function: t.Function, scope: Scope) -> None:
        """After a call: the end, if a guard was false in it."""
        if self.effects.stops(function):
            scope.out.line(f"if !{scope.run}.going then {scope.leave} endif;")



def _is_row(index: t.Expr) -> bool:
    """An id that is not none, for it is that of a row."""
    return isinstance(index, t.RowId) or (isinstance(index, t.Constant) and index.value > 0)

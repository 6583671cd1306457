"""Specification functions -> plain Python functions over the flat state, specialised to the bounds.

Each takes one buffer for each of its states and plain ints; the fault is no argument: host calls
count themselves down in `FAULT`, which begins with the number of the one that fails and comes to 0
there; if it begins with 0 it ends with minus the number of calls.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from checkers.explicit import code as c
from checkers.explicit.calls import Calls
from checkers.explicit.code import Code
from checkers.explicit.expressions import offset_text
from checkers.explicit.flatten import Flattener
from checkers.explicit.raising import crash_class, cut_class
from checkers.explicit.scope import (
    SOME,
    Buffer,
    Given,
    Lowered,
    Scope,
    is_nonzero,
    leaves,
    parts,
    plain_names,
)
from checkers.explicit.writer import Writer
from checkers.frontend import tree as t
from checkers.frontend.parse import Parser
from spec.language.control import Crash, Cut, Disabled
from spec.language.layout import Column, IdT, IntT
from spec.language.program import Linked, Program

REPEATED: Final = 6
"""A loop without jumps over at most so many rows is written out."""

VERSIONS: Final = 24
"""A function is specialised to at most so many kinds of arguments."""

DISABLED: Final = -1
"""What a step returns whose own guard was false."""


@dataclass
class Body:
    """The function being written: its lines, the scope at the present place, what it may do."""

    out: Writer
    scope: Scope
    top: bool = False
    pure: bool = True
    effect: bool = False

    def took(self, code: Code) -> Code:
        """Evaluating `code` here."""
        self.scope = self.scope.after(code)
        self.pure &= code.pure
        self.effect |= code.effect
        return code

    def changed(self) -> None:
        """The state changes here."""
        self.effect = True
        self.pure = False
        self.scope = replace(self.scope, known=c.lasting(self.scope.known))

    def forget(self, names: Sequence[str]) -> None:
        """These locals take other values."""
        known = self.scope.known
        self.scope = replace(
            self.scope,
            known=frozenset(fact for fact in known if not any(f"v_{n}" in fact for n in names)),
        )


class Lowering(Calls):
    """Generates the functions of one program; `compile` makes them callable."""

    def __init__(self, program: Program) -> None:
        super().__init__()
        self.program = program
        self.parser = Parser(program.layout)
        self.sources: list[str] = []
        self.fault = [0]
        self.space.update(FAULT=self.fault, Crash=Crash, Cut=Cut, Disabled=Disabled)
        self._lowered: dict[tuple[t.Function, Given], Lowered] = {}
        self._versions: Counter[t.Function] = Counter()
        self._flattener = Flattener(self._changes)

    def tree(self, rule: Linked) -> t.Function:
        """The typed tree of an action, invariant or predicate."""
        return self.parser.function(rule.function)

    def compile(self, text: str, name: str) -> Callable[..., Any]:
        """Run all that was generated, and `text`; the function of that name."""
        for source in [*self.sources, text]:
            exec(compile(source, f"<{self.program.machine.name}>", "exec"), self.space)
        self.sources.clear()
        found: Callable[..., Any] = self.space[name]
        return found

    def root(self, rule: Linked) -> Callable[..., Any]:
        """A rule as one function of its states and values; a guard raises `Disabled`."""
        return self.compile("", self.lowered(self.tree(rule)).name)

    def lowered(self, function: t.Function, given: Given = ()) -> Lowered:
        """A version of a function for what is known of its arguments; not too many of them."""
        given = self._usable(function, given) if given else ()
        if (function, given) not in self._lowered and self._versions[function] >= VERSIONS:
            given = ()
        if (function, given) not in self._lowered:
            number = self._versions[function]
            self._versions[function] += 1
            name = f"f{function.serial}_{number}_{function.name}"
            self._lowered[function, given] = self.write(function, name, given, 0, False)
        return self._lowered[function, given]

    def _usable(self, function: t.Function, given: Given) -> Given:
        """Nothing is known of a parameter that the function assigns."""
        assigned = set(_assigned(function.body))
        pairs = zip(plain_names(function), given, strict=True)
        usable = tuple(None if name in assigned else item for name, item in pairs)
        return () if all(item is None for item in usable) else usable

    def step(self, rule: Linked, skip: int, given: Given) -> Lowered:
        """An action without its first guards: `skip` statements, whose `require`s are known true.

        It returns `DISABLED` if a further guard in its own text is false.
        """
        tree = self.tree(rule)
        name = self.fresh(f"step_{tree.name}")
        return self.write(tree, name, self._usable(tree, given), skip, True)

    def write(
        self, function: t.Function, name: str, given: Given, skip: int, top: bool
    ) -> Lowered:
        """Generate a function for arguments of which this is known."""
        states = [n for n, kind in function.parameters if isinstance(kind, t.StateT)]
        buffers = tuple(Buffer(f"b{index}", f"b{index}") for index in range(len(states)))
        plain = plain_names(function)
        facts = dict(zip(plain, given or (None,) * len(plain), strict=True))
        literals = {n: c.literal(x) for n, x in facts.items() if x is not None and x != SOME}
        known = frozenset(f"v_{n}" for n, item in facts.items() if item == SOME)
        body = Body(Writer(), Scope(buffers, literals, known), top)
        takes = tuple(n for n in plain if n not in literals)
        names = [f"b{index}" for index in range(len(states))]
        names += [f"v_{parameter}" for parameter in takes]
        with body.out.block(f"def {name}({', '.join(names)})"):
            if function.host is not None:
                self._strike(function, body)
            for statement in function.body[:skip]:
                if isinstance(statement, t.Guard):
                    test = self.expression(statement.test, body.scope)
                    body.scope = body.scope.after(test, True)
                elif isinstance(statement, t.Assign):
                    self._statement(statement, body)
            self._block(self._flattener.flat(function.body[skip:]), body)
        self.sources.append(body.out.text())
        return Lowered(name, takes, body.pure, body.effect)

    def _strike(self, function: t.Function, body: Body) -> None:
        assert function.host is not None
        body.changed()
        fails, arity = int(function.host.fails), function.host.arity
        answer = str(fails) if arity == 1 else str((fails, *[0] * (arity - 1)))
        body.out.line("FAULT[0] = left = FAULT[0] - 1")
        body.out.line(f"if not left: return {answer}")

    # statements

    def _block(self, statements: Sequence[t.Stmt], body: Body) -> None:
        for statement in statements:
            self._statement(statement, body)

    def _statement(self, node: t.Stmt, body: Body) -> None:
        match node:
            case t.Assign(names, value):
                self._assign(names, self.expression(value, body.scope), body)
            case t.Store(column, row, value):
                self._store(column, row, value, body)
            case t.SetChange():
                self._set_change(node, body)
            case t.If(test, then, other):
                self._if(self.expression(test, body.scope), then, other, body)
            case t.For():
                self._for(node, body)
            case t.Jump(op):
                body.out.line(op)
            case t.Return(value):
                text = body.took(self.expression(value, body.scope)).text if value else "None"
                body.out.line(f"return {text}")
            case t.Guard(op, test, name):
                self._guard(op, self.expression(test, body.scope), name, body)
            case t.Do(call):
                code = body.took(self.expression(call, body.scope))
                if not code.pure or code.effect:
                    body.out.line(code.text)

    def _assign(self, names: tuple[str, ...], value: Code, body: Body) -> None:
        body.took(value)
        given = is_nonzero(value, body.scope)
        body.forget(names)
        body.out.line(f"{', '.join(f'v_{name}' for name in names)} = {value.text}")
        if len(names) == 1 and given:
            body.scope = replace(body.scope, known=body.scope.known | {f"v_{names[0]}"})

    def _store(self, column: Column, row: t.Expr | None, value: t.Expr, body: Body) -> None:
        code = body.took(self.expression(value, body.scope))
        where = body.took(self.expression(row, body.scope) if row else c.literal(1))
        body.changed()
        kind = column.type
        if isinstance(kind, IntT) and not _inside(value, code, kind):
            code = self._held(code, body)
            if not where.pure:
                where = self._held(where, body)
            name = f"{column.table}.{column.name}" if column.table else column.name
            failure = self._named(crash_class(f"{name} out of range"))
            body.out.line(f"if not {kind.lo} <= {code.text} <= {kind.hi}: raise {failure}")
        body.out.line(f"b0[{offset_text(column, where)}] = {code.text}")

    def _held(self, code: Code, body: Body) -> Code:
        if code.trivial:
            return code
        name = self.fresh()
        body.out.line(f"{name} = {code.text}")
        return Code(name)

    def _named(self, failure: type[Exception]) -> str:
        for known, value in self.space.items():
            if value is failure:
                return known
        name = self.fresh("X")
        self.space[name] = failure
        return name

    def _set_change(self, node: t.SetChange, body: Body) -> None:
        column = node.column
        where = body.took(self.expression(node.row, body.scope) if node.row else c.literal(1))
        if column.width > 1 or (node.item is not None and not where.pure):
            where = self._held(where, body)
        first = offset_text(column, where)
        if node.item is None:
            body.changed()
            body.out.line(f"b0[{first}:{first} + {column.width}] = bytes({column.width})")
            return
        item = self._held(body.took(self.expression(node.item, body.scope)), body)
        known = bool(item.value) or item.text in body.scope.known
        body.changed()
        if node.op == "add" and not known:
            failure = self._named(crash_class("none added to a set"))
            body.out.line(f"if not {item.text}: raise {failure}")
        if column.width > 1:
            guard = "" if node.op == "add" or known else f"if {item.text}: "
            place, bit = f"{first} + ({item.text} - 1 >> 3)", f"1 << ({item.text} - 1 & 7)"
        else:
            guard, place, bit = "", first, f"1 << {item.text} >> 1"
        change = f"|= {bit}" if node.op == "add" else f"&= ~({bit})"
        body.out.line(f"{guard}b0[{place}] {change}")

    def _if(
        self, test: Code, then: Sequence[t.Stmt], other: Sequence[t.Stmt], body: Body
    ) -> None:
        body.took(test)
        if test.value is not None:
            self._block(then if test.value else other, body)
            return
        before = body.scope
        body.scope = before.after(test, True)
        with body.out.block(f"if {test.text}"):
            self._block(then, body)
        ends = [] if leaves(then) else [body.scope.known]
        body.scope = before.after(test, False)
        if other:
            with body.out.block("else"):
                self._block(other, body)
        if not leaves(other):
            ends.append(body.scope.known)
        known = ends[0].intersection(*ends[1:]) if ends else frozenset()
        body.scope = replace(before, known=known)

    def _for(self, node: t.For, body: Body) -> None:
        rows = range(*node.span)
        alike = node.name not in _assigned(node.body) and not _jumps(node.body)
        if alike and len(rows) <= REPEATED:
            self._repeat(node, rows, body)
            return
        changed = [node.name, *_assigned(node.body)]
        body.scope = replace(body.scope, known=c.lasting(body.scope.known))
        body.forget(changed)
        before = body.scope
        if node.table is not None:
            body.scope = replace(before, known=before.known | {f"v_{node.name}"})
        with body.out.block(f"for v_{node.name} in {tuple(range(*node.span))}"):
            self._block(node.body, body)
        body.scope = before

    def _repeat(self, node: t.For, rows: range, body: Body) -> None:
        """A loop written out row by row."""
        names = body.scope.names
        for row in rows:
            body.scope = replace(body.scope, names={**names, node.name: c.literal(row)})
            self._block(node.body, body)
        body.scope = replace(body.scope, names=names)
        body.forget([node.name])
        if rows:
            body.out.line(f"v_{node.name} = {rows[-1]}")

    def _guard(self, op: str, test: Code, name: str, body: Body) -> None:
        body.took(test)
        if test.value:
            return
        body.pure = False
        if op == "require":
            act = f"return {DISABLED}" if body.top else "raise Disabled"
        else:
            failure = crash_class(name) if op == "check" else cut_class(name)
            act = f"raise {self._named(failure)}"
        body.out.line(f"if {c.negation(test).text}: {act}")
        body.scope = body.scope.after(test, True)


def nonzero(rule: Linked) -> frozenset[str]:
    """The parameters of a rule that are never none: those that are ids."""
    return frozenset(f"v_{item.name}" for item in rule.parameters if isinstance(item.type, IdT))


def _inside(value: t.Expr, code: Code, kind: IntT) -> bool:
    if code.value is not None:
        return kind.lo <= code.value <= kind.hi
    return isinstance(value.type, IntT) and kind.lo <= value.type.lo and value.type.hi <= kind.hi


def _jumps(body: Sequence[t.Stmt]) -> bool:
    """A `break` or `continue` of the loop with this body."""
    for node in body:
        if isinstance(node, t.Jump):
            return True
        if isinstance(node, t.If) and (_jumps(node.then) or _jumps(node.other)):
            return True
    return False


def _assigned(node: object) -> list[str]:
    """The locals that statements change."""
    if isinstance(node, t.Assign):
        return list(node.names)
    own = [node.name] if isinstance(node, t.For) else []
    return own + [name for child in parts(node) for name in _assigned(child)]

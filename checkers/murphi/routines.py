"""Functions of the specification as Murphi functions and procedures.

What changes the state works on a `run`: the state, whether no guard was false yet, and how many
host calls are left before the one that fails. The others read a state and answer.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from checkers.frontend import tree as t
from checkers.murphi.identifiers import Names
from checkers.murphi.lines import Lines
from checkers.murphi.phrases import Expressions
from checkers.murphi.place import Scope
from checkers.murphi.ranges import Types
from spec.language.layout import Column, IntT


class Functions(Expressions):
    """Writes each function once, those it calls before it; `written_functions` has them all."""

    def __init__(self, types: Types, actions: Collection[t.Function]) -> None:
        super().__init__(types, actions)
        self.text = Lines()
        self._names: dict[t.Function, str] = {}

    def name(self, function: t.Function) -> str:
        """The name of a function, which is written now if it was not before."""
        if function not in self._names:
            self._names[function] = self.types.names.give(function.name)
            self._write(function)
        return self._names[function]

    def _write(self, function: t.Function) -> None:
        scope = self._scope(function)
        parameters = self._parameters(function, scope)
        if function.host is not None:
            self._strike(function, scope)
        self._block(function.body, scope)
        plain = not isinstance(function.returns, t.NoneT | t.TupleT)
        answer = f": {self.types.of(function.returns)}" if plain else ""
        kind = "function" if plain else "procedure"
        head = f"{kind} {self._names[function]}({'; '.join(parameters)}){answer};"
        self.text.line(f"-- {function.name}, {_place(function)}")
        self.declare(head, scope)

    def declare(self, head: str, scope: Scope) -> None:
        """Write a function with this head, the body and the variables of the scope."""
        declared = [f"  {name}: {kind};" for name, kind in scope.declared.items()]
        self.text.lines([head, *(["var", *declared] if declared else [])])
        with self.text.block("begin", "end;"):
            self.text.inside(scope.out)
        self.text.line()

    def _scope(self, function: t.Function) -> Scope:
        names = Names(self.types.names)
        run = names.give("run") if self.works(function) else ""
        return Scope(function, (), names, Lines(), run, self._leaving(function))

    def _leaving(self, function: t.Function) -> str:
        if isinstance(function.returns, t.NoneT | t.TupleT):
            return "return;"
        return f"return {self.types.literal(0, function.returns)};"

    def _parameters(self, function: t.Function, scope: Scope) -> list[str]:
        """The declarations of the parameters; what they and the locals are called."""
        shown = [f"var {scope.run}: {self.types.run}"] if scope.run else []
        states, changed = list[str](), t.bound(function.body)
        for name, kind in function.parameters:
            if isinstance(kind, t.StateT):
                states.append(f"{scope.run}.s" if scope.run else scope.names.give(name))
                shown += [] if scope.run else [f"{states[-1]}: {self.types.state}"]
            elif not isinstance(kind, t.FaultT):
                given = scope.names.give(name)
                shown.append(f"{given}: {self.types.of(kind)}")
                scope.texts[name] = given
                if name in changed:
                    scope.texts[name] = scope.local(name, self.types.of(kind))
                    scope.out.line(f"{scope.texts[name]} := {given};")
        if isinstance(function.returns, t.TupleT):
            scope.results = tuple(scope.names.give("out") for _ in function.returns.items)
            pairs = zip(scope.results, function.returns.items, strict=True)
            shown += [f"var {name}: {self.types.of(kind)}" for name, kind in pairs]
        scope.states = tuple(states)
        return shown

    def _strike(self, function: t.Function, scope: Scope) -> None:
        """The host call that is to fail does nothing but answer so."""
        assert function.host is not None
        returns = function.returns
        kinds = returns.items if isinstance(returns, t.TupleT) else (returns,)
        values = [int(function.host.fails), *([0] * (len(kinds) - 1))]
        texts = [self.types.literal(x, kind) for x, kind in zip(values, kinds, strict=True)]
        scope.out.line(f"{scope.run}.left := {scope.run}.left - 1;")
        with scope.out.block(f"if {scope.run}.left = 0 then", "endif;"):
            self._answer(texts, scope)

    def _answer(self, texts: Sequence[str], scope: Scope) -> None:
        """Leave the function with these values."""
        if scope.results:
            pairs = zip(scope.results, texts, strict=True)
            scope.out.cells([*(f"{name} := {text}" for name, text in pairs), "return"])
        else:
            scope.out.line(f"return {texts[0]};" if texts else "return;")

    # statements

    def _block(self, body: Sequence[t.Stmt], scope: Scope) -> None:
        """Statements; those behind one that may jump are for those who did not."""
        for place, node in enumerate(body):
            self._statement(node, scope)
            rest = body[place + 1 :]
            if rest and scope.jumps and _jumps(node):
                left, on = scope.jumps
                with scope.out.block(f"if !{left} & !{on} then", "endif;"):
                    self._block(rest, scope)
                return

    def _statement(self, node: t.Stmt, scope: Scope) -> None:
        out = scope.out
        match node:
            case t.Assign(names, value):
                self._assign(names, value, scope)
            case t.Store(column, row, value):
                self._store(column, row, value, scope)
            case t.SetChange():
                self._set_change(node, scope)
            case t.If(test, then, other):
                self._if(test, then, other, scope)
            case t.For():
                self._for(node, scope)
            case t.Jump(op):
                assert scope.jumps is not None
                out.line(f"{scope.jumps[op == 'continue']} := true;")
            case t.Return(value):
                self._return(value, scope)
            case t.Guard(op, test, why):
                self._guard(op, test, why, scope)
            case t.Do(call):
                self._do(call, scope)

    def _local(self, name: str, kind: t.Type, scope: Scope) -> str:
        if name not in scope.texts:
            scope.texts[name] = scope.local(name, self.types.of(kind))
        return scope.texts[name]

    def _assign(self, names: tuple[str, ...], value: t.Expr, scope: Scope) -> None:
        if not isinstance(value.type, t.TupleT):
            text = self.expression(value, scope)
            scope.out.line(f"{self._local(names[0], value.type, scope)} := {text};")
            return
        if len(names) != len(value.type.items):
            raise scope.refuse("a tuple has no name in Murphi; take it apart")
        kinds = value.type.items
        given = [scope.local("t", self.types.of(kind)) for kind in kinds]
        self._several(value, given, scope)
        for name, kind, text in zip(names, kinds, given, strict=True):
            scope.out.line(f"{self._local(name, kind, scope)} := {text};")

    def _several(self, value: t.Expr, given: Sequence[str], scope: Scope) -> None:
        """These variables take the elements of a tuple."""
        match value:
            case t.Call(function):
                scope.out.line(f"{self.called(value, scope, given)};")
                self.stop(function, scope)
            case t.Several(items):
                pairs = zip(given, self.expressions(items, scope), strict=True)
                scope.out.cells(f"{name} := {text}" for name, text in pairs)
            case _:
                raise scope.refuse("a tuple is a call, or written out")

    def _store(self, column: Column, row: t.Expr | None, value: t.Expr, scope: Scope) -> None:
        text, *where = self.expressions([value, *([] if row is None else [row])], scope)
        if isinstance(column.type, IntT) and not isinstance(value, t.Constant):
            text = self.kept(text, value.type, scope)
            name = f"{column.table}.{column.name}" if column.table else column.name
            outside = f"{text} < {column.type.lo} | {text} > {column.type.hi}"
            scope.out.line(f'if {outside} then error "{name} out of range"; endif;')
        place = self.types.store.place(column, "".join(where), scope.states[0])
        scope.out.line(f"{place} := {text};")

    def _set_change(self, node: t.SetChange, scope: Scope) -> None:
        column = node.column
        texts = self.expressions([x for x in (node.row, node.item) if x is not None], scope)
        row = "" if node.row is None else texts[0]
        item = scope.names.give("each") if node.item is None else texts[-1]
        value = "true" if node.op == "add" else "false"
        change = f"{self.types.store.place(column, row, scope.states[0], item)} := {value};"
        if node.item is None:
            last = self.types.store.width(column)
            scope.out.line(f"for {item} := 1 to {last} do {change} endfor;")
        elif node.op == "add":
            scope.out.line(f'if {item} = 0 then error "none added to a set"; endif;')
            scope.out.line(change)
        else:
            scope.out.line(f"if {item} != 0 then {change} endif;")

    def _if(
        self, test: t.Expr, then: Sequence[t.Stmt], other: Sequence[t.Stmt], scope: Scope
    ) -> None:
        with scope.out.block(f"if {self.expression(test, scope)} then", "endif;"):
            self._block(then, scope)
            if other:
                scope.out.turn("else")
                self._block(other, scope)

    def _for(self, node: t.For, scope: Scope) -> None:
        outer, hidden = scope.jumps, scope.texts.get(node.name)
        jumps = any(_jumps(item) for item in node.body)
        name = scope.names.give(node.name)
        if node.name in t.bound(node.body):
            raise scope.refuse(f"`{node.name}` is assigned in its own loop")
        scope.jumps = None
        if jumps:
            scope.jumps = scope.local("left", "boolean"), scope.local("on", "boolean")
            scope.out.line(f"{scope.jumps[0]} := false;")
        scope.texts[node.name] = name
        with scope.out.block(f"for {name} := {node.span[0]} to {node.span[1] - 1} do", "endfor;"):
            if scope.jumps:
                with scope.out.block(f"if !{scope.jumps[0]} then", "endif;"):
                    scope.out.line(f"{scope.jumps[1]} := false;")
                    self._block(node.body, scope)
            else:
                self._block(node.body, scope)
        scope.jumps = outer
        del scope.texts[node.name]
        if hidden is not None:
            scope.texts[node.name] = hidden

    def _return(self, value: t.Expr | None, scope: Scope) -> None:
        match value:
            case None:
                self._answer((), scope)
            case t.Several(items):
                self._answer(self.expressions(items, scope), scope)
            case t.Choice(test, then, other) if scope.results:
                self._if(test, (t.Return(then),), (t.Return(other),), scope)
            case t.Call() if scope.results:
                scope.out.cells([self.called(value, scope, scope.results), "return"])
            case _:
                self._answer([self.expression(value, scope)], scope)

    def _guard(self, op: str, test: t.Expr, why: str, scope: Scope) -> None:
        text = self.expression(test, scope)
        if op == "check":
            said = why.replace("\\", "/").replace('"', "'")
            scope.out.line(f'if !{text} then error "{said}"; endif;')
        else:
            scope.out.line(f"if !{text} then {scope.run}.going := false; {scope.leave} endif;")

    def _do(self, call: t.Call, scope: Scope) -> None:
        if isinstance(call.type, t.NoneT):
            scope.out.line(f"{self.called(call, scope)};")
            self.stop(call.function, scope)
        elif isinstance(call.type, t.TupleT):
            given = [scope.local("t", self.types.of(kind)) for kind in call.type.items]
            self._several(call, given, scope)
        else:
            self.kept(self.called(call, scope), call.type, scope)
            self.stop(call.function, scope)


def _jumps(node: object) -> bool:
    """A `break` or `continue` of the loop around is inside."""
    if isinstance(node, t.If):
        return any(_jumps(item) for item in (*node.then, *node.other))
    return isinstance(node, t.Jump)


def _place(function: t.Function) -> str:
    return function.file.rsplit("/", 1)[-1]

"""Functions of the specification as functions in C: statement by statement, loops as loops.

Every function takes the run and the states that it takes in Python; ids, enums, bools and rows are
ints (a row is its id). A function that returns several values returns an array of ints. Locals are
declared at the top, as Python has one of a name in a function. A guard that is false, a check that
fails and a bound that is met leave the action at once, by a jump to where it was called.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from checkers.explore.native.c_lines import Code
from checkers.explore.native.c_names import function as function_name
from checkers.explore.native.c_names import local
from checkers.explore.native.c_state import CState
from checkers.frontend import tree as t
from checkers.frontend.effects import Effects
from spec.language.layout import Column, IdT, IntT, SetT


@dataclass(frozen=True)
class Scope:
    """What names are in C, and what the states are called."""

    states: tuple[str, ...]
    names: dict[str, str] = field(default_factory=dict)

    def naming(self, name: str, text: str) -> Scope:
        """The scope in which a name stands for a text."""
        return replace(self, names={**self.names, name: text})


class Reasons:
    """Texts by number: why a check failed, which bound was met."""

    def __init__(self, *first: str) -> None:
        self.texts: list[str] = list(first)

    def of(self, text: str) -> int:
        """The number of a text."""
        if text not in self.texts:
            self.texts.append(text)
        return self.texts.index(text)


class CFunctions:
    """Writes each function once, after those that it calls."""

    def __init__(self, state: CState, effects: Effects) -> None:
        self.state = state
        self.effects = effects
        self.out = Code()
        self.whys = Reasons("too many choices")
        self.bounds = Reasons()
        self._written: dict[t.Function, str] = {}
        self._fresh = 0

    def name(self, function: t.Function) -> str:
        """The name of a function, which is written now if it was not before."""
        if function not in self._written:
            self._written[function] = function_name(function.name, len(self._written))
            text = _Body(self, function).text()
            self.out.line(text)
        return self._written[function]

    def unique(self, stem: str) -> str:
        """A name that nothing else has."""
        self._fresh += 1
        return f"{stem}__{self._fresh}"

    # expressions

    def expression(self, node: t.Expr, scope: Scope) -> str:
        """The text of an expression; what it may evaluate twice are names and numbers alone."""
        match node:
            case t.Constant(value):
                return str(value) if value >= 0 else f"({value})"
            case t.Local(name):
                return scope.names[name]
            case t.Deref(_, table, index):
                text = self.expression(index, scope)
                if isinstance(index, t.RowId) or (text.isdigit() and text != "0"):
                    return text
                return f"row(x, {text}, {self.whys.of(f'null dereference: {table.name}')})"
            case t.RowId(row):
                return self.expression(row, scope)
            case t.Field(state, column, row):
                where = "" if row is None else self.expression(row, scope)
                return self.state.read(column, where, scope.states[state])
            case t.Member(item):
                return f"set_has({self._set(node, scope)}, {self.expression(item, scope)})"
            case t.Not(operand):
                return f"!{self.expression(operand, scope)}"
            case t.Logic(op, left, right):
                sign = "&&" if op == "and" else "||"
                return f"({self.expression(left, scope)} {sign} {self.expression(right, scope)})"
            case t.Compare(op, left, right) | t.Arithmetic(op, left, right):
                return f"({self.expression(left, scope)} {op} {self.expression(right, scope)})"
            case t.Choice(test, then, other):
                texts = (self.expression(item, scope) for item in (test, then, other))
                return "({} ? {} : {})".format(*texts)
            case t.Quantified():
                return self._quantified(node, scope)
            case t.Call(function, arguments):
                return self._call(function, arguments, scope)
            case t.Several(items):
                texts = (self.expression(item, scope) for item in items)
                return f"(several{len(items)}){{{{{', '.join(texts)}}}}}"

    def _set(self, node: t.Member, scope: Scope) -> str:
        row = "" if node.row is None else self.expression(node.row, scope)
        return self.state.read(node.column, row, scope.states[node.state])

    def _call(
        self, function: t.Function, arguments: Sequence[t.Expr], scope: Scope
    ) -> str:
        given = ["x"]
        for item in arguments:
            if isinstance(item.type, t.StateT):
                given.append(scope.states[item.type.index])
            elif not isinstance(item.type, t.FaultT):
                given.append(self.expression(item, scope))
        return f"{self.name(function)}({', '.join(given)})"

    def _quantified(self, node: t.Quantified, scope: Scope) -> str:
        """A loop as an expression."""
        name = self.unique(local(node.name))
        inside = scope.naming(node.name, name)
        low, high = node.span
        found = self.unique("found")
        test = "" if node.test is None else f"if ({self.expression(node.test, inside)}) "
        value = self.expression(node.value, inside)
        loop = f"for (int {name} = {low}; {name} < {high}; {name}++) "
        if (members := self._members(node)) is not None:
            given = f"{self._set(members, inside)}, {self.state.width(members.column)}"
            following = f"next_in({given}, {{}})".format
            loop = f"for (int {name} = {following(0)}; {name}; {name} = {following(name)}) "
        if node.op == "first" and node.relaxed and self._is_renamed(node):
            return self._any_of(node, loop + test, value, high - low)
        begin, turn = {
            "any": ("0", f"if ({value}) {{ {found} = 1; break; }}"),
            "all": ("1", f"if (!{value}) {{ {found} = 0; break; }}"),
            "count": ("0", f"{found} += !!{value};"),
            "first": ("0", f"{{ {found} = {value}; break; }}"),
        }[node.op]
        return f"({{ int {found} = {begin}; {loop}{{ {test}{turn} }} {found}; }})"

    def _members(self, node: t.Quantified) -> t.Member | None:
        """The set of which alone the rows count over which a loop goes."""
        test = node.value if node.test is None and node.op in ("any", "count") else node.test
        while isinstance(test, t.Logic) and test.op == "and":
            test = test.left
        if not isinstance(test, t.Member) or node.relaxed or node.table is None:
            return None
        if not isinstance(test.item, t.Local) or test.item.name != node.name:
            return None
        return None if any(item == test.item for item in t.nodes(test.row)) else test

    def _is_renamed(self, node: t.Quantified) -> bool:
        return isinstance(node.type, IdT) and (
            self.state.layout.table_of(node.type.record).name in self.state.vertices
        )

    def _any_of(self, node: t.Quantified, loop: str, value: str, most: int) -> str:
        """Any of the rows that a `fresh` may give."""
        assert isinstance(node.type, IdT)
        table = self.state.layout.table_of(node.type.record).name
        number = list(self.state.layout.tables).index(table)
        found, count = self.unique("found"), self.unique("count")
        turn = f"{found}[{count}++] = {value};"
        return (
            f"({{ int {found}[{most}], {count} = 0; {loop}{turn} "
            f"choose(x, {number}, {found}, {count}); }})"
        )


class _Body:
    """Writes one function."""

    def __init__(self, functions: CFunctions, function: t.Function) -> None:
        self.functions = functions
        self.function = function
        self.state = functions.state
        self.code = Code()
        self.expression: Callable[[t.Expr, Scope], str] = functions.expression

    def text(self) -> str:
        """The definition."""
        function = self.function
        names, states, given = {}, [], ["run *x"]
        for name, kind in function.parameters:
            if isinstance(kind, t.StateT):
                states.append(local(name))
                given.append(f"state *{local(name)}")
            elif not isinstance(kind, t.FaultT):
                names[name] = local(name)
                given.append(f"int {local(name)}")
        declared = [name for name in t.bound(function.body) if name not in names]
        names |= {name: local(name) for name in declared}
        self.scope = Scope(tuple(states), names)
        head = f"{result(function.returns)} {self.functions.name(function)}"
        with self.code.block(f"static {head}({', '.join(given)})"):
            for text in ("x", *states):
                self.code.line(f"(void){text};")
            for name in declared:
                self.code.line(f"int {local(name)} = 0;")
            if function.host is not None:
                self._strike()
            self._block(function.body)
            if not isinstance(function.returns, t.NoneT):
                self.code.line("__builtin_trap();")
        return self.code.text()

    def _strike(self) -> None:
        """The host call that is to fail does nothing but answer so."""
        function = self.function
        assert function.host is not None
        fails = int(function.host.fails)
        if isinstance(function.returns, t.TupleT):
            size = len(function.returns.items)
            answer = f"(several{size}){{{{{', '.join([str(fails), *['0'] * (size - 1)])}}}}}"
        else:
            answer = str(fails)
        self.code.line(f"if (strikes(x)) return {answer};")

    def _block(self, body: Sequence[t.Stmt]) -> None:
        """Statements; which columns stores write, one behind the other, is noted before the first.

        Nothing else is then between them, so that the compiler can make one store of several.
        """
        noted = False
        for place, node in enumerate(body):
            stores = isinstance(node, t.Store | t.SetChange)
            if stores and not noted:
                self._note(body[place:])
            noted = stores
            self._statement(node)

    def _statement(self, node: t.Stmt) -> None:
        out = self.code
        match node:
            case t.Assign(names, value):
                self._assign(names, value)
            case t.Store(column, row, value):
                self._store(column, row, value)
            case t.SetChange():
                self._set_change(node)
            case t.If(test, then, other):
                with out.block(f"if ({self.expression(test, self.scope)})"):
                    self._block(then)
                if other:
                    with out.block("else"):
                        self._block(other)
            case t.For(name, _, _, (low, high), body):
                turn = self.functions.unique(local(name))
                with out.block(f"for (int {turn} = {low}; {turn} < {high}; {turn}++)"):
                    out.line(f"{self.scope.names[name]} = {turn};")
                    self._block(body)
            case t.Jump(op):
                out.line(f"{op};")
            case t.Return(value):
                self._return(value)
            case t.Guard(op, test, why):
                text = self.expression(test, self.scope)
                reason = {"check": self.functions.whys, "limit": self.functions.bounds}.get(op)
                out.line(f"{op}(x, {text}{f', {reason.of(why)}' if reason else ''});")
            case t.Do(call):
                out.line(f"(void){self.expression(call, self.scope)};")

    def _return(self, value: t.Expr | None) -> None:
        if value is None:
            self.code.line("return;")
        elif isinstance(self.function.returns, t.NoneT):
            self.code.line(f"{self.expression(value, self.scope)}; return;")
        else:
            self.code.line(f"return {self.expression(value, self.scope)};")

    def _assign(self, names: tuple[str, ...], value: t.Expr) -> None:
        text = self.expression(value, self.scope)
        if not isinstance(value.type, t.TupleT):
            self.code.line(f"{self.scope.names[names[0]]} = {text};")
            return
        whole = self.functions.unique("all")
        self.code.line(f"several{len(value.type.items)} {whole} = {text};")
        for place, name in enumerate(names):
            self.code.line(f"{self.scope.names[name]} = {whole}.v[{place}];")

    def _store(self, column: Column, row: t.Expr | None, value: t.Expr) -> None:
        text = self.expression(value, self.scope)
        if isinstance(column.type, IntT) and not _fits(value, column.type):
            name = f"{column.table}.{column.name}" if column.table else column.name
            why = self.functions.whys.of(f"{name} out of range")
            text = f"within(x, {text}, {column.type.lo}, {column.type.hi}, {why})"
        with self.code.block(""):
            self.code.line(f"int value = {text};")
            where = self._row(row)
            place = self.state.place(column, where, self.scope.states[0])
            self.code.line(f"{place} = (uint8_t)value;")

    def _set_change(self, node: t.SetChange) -> None:
        with self.code.block(""):
            row = self._row(node.row)
            item = "0" if node.item is None else self.expression(node.item, self.scope)
            if node.op == "add":
                item = f"row(x, {item}, {self.functions.whys.of('none added to a set')})"
            if node.item is not None:
                self.code.line(f"int item = {item};")
            text = self.state.change(node.op, node.column, row, "item", self.scope.states[0])
            self.code.line(f"if (item) {{ {text} }}" if node.op == "discard" else text)

    def _row(self, row: t.Expr | None) -> str:
        """The name of the row of a statement, evaluated once."""
        if row is None:
            return ""
        text = self.expression(row, self.scope)
        if text.isdigit():
            return text
        self.code.line(f"int place = {text};")
        return "place"

    def _note(self, body: Sequence[t.Stmt]) -> None:
        """The columns that the stores with which these statements begin write."""
        mask = 0
        for node in itertools.takewhile(lambda item: isinstance(item, t.Store | t.SetChange), body):
            assert isinstance(node, t.Store | t.SetChange)
            mask |= self.state.mask(node.column)
        self.code.line(f"x->written |= UINT64_C({hex(mask)});")


def _fits(value: t.Expr, kind: IntT) -> bool:
    return isinstance(value.type, IntT) and kind.lo <= value.type.lo <= value.type.hi <= kind.hi


def result(kind: t.Type) -> str:
    """The type of what a function returns."""
    if isinstance(kind, t.NoneT):
        return "void"
    return f"several{len(kind.items)}" if isinstance(kind, t.TupleT) else "int"


def sizes_of_tuples(functions: Sequence[t.Function]) -> set[int]:
    """How many elements the tuples have that occur."""
    return {
        len(node.type.items)
        for function in functions
        for node in function.nodes
        if isinstance(node, t.Call | t.Several) and isinstance(node.type, t.TupleT)
    } | {len(f.returns.items) for f in functions if isinstance(f.returns, t.TupleT)}


__all__ = ["CFunctions", "Reasons", "Scope", "SetT", "result", "sizes_of_tuples"]

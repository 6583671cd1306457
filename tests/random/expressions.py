"""Random expressions: a value of a kind from what is at hand at a place of a function."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from random import Random
from typing import Final

from tests.random.schema import BOOL, ENUMS, INT, Field, Kind, Rows, Schema

DEEP: Final = 3
"""How far expressions are nested."""


@dataclass(frozen=True)
class Signature:
    """A function that may be called: `pure` ones inside expressions, others as statements.

    A `guarded` one has a `require`, so no rule may call it.
    """

    name: str
    parameters: tuple[tuple[str, Kind], ...]
    returns: tuple[Kind, ...]
    pure: bool = False
    fault: bool = False
    host: bool = False
    guarded: bool = False


@dataclass
class Scope:
    """What a function has at hand at a place; `states` are the names of its states.

    `alike` are records of which no row may be told from another there.
    """

    schema: Schema
    functions: list[Signature]
    locals: dict[str, Kind] = field(default_factory=dict)
    states: tuple[str, ...] = ("s",)
    alike: frozenset[str] = frozenset()
    names: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def inner(self, **more: Kind) -> Scope:
        """A scope inside this one, with further locals."""
        return replace(self, locals={**self.locals, **more})

    def name(self, prefix: str) -> str:
        """A name that no other local of the function has."""
        return f"{prefix}{next(self.names)}"


class Expressions:
    """Makes expressions; the text of a composite one is in parentheses."""

    def __init__(self, chance: Random) -> None:
        self.chance = chance

    def often(self, probability: float) -> bool:
        """True with this probability."""
        return self.chance.random() < probability

    # values

    def value(self, kind: Kind, scope: Scope, deep: int = 0) -> str:
        """Any expression of a kind."""
        if deep >= DEEP or self.often(0.25):
            return self.simple(kind, scope)
        if kind.what == "bool":
            return self.condition(scope, deep)
        makers = [self.simple, self.simple, self._choice, self._called]
        if kind.what == "int":
            makers += [self._sum, self._sum, self._counted]
        if kind.what == "id" and kind.of not in scope.alike:
            makers += [self._first, self._first]
        maker = self.chance.choice(makers)
        return maker(kind, scope, deep + 1)

    def simple(self, kind: Kind, scope: Scope, deep: int = DEEP) -> str:
        """A variable or a literal."""
        found = self.variable(kind, scope, deep) if self.often(0.7) else None
        return found if found is not None else self.literal(kind, scope)

    def literal(self, kind: Kind, scope: Scope) -> str:
        """A constant of a kind: the null one, of ids and data; now and then a named row."""
        if kind.what == "bool":
            return self.chance.choice(("True", "False"))
        if kind.what == "int":
            return str(self.chance.randint(max(0, kind.lo), max(1, min(kind.hi, 4))))
        if kind.what == "enum":
            return f"{kind.of}.{self.chance.choice(ENUMS[kind.of])[0]}"
        if kind.what == "id":
            named = kind.of not in scope.alike and self.often(0.12)
            return f"FIRST_{kind.of.upper()}" if named else "NONE"
        return "NULL"

    def variable(self, kind: Kind, scope: Scope, deep: int = DEEP) -> str | None:
        """A local, a field of the state or of a row; None if there is none of this kind."""
        found = [name for name, one in scope.locals.items() if one.like(kind)] * 3
        if kind.what == "id":
            found += [f"{n}.id" for n, one in scope.locals.items() if one == Kind("row", kind.of)]
        state = self.chance.choice(scope.states)
        for table, item in scope.schema.fields():
            if not item.kind.like(kind) or kind.what == "set":
                continue
            if table is None:
                found.append(f"{state}.{item.name}")
            elif (row := self.row(table, scope, deep)) is not None:
                found.append(f"{row}.{item.name}")
        return self.chance.choice(found) if found else None

    def row(self, table: Rows, scope: Scope, deep: int = DEEP) -> str | None:
        """A row of a table: a local, or the one with an id."""
        own = [name for name, kind in scope.locals.items() if kind == Kind("row", table.record)]
        if own and self.often(0.75):
            return self.chance.choice(own)
        ids = [name for name, kind in scope.locals.items() if kind == Kind("id", table.record)]
        links = [
            f"{scope.states[-1]}.{item.name}" for item in scope.schema.scalars
            if item.kind == Kind("id", table.record)
        ]
        index = self.chance.choice(ids) if ids and self.often(0.8) else None
        if index is None and links and self.often(0.2):
            index = self.chance.choice(links)
        if index is None and not own and table.record not in scope.alike and self.often(0.3):
            index = f"FIRST_{table.record.upper()}"
        if index is None:
            return self.chance.choice(own) if own else None
        state = self.chance.choice(scope.states)
        return f"{state}.{table.name}[{index}]"

    def _choice(self, kind: Kind, scope: Scope, deep: int) -> str:
        one, other = self.value(kind, scope, deep), self.value(kind, scope, deep)
        return f"({one} if {self.condition(scope, deep)} else {other})"

    def _called(self, kind: Kind, scope: Scope, deep: int) -> str:
        """A call of a function that writes nothing."""
        found = [item for item in scope.functions if item.pure and item.returns[0].like(kind)]
        if not found or len(scope.states) > 1:
            return self.simple(kind, scope)
        made = self.call(self.chance.choice(found), scope)
        return made if made is not None else self.simple(kind, scope)

    def call(self, function: Signature, scope: Scope) -> str | None:
        """A call with variables and literals; None if there is no row to pass."""
        given = []
        for _, kind in function.parameters:
            if kind.what == "row":
                text = self.row(scope.schema.table(kind.of), scope)
            else:
                text = self.simple(kind, scope)
            if text is None:
                return None
            given.append(text)
        fault = ["fault"] if function.fault else []
        return f"{function.name}({', '.join(['s', *given, *fault])})"

    def _sum(self, kind: Kind, scope: Scope, deep: int) -> str:
        op = self.chance.choice("+-")
        return f"({self.value(kind, scope, deep)} {op} {self.simple(kind, scope)})"

    def _counted(self, kind: Kind, scope: Scope, deep: int) -> str:
        table, state = self.chance.choice(scope.schema.tables), self.chance.choice(scope.states)
        if self.often(0.1):
            return f"len({state}.{table.name})"
        name, inside = self._bound(table, scope)
        test = f" if {self.condition(inside, DEEP - 1)}" if self.often(0.3) else ""
        return f"count({self.condition(inside, deep)} for {name} in {state}.{table.name}{test})"

    def _first(self, kind: Kind, scope: Scope, deep: int) -> str:
        table, state = scope.schema.table(kind.of), self.chance.choice(scope.states)
        name, inside = self._bound(table, scope)
        word = self.chance.choice(("first", "first", "fresh"))
        return f"{word}({name}.id for {name} in {state}.{table.name} if " + (
            f"{self.condition(inside, deep)})"
        )

    def _bound(self, table: Rows, scope: Scope) -> tuple[str, Scope]:
        name = scope.name("x")
        return name, scope.inner(**{name: Kind("row", table.record)})

    # conditions

    def condition(self, scope: Scope, deep: int = 0) -> str:
        """Any bool that reads something."""
        makers = [self._tested, self._compared, self._compared, self._compared, self._member]
        if deep < DEEP:
            makers += [self._logic, self._quantified, self._negated, self._inquired, self._guarded]
        found = self.chance.choice(makers)(scope, deep + 1)
        if found in ("True", "False") and self.often(0.95):
            return self._compared(scope, deep)
        return found

    def _tested(self, scope: Scope, deep: int) -> str:
        found = self.variable(BOOL, scope)
        return found if found is not None else self._compared(scope, deep)

    def _compared(self, scope: Scope, deep: int) -> str:
        for _ in range(8):
            kind = self.chance.choice([*(item.kind for _, item in scope.schema.fields())])
            if kind.what in ("set", "bool"):
                continue
            left = self.variable(kind, scope)
            if left is None:
                continue
            if kind.what == "int":
                op = self.chance.choice(("==", "!=", "<", "<=", ">", ">="))
            else:
                op = self.chance.choice(("==", "!="))
            if self.often(0.12):
                others = f"({self.simple(kind, scope)}, {self.literal(kind, scope)})"
                return f"({left} {self.chance.choice(('in', 'not in'))} {others})"
            right = self.value(kind, scope, deep)
            if right != left:
                return f"({left} {op} {right})"
        return f"({scope.states[-1]}.turn == 0)"

    def _member(self, scope: Scope, deep: int) -> str:
        """Whether an id is in a set."""
        found = self.set_field(scope)
        if found is None:
            return self._compared(scope, deep)
        text, item = found
        return f"({self.simple(Kind('id', item.kind.of), scope)} in {text})"

    def set_field(self, scope: Scope, writable: bool = False) -> tuple[str, Field] | None:
        """A set of a row or of the state."""
        found = []
        state = "s" if writable else self.chance.choice(scope.states)
        for table, item in scope.schema.fields():
            if item.kind.what != "set" or (writable and item.constant):
                continue
            if table is None:
                found.append((f"{state}.{item.name}", item))
            elif (row := self.row(table, scope)) is not None:
                found.append((f"{row}.{item.name}", item))
        return self.chance.choice(found) if found else None

    def _logic(self, scope: Scope, deep: int) -> str:
        op = self.chance.choice(("and", "or"))
        return f"({self.condition(scope, deep)} {op} {self.condition(scope, deep)})"

    def _negated(self, scope: Scope, deep: int) -> str:
        return f"(not {self.condition(scope, deep)})"

    def _quantified(self, scope: Scope, deep: int) -> str:
        word, state = self.chance.choice(("any", "all")), self.chance.choice(scope.states)
        if self.often(0.1):
            name = scope.name("i")
            inside = scope.inner(**{name: INT})
            return f"{word}({self.condition(inside, deep)} for {name} in range(1, 3))"
        name, inside = self._bound(self.chance.choice(scope.schema.tables), scope)
        over = f"{name} in {state}.{scope.schema.table(inside.locals[name].of).name}"
        if self.often(0.15):
            more, inside = self._bound(self.chance.choice(scope.schema.tables), inside)
            over += f" for {more} in {state}.{scope.schema.table(inside.locals[more].of).name}"
        test = f" if {self.condition(inside, DEEP - 1)}" if self.often(0.3) else ""
        return f"{word}({self.condition(inside, deep)} for {over}{test})"

    def _inquired(self, scope: Scope, deep: int) -> str:
        return self._called(BOOL, scope, deep)

    def _guarded(self, scope: Scope, deep: int) -> str:
        """What is behind a reference, if it is not none."""
        ids = [item for _, item in scope.schema.fields() if item.kind.what == "id"]
        if not ids:
            return self._compared(scope, deep)
        kind = self.chance.choice(ids).kind
        link = self.variable(kind, scope)
        table = scope.schema.table(kind.of)
        fields = [item for item in table.fields if item.kind.what not in ("set", "bool")]
        if link is None or not fields:
            return self._compared(scope, deep)
        item = self.chance.choice(fields)
        state = self.chance.choice(scope.states)
        far = f"{state}.{table.name}[{link}].{item.name}"
        return f"({link} != NONE and {far} == {self.simple(item.kind, scope)})"

"""Random statements: guards, writes, branches, loops, calls, host calls that may fail, returns."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from tests.random.expressions import Expressions, Scope, Signature
from tests.random.schema import BOOL, ENUMS, ERRNO, INT, Field, Kind

REFUSALS: Final = ("Errno.EINVAL", "Errno.EBUSY")
INDENT: Final = "    "


@dataclass(frozen=True)
class Body:
    """What the function whose statements are made is like.

    `calls` are the functions that it may call as statements; without `guards` it only answers;
    `host`, it is a host call itself.
    """

    returns: tuple[Kind, ...] = ()
    fault: bool = False
    host: bool = False
    guards: bool = True
    loop: bool = False
    deep: int = 0

    def inside(self, loop: bool = False) -> Body:
        """One block further in."""
        return replace(self, deep=self.deep + 1, loop=self.loop or loop)


Lines = list[str]


def indented(lines: Lines) -> Lines:
    """A block, one step further in."""
    return [INDENT + line for line in lines or ["pass"]]


class Statements(Expressions):
    """Makes blocks of statements, as lines; an action ends with an errno so often (`refusing`)."""

    refusing = 0.15

    def block(self, scope: Scope, body: Body, size: int) -> Lines:
        """So many statements; locals that they bind are in the scope for those that follow."""
        found: Lines = []
        for _ in range(size):
            found += self.statement(scope, body)
        return found

    def statement(self, scope: Scope, body: Body) -> Lines:
        """One statement, or a few that belong together."""
        makers = [self.write] * 7 + [self.bind, self.change, self.guard, self.called, self.called]
        if body.fault:
            makers += [self.host_call] * 3
        if body.deep < 2:
            makers += [self.branch, self.branch, self.loop, self.either, self.refuse, self.best]
        elif body.loop:
            makers += [self.jump]
        return self.chance.choice(makers)(scope, body)

    # writes

    def write(self, scope: Scope, body: Body) -> Lines:
        """A field takes a value, another one than it has."""
        found = self.target(scope)
        if found is None:
            return self.guard(scope, body)
        text, item = found
        for _ in range(4):
            lines = self.written(text, item, scope, body)
            if lines[-1] != f"{text} = {text}":
                break
        return lines

    def written(self, text: str, item: Field, scope: Scope, body: Body) -> Lines:
        """A value for a field."""
        own = [name for name, kind in scope.locals.items() if kind.like(item.kind)]
        if own and item.kind.what != "int" and self.often(0.5):
            return [f"{text} = {self.chance.choice(own)}"]
        if item.kind == BOOL and self.often(0.4):
            return [f"{text} = not {text}"]
        if item.kind.what == "int":
            if self.often(0.35):
                step = f"{text} + 1 if {text} < {item.kind.hi} else {item.kind.lo}"
                return [f"{text} = {step}"]
            if self.often(0.5):
                guarded = body.guards and not body.host and self.often(0.6)
                up = self.often(0.75)
                end = f"{text} < {item.kind.hi}" if up else f"{text} > {item.kind.lo}"
                guard = [f"require({end})"] if guarded else []
                return [*guard, f"{text} {'+' if up else '-'}= 1"]
            if self.often(0.4):
                return [f"{text} = {self.chance.randint(item.kind.lo, item.kind.hi)}"]
        return [f"{text} = {self.value(item.kind, scope, 1)}"]

    def target(self, scope: Scope) -> tuple[str, Field] | None:
        """A field that may be written."""
        found = []
        for table, item in scope.schema.fields():
            if item.constant or item.kind.what == "set":
                continue
            if table is None:
                found.append((f"s.{item.name}", item))
            elif (row := self.row(table, scope)) is not None:
                found += [(f"{row}.{item.name}", item)] * 2
        return self.chance.choice(found) if found else None

    def change(self, scope: Scope, body: Body) -> Lines:
        """A set gains an id, loses one, or all."""
        found = self.set_field(scope, writable=True)
        if found is None:
            return self.write(scope, body)
        text, item = found
        op = self.chance.choice(("add", "add", "add", "discard", "discard", "clear"))
        if op == "clear":
            return [f"{text}.clear()"]
        kind = Kind("id", item.kind.of)
        given = self.variable(kind, scope) or self.literal(kind, scope)
        return [f"{text}.{op}({given})"]

    def bind(self, scope: Scope, body: Body) -> Lines:
        """A local takes a value: a new one, or one that is known."""
        known = [name for name, kind in scope.locals.items() if name[0] == "v"]
        if known and self.often(0.4):
            name = self.chance.choice(known)
            return [f"{name} = {self.value(scope.locals[name], scope, 1)}"]
        if self.often(0.3):
            table = self.chance.choice(scope.schema.tables)
            row = self.row(table, scope)
            if row is not None and row not in scope.locals:
                name = scope.name("r")
                scope.locals[name] = Kind("row", table.record)
                return [f"{name} = {row}"]
        kind = self.chance.choice([*scope.schema.kinds(), INT, INT])
        text = self.value(kind, scope, 1)
        name = scope.name("v")
        kind = replace(kind, lo=INT.lo, hi=INT.hi) if kind.what == "int" else kind
        scope.locals[name] = kind
        typed = f": {kind.text}" if kind.what in ("id", "sort") else ""
        return [f"{name}{typed} = {text}"]

    # guards and branches

    def guard(self, scope: Scope, body: Body) -> Lines:
        """A guard, a check, a bound of the model."""
        if not body.guards:
            return self.bind(scope, body)
        word = self.chance.choice(("require",) * (1 if body.host else 6) + ("check", "limit"))
        if word == "require":
            return [f"require({self.mostly(scope)})"]
        test = self.condition(scope, 1)
        if self.often(0.6):
            test = f"({test} or {self.mostly(scope)})"
        return [f"{word}({test}, '{word} {self.chance.randint(1, 3)}')"]

    def mostly(self, scope: Scope) -> str:
        """A condition that is often true: that something is as it began, or is not some value."""
        found = [item for _, item in scope.schema.fields() if item.kind.what != "set"]
        kind = self.chance.choice(found).kind
        text = self.variable(kind, scope)
        if text is None or self.often(0.15):
            return self.condition(scope, 2)
        if kind == BOOL:
            return self.chance.choice((text, f"not {text}", f"not {text}"))
        if kind.what == "int":
            return self.chance.choice((f"{text} < {kind.hi}", self.differs(text, kind, scope)))
        null = {"id": "NONE", "sort": "NULL"}.get(kind.what) or f"{kind.of}.{ENUMS[kind.of][0][0]}"
        if self.often(0.5) and text not in scope.locals:
            return f"{text} {self.chance.choice(('==', '==', '!='))} {null}"
        return self.differs(text, kind, scope)

    def differs(self, text: str, kind: Kind, scope: Scope) -> str:
        """That a variable is not what something else is."""
        for _ in range(4):
            other = self.simple(kind, scope)
            if other != text:
                break
        return f"{text} {self.chance.choice(('!=', '!=', '=='))} {other}"

    def branch(self, scope: Scope, body: Body) -> Lines:
        """An `if`, with or without an `else`."""
        found = [f"if {self.condition(scope, 1)}:"]
        found += indented(self.nested(scope, body))
        if self.often(0.4):
            found += ["else:", *indented(self.nested(scope, body))]
        return found

    def nested(self, scope: Scope, body: Body) -> Lines:
        """A block, of whose locals nothing is known behind it."""
        return self.block(scope.inner(), body.inside(), self.chance.choice((1, 1, 2)))

    def either(self, scope: Scope, body: Body) -> Lines:
        """A local that both branches bind."""
        kind = self.chance.choice([BOOL, *(item.kind for _, item in scope.schema.fields())])
        if kind.what in ("set", "id", "sort"):
            kind = BOOL
        found = [f"if {self.condition(scope, 1)}:"]
        one, other = self.value(kind, scope, 1), self.value(kind, scope, 1)
        name = scope.name("v")
        found += [*indented([f"{name} = {one}"]), "else:", *indented([f"{name} = {other}"])]
        scope.locals[name] = replace(kind, lo=INT.lo, hi=INT.hi) if kind.what == "int" else kind
        return found

    def refuse(self, scope: Scope, body: Body) -> Lines:
        """An early return."""
        if body.returns:
            return [f"if {self.condition(scope, 1)}:", *indented([self.answer(scope, body, True)])]
        return [f"if {self.condition(scope, 1)}:", *indented(["return"])]

    def answer(self, scope: Scope, body: Body, refused: bool = False) -> str:
        """A `return`; one that refuses gives an errno that is none of success."""
        if not body.returns:
            return "return"
        given = []
        for place, kind in enumerate(body.returns):
            if kind == ERRNO and place == 0:
                often = refused or self.often(self.refusing)
                given.append(self.chance.choice(REFUSALS) if often else "Errno.OK")
            elif refused:
                given.append(self.literal(kind, scope))
            else:
                given.append(self.value(kind, scope, 1))
        return f"return {', '.join(given)}"

    # loops

    def loop(self, scope: Scope, body: Body) -> Lines:
        """A loop over a table or a range; a row may be kept from it."""
        if self.often(0.2):
            name = scope.name("i")
            inside = scope.inner(**{name: INT})
            head = f"for {name} in range({self.chance.choice(('2', '3', '1, 3'))}):"
            return [head, *indented(self.block(inside, body.inside(True), 1))]
        table = self.chance.choice(scope.schema.tables)
        if table.record in scope.alike and self.often(0.8):
            return self.turns(scope, body)
        name = scope.name("x")
        row = Kind("row", table.record)
        inside = scope.inner(**{name: row})
        lines: Lines = []
        if self.often(0.5):
            jump = self.chance.choice(("break", "continue"))
            lines += [f"if {self.condition(inside, 1)}:", *indented([jump])]
        lines += self.block(inside, body.inside(True), self.chance.choice((1, 1, 2)))
        whole = [f"for {name} in s.{table.name}:", *indented(lines)]
        item = self.chance.choice(table.fields)
        if self.often(0.8) or item.constant or item.kind.what == "set":
            return whole
        kept = scope.name("r")
        whole.append(INDENT + f"{kept} = {name}")
        scope.locals[kept] = row
        bound = f"{kept} = s.{table.name}[FIRST_{table.record.upper()}]"
        return [bound, *whole, f"{kept}.{item.name} = {self.value(item.kind, scope, 2)}"]

    def turns(self, scope: Scope, body: Body) -> Lines:
        """A loop each turn of which is about its own row only."""
        table = self.chance.choice(scope.schema.tables)
        name = scope.name("x")
        alone = Scope(scope.schema, [], {name: Kind("row", table.record)}, alike=scope.alike)
        fields = [item for item in table.fields if item.kind.what != "set" and not item.constant]
        if not fields:
            return self.write(scope, body)
        tested, written = self.chance.choice(table.fields), self.chance.choice(fields)
        change = f"{name}.{written.name} = {self.literal(written.kind, alone)}"
        if tested.kind.what == "set":
            return [f"for {name} in s.{table.name}:", *indented([change])]
        test = f"if {name}.{tested.name} == {self.literal(tested.kind, alone)}:"
        return [f"for {name} in s.{table.name}:", *indented([test, *indented([change])])]

    def jump(self, scope: Scope, body: Body) -> Lines:
        """An end of a turn, or of the loop."""
        jump = self.chance.choice(("break", "continue"))
        return [f"if {self.condition(scope, 1)}:", *indented([jump])]

    def best(self, scope: Scope, body: Body) -> Lines:
        """A local kept across rows: the last id that passes a test, or a count by hand."""
        table = self.chance.choice(scope.schema.tables)
        if table.record in scope.alike and self.often(0.8):
            return self.write(scope, body)
        kept, name = scope.name("v"), scope.name("x")
        inside = scope.inner(**{name: Kind("row", table.record)})
        test = f"if {self.condition(inside, 1)}:"
        if self.often(0.5):
            scope.locals[kept] = Kind("id", table.record)
            first, step = f"{kept}: Id[{table.record}] = NONE", f"{kept} = {name}.id"
        else:
            scope.locals[kept] = INT
            first, step = f"{kept} = 0", f"{kept} += 1"
        more = ["break"] if self.often(0.2) else []
        return [
            first, f"for {name} in s.{table.name}:", *indented([test, *indented([step, *more])]),
        ]

    # calls

    def called(self, scope: Scope, body: Body) -> Lines:
        """A call of a helper, alone or for its result; a tuple is taken apart."""
        found = [
            item for item in scope.functions
            if not item.pure and not item.host and (body.fault or not item.fault)
        ]
        if not found or not body.guards:
            return self.write(scope, body) if body.guards else self.bind(scope, body)
        function = self.chance.choice(found)
        return self.taken(function, scope, body)

    def taken(self, function: Signature, scope: Scope, body: Body) -> Lines:
        """A call as a statement, its results bound to locals."""
        text = self.call(function, scope)
        if text is None:
            return self.write(scope, body)
        if not function.returns or self.often(0.1):
            return [text]
        names = [scope.name("v") for _ in function.returns]
        for name, kind in zip(names, function.returns, strict=True):
            scope.locals[name] = kind
        lines = [f"{', '.join(names)} = {text}"]
        if function.returns[0] == ERRNO:
            lines += self.afterwards(names[0], scope, body)
        return lines

    def host_call(self, scope: Scope, body: Body) -> Lines:
        """A host call and what is done about its refusal."""
        found = [item for item in scope.functions if item.fault]
        hosts = [item for item in found if item.host]
        if not found:
            return self.write(scope, body)
        function = self.chance.choice(hosts if self.often(0.7) else found)
        return self.taken(function, scope, body)

    def afterwards(self, name: str, scope: Scope, body: Body) -> Lines:
        """What is done about an errno: returned, undone, guarded against, checked, or nothing."""
        test = f"{name} != Errno.OK"
        way = self.chance.random()
        if way < 0.6:
            undo = self.write(scope.inner(), body.inside()) if self.often(0.35) else []
            own = body.returns == (ERRNO,) and self.often(0.8)
            end = f"return {name}" if own else self.answer(scope, body, True)
            return [f"if {test}:", *indented([*undo, end])]
        if way < 0.75:
            return [f"require({name} == Errno.OK)"]
        if way < 0.83:
            return [f"check({name} == Errno.OK or {self.condition(scope, 2)}, 'refused')"]
        return []

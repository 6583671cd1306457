"""A random machine: the text of a module, the same for the same seed."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from random import Random
from typing import Final

from tests.random.expressions import Scope, Signature
from tests.random.schema import BOOL, ENUMS, ERRNO, INT, Kind, Schema, schema
from tests.random.statements import Body, Lines, Statements, indented

WORDS: Final = """
    CONST, NONE, NULL, NULLABLE, Bounds, Fault, Id, IdSet, Machine, Range, Record, Shape, Sort,
    State, Table, Teardown, check, count, first, fresh, host_call, invariant, limit, on_failure,
    overrides, require, sometimes, variant_of
"""


@dataclass(frozen=True)
class Taste:
    """How often a machine has what not every machine has."""

    data: float = 0.5
    alike: float = 0.4
    host: float = 0.6
    variant: float = 0.25
    teardown: float = 0.4
    distinct: float = 0.05
    refusing: float = 0.15
    actions: tuple[int, ...] = (3, 3, 4, 4, 5)
    helpers: tuple[int, ...] = (0, 1, 2, 3)


def text_of(seed: str, taste: Taste | None = None) -> str:
    """The text of the machine of a seed."""
    return _Maker(Random(seed), taste or Taste()).text()


@dataclass
class _Made:
    """Everything that is declared so far."""

    functions: list[Signature] = field(default_factory=list)
    lines: Lines = field(default_factory=list)
    actions: list[str] = field(default_factory=list)
    rules: list[str] = field(default_factory=list)
    witnesses: list[str] = field(default_factory=list)
    overrides: list[str] = field(default_factory=list)


class _Maker(Statements):
    def __init__(self, chance: Random, taste: Taste) -> None:
        super().__init__(chance)
        self.taste, self.refusing = taste, taste.refusing
        self.schema: Schema = schema(chance, taste.data, taste.alike)
        self.made = _Made()
        self.hosts = self.often(taste.host)
        careful = self.schema.symmetric if self.often(0.85) else []
        self.alike = frozenset(careful)

    def text(self) -> str:
        """Declarations, functions, the machine and its variant."""
        self._init()
        for number in range(1, self.chance.choice(self.taste.helpers) + 1):
            self._helper(number)
        if self.hosts:
            for number in range(1, self.chance.choice((1, 2)) + 1):
                self._host(number)
            if self.often(0.5):
                self._helper(9, fault=True)
        for number in range(1, self.chance.choice(self.taste.actions) + 1):
            self._action(number)
        if self.often(0.5):
            step = "s.turn = s.turn + 1 if s.turn < 2 else 0"
            self._define("tick", [], (), [step])
            self.made.actions.append("tick")
        teardown = self._teardown() if self.often(self.taste.teardown) else ""
        if self.often(self.taste.distinct):
            self._distinct()
        self._rules()
        lines = [*self._head(), *self.made.lines, *self._machine(teardown)]
        if self.often(self.taste.variant):
            lines += self._variant()
        return "\n".join(lines) + "\n"

    # declarations

    def _head(self) -> Lines:
        lines = [
            '"""A random machine."""', "from __future__ import annotations",
            "from collections.abc import Mapping", "from enum import IntEnum",
            "from typing import Annotated", f"from spec.language import ({WORDS})",
        ]
        for name, members in ENUMS.items():
            lines += [f"class {name}(IntEnum):", *indented([f"{n} = {v}" for n, v in members])]
        for name in self.schema.sorts:
            lines += [f"class {name}(Sort):", *indented([f'"""Data {name}."""'])]
        for table in self.schema.tables:
            fields = [item.text for item in table.fields]
            lines += [f"class {table.record}(Record):", *indented(fields)]
        fields = [item.text for item in self.schema.scalars]
        fields += [f"{table.name}: Table[{table.record}]" for table in self.schema.tables]
        lines += ["class Whole(State):", *indented(fields)]
        for table in self.schema.tables:
            row = self.chance.randint(1, table.rows)
            lines.append(f"FIRST_{table.record.upper()} = Id[{table.record}]({row})")
        given = [
            f"'{table.name if table else ''}': {{" + ", ".join(
                f"'{item.name}': ({', '.join(item.constant)},)"
                for owner, item in self.schema.fields() if owner is table and item.constant
            ) + "}" for table in (None, *self.schema.tables)
        ]  # fmt: skip
        lines += ["def shape(values: Mapping[str, int]) -> Shape:"]
        return lines + indented([f"return Shape(values, {{{', '.join(given)}}})"])

    def _machine(self, teardown: str) -> Lines:
        sizes = {table.name: table.rows for table in self.schema.tables}
        values = {**sizes, **self.schema.sorts, **self.schema.numbers}
        made = self.made
        return [
            "MACHINE = Machine(name='random', state=Whole, init=init, "
            f"actions=({', '.join(made.actions)},), "
            f"bounds={{'small': Bounds({values!r}, 'random')}}, shape=shape, "
            f"invariants=({', '.join(made.rules)},), sometimes=({', '.join(made.witnesses)},), "
            f"symmetric=({''.join(name + ', ' for name in self.schema.symmetric)}){teardown})",
            "VARIANT = None",
        ]

    # functions

    def _scope(self, parameters: list[tuple[str, Kind]], states: tuple[str, ...] = ("s",)) -> Scope:
        return Scope(
            self.schema, list(self.made.functions), dict(parameters), states, self.alike
        )

    def _define(
        self, name: str, parameters: list[tuple[str, str]], returns: tuple[Kind, ...],
        body: Lines, head: Lines | None = None, states: str = "s: Whole",
    ) -> None:
        given = ", ".join([states, *(f"{item}: {text}" for item, text in parameters)])
        kinds = ", ".join(kind.text for kind in returns)
        answer = {0: "None", 1: kinds}.get(len(returns), f"tuple[{kinds}]")
        lines = [*(head or []), f"def {name}({given}) -> {answer}:", *indented(body)]
        self.made.lines += lines

    def _parameters(self, kinds: list[Kind], counts: tuple[int, ...]) -> list[tuple[str, Kind]]:
        """Parameters whose values have not too many combinations."""
        found: list[tuple[str, Kind]] = []
        product = 1
        for number in range(1, self.chance.choice(counts) + 1):
            kind = self.chance.choice(kinds)
            product *= self._size(kind)
            if product > 16:
                break
            found.append((f"p{number}", kind))
        return found

    def _size(self, kind: Kind) -> int:
        if kind.what == "id":
            return self.schema.table(kind.of).rows
        return self.schema.sorts[kind.of] + 1 if kind.what == "sort" else 3

    def _typed(self, parameters: list[tuple[str, Kind]], fault: bool) -> list[tuple[str, str]]:
        """Parameters as an action has them: some data may be null."""
        found = []
        for name, kind in parameters:
            nullable = kind.what == "sort" and self.often(0.3)
            found.append((name, f"Annotated[{kind.of}, NULLABLE]" if nullable else kind.text))
        return found + [("fault", "Fault")] * fault

    def _init(self) -> None:
        parameters = self._parameters(self.schema.kinds(), (0, 0, 1, 2))
        scope = self._scope(parameters)
        lines: Lines = []
        for _ in range(self.chance.choice((0, 1, 2))):
            lines += self.write(scope, Body(host=True))
        if parameters and self.often(0.3):
            lines.append(f"require({self.condition(scope, 2)})")
        self._define("init", self._typed(parameters, False), (), lines)

    def _helper(self, number: int, fault: bool = False) -> None:
        """A function that only answers, or one that writes; rows may be parameters."""
        pure = not fault and self.often(0.45)
        rows = [Kind("row", table.record) for table in self.schema.tables]
        kinds = [*self.schema.kinds(), *rows * 2, INT]
        kinds = [kind for kind in kinds if kind.what != "int" or kind == INT]
        parameters = self._parameters(kinds, (0, 1, 1, 2))
        answers = [BOOL, BOOL, INT, *(kind for kind in self.schema.kinds() if kind.what == "id")]
        if pure:
            returns: tuple[Kind, ...] = (self.chance.choice(answers),)
        else:
            several = (ERRNO, self.chance.choice(answers))
            returns = self.chance.choice(((), (self.chance.choice(answers),), (ERRNO,), several))
        returns = (ERRNO, *returns[1:]) if fault else returns
        body = Body(returns, fault, guards=not pure)
        scope = self._scope(parameters)
        lines = self._pure(scope, body) if pure else self._effects(scope, body, (1, 2))
        name = f"{'asks' if pure else 'does'}{number}"
        typed = [(item, self._plain(kind)) for item, kind in parameters]
        self._define(name, typed + [("fault", "Fault")] * fault, self._widened(returns), lines)
        guarded = any("require(" in line for line in lines) or any(
            f"{item.name}(" in line for line in lines for item in scope.functions if item.guarded
        )
        self.made.functions.append(
            Signature(name, tuple(parameters), returns, pure, fault, guarded=guarded)
        )

    def _plain(self, kind: Kind) -> str:
        return "int" if kind == INT else kind.text

    def _widened(self, returns: tuple[Kind, ...]) -> tuple[Kind, ...]:
        """As they are annotated: an int of a function has no range."""
        return tuple(Kind("plain", "int") if kind == INT else kind for kind in returns)

    def _pure(self, scope: Scope, body: Body) -> Lines:
        """A few locals and early answers, perhaps a loop that looks for a row; then the answer."""
        lines: Lines = []
        if self.often(0.25):
            lines += self.bind(scope, body)
        if self.often(0.3):
            lines += self.best(scope, body) if self.often(0.5) else self.refuse(scope, body)
        if self.often(0.15):
            table = self.chance.choice(self.schema.tables)
            name = scope.name("x")
            inside = scope.inner(**{name: Kind("row", table.record)})
            lines += [f"for {name} in s.{table.name}:", *indented(self.refuse(inside, body))]
        if self.often(0.15):
            word = self.chance.choice(("require({})", "check({}, 'asked')"))
            lines.append(word.format(self.condition(scope, 2)))
        return [*lines, self.answer(scope, body)]

    def _effects(self, scope: Scope, body: Body, sizes: tuple[int, ...]) -> Lines:
        lines = self.block(scope, body, self.chance.choice(sizes))
        return [*lines, self.answer(scope, body)] if body.returns else lines

    def _host(self, number: int) -> None:
        kinds = [kind for kind in self.schema.kinds() if kind.what in ("id", "sort", "bool")]
        parameters = self._parameters(kinds, (0, 1, 1))
        more = self.chance.choice([None, *kinds])
        returns = (ERRNO, more) if more is not None else (ERRNO,)
        scope = self._scope(parameters)
        scope.functions = [item for item in scope.functions if not item.fault]
        body = Body(returns, host=True, deep=1)
        lines: Lines = []
        if self.often(0.4):
            lines += [f"check({self.condition(scope, 2)}, 'host {number}')"]
        lines += self._effects(scope, body, (1, 2))
        name = f"host{number}"
        shown = " ".join(f"{item}={{{item}}}" for item, _ in parameters)
        head = [f"@host_call('{name} {shown} ({{ret}})', fails=Errno.EBUSY)"]
        typed = [(item, kind.text) for item, kind in parameters]
        self._define(name, [*typed, ("fault", "Fault")], returns, lines, head)
        self.made.functions.append(Signature(name, tuple(parameters), returns, False, True, True))

    def _action(self, number: int) -> None:
        fault = self.hosts and self.often(0.7)
        returns = (ERRNO,) if (fault and self.often(0.85)) or self.often(0.4) else ()
        parameters = self._parameters(self._useful(), (0, 1, 2, 2, 3))
        name = f"act{number}"
        self._define(
            name, self._typed(parameters, fault), returns, self._acts(parameters, returns, fault)
        )
        self.made.actions.append(name)
        self.actions = getattr(self, "actions", {})
        self.actions[name] = (parameters, returns, fault)

    def _useful(self) -> list[Kind]:
        """The kinds of parameters with which some field can be written."""
        table, item = self.chance.choice(list(self.schema.fields()))
        kind = item.kind
        if kind.what == "set":
            kind = Kind("id", kind.of)
        if kind.what == "enum" and kind.of != "Mode":
            kind = Kind("enum", "Colour")
        if kind.what == "int":
            kind = Kind("int", "", max(0, kind.lo - self.chance.choice((0, 1))), kind.hi)
        rows = [Kind("id", table.record)] if table else []
        return [*rows * 3, kind, kind, kind, *self.schema.kinds()]

    def _acts(
        self, parameters: list[tuple[str, Kind]], returns: tuple[Kind, ...], fault: bool
    ) -> Lines:
        scope = self._scope(parameters)
        body = Body(returns, fault)
        lines: Lines = []
        for _ in range(self.chance.choice((0, 0, 1, 1, 2))):
            lines.append(f"require({self.mostly(scope)})")
        if fault:
            lines += self.host_call(scope, body)
        lines += self.write(scope, body)
        lines += self._effects(scope, body, (0, 1, 1, 2))
        return self._careful(lines)

    def _careful(self, lines: Lines) -> Lines:
        """Statements, most of which are guarded against references that lead nowhere."""
        found: Lines = []
        for line in lines:
            for link in dict.fromkeys(re.findall(r"s\.\w+\[(s\.\w+|[pvr]\d+\.\w+)\]", line)):
                if not line.startswith(" ") and not line.startswith("e") and self.often(0.6):
                    found.append(f"require({link} != NONE)")
            found.append(line)
        return found

    def _teardown(self) -> str:
        """Actions that clear a field; the host is empty when it is clear everywhere."""
        table = self.chance.choice((None, *self.schema.tables))
        fields = [
            item for owner, item in self.schema.fields()
            if owner is table and not item.constant and item.kind.what not in ("set", "int")
        ]
        if not fields:
            return ""
        item = self.chance.choice(fields)
        zero = {"bool": "False", "id": "NONE", "sort": "NULL"}.get(item.kind.what, "")
        zero = zero or f"{item.kind.of}.{ENUMS[item.kind.of][0][0]}"
        where = f"s.{item.name}" if table is None else f"s.{table.name}[p1].{item.name}"
        parameters = [("p1", f"Id[{table.record}]")] if table else []
        guard = f"require({where} != {zero})"
        if item.kind.what in ("sort", "enum") and self.often(0.6):
            parameters.append(("p2", item.kind.text))
            guard = f"require({where} == p2)"
        more = [f"require({self.mostly(self._scope([]))})"] if self.often(0.3) else []
        self._define("clear1", parameters, (), [guard, *more, f"{where} = {zero}"])
        set_ = f"x.{item.name} != {zero}"
        some = f"any({set_} for x in s.{table.name})" if table else f"s.{item.name} != {zero}"
        number = f"count({set_} for x in s.{table.name})" if table else f"1 if {some} else 0"
        more = f" and {self.mostly(self._scope([]))}" if self.often(0.3) else ""
        self._define("empty", [], (BOOL,), [f"return not ({some}){more}"])
        self._define("rank", [], (Kind("plain", "int"),), [f"return {number}"])
        actions = ["clear1", *(x for x in self.made.actions if self.often(0.3))]
        self.made.actions.append("clear1")
        return f", teardown=Teardown(({', '.join(actions)},), empty, rank)"

    def _distinct(self) -> None:
        """An action that needs several different values of one sort, which it does not keep."""
        if not self.schema.sorts:
            return
        sort = self.chance.choice(list(self.schema.sorts))
        number = self.chance.choice((2, 3, 4))
        self.schema.sorts[sort] = max(self.schema.sorts[sort], number)
        names = [f"p{place}" for place in range(1, number + 1)]
        tests = [
            f"{one} != {other}" for place, one in enumerate(names) for other in names[place + 1 :]
        ]
        lines = [f"require({' and '.join(tests)})", "require(s.turn < 2)", "s.turn += 1"]
        self._define("distinct", [(name, sort) for name in names], (), lines)
        self.made.actions.append("distinct")

    # rules

    def _rules(self) -> None:
        self.made.functions = [f for f in self.made.functions if f.pure and not f.guarded]
        for number in (1, 2)[: self.chance.choice((1, 2))]:
            scope = self._scope([])
            lines = [f"return {self.condition(scope)}"]
            self._define(f"seen{number}", [], (BOOL,), lines, ["@sometimes"])
            self.made.witnesses.append(f"seen{number}")
        witness = self.chance.choice(("", "witness=seen1"))
        self._define(
            "settled", [], (BOOL,), ["return s.turn < 2 or s.turn == 2"], ["@invariant()"]
        )
        for number in (1, 2, 3)[: self.chance.choice((1, 2, 3))]:
            kinds = [k for k in self.schema.kinds() if k.what != "int"]
            parameters = self._parameters(kinds, (0, 1, 1, 2))
            scope = self._scope(parameters)
            body = Body((BOOL,), guards=False)
            lines = self.refuse(scope, body) if self.often(0.2) else []
            test = self.condition(scope)
            if self.often(0.6):
                test += f" or {self.condition(scope, 1)}"
            head = [f"@invariant({witness})"]
            typed = self._typed(parameters, False)
            self._define(f"rule{number}", typed, (BOOL,), [*lines, f"return {test}"], head)
            self.made.rules.append(f"rule{number}")
        self.made.rules.insert(0, "settled")
        if self.often(0.75):
            self._on_failure()

    def _on_failure(self) -> None:
        """A rule about refused steps: a field is as it was, or any relation of the two states."""
        fields = [
            (table, item) for table, item in self.schema.fields()
            if item.kind.what != "set" and not item.constant
        ]
        data = [(table, item) for table, item in fields if item.kind.what == "sort"]
        table, item = self.chance.choice([*fields, *data * 2])
        scope = self._scope([], ("before", "s"))
        if self.often(0.3):
            test = self.condition(scope)
        elif table is None:
            test = f"before.{item.name} == s.{item.name}"
        else:
            same = f"s.{table.name}[x.id].{item.name} == x.{item.name}"
            test = f"all({same} for x in before.{table.name})"
        self._define(
            "refused", [], (BOOL,), [f"return {test}"], ["@on_failure()"],
            "before: Whole, s: Whole",
        )
        self.made.rules.append("refused")

    def _variant(self) -> Lines:
        """A variant with another text of an action."""
        name = self.chance.choice([name for name in self.made.actions if name.startswith("act")])
        parameters, returns, fault = self.actions[name]
        self.made.lines = []
        lines = self._acts(parameters, returns, fault)
        head = [f"@overrides({name})"]
        self._define("other", self._typed(parameters, fault), returns, lines, head)
        return [*self.made.lines, "VARIANT = variant_of('random', 'other', other)"]

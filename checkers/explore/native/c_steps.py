"""Actions as loops over their parameters, and rules as loops over theirs.

The guards with which an action begins are tested as far out as they can be, so that most parameters
never come to a run. Each run is then the whole action; a jump out of it comes back into the loops,
whose counters are therefore in the run and not in locals.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Final

from checkers.explore.native.c_functions import CFunctions, Scope
from checkers.explore.native.c_lines import Code
from checkers.frontend import tree as t
from checkers.frontend.failing import Known, may_fail, some
from checkers.frontend.parse import Parser
from spec.language.layout import IdT, ValueT
from spec.language.program import Linked, Program

MOST_LOCALS: Final = 32
"""Those of guards that a run has room for: `MOST_LOCALS` of runtime.h."""


@dataclass
class _Guards:
    """Lines, and what is known behind them, by how many parameters must have a value."""

    levels: dict[str, int]
    known: list[tuple[int, t.Expr]]
    lines: list[tuple[int, str]] = field(default_factory=list)
    locals: int = 0

    def known_at(self, level: int) -> Known:
        """What is known behind the guards of this level: those of inner loops come later."""
        return tuple(item for at, item in self.known if at <= level)


class CSteps:
    """Writes actions and rules after the functions that they call."""

    def __init__(self, program: Program, parser: Parser, functions: CFunctions) -> None:
        self.program = program
        self.parser = parser
        self.functions = functions
        self.out = Code()

    # actions

    def action(self, number: int, rule: Linked) -> None:
        """The loops of an action."""
        tree = self.parser.function(rule.function)
        name = self.functions.name(tree)
        guards = self._guards(rule, tree)
        given = ["x", "s", *(f"x->p[{n}]" for n in range(len(rule.parameters)))]
        run = f"{name}({', '.join(given)})"
        ends = f"{run}; ended(x, 0);" if isinstance(tree.returns, t.NoneT) else f"ended(x, {run});"
        may_fail_ = int(rule.fault and self.functions.effects.host_calls(tree) > 0)
        with self.out.block(f"static void expand_{number}(run *x)"):
            count = len(rule.parameters)
            self.out.line(f'_Static_assert({count} <= MOST_PARAMETERS, "too many parameters");')
            self.out.line("state *s = &x->now;")
            self.out.line("landing frame;")
            self.out.line("x->escape = &frame;")
            self.out.line("if (LAND(frame)) { stopped(x); goto after; }")
            with ExitStack() as loops:
                self._level(guards, 0)
                for place, item in enumerate(rule.parameters):
                    loops.enter_context(self.out.block(self._loop(f"x->p[{place}]", item.type)))
                    self._level(guards, place + 1)
                self._runs(ends, may_fail_)
        self.out.line()

    def _runs(self, ends: str, may_fail_: int) -> None:
        """The runs with given parameters: one, or one for each choice and each failing call."""
        if not may_fail_ and not self.functions.state.renamed.tables:
            self.out.line(ends)
            self.out.line("after: settle(x);")
            return
        self.out.line("begin(x);")
        with self.out.block("do", f"}} while (more(x, {may_fail_}) && !x->failed);"):
            self.out.line(ends)
            self.out.line("after:;")

    def _level(self, guards: _Guards, level: int) -> None:
        for own, text in guards.lines:
            if own == level:
                self.out.line(text)

    def _loop(self, name: str, kind: ValueT) -> str:
        """The head of a loop over all values of a parameter."""
        values = list(self.program.layout.domain(kind))
        if not values:
            return f"for ({name} = 0; {name} < 0; {name}++)"
        steady = values == list(range(values[0], values[-1] + 1))
        loop = f"for ({name} = {values[0]}; {name} <= {values[-1]}; {name}++)"
        if steady:
            return loop
        tests = " || ".join(f"{name} == {value}" for value in values)
        return f"{loop} if ({tests})"

    def _guards(self, rule: Linked, tree: t.Function) -> _Guards:
        """The guards that come first and can neither fail nor write."""
        plain = [item.name for item in rule.parameters]
        names = {name: f"x->p[{place}]" for place, name in enumerate(plain)}
        kinds = dict(tree.parameters)
        known: list[tuple[int, t.Expr]] = [
            (place, t.Local(item.name, kinds[item.name]))
            for place, item in enumerate(rule.parameters, 1) if isinstance(item.type, IdT)
        ]
        guards = _Guards({name: place + 1 for place, name in enumerate(plain)}, known)
        scope = Scope(("s",), names)
        for node in tree.body:
            if not self._leading(node, scope, guards):
                break
        return guards

    def _leading(self, node: t.Stmt, scope: Scope, guards: _Guards) -> bool:
        """Take a statement among the first guards; false if it is none of them."""
        match node:
            case t.Guard("require", test):
                level = self._depth(test, guards)
                if level is None:
                    return False
                text = self.functions.expression(test, scope)
                after = "continue" if level else "return"
                guards.lines.append((level, f"if (!{text}) {after};"))
                guards.known += [(level, item) for item in some(test, True)]
                return True
            case t.Assign((name,), value):
                level = self._depth(value, guards)
                if level is None or name in scope.names or guards.locals >= MOST_LOCALS:
                    return False
                place = f"x->h[{guards.locals}]"
                guards.locals += 1
                text = self.functions.expression(value, scope)
                guards.lines.append((level, f"{place} = {text};"))
                scope.names[name] = place
                guards.levels[name] = level
                return True
            case t.Do(call) if _only_guards(call.function):
                return self._inlined(call, scope, guards)
        return False

    def _inlined(self, call: t.Call, scope: Scope, guards: _Guards) -> bool:
        """Take the guards of a function that has nothing else, if its arguments are names."""
        names = dict[str, str]()
        known = [(at, item) for at, item in guards.known if not _has_locals(item)]
        inside = _Guards(dict(guards.levels), known)
        for (name, kind), given in zip(call.function.parameters, call.arguments, strict=True):
            if isinstance(kind, t.StateT | t.FaultT):
                continue
            if not isinstance(given, t.Local):
                return False
            names[name] = scope.names[given.name]
            inside.levels[name] = guards.levels[given.name]
            own = t.Local(name, kind)
            inside.known += [(at, own) for at, item in guards.known if item == given]
        for node in call.function.body:
            if not self._leading(node, Scope(scope.states, names), inside):
                return False
        guards.lines += inside.lines
        return True

    def _draws(self, thing: object) -> bool:
        """Whether a row is drawn of which there may be others: that is done in a run."""
        return bool(self.functions.state.renamed.tables) and any(
            (isinstance(node, t.Quantified) and node.relaxed)
            or (isinstance(node, t.Call) and self._draws(node.function.body))
            for node in t.nodes(thing)
        )

    def _depth(self, expr: t.Expr, guards: _Guards) -> int | None:
        """How many parameters must have a value for it; None if it may fail, write or draw."""
        effects = self.functions.effects
        if self._draws(expr) or effects.changes(expr):
            return None
        names = {node.name for node in t.nodes(expr) if isinstance(node, t.Local)}
        least = max((guards.levels.get(name, 0) for name in names), default=0)
        for level in range(least, max(guards.levels.values(), default=0) + 1):
            if not may_fail(expr, guards.known_at(level), effects.fails):
                return level
        return None

    # rules

    def rule(self, name: str, rule: Linked) -> int:
        """A rule as a function of two states (the same if it is about one); what it reads.

        One that reads nothing has a bit all the same: an initial state counts as written all over.
        """
        tree = self.parser.function(rule.function)
        called = self.functions.name(tree)
        states = ["s", "after"][: sum(isinstance(kind, t.StateT) for _, kind in tree.parameters)]
        given = [f"p{place}" for place in range(len(rule.parameters))]
        with self.out.block(f"static int {name}(run *x, state *s, state *after)"):
            self.out.line("(void)after;")
            with ExitStack() as loops:
                for text, item in zip(given, rule.parameters, strict=True):
                    head = self._loop(text, item.type).replace("for (", "for (int ", 1)
                    loops.enter_context(self.out.block(head))
                self.out.line(f"if (!{called}({', '.join(['x', *states, *given])})) return 0;")
            self.out.line("return 1;")
        self.out.line()
        mask = 0
        for column in self.functions.effects.columns_read(tree):
            mask |= self.functions.state.mask(column)
        return mask or 1

    def table(self, kind: str, rows: Sequence[tuple[str, int]]) -> None:
        """An array of rules with what they read."""
        texts = ", ".join(f"{{{name}, UINT64_C({hex(mask)})}}" for name, mask in rows)
        self.out.line(f"static const rule_text {kind}[] = {{{texts or '{NULL, 0}'}}};")


def _only_guards(function: t.Function) -> bool:
    return function.host is None and all(
        isinstance(node, t.Guard) and node.op == "require" for node in function.body
    )


def _has_locals(expr: t.Expr) -> bool:
    return any(isinstance(node, t.Local) for node in t.nodes(expr))

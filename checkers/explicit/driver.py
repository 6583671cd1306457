"""The generated loop that makes all successors of a list of states.

For each action: loops over its parameters, its first guards as far out as they can be evaluated, on
the frozen state; for what is enabled a copy, the step, and the look-up of the result.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from checkers.explicit.code import Code, literal
from checkers.explicit.instances import FAULTS, Instances, Numbering
from checkers.explicit.lower import DISABLED, Lowering, nonzero
from checkers.explicit.scope import SOME, Buffer, Scope, is_nonzero, walk
from checkers.explicit.symmetry import Exchange, renaming
from checkers.explicit.writer import Writer
from checkers.frontend import tree as t

STATE: Final = Buffer("t", "s")
ARGUMENTS: Final = (
    "level, i, index, fresh, parents, codes, fired, cut, crash, broken, degrees, targets"
)

Expand = Callable[..., None]
"""Called with ARGUMENTS: the states and the number of the first; where states, new ones, parents
and instances are kept; how often each action fired; what to call when one is cut or crashes or
breaks a rule about failures; of the teardown steps, how many leave each state, and the `id` of the
state each leads to (a state is kept once, so its `id` is as good as its number)."""


UNROLLED: Final = 4
"""A parameter with at most so many values is written out, ..."""

WRITTEN_OUT: Final = 64
"""... while this makes at most so many copies of an action."""


@dataclass
class _Plan:
    """An action's first statements, as lines by the number of parameters that must be bound.

    `never`: a guard is false with the literals given. `known` are texts that are not 0 afterwards.
    """

    skip: int = 0
    levels: dict[str, int] = field(default_factory=dict)
    lines: list[tuple[int, str]] = field(default_factory=list)
    never: bool = False


@dataclass(frozen=True)
class Options:
    """What the loop does besides: renaming, failure rules, edges of these actions."""

    symmetries: tuple[Exchange, ...] = ()
    failures: bool = False
    edges: frozenset[str] = frozenset()


def expander(lowering: Lowering, instances: Instances, options: Options) -> Expand:
    """Generate the loop of a program."""
    out = Writer()
    lowering.space["renaming"] = renaming
    with out.block(f"def expand({ARGUMENTS})"):
        out.line("add, keep = fresh.append, index.setdefault")
        out.line("parent, instance = parents.append, codes.append")
        if options.edges:
            out.line("target, edge = targets.append, degrees.append")
        out.line("F = FAULT")
        count = len(instances.actions)
        for number in range(count):
            out.line(f"n{number} = 0")
        with out.block("for s in level"):
            out.line("t = tuple(s)")
            if options.edges:
                out.line("o = 0")
            for number, action in enumerate(instances.actions):
                _Action(lowering, options, out, number, action).write()
            if options.edges:
                out.line("edge(o)")
            out.line("i += 1")
        for number in range(count):
            out.line(f"fired[{number}] += n{number}")
    return lowering.compile(out.text(), "expand")


class _Action:
    def __init__(
        self, lowering: Lowering, options: Options, out: Writer, number: int, action: Numbering
    ) -> None:
        self.lowering, self.options, self.out = lowering, options, out
        self.number, self.action, self.rule = number, action, action.rule
        self.tree = lowering.tree(action.rule)
        self.names = [item.name for item in self.rule.parameters]
        self.literals: dict[str, Code] = {}
        self.domains = [tuple(lowering.program.layout.domain(x.type)) for x in self.rule.parameters]
        assigned = {name for node in walk(self.tree.body) for name in _targets(node)}
        self.fixed, copies = set[str](), 1
        for name, domain in zip(self.names, self.domains, strict=True):
            copies *= len(domain)
            if len(domain) <= UNROLLED and copies <= WRITTEN_OUT and name not in assigned:
                self.fixed.add(name)

    def write(self) -> None:
        """Loops, guards, and the step inside."""
        self._level(0, ())

    def _level(self, depth: int, done: tuple[int, ...]) -> None:
        """The guards that can be evaluated with `depth` parameters bound, then the next loop."""
        self.plan = plan = self._plan()
        due = [n for n, (level, _) in enumerate(plan.lines) if level <= depth and n not in done]
        if plan.never:
            return
        texts = [plan.lines[n][1] for n in due]
        written = [n for n in due if plan.lines[n][1]]
        self._lines([text for text in texts if text], depth, (*done, *written))

    def _lines(self, texts: list[str], depth: int, done: tuple[int, ...]) -> None:
        if not texts:
            self._next(depth, done)
        elif texts[0].startswith("if "):
            with self.out.block(texts[0]):
                self._lines(texts[1:], depth, done)
        else:
            self.out.line(texts[0])
            self._lines(texts[1:], depth, done)

    def _next(self, depth: int, done: tuple[int, ...]) -> None:
        if depth == len(self.names):
            self._enabled()
            return
        name = self.names[depth]
        if name not in self.fixed:
            with self.out.block(f"for v_{name} in {self.domains[depth]}"):
                self._level(depth + 1, done)
            return
        for value in self.domains[depth]:
            self.literals[name] = literal(value)
            self._level(depth + 1, done)
            del self.literals[name]

    def _enabled(self) -> None:
        given = [self.literals[n].value if n in self.literals else None for n in self.names]
        known = nonzero(self.rule)
        self.lowered = self.lowering.step(self.rule, self.plan.skip, tuple(
            SOME if value is None and f"v_{name}" in known else value
            for name, value in zip(self.names, given, strict=True)
        ))
        self.arguments = [f"v_{n}" for n in self.names if n not in self.literals]
        if self.rule.fault:
            self._faults()
        else:
            self._step()

    def _plan(self) -> _Plan:
        """Take the guards, and the locals they need, while they can neither fail nor change."""
        levels = {f"v_{name}": depth for depth, name in enumerate(self.names, start=1)}
        plan = _Plan(levels=levels)
        scope = Scope((STATE,), dict(self.literals), nonzero(self.rule))
        for node in self.tree.body:
            after = self._leading(node, scope, plan)
            if after is None:
                break
            scope = after
            plan.skip += 1
        return self._useful(plan)

    def _leading(self, node: t.Stmt, scope: Scope, plan: _Plan) -> Scope | None:
        if isinstance(node, t.Guard) and node.op == "require":
            return self._guards((node,), scope, plan)
        if isinstance(node, t.Do) and only_guards(node.call.function):
            function = node.call.function
            inside = self.lowering.entered(function, node.call.arguments, scope)
            after = self._guards(function.body, inside, plan) if inside else None
            return replace(scope, known=after.known) if after else None
        if isinstance(node, t.Assign) and len(node.names) == 1:
            return self._local(node.names[0], node.value, scope, plan)
        return None

    def _local(self, name: str, value: t.Expr, scope: Scope, plan: _Plan) -> Scope | None:
        code = self.lowering.expression(value, scope)
        local = f"v_{name}"
        if not code.pure or local in plan.levels:
            return None
        plan.levels[local] = self._depth(value, code, plan, scope)
        plan.lines.append((plan.levels[local], f"{local} = {code.text}"))
        known = {local} if is_nonzero(code, scope) else set()
        return replace(scope, known=scope.known | known)

    def _guards(self, nodes: Sequence[t.Stmt], scope: Scope, plan: _Plan) -> Scope | None:
        """Take these `require`s; None if they could fail otherwise than by being false."""
        lines = []
        for node in nodes:
            if not isinstance(node, t.Guard):
                return None
            code = self.lowering.expression(node.test, scope)
            if not code.pure:
                return None
            plan.never |= code.value == 0
            text = "" if code.value is not None else f"if {code.text}"
            lines.append((self._depth(node.test, code, plan, scope), text))
            scope = scope.after(code, True)
        plan.lines += lines
        return scope

    def _depth(self, node: t.Expr, code: Code, plan: _Plan, scope: Scope) -> int:
        """How many parameters it needs; not before the others, if it fails without their truth."""
        alone = self.lowering.expression(node, replace(scope, known=nonzero(self.rule)))
        depths = [plan.levels.get(name, 0) for name in re.findall(r"\bv_\w+", code.text)]
        if not alone.pure:
            depths += [level for level, _ in plan.lines]
        return max(depths, default=0)

    def _useful(self, plan: _Plan) -> _Plan:
        """Locals that no guard reads are left to the step."""
        guards = " ".join(text for _, text in plan.lines)

        def read(text: str) -> bool:
            return text[:3] == "if " or len(re.findall(rf"\b{text.split(' ')[0]}\b", guards)) > 1

        plan.lines = [(level, text if text and read(text) else "") for level, text in plan.lines]
        return plan

    def _faults(self) -> None:
        """The step without a failure, then once for each host call it made, failing that one."""
        self.out.line("f = calls = 0")
        with self.out.block("while f <= calls"):
            self.out.line("F[0] = f")
            self._step()
            with self.out.block("if not f"):
                self.out.line("calls = -F[0]")
                self.out.line(f"if calls >= {FAULTS}: raise OverflowError('too many host calls')")
            self.out.line("f += 1")

    def _step(self) -> None:
        out = self.out
        out.line("c = bytearray(s)")
        with out.block("try"):
            out.line(f"r = {self.lowered.name}({', '.join(['c', *self.arguments])})")
        with out.block("except Disabled"):
            pass
        with out.block("except Cut as e"):
            out.line("cut(e.bound)")
        with out.block("except Crash as e"):
            out.line(f"n{self.number} += 1")
            out.line(f"crash(i, {self._code()}, e.why)")
        if self._guarded():
            with out.block("else"), out.block(f"if r != {DISABLED}"):
                self._successor()
        else:
            with out.block("else"):
                self._successor()

    def _guarded(self) -> bool:
        """Whether a guard may be false once the step has begun, in this text or what it calls."""
        return _has_require(self.tree.body[self.plan.skip:], set())

    def _code(self) -> str:
        names = [self.literals[n].text if n in self.literals else f"v_{n}" for n in self.names]
        return self.action.text(names, "f" if self.rule.fault else "")

    def _successor(self) -> None:
        out = self.out
        out.line(f"n{self.number} += 1")
        out.line("k = bytes(c)")
        if self.options.failures and not isinstance(self.tree.returns, t.NoneT):
            with out.block("if r and not failure_holds(s, c)"):
                out.line(f"broken(i, {self._code()}, s, k)")
        for symmetry in self.options.symmetries:
            if symmetry.changed_by(self.tree):
                symmetry.write(out)
        if self.rule.name in self.options.edges:
            out.line("d = keep(k, k)")
            with out.block("if d is k"):
                self._new()
            with out.block("if d is not s and not f" if self.rule.fault else "if d is not s"):
                out.line("target(id(d)); o += 1")
        else:
            with out.block("if keep(k, k) is k"):
                self._new()

    def _new(self) -> None:
        out = self.out
        out.line("add(k); parent(i)")
        out.line(f"instance({self._code()})")


def only_guards(function: t.Function) -> bool:
    """The function is nothing but `require`s."""
    return function.host is None and all(
        isinstance(node, t.Guard) and node.op == "require" for node in function.body
    )


def _has_require(body: tuple[t.Stmt, ...], seen: set[t.Function]) -> bool:
    for node in t.nodes(body):
        if isinstance(node, t.Guard) and node.op == "require":
            return True
        if isinstance(node, t.Call) and node.function not in seen:
            seen.add(node.function)
            if _has_require(node.function.body, seen):
                return True
    return False


def _targets(node: object) -> tuple[str, ...]:
    if isinstance(node, t.Assign):
        return node.names
    return (node.name,) if isinstance(node, t.For) else ()

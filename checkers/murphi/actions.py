"""Actions as Murphi rules, one for each combination of their parameters and the failing host call.

A rule is enabled if its action, run on a copy of the state, comes to its end; then the state
becomes the copy. A fault that no call consumes disables it. A failed check is an error of the model
checker, and so is a step that reported an error and broke what is said of those.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from checkers.frontend import tree as t
from checkers.frontend.parse import Parser
from checkers.murphi.identifiers import Names
from checkers.murphi.lines import Lines
from checkers.murphi.ranges import Types
from checkers.murphi.routines import Functions
from spec.language.program import Linked, Parameter

FAULTS: Final = 24
"""Only so many host calls of an action are failed; that one makes more is an error of the model."""


@dataclass(frozen=True)
class Head:
    """What a rule and the function that says whether it is enabled have in common.

    `domains` are the ranges of the parameters by name, the fault among them if `fault` names it.
    """

    tree: t.Function
    domains: dict[str, str]
    members: list[str]
    fault: str
    faults: int
    run: str
    result: str
    declared: list[str]
    body: list[str]


class Rules:
    """Writes the rules of a program."""

    def __init__(
        self, types: Types, functions: Functions, parser: Parser, refusals: list[Linked]
    ) -> None:
        self.types = types
        self.functions = functions
        self.parser = parser
        self.refusals = refusals
        self.out = Lines()

    def write(self, rule: Linked) -> None:
        """The function that says whether an action is enabled, and the rule."""
        head = self._head(rule)
        enabled = self.types.names.give(f"{rule.name}_enabled")
        self._enabled(enabled, head)
        guard = " & ".join([*head.members, f"{enabled}({', '.join(head.domains)})"])
        out = self.out
        if head.domains:
            pairs = (f"{name}: {domain}" for name, domain in head.domains.items())
            out.line(f"ruleset {'; '.join(pairs)} do")
        out.lines([f'rule "{rule.name}" {guard} ==>', "var", *(f"  {x};" for x in head.declared)])
        with out.block("begin", "end;"):
            out.cells(head.body)
            if head.result:
                self._refusal(head)
            out.line(f"{self.types.now} := {head.run}.s;")
        out.lines([*(["endruleset;"] if head.domains else []), ""])

    def _head(self, rule: Linked) -> Head:
        tree = self.parser.function(rule.function)
        names = Names(self.types.names)
        given = {names.give(item.name): item for item in rule.parameters}
        domains = {name: self.types.domain(item.type) for name, item in given.items()}
        members = [self.types.member(name, item.type) for name, item in given.items()]
        faults = min(FAULTS, self.functions.effects.host_calls(tree)) if rule.fault else 0
        fault = names.give("fault") if faults else ""
        run = names.give("run")
        result = "" if isinstance(tree.returns, t.NoneT) else names.give("result")
        declared = [f"{run}: {self.types.run}"]
        declared += [f"{result}: {self.types.of(tree.returns)}"] if result else []
        call = f"{self.functions.name(tree)}({', '.join([run, *given])})"
        body = [
            f"{run}.s := {self.types.now}", f"{run}.going := true", f"{run}.left := {fault or 0}",
            f"{result} := {call}" if result else call,
        ]  # fmt: skip
        domains |= {fault: f"0..{faults}"} if fault else {}
        return Head(
            tree, domains, [*filter(None, members)], fault, faults, run, result, declared, body
        )

    def _enabled(self, name: str, head: Head) -> None:
        out = self.functions.text
        parameters = "; ".join(f"{name}: {domain}" for name, domain in head.domains.items())
        out.lines([f"function {name}({parameters}): boolean;", "var"])
        out.cells(f"  {item}" for item in head.declared)
        with out.block("begin", "end;"):
            out.cells(head.body)
            out.lines(self._end(head))
        out.line()

    def _end(self, head: Head) -> list[str]:
        """Whether the action came to its end, and the fault was consumed."""
        run, fault, faults = head.run, head.fault, head.faults
        if not fault:
            return [f"return {run}.going;"]
        lines = []
        if self.functions.effects.host_calls(head.tree) > faults:
            why = f"more than {faults} host calls: the model needs more faults"
            lines = [f'if {fault} = 0 & {run}.left < -{faults} then error "{why}"; endif;']
        return [*lines, f"return {run}.going & ({fault} = 0 | {run}.left <= 0);"]

    # what must hold

    def _refusal(self, head: Head) -> None:
        """After a step that reported an error: what is said of those."""
        for rule in self.refusals:
            text = self.always(rule, self.types.now, f"{head.run}.s")
            self.out.line(f'if {head.result} != 0 & !{text} then error "{rule.name}"; endif;')

    def always(self, rule: Linked, *states: str) -> str:
        """A predicate of states for all values of its further parameters."""
        names = Names(self.types.names)
        given = [names.give(item.name) for item in rule.parameters]
        name = self.functions.name(self.parser.function(rule.function))
        text = f"{name}({', '.join([*states, *given])})"
        for variable, item in reversed(list(zip(given, rule.parameters, strict=True))):
            text = self._for_all(variable, item, text)
        return text

    def _for_all(self, variable: str, item: Parameter, text: str) -> str:
        member = self.types.member(variable, item.type)
        inside = f"(!{member} | {text})" if member else text
        return f"(forall {variable}: {self.types.domain(item.type)} do {inside} endforall)"

"""A program as the prover sees it: conjuncts of its invariants, instances of its actions."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import z3

from checkers.frontend.expressions import Env
from checkers.frontend.ir import Node, variables
from checkers.frontend.merge import Merger, Step
from checkers.symbolic.row_order import alike, orders
from checkers.symbolic.terms import Z3, Terms
from spec.language.layout import BoolT, EnumT, IdT, IntT, SortT
from spec.language.program import Linked, Program
from spec.language.types import Sort

INSTANCES = 64
"""More combinations of an action's parameters than this are left to the solver, last ones first."""

Given = tuple[int | None, ...]

Case = tuple[tuple[Node, int], ...]
"""Variables of the state before a step, and what they are in the states of this case."""


@dataclass(frozen=True)
class Conjunct:
    """One instance of an invariant; `binding` has None for data, which stays symbolic."""

    rule: str
    binding: Given
    parameters: tuple[Node, ...]
    node: Node


class System:
    """The merged parts of a program, built when first asked for.

    If `relaxed`, allocation takes any free row, and `order` has pairs of nodes of which the first
    may be assumed to be no less than the second: rows that are alike, sorted. `case` is what is
    assumed of the state beside the invariants: nothing, but in a system that `under` gives.
    `enabled` are the actions that are known to be possible.
    """

    case: Case = ()

    def __init__(self, program: Program, relaxed: bool = False) -> None:
        self.program = program
        self.relaxed = relaxed
        rows = alike(program) if relaxed else {}
        self.merger = Merger(program, relaxed, self.possible if relaxed else None, rows)
        cells = self.merger.cells
        self.order = [
            (cells.of(column, low), cells.of(column, high))
            for column, low, high in orders(program, rows)
        ]
        self.graph = self.merger.graph
        self.state = self.merger.state()
        self._asked: Terms | None = None
        self.enabled: set[str] = set()
        kinds = {item.name: item.kind for item in program.machine.invariants}
        self.always = [name for name in program.invariants if kinds[name] == "always"]
        self.on_failure = [name for name in program.invariants if kinds[name] == "on-failure"]
        self.conjuncts = self.instances(self.state)

    def own(self, case: Case) -> Case:
        """A case of this graph: its variables go by their names.

        A task may come from another process, and nodes of another graph are not those of this one.
        """
        nodes = {node.value: node for node in self.state}
        return tuple((nodes[x.value], n) for x, n in case)

    def under(self, case: Case) -> System:
        """The same program from the states of one case only."""
        found = copy.copy(self)
        found.case = case
        found.state = {**self.state, **{x: self.graph.const(n, x.type) for x, n in case}}
        found.conjuncts = found.instances(found.state)
        return found

    def weight(self, rule: Linked) -> int:
        """How many calls of the host are in the text of an action."""
        return self.merger.weight(self.merger.parser.function(rule.function))

    def possible(self, condition: Node) -> bool:
        """Whether values of the variables may make a condition true, invariants or not.

        If none may, what is reached under it is reached in no state, and is not merged.
        """
        if self._asked is None:
            self._asked = Terms(self.program.layout, self.carriers(self.parameters()))
        terms = self._asked
        solver = z3.SolverFor("QF_FD", ctx=terms.ctx)
        solver.add(*terms.terms([condition]), *terms.all_typed(variables([condition])))
        assert not terms.short()
        return str(solver.check()) != "unsat"

    def instances(self, env: Env, after: Env | None = None) -> list[Conjunct]:
        """Every conjunct, of `env` or of the state `after` a step from it."""
        found = []
        for name in self.always:
            rule = self.program.invariants[name]
            for binding in self._bindings(rule):
                given = tuple(self.merger.bind(rule, binding, f"{name}."))
                if after is None:
                    node = self.merger.predicate(rule, env, given=given)
                else:
                    node = self.merger.predicate_after(rule, env, after, given)
                found.append(Conjunct(name, binding, given, node))
        return found

    def refusals(self, step: Step, names: Iterable[str]) -> list[Conjunct]:
        """What rules of refusals ask of a step: if it reports an error, then this."""
        fails = self.graph.not_(self.graph.eq(step.result, self.graph.zero(step.result)))
        after, found = self.after(step), []
        for name in names:
            rule = self.program.invariants[name]
            for binding in self._bindings(rule):
                given = tuple(self.merger.bind(rule, binding, f"{name}."))
                holds = self.merger.predicate(rule, self.state, after, given=given)
                node = self.graph.or_(self.graph.not_(fails), holds)
                found.append(Conjunct(name, binding, given, node))
        return found

    def _bindings(self, rule: Linked) -> Iterable[Given]:
        domains = [
            (None,) if isinstance(item.type, SortT) else self.program.layout.domain(item.type)
            for item in rule.parameters
        ]
        return itertools.product(*domains)

    def hypotheses(self, extra: Sequence[Node] = ()) -> list[Node]:
        """What may be assumed of a state: every conjunct, for data those at hand and `extra`."""
        found = []
        for conjunct in self.conjuncts:
            rule = self.program.invariants[conjunct.rule]
            open_ = [isinstance(item.type, SortT) for item in rule.parameters]
            if not any(open_):
                found.append(conjunct.node)
                continue
            choices = [
                [n for n in (*self.state, *extra) if n.type == node.type] if free else [node]
                for node, free in zip(conjunct.parameters, open_, strict=True)
            ]
            for given in itertools.product(*choices):
                nulls = [
                    self.graph.eq(x, self.graph.const(0, x.type))
                    for x, free in zip(given, open_, strict=True) if free
                ]
                here = self.merger.predicate(rule, self.state, given=given)
                found.append(self.graph.or_(self.graph.any_of(nulls), here))
        return found

    def action_instances(self, rule: Linked) -> list[Given]:
        """The bindings to take one by one: small parameters by value, the others symbolic."""
        found: list[Given] = [()]
        for item in rule.parameters:
            small = isinstance(item.type, BoolT | EnumT | IdT)
            domain = self.program.layout.domain(item.type) if small else (None,)
            if len(found) * len(domain) > INSTANCES:
                domain = (None,)
            found = [(*given, value) for given in found for value in domain]
        return found

    def after(self, step: Step) -> Env:
        """The state after a step, in terms of the state before it."""
        return {**self.state, **step.next}

    def carriers(self, extra: Iterable[Node] = ()) -> dict[type[Sort], int]:
        """For each data sort so many values that more change nothing.

        Data are only compared for being equal, so a formula that some values satisfy is satisfied
        by any others that are equal and different alike: as many as it has variables, beside null
        and the constants 1, 2, ... that it names. Constants of records may be named by any formula.
        `Terms.short` holds every formula against this.
        """
        found = dict(self._constants())
        for node in {*self.state, *extra, *self._parameters()}:
            if isinstance(node.type, SortT):
                found[node.type.cls] = found.get(node.type.cls, 0) + 1
        return found

    def _constants(self) -> dict[type[Sort], int]:
        """The largest constant of each data sort in a record."""
        found: dict[type[Sort], int] = {}
        for column in self.program.layout.columns():
            if isinstance(column.type, SortT) and column.constants is not None:
                cls = column.type.cls
                found[cls] = max(found.get(cls, 0), *map(int, column.constants))
        return found

    def _parameters(self) -> list[Node]:
        return [node for conjunct in self.conjuncts for node in conjunct.parameters]

    def parameters(self) -> list[Node]:
        """The parameters of all actions and of `init`, each as a variable."""
        rules = (*self.program.actions, self.program.init)
        return [node for rule in rules for node in self.merger.bind(rule, (), f"{rule.name}.")]

    def explored(self) -> dict[type[Sort], int]:
        """The carriers of the bounds."""
        kinds: set[type[Sort]] = set()
        for column in self.program.layout.columns():
            if isinstance(column.type, SortT):
                kinds.add(column.type.cls)
        for rule in (self.program.init, *self.program.actions, *self.program.invariants.values()):
            kinds |= {x.type.cls for x in rule.parameters if isinstance(x.type, SortT)}
        return {cls: self.program.layout.carrier(cls) for cls in kinds}


class Reader:
    """Reads states and parameters off a model; data values are numbered as they come."""

    def __init__(self, system: System, model: Z3, renumber: bool = True) -> None:
        self.system = system
        self.model = model
        self.renumber = renumber
        self.names: dict[type[Sort], dict[int, int]] = {}

    def value(self, node: Node, terms: Terms) -> int:
        """The value of a node; 0 where the model does not care."""
        if node.op == "const":
            return int(node.value)
        found = self.model.eval(terms.term(node), model_completion=True)
        signed = isinstance(node.type, IntT) and node.type.lo < 0
        if isinstance(node.type, BoolT):
            value = int(z3.is_true(found))
        else:
            value = int(found.as_signed_long() if signed else found.as_long())
        if isinstance(node.type, SortT) and self.renumber and value:
            names = self.names.setdefault(node.type.cls, {})
            return names.setdefault(value, len(names) + 1)
        return value

    def state(self, terms: Terms) -> bytes:
        """The frozen state that the state's variables stand for."""
        cells = bytearray(self.system.program.layout.size)
        for node, (column, row, element) in self.system.merger.where.items():
            value = self.value(node, terms)
            place = column.offset(row)
            if element:
                cells[place + (element - 1 >> 3)] |= value << (element - 1 & 7)
            else:
                cells[place] = value
        return bytes(cells)

    def beyond(self) -> list[str]:
        """The sorts of which the state uses more values than the bounds have."""
        carrier = self.system.program.layout.carrier
        return [cls.__name__ for cls, names in self.names.items() if len(names) > carrier(cls)]


def typed_terms(terms: Terms) -> list[Any]:
    """Well-typedness of every variable that has been translated, and what is known of counts."""
    found = terms.all_typed(variables(terms.known)) + terms.side
    return list(found)

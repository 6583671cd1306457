"""One query of a proof at a time: from any state in which the invariants hold, one step."""

from __future__ import annotations

import functools
import itertools
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import z3

from checkers.frontend.ir import Graph, Node, variables
from checkers.frontend.merge import LARGE
from checkers.frontend.merge import Step as Merged
from checkers.result import Violation
from checkers.symbolic.cases import Cases
from checkers.symbolic.states import states
from checkers.symbolic.system import Case, Conjunct, Given, Reader, System, typed_terms
from checkers.symbolic.terms import Z3, Terms
from spec.language.layout import EnumT, SortT, ValueT
from spec.language.program import Kind, Linked
from spec.language.rules import CRASH, TEARDOWN, broken_by_state
from spec.language.steps import Step, take

POSSIBLE = "every-action-possible"
"""The rule that some state in which the invariants hold enables each action, and there is one."""


@dataclass(frozen=True)
class Answer:
    """What one query said: `status` is holds, fails or unknown."""

    rule: str
    where: str
    status: str
    violation: Violation | None = None
    note: str = ""


@dataclass(frozen=True)
class Task:
    """A part of a proof by itself: the initial states, an instance of an action, the teardown."""

    kind: str
    action: str = ""
    given: Given = ()
    case: Case = ()

    def __str__(self) -> str:
        if not self.action:
            return self.kind
        values = ", ".join("*" if value is None else str(value) for value in self.given)
        where = " and ".join(f"{node.value} = {_shown(node, value)}" for node, value in self.case)
        return f"{self.action}({values})" + (f" if {where}" if where else "")


def _shown(node: Node, value: int) -> str:
    return node.type.cls(value).name if isinstance(node.type, EnumT) else str(value)


class Query:
    """A solver that has assumed something; asks for what would refute a goal."""

    def __init__(self, system: System, carriers: dict[type, int], until: float) -> None:
        self.system = system
        self.terms = Terms(system.program.layout, carriers)
        self.solver = z3.SolverFor("QF_FD", ctx=self.terms.ctx)
        self.until = until
        self.asserted: list[Z3] = []

    def assume(self, nodes: Sequence[Node], goals: Sequence[Node], opaque: bool) -> None:
        """Assert nodes, and the types of everything in them and in the goals to come."""
        self.terms.opaque = opaque
        asserted = self.terms.terms(nodes[:-1])
        self.terms.opaque = False
        asserted += self.terms.terms(nodes[-1:])
        self.terms.terms(goals)
        for node, value in self.system.case:
            self.add(self.terms.term(node) == self.terms.constant(value, node.type))
        pairs = [(self.terms.term(a), self.terms.term(b)) for a, b in self.system.order]
        self.add(*typed_terms(self.terms), *asserted, *(z3.UGE(a, b) for a, b in pairs))

    def add(self, *terms: Z3) -> None:
        """Assert terms."""
        self.asserted += terms
        self.solver.add(*terms)

    def once(self, node: Node) -> str:
        """`sat`, `unsat` or `unknown`: can the node be true, asked of a solver of its own?"""
        goal = self._goal(node)
        solver = z3.SolverFor("QF_FD", ctx=self.terms.ctx)
        if self.until:
            solver.set("timeout", max(1, int((self.until - time.monotonic()) * 1000)))
        solver.add(*self.asserted, goal)
        return str(solver.check())

    def _goal(self, node: Node) -> Z3:
        goal = self.terms.term(node)
        assert not self.terms.short(), f"too few values of {self.terms.short()}"
        return goal

    def check(self, node: Node, value: bool = True) -> str:
        """`sat`, `unsat` or `unknown`: can the node have the value, after what is assumed?"""
        if self.until:
            left = int((self.until - time.monotonic()) * 1000)
            if left <= 0:
                return "unknown"
            self.solver.set("timeout", left)
        goal = self._goal(node)
        self.solver.push()
        self.solver.add(goal if value else z3.Not(goal))
        answer = str(self.solver.check())
        self.model: Z3 = self.solver.model() if answer == "sat" else None
        self.solver.pop()
        return answer


def run_task(system: System, task: Task, until: float) -> list[Answer]:
    """Everything a task asks."""
    if task.kind == "initial":
        return _initial(system, until)
    if task.kind == "teardown":
        return _teardown(system, until)
    return _Stepping(system, task, until).answers()


def tasks(system: System) -> list[Task]:
    """The parts of a proof, those with the most host calls first."""
    cases = Cases(system)
    rules = sorted(system.program.actions, key=system.weight, reverse=True)
    found = [
        Task("step", rule.name, given, case) for rule in rules for given, case in cases.of(rule)
    ]
    if system.program.rank is not None:
        found.append(Task("teardown"))
    return [*found, Task("initial")]


class _Stepping:
    """All goals about one instance of an action, from the states of one case."""

    def __init__(self, system: System, task: Task, until: float) -> None:
        self.task, self.until = task, until
        self.rule = system.program.action(task.action)
        self.system = system = _narrowed(system, self.rule, task)
        self.graph = system.graph
        self.step: Merged = system.merger.action(self.rule, task.given, before=system.state)
        after = system.after(self.step)
        self.goals: list[tuple[Conjunct, Node]] = []
        known = len(system.merger.facts)
        for before, now in zip(
            system.conjuncts, system.instances(system.state, after), strict=True
        ):
            if now.node is not before.node and now.node is not self.graph.true:
                self.goals.append((now, now.node))
        self.facts = system.merger.facts[known:]
        self.crash = self.graph.any_of(condition for condition, _ in self.step.crashes)
        self.goals += [
            (refusal, refusal.node)
            for refusal in system.refusals(self.step, system.on_failure)
            if refusal.node is not self.graph.true
        ]
        self.quick = self._query(True)

    @functools.cached_property
    def exact(self) -> Query:
        """The query in which counts are added up."""
        return self._query(False)

    def _query(self, opaque: bool) -> Query:
        goals = [self.crash, *(node for _, node in self.goals)]
        fault = [] if self.step.fault is None else [self.step.fault]
        parts = [*self.step.parameters, *fault, *self.step.next.values()]
        nodes = variables([self.step.enabled, *goals, *parts, *self.step.choices])
        query = Query(self.system, self.system.carriers(nodes), self.until)
        extra = [node for node in nodes if node not in self.system.state]
        assumed = [*self.system.hypotheses(extra), *self.step.choices, self.graph.true]
        query.assume(assumed, [*goals, self.step.enabled, *extra], opaque)
        if opaque:
            query.add(*query.terms.terms(self.facts))
        return query

    def answers(self) -> list[Answer]:
        """Crashes, conjuncts, what refusals must keep: all at once, else one by one."""
        goals = [(CRASH, self.crash), *((item.rule, node) for item, node in self.goals)]
        possible = self._possible()
        if self._all_hold():
            found = [Answer(rule, str(self.task), "holds") for rule, _ in goals]
        else:
            found = [self._ask(CRASH, (), self.crash, False)]
            self._commit()
            for conjunct, node in self.goals:
                found.append(self._ask(conjunct.rule, conjunct.binding, node, True))
        asked = {answer.rule for answer in found}
        untouched = {*self.system.always, *self.system.on_failure} - asked
        found += [Answer(rule, str(self.task), "holds") for rule in sorted(untouched)]
        return [*found, possible]

    def _possible(self) -> Answer:
        """Whether a state in which the invariants hold enables the action; asked until one does."""
        enabled = "sat"
        if self.rule.name not in self.system.enabled:
            enabled = self.quick.once(self.step.enabled)
        if enabled == "sat":
            self.system.enabled.add(self.rule.name)
        status = {"sat": "holds", "unsat": "fails"}.get(enabled, "unknown")
        return Answer(POSSIBLE, self.rule.name, status)

    def _all_hold(self) -> bool:
        """Whether nothing crashes and every goal holds, asked as one question.

        A solver that is asked once simplifies before it searches, which is ten times as fast.
        """
        g = self.graph
        broken = g.and_(self.step.enabled, g.not_(g.all_of(node for _, node in self.goals)))
        goal = g.or_(self.crash, broken)
        if self.quick.once(goal) == "unsat":
            return True
        return bool(self.quick.terms.side) and self.exact.once(goal) == "unsat"

    def _commit(self) -> None:
        for query in (self.quick, self.exact) if self.quick.terms.side else (self.quick,):
            query.solver.add(query.terms.term(self.step.enabled))

    def _ask(self, rule: str, binding: Given, node: Node, wanted: bool) -> Answer:
        status = self.quick.check(node, not wanted)
        if status == "sat":
            answer = self._counterexample(rule, binding, self.quick)
            if not self.quick.terms.side or self._real(answer):
                return answer
            status = self.exact.check(node, not wanted)
            if status == "sat":
                return self._counterexample(rule, binding, self.exact)
        return Answer(rule, str(self.task), "holds" if status == "unsat" else "unknown")

    def _real(self, answer: Answer) -> bool:
        """Whether a run shows what a query with opaque counts has found."""
        path, program = answer.violation, self.system.program
        assert path is not None
        if any(broken_by_state(program, path.initial, self.system.always)):
            return False
        outcome = take(program, path.initial, path.steps[0])
        if path.rule == CRASH:
            return outcome.kind is Kind.CRASH
        if outcome.kind is not Kind.DONE:
            return False
        rule = program.invariants[path.rule]
        if rule.states == 2:
            states = path.initial, outcome.state
            return bool(outcome.result) and not program.evaluate(
                rule, *states, values=path.binding
            )
        return not program.evaluate(rule, outcome.state, values=path.binding)

    def _counterexample(self, rule: str, binding: Given, query: Query) -> Answer:
        reader = Reader(self.system, query.model)
        state = reader.state(query.terms)
        values = tuple(reader.value(node, query.terms) for node in self.step.parameters)
        fault = 0 if self.step.fault is None else reader.value(self.step.fault, query.terms)
        outcome = self.system.program.run(self.rule, state, values, fault)
        note = "".join(f"; more values of {name} than the bounds have" for name in reader.beyond())
        if outcome.kind is not (Kind.CRASH if rule == CRASH else Kind.DONE):
            note += f"; a run of it is {outcome.kind.value}"
        violation = Violation(
            rule, state, (Step(self.rule.name, values, fault),),
            tuple(value or 0 for value in binding), outcome.why, induction=True,
        )
        return Answer(rule, str(self.task), "fails", violation, note)


def _narrowed(system: System, rule: Linked, task: Task) -> System:
    """The system from the states of a task; of a large action what is the same in all of them."""
    case = system.own(task.case)
    if system.weight(rule) >= LARGE:
        case += states(system).forced(case, system.merger.guard(rule, task.given))
    return system.under(case) if case else system


def _initial(system: System, until: float) -> list[Answer]:
    """Every invariant holds in every initial state, and init fails no check."""
    g, merger = system.graph, system.merger
    step = merger.action(system.program.init, before=merger.cleared())
    env = {**merger.cleared(), **step.next}
    goals = system.instances(env)
    crash = g.any_of(condition for condition, _ in step.crashes)
    nodes = variables([step.enabled, crash, *env.values()])
    query = Query(system, system.carriers(nodes), until)
    query.assume([g.true], [step.enabled, crash, *(goal.node for goal in goals)], False)
    found = [Answer(CRASH, "init", _status(query.check(crash)))]
    query.add(query.terms.term(step.enabled))
    for goal in goals:
        found.append(Answer(goal.rule, "init", _status(query.check(goal.node, False))))
    return found


def _teardown(system: System, until: float) -> list[Answer]:
    """Rank 0 means empty; else some teardown action, without a fault, lowers the rank."""
    g, merger, program = system.graph, system.merger, system.program
    assert program.rank is not None
    assert program.empty is not None
    rank = merger.predicate(program.rank, system.state)
    done = g.eq(rank, g.number(0))
    empty = merger.predicate(program.empty, system.state)
    helps = []
    for name in program.teardown_actions:
        rule = program.action(name)
        for values in _of_the_state(system, rule):
            step = merger.action(rule, values, 0)
            if step.choices:
                return _teardown(System(program), until)
            lower = merger.predicate_after(program.rank, system.state, system.after(step))
            given = zip(rule.parameters, step.parameters, strict=True)
            legal = g.all_of(_legal(g, item.type, node) for item, node in given)
            helps.append(g.and_(legal, g.and_(step.enabled, g.lt(lower, rank))))
    goal = g.ite(done, empty, g.any_of(helps))
    named = system.explored()
    carriers = {cls: n + named[cls] for cls, n in system.carriers().items()}
    query = Query(system, {**named, **carriers}, until)
    query.assume([*system.hypotheses(), g.true], [goal], False)
    status = _status(query.check(goal, False))
    violation = None
    if status == "fails":
        state = Reader(system, query.model).state(query.terms)
        violation = Violation(TEARDOWN, state, (), induction=True)
    return [Answer(TEARDOWN, "teardown", status, violation)]


def _of_the_state(system: System, rule: Linked) -> Iterable[tuple[int | Node, ...]]:
    """Parameters to try: of data the constants 1, 2, ... that the bounds have, and what is kept.

    Each is a value that a run with these bounds may take, and to try less proves no more.
    """
    domains: list[list[int | Node]] = []
    for item in rule.parameters:
        kind = SortT(item.type.cls) if isinstance(item.type, SortT) else None
        kept = [node for node in system.state if node.type == kind]
        domains.append([*system.program.layout.domain(item.type), *kept])
    return itertools.product(*domains)


def _legal(g: Graph, kind: ValueT, node: Node) -> Node:
    """That a node may be the value of a parameter: data are null only if the type says so."""
    if isinstance(kind, SortT) and not kind.nullable:
        return g.not_(g.eq(node, g.zero(node)))
    return g.true


def _status(answer: str) -> str:
    return {"unsat": "holds", "sat": "fails"}.get(answer, "unknown")

"""Steps one after the other in one formula: shortest counterexamples, induction over two steps."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping

import z3

from checkers.frontend.ir import Node
from checkers.frontend.merge import Step as Merged
from checkers.result import Violation
from checkers.symbolic.system import Reader, System, typed_terms
from checkers.symbolic.terms import Z3, Terms
from spec.language.program import Kind, Linked, Program
from spec.language.rules import CRASH, broken_after, broken_by_state
from spec.language.steps import Step, take
from spec.language.types import Sort


class Unrolling:
    """States 0, 1, ... and between them any action with any parameters and fault."""

    def __init__(self, system: System, carriers: Mapping[type[Sort], int], until: float) -> None:
        self.system = system
        self.carriers = carriers
        self.until = until
        self.ctx = z3.Context()
        self.solver = z3.SolverFor("QF_FD", ctx=self.ctx)
        self.rules = system.program.actions
        self.steps = [self._merged(rule) for rule in self.rules]
        self.times: list[Terms] = []
        self.chosen: list[Z3] = []
        self.bits = max(1, len(self.rules).bit_length())

    def _merged(self, rule: Linked) -> Merged:
        merger = self.system.merger
        return merger.action(rule, tuple(merger.bind(rule, (), f"{rule.name}.")))

    def _time(self) -> Terms:
        number = len(self.times)
        terms = Terms(self.system.program.layout, self.carriers, self.ctx, f"@{number}")
        terms.terms(list(self.system.state))
        self.times.append(terms)
        self.chosen.append(z3.BitVec(f"action@{number}", self.bits, self.ctx))
        return terms

    def _assert(self, terms: Terms, nodes: Iterable[Node]) -> None:
        found = terms.terms(list(nodes))
        self.solver.add(*typed_terms(terms), *found)

    def start(self) -> None:
        """State 0 is an initial one."""
        merger = self.system.merger
        begin = Terms(self.system.program.layout, self.carriers, self.ctx, "@init")
        step = merger.action(self.system.program.init, before=merger.cleared())
        env = {**merger.cleared(), **step.next}
        begin.terms(list(env.values()))
        self._assert(begin, [step.enabled])
        terms = self._time()
        self.solver.add(*typed_terms(terms))
        for node, value in env.items():
            self.solver.add(terms.term(node) == begin.fitted(value, node.type))

    def anywhere(self) -> None:
        """State 0 is any in which the invariants hold."""
        self._time()
        self.suppose()

    def suppose(self) -> None:
        """The invariants hold in the last state."""
        self._assert(self.times[-1], self.system.hypotheses())

    def extend(self) -> None:
        """One more step."""
        here, choice = self.times[-1], self.chosen[-1]
        self._assert(here, [])
        here.terms([step.enabled for step in self.steps])
        here.terms([value for step in self.steps for value in step.next.values()])
        self._parameters(here)
        self.solver.add(*typed_terms(here))
        self.solver.add(z3.Or([self._happens(here, choice, i) for i in range(len(self.steps))]))
        after = self._time()
        for node in self.system.state:
            value = here.term(node)
            for index, step in enumerate(self.steps):
                if node in step.next:
                    value = z3.If(choice == index, here.fitted(step.next[node], node.type), value)
            self.solver.add(after.term(node) == value)

    def _parameters(self, terms: Terms) -> None:
        for step in self.steps:
            terms.terms([*step.parameters, *([step.fault] if step.fault is not None else [])])

    def _happens(self, terms: Terms, choice: Z3, index: int) -> Z3:
        return z3.And(choice == index, terms.term(self.steps[index].enabled))

    def broken(self, rule: str) -> Z3:
        """That an invariant does not hold in the last state."""
        terms = self.times[-1]
        nodes = [item.node for item in self.system.conjuncts if item.rule == rule]
        holds = z3.And(*terms.terms(nodes), z3.BoolVal(True, self.ctx))
        return z3.And(z3.Not(holds), *typed_terms(terms))

    def breaking(self, rule: str) -> Z3:
        """That a further step fails a check, or is refused and breaks a rule of refusals."""
        here, choice = self.times[-1], self.chosen[-1]
        self._parameters(here)
        g, found = self.system.graph, []
        for index, step in enumerate(self.steps):
            if rule == CRASH:
                node = g.any_of(condition for condition, _ in step.crashes)
            else:
                kept = g.all_of(item.node for item in self.system.refusals(step, [rule]))
                node = g.and_(step.enabled, g.not_(kept))
            found.append(z3.And(choice == index, here.term(node)))
        return z3.And(z3.Or(found), *typed_terms(here))

    def check(self, goal: Z3) -> str:
        """`sat`, `unsat` or `unknown`."""
        if self.until:
            left = int((self.until - time.monotonic()) * 1000)
            if left <= 0:
                return "unknown"
            self.solver.set("timeout", left)
        self.solver.push()
        self.solver.add(goal)
        answer = str(self.solver.check())
        self.model: Z3 = self.solver.model() if answer == "sat" else None
        self.solver.pop()
        return answer

    def trace(self, rule: str, steps: int) -> Violation:
        """The path of the last model."""
        reader = Reader(self.system, self.model, renumber=False)
        found = []
        for number in range(steps):
            terms = self.times[number]
            index = self.model.eval(self.chosen[number], model_completion=True).as_long()
            step = self.steps[index]
            fault = 0 if step.fault is None else reader.value(step.fault, terms)
            values = tuple(reader.value(node, terms) for node in step.parameters)
            found.append(Step(step.name, values, fault))
        return Violation(rule, reader.state(self.times[0]), tuple(found))


def shortest(
    system: System, rules: set[str], depth: int, until: float
) -> tuple[dict[str, Violation], int]:
    """The shortest paths that break rules, each run to be sure; and the depth fully searched."""
    found: dict[str, Violation] = {}
    unrolling = Unrolling(system, system.explored(), until)
    unrolling.start()
    for length in range(depth + 1):
        for rule in sorted(rules - found.keys()):
            stepping = rule == CRASH or rule in system.on_failure
            if stepping and length == depth:
                continue
            goal = unrolling.breaking(rule) if stepping else unrolling.broken(rule)
            answer = unrolling.check(goal)
            if answer == "unknown":
                return found, length - 1
            if answer == "sat":
                path = unrolling.trace(rule, length + stepping)
                found[rule] = confirmed(system.program, path)
        if rules <= found.keys() or length == depth:
            break
        unrolling.extend()
    return found, depth


def two_steps(system: System, rule: str, until: float) -> str:
    """`unsat` if an invariant holds after two steps between states in which all invariants hold.

    That, and that it holds in the initial states and one step after them, is enough: the first
    state in which some rule is broken comes after two in which all hold, or is one of these. Here
    rows come in any order and `fresh` gives the first, as in a run. There are three states, and
    what each step and each rule mentions is a variable of one of them, so three times the values
    that one state with all parameters needs are as good as any number.
    """
    carriers = {cls: 3 * count for cls, count in system.carriers(system.parameters()).items()}
    unrolling = Unrolling(system, carriers, until)
    unrolling.anywhere()
    unrolling.extend()
    unrolling.suppose()
    unrolling.extend()
    answer = unrolling.check(unrolling.broken(rule))
    begun = Unrolling(system, carriers, until)
    begun.start()
    for _ in range(2):
        if answer == "unsat":
            answer = begun.check(begun.broken(rule))
            begun.extend()
    assert not any(terms.short() for terms in (*unrolling.times, *begun.times))
    return answer


def confirmed(program: Program, path: Violation) -> Violation:
    """The violation as a run of it shows it; an error of this program if it does not."""
    state, names = path.initial, (path.rule,)
    breaches = list(broken_by_state(program, state, names))
    for number, step in enumerate(path.steps, 1):
        outcome = take(program, state, step)
        crashes = path.rule == CRASH and number == len(path.steps)
        if outcome.kind is not (Kind.CRASH if crashes else Kind.DONE):
            raise AssertionError(f"{path.rule}: {step} does not run as solved: {outcome.kind}")
        breaches = list(broken_after(program, state, outcome, names))
        state = outcome.state
    if not breaches:
        raise AssertionError(f"{path.rule}: the path found does not break it")
    return Violation(path.rule, path.initial, path.steps, breaches[0].binding, breaches[0].why)

"""The states that have all the invariants: whether a case has any, and what is the same in all.

An inductive step begins in such a state, so of a case without any there is nothing to prove; and
where a variable has one value in all states that a case and a guard admit, a step may begin with
that constant: a state with another value is not enabled there, and as the guard is true wherever a
check of it fails, does not crash either. What is asked is never less than what is so: counts are
known in part only (`Terms.opaque`), invariants about data are assumed for what the state keeps, and
there are as many values of data as the state and the parameters of all actions are. An answer that
the solver does not know is taken for a state.
"""

from __future__ import annotations

import functools

import z3

from checkers.frontend.ir import Node
from checkers.symbolic.system import Case, System, typed_terms
from checkers.symbolic.terms import Z3, Terms
from spec.language.layout import SortT


@functools.lru_cache(maxsize=1)
def states(system: System) -> States:
    """The states of a system, to be asked about."""
    return States(system)


class States:
    """Asks about the states of a system in which the invariants hold."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.terms = Terms(system.program.layout, system.carriers(system.parameters()))
        self.terms.opaque = True
        self.assumed: list[Z3] = self.terms.terms(system.hypotheses())
        self.assumed += [
            z3.UGE(self.terms.term(a), self.terms.term(b)) for a, b in system.order
        ]
        self._forced: dict[tuple[Case, Node], Case] = {}

    def _solver(self, case: Case, guard: Node) -> Z3:
        asked = self.terms.term(guard)
        solver = z3.SolverFor("QF_FD", ctx=self.terms.ctx)
        solver.add(*self.assumed, *typed_terms(self.terms), asked)
        solver.add(*(self._equal(node, value) for node, value in case))
        assert not self.terms.short()
        return solver

    def _equal(self, node: Node, value: int) -> Z3:
        return self.terms.term(node) == self.terms.constant(value, node.type)

    def allow(self, case: Case) -> bool:
        """Whether some state may be in a case; none may only if the solver is sure."""
        return str(self._solver(case, self.system.graph.true).check()) != "unsat"

    def forced(self, case: Case, guard: Node) -> Case:
        """The variables that have one value in all states of a case that a guard admits.

        Values of a first state are taken for it, until no state differs in any that is left.
        """
        key = case, guard
        if key not in self._forced:
            self._forced[key] = self._same(self._solver(case, guard))
        return self._forced[key]

    def _same(self, solver: Z3) -> Case:
        left: dict[Node, int] = {}
        while (answer := str(solver.check())) == "sat":
            model = solver.model()
            values = {node: self._value(model, node) for node in left or self.system.state}
            if left:
                left = {node: n for node, n in left.items() if values[node] == n}
            else:
                left = {node: n for node, n in values.items() if not _data(node) or n == 0}
            if not left:
                break
            solver.push()
            solver.add(z3.Not(z3.And([self._equal(node, n) for node, n in left.items()])))
        return tuple(left.items()) if answer == "unsat" else ()

    def _value(self, model: Z3, node: Node) -> int:
        found = model.eval(self.terms.term(node), model_completion=True)
        if z3.is_bv(found):
            return int(found.as_long())
        return int(z3.is_true(found))


def _data(node: Node) -> bool:
    return isinstance(node.type, SortT)

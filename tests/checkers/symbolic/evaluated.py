"""The z3 terms of an action, evaluated on many states at once: by z3, or column by column.

The column evaluator walks the DAG that z3 holds, not the graph it was made of, so what it computes
is what a proof is about. z3's own evaluation is slow; it says of some samples that the
walk is right.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import z3

from checkers.frontend.ir import Node, order
from checkers.frontend.merge import Merger
from checkers.symbolic.terms import Z3, Terms
from spec.language.layout import SortT
from spec.language.program import Kind, Linked, Outcome
from spec.language.types import Sort
from tests.checkers.frontend.evaluating import evaluate

CHUNK = 256
"""Samples evaluated at a time: every node of a large action is a column of as many numbers."""

Array = np.ndarray[Any, np.dtype[np.int16]]
Apply = Callable[[dict[str, Array], list[Array], int], Array]


@dataclass(frozen=True)
class Sample:
    """One run to make: a state, an action's parameters, the failing host call."""

    state: bytes
    values: tuple[int, ...]
    fault: int


class Compiled:
    """One action as z3 terms, with the data sorts as large as the bounds make them."""

    def __init__(self, merger: Merger, rule: Linked) -> None:
        self.merger = merger
        self.step = merger.action(rule)
        layout = merger.layout
        kinds: dict[type[Sort], int] = {}
        for node in (*merger.where, *self.step.parameters):
            if isinstance(node.type, SortT):
                kinds[node.type.cls] = layout.carrier(node.type.cls)
        self.terms = Terms(layout, kinds)
        step = self.step
        self.changed = list(step.next)
        self.ends = [*step.crashes, *step.cuts]
        self.roots = [step.enabled, *(condition for condition, _ in self.ends), step.result]
        z3_roots = self.terms.terms(self.roots)
        z3_roots += [self.terms.fitted(step.next[node], node.type) for node in self.changed]
        self.z3_roots = z3_roots
        self._operations: list[tuple[Apply, tuple[int, ...]]] = []
        self._slots: list[int] = []
        self.inputs = {
            self.terms.variable(node).decl().name(): node
            for node in (*merger.where, *step.parameters, *([step.fault] if step.fault else []))
            if node.op == "var"
        }

    def run(self, samples: Sequence[Sample]) -> list[Outcome]:
        """The outcomes by columns."""
        found: list[Outcome] = []
        for begin in range(0, len(samples), CHUNK):
            part = samples[begin : begin + CHUNK]
            columns = self._columns(part)
            table = np.stack(columns, axis=1)
            found += [
                self._outcome(sample, row.tolist())
                for sample, row in zip(part, table, strict=True)
            ]
        return found

    def by_z3(self, samples: Sequence[Sample]) -> list[Outcome]:
        """The outcomes as z3 evaluates the terms."""
        ctx = self.terms.ctx
        one, none = z3.BitVecVal(1, 1, ctx), z3.BitVecVal(0, 1, ctx)
        parts = [z3.If(x, one, none) if z3.is_bool(x) else x for x in self.z3_roots]
        joined = z3.Concat(*parts)
        found = []
        for sample in samples:
            model = z3.Model(ctx)
            for node, value in self._given(sample).items():
                model.update_value(self.terms.term(node), self.terms.constant(value, node.type))
            bits = int(model.eval(joined, model_completion=True).as_long())
            values = []
            for part in reversed(parts):
                values.append(bits & ((1 << part.size()) - 1))
                bits >>= part.size()
            found.append(self._outcome(sample, values[::-1]))
        return found

    def by_graph(self, samples: Sequence[Sample]) -> list[Outcome]:
        """The outcomes as the graph says, of which the terms are made."""
        roots = [*self.roots, *(self.step.next[node] for node in self.changed)]
        nodes = order(roots)
        found = []
        for sample in samples:
            values = evaluate(nodes, self._given(sample))
            found.append(self._outcome(sample, [values[root] for root in roots]))
        return found

    def _given(self, sample: Sample) -> dict[Node, int]:
        found: dict[Node, int] = {}
        for node, (column, row, element) in self.merger.where.items():
            cell = column.offset(row)
            if element:
                found[node] = sample.state[cell + (element - 1 >> 3)] >> (element - 1 & 7) & 1
            else:
                found[node] = sample.state[cell]
        found.update(zip(self.step.parameters, sample.values, strict=True))
        if self.step.fault is not None:
            found[self.step.fault] = sample.fault
        return found

    def _outcome(self, sample: Sample, values: list[int]) -> Outcome:
        enabled, ends = values[0], values[1 : 1 + len(self.ends)]
        if enabled:
            cells = bytearray(sample.state)
            for node, value in zip(self.changed, values[2 + len(self.ends) :], strict=True):
                column, row, element = self.merger.where[node]
                place = column.offset(row)
                if element:
                    bit = 1 << (element - 1 & 7)
                    place += element - 1 >> 3
                    cells[place] = cells[place] & ~bit | (bit if value else 0)
                else:
                    cells[place] = value
            return Outcome(Kind.DONE, bytes(cells), values[1 + len(self.ends)])
        for index, hit in enumerate(ends):
            if hit:
                kind = Kind.CRASH if index < len(self.step.crashes) else Kind.CUT
                return Outcome(kind, sample.state, why=self.ends[index][1])
        return Outcome(Kind.DISABLED, sample.state)

    def _columns(self, samples: Sequence[Sample]) -> list[Array]:
        given = [self._given(sample) for sample in samples]
        inputs = {
            name: np.array([item[node] for item in given], dtype=np.int16)
            for name, node in self.inputs.items()
        }
        known: list[Array] = []
        for apply, below in self._program():
            known.append(apply(inputs, [known[index] for index in below], len(samples)))
        return [known[index] for index in self._slots]

    def _program(self) -> list[tuple[Apply, tuple[int, ...]]]:
        """One column operation for each term of the DAG, arguments first; made when first used."""
        if not self._operations:
            slots: dict[int, int] = {}
            for root in self.z3_roots:
                for term, below in _walk(root, slots):
                    self._operations.append((_operation(term), below))
            self._slots = [slots[root.get_id()] for root in self.z3_roots]
        return self._operations


def _walk(root: Z3, slots: dict[int, int]) -> Iterator[tuple[Z3, tuple[int, ...]]]:
    """The terms at and below one that have no slot yet, each with the slots of its arguments."""
    stack = [root]
    while stack:
        term = stack[-1]
        key = term.get_id()
        if key in slots:
            stack.pop()
            continue
        below = term.children()
        missing = [child for child in below if child.get_id() not in slots]
        if missing:
            stack.extend(missing)
            continue
        stack.pop()
        slots[key] = len(slots)
        yield term, tuple(slots[child.get_id()] for child in below)


def _operation(term: Z3) -> Apply:
    """What a term does with the columns of its arguments."""
    kind = term.decl().kind()
    plain = OPERATORS.get(kind)
    if plain is not None:
        return lambda _, given, __: plain(given)
    if kind == z3.Z3_OP_UNINTERPRETED:
        name = term.decl().name()
        return lambda inputs, _, __: inputs[name]
    if kind in (z3.Z3_OP_BNUM, z3.Z3_OP_TRUE, z3.Z3_OP_FALSE):
        value = term.as_long() if kind == z3.Z3_OP_BNUM else int(kind == z3.Z3_OP_TRUE)
        return lambda _, __, size: np.full(size, value, dtype=np.int16)
    if kind in (z3.Z3_OP_BADD, z3.Z3_OP_BSUB):
        mask, sign = (1 << term.size()) - 1, 1 if kind == z3.Z3_OP_BADD else -1
        return lambda _, given, __: _sum(given, sign, mask)
    if kind == z3.Z3_OP_EXTRACT:
        high, low = term.params()
        return lambda _, given, __: _int16(given[0] >> low & ((1 << (high - low + 1)) - 1))
    have = term.arg(0).size()
    if kind == z3.Z3_OP_SIGN_EXT:
        more = ((1 << term.size()) - 1) ^ ((1 << have) - 1)
        return lambda _, given, __: _int16(given[0] | (given[0] >> (have - 1) & 1) * more)
    if kind not in SIGNED:
        raise AssertionError(f"no column operator for {term.decl()}")
    flip, compare = 1 << (have - 1), SIGNED[kind]
    return lambda _, given, __: _int16(compare(given[0] ^ flip, given[1] ^ flip))


def _int16(column: Any) -> Array:
    found: Array = column.astype(np.int16)
    return found


def _sum(given: list[Array], sign: int, mask: int) -> Array:
    total = given[0].astype(np.int32)
    for item in given[1:]:
        total = total + sign * item
    return _int16(total & mask)


def _all(given: list[Array]) -> Array:
    found = given[0]
    for item in given[1:]:
        found = found & item
    return found


def _any(given: list[Array]) -> Array:
    found = given[0]
    for item in given[1:]:
        found = found | item
    return found


SIGNED: dict[int, Callable[[Array, Array], Any]] = {
    z3.Z3_OP_SLT: operator.lt, z3.Z3_OP_SLEQ: operator.le,
    z3.Z3_OP_SGT: operator.gt, z3.Z3_OP_SGEQ: operator.ge,
}
OPERATORS: dict[int, Callable[[list[Array]], Array]] = {
    z3.Z3_OP_AND: _all,
    z3.Z3_OP_OR: _any,
    z3.Z3_OP_NOT: lambda given: 1 - given[0],
    z3.Z3_OP_ITE: lambda given: np.where(given[0], given[1], given[2]),
    z3.Z3_OP_EQ: lambda given: (given[0] == given[1]).astype(np.int16),
    z3.Z3_OP_IFF: lambda given: (given[0] == given[1]).astype(np.int16),
    z3.Z3_OP_ULT: lambda given: (given[0] < given[1]).astype(np.int16),
    z3.Z3_OP_ULEQ: lambda given: (given[0] <= given[1]).astype(np.int16),
    z3.Z3_OP_UGT: lambda given: (given[0] > given[1]).astype(np.int16),
    z3.Z3_OP_UGEQ: lambda given: (given[0] >= given[1]).astype(np.int16),
    z3.Z3_OP_ZERO_EXT: lambda given: given[0],
}

__all__ = ["Compiled", "Sample"]

"""Nodes as z3 terms: ids, enums and ints are bit-vectors of just enough bits.

A data sort is a bit-vector too, of a carrier that the caller chooses: for a proof one with as many
values as the query has terms of the sort, for formulas that only compare cannot tell it from an
unbounded one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import z3

from checkers.frontend.ir import Node, order
from spec.language.layout import BoolT, EnumT, IdT, IntT, Layout, SortT, ValueT
from spec.language.types import Sort

FEW = 4
"""Counts of fewer things are always added up."""

Z3 = Any
"""z3 ships no types; its terms, solvers and models are `Any` in here and in no other package."""


class Terms:
    """Translates nodes of one graph in one z3 context; variables get a suffix (a time, say).

    While `opaque` is set, a count becomes a number of which `side` says little. That is sound for
    a proof, where the counts of the state after a step are differences to those before it, and it
    spares the solver the addition; a model that comes of it is to be looked for again without.
    """

    def __init__(
        self, layout: Layout, carriers: Mapping[type[Sort], int],
        context: Z3 = None, suffix: str = "",
    ) -> None:
        self.layout = layout
        self.carriers = carriers
        self.ctx = context or z3.Context()
        self.suffix = suffix
        self.known: dict[Node, Z3] = {}
        self.opaque = False
        self.side: list[Z3] = []
        self._constants: dict[tuple[int, int], Z3] = {}
        self._named: dict[type[Sort], int] = {}
        self._largest: dict[type[Sort], int] = {}

    def bits(self, kind: ValueT) -> int:
        """The width of a type's bit-vector."""
        match kind:
            case EnumT(cls):
                return _width(max(cls))
            case IdT(record):
                return _width(self.layout.table_of(record).rows)
            case IntT(lo, hi):
                return _width(hi) if lo >= 0 else max(_width(hi), _width(-lo - 1)) + 1
            case SortT(cls):
                return _width(self.carriers[cls])
        return 1

    def number(self, value: int, width: int) -> Z3:
        """A bit-vector constant."""
        found = self._constants.get((value, width))
        if found is None:
            found = self._constants[value, width] = z3.BitVecVal(value, width, self.ctx)
        return found

    def constant(self, value: int, kind: ValueT) -> Z3:
        """A constant of a type."""
        if isinstance(kind, BoolT):
            return z3.BoolVal(bool(value), self.ctx)
        if isinstance(kind, SortT):
            assert value <= self.carriers[kind.cls], f"{kind.cls.__name__} has no value {value}"
        return self.number(value, self.bits(kind))

    def variable(self, node: Node) -> Z3:
        """The z3 constant of a variable."""
        name = f"{node.value}{self.suffix}"
        if isinstance(node.type, BoolT):
            return z3.Bool(name, self.ctx)
        return z3.BitVec(name, self.bits(node.type), self.ctx)

    def short(self) -> list[str]:
        """The sorts with a smaller carrier than there are variables and constants of them here."""
        return [
            cls.__name__
            for cls in self._named.keys() | self._largest.keys()
            if self.carriers.get(cls, 0) < self._named.get(cls, 0) + self._largest.get(cls, 0)
        ]

    def term(self, node: Node) -> Z3:
        """The term of a node."""
        found = self.known.get(node)
        return self.terms([node])[0] if found is None else found

    def fitted(self, node: Node, kind: ValueT) -> Z3:
        """The term of a node as wide as a type is; an int that does not fit is cut."""
        term = self.term(node)
        return self._resize(term, node.type, self.bits(kind)) if isinstance(kind, IntT) else term

    def terms(self, nodes: Sequence[Node]) -> list[Z3]:
        """The terms of nodes; what they share is translated once."""
        known = self.known
        for node in order(nodes, known):
            known[node] = self._translate(node)
        return [known[node] for node in nodes]

    def _translate(self, node: Node) -> Z3:
        given = [self.known[x] for x in node.args]
        ctx = self.ctx
        match node.op:
            case "const":
                if isinstance(node.type, SortT):
                    cls, value = node.type.cls, int(node.value)
                    self._largest[cls] = max(value, self._largest.get(cls, 0))
                return self.constant(int(node.value), node.type)
            case "var":
                if isinstance(node.type, SortT):
                    self._named[node.type.cls] = self._named.get(node.type.cls, 0) + 1
                return self.variable(node)
            case "not":
                return z3.BoolRef(z3.Z3_mk_not(ctx.ref(), given[0].ast), ctx)
            case "and" | "or":
                make = z3.Z3_mk_and if node.op == "and" else z3.Z3_mk_or
                return z3.BoolRef(make(ctx.ref(), 2, _array(given)), ctx)
            case "ite":
                a, b = self._alike(node, given)
                ast = z3.Z3_mk_ite(ctx.ref(), given[0].ast, a.ast, b.ast)
                return z3.BoolRef(ast, ctx) if isinstance(node.type, BoolT) else _value(ast, ctx)
            case "eq":
                a, b = self._common(node.args, given)
                return z3.BoolRef(z3.Z3_mk_eq(ctx.ref(), a.ast, b.ast), ctx)
            case "lt":
                a, b = self._common(node.args, given)
                return a < b if _union(node.args).lo < 0 else z3.ULT(a, b)
            case "add" | "sub":
                return self._sum(node, given)
            case "count":
                return self._count(given, self.bits(node.type))
            case "narrow":
                return self._resize(given[0], node.args[0].type, self.bits(node.type))
        raise AssertionError(node.op)

    def _alike(self, node: Node, given: Sequence[Z3]) -> list[Z3]:
        if not isinstance(node.type, IntT):
            return list(given[1:])
        width = self.bits(node.type)
        return [
            self._resize(x, arg.type, width)
            for arg, x in zip(node.args[1:], given[1:], strict=True)
        ]

    def _common(self, args: Sequence[Node], given: Sequence[Z3]) -> list[Z3]:
        if not isinstance(args[0].type, IntT):
            return list(given)
        width = self.bits(_union(args))
        return [self._resize(x, arg.type, width) for arg, x in zip(args, given, strict=True)]

    def _sum(self, node: Node, given: Sequence[Z3]) -> Z3:
        width = self.bits(_union([*node.args, node]))
        a, b = (
            self._resize(x, arg.type, width) for arg, x in zip(node.args, given, strict=True)
        )
        total = a + b if node.op == "add" else a - b
        return self._resize(total, _union([*node.args, node]), self.bits(node.type))

    def _resize(self, term: Z3, kind: ValueT, width: int) -> Z3:
        have = term.size()
        if have == width:
            return term
        if have > width:
            return z3.Extract(width - 1, 0, term)
        assert isinstance(kind, IntT)
        extend = z3.SignExt if kind.lo < 0 else z3.ZeroExt
        return extend(width - have, term)

    def _count(self, given: Sequence[Z3], width: int) -> Z3:
        if self.opaque and len(given) >= FEW:
            return self._number_of(given, width)
        one, none = self.number(1, width), self.number(0, width)
        parts = [z3.If(item, one, none, self.ctx) for item in given]
        while len(parts) > 1:
            parts = [
                parts[i] + parts[i + 1] if i + 1 < len(parts) else parts[i]
                for i in range(0, len(parts), 2)
            ]
        return parts[0]

    def _number_of(self, given: Sequence[Z3], width: int) -> Z3:
        """A count of which only this is known: it is 0 if and only if nothing is counted."""
        total = z3.BitVec(f"count!{len(self.side)}{self.suffix}", width, self.ctx)
        some = z3.Or(*given)
        self.side.append((total != self.number(0, width)) == some)
        self.side.append(z3.ULE(total, self.number(len(given), width)))
        return total

    def typed(self, node: Node) -> Z3:
        """That a variable has a value of its type; None if every bit pattern is one."""
        x = self.term(node)
        match node.type:
            case BoolT():
                return None
            case IntT(lo, hi):
                low, high = self.number(lo, x.size()), self.number(hi, x.size())
                if lo < 0:
                    return z3.And(x >= low, x <= high)
                return z3.And(z3.UGE(x, low), z3.ULE(x, high)) if lo else z3.ULE(x, high)
            case SortT(cls):
                null = self.constant(0, node.type)
                inside = [] if node.may_be(0) else [x != null]
                inside.append(z3.ULE(x, self.number(self.carriers[cls], x.size())))
                return z3.And(inside)
        allowed = [v for v in range(1 << x.size()) if node.may_be(v)]
        if len(allowed) == 1 << x.size():
            return None
        return z3.Or([x == self.number(value, x.size()) for value in allowed])

    def all_typed(self, nodes: Iterable[Node]) -> list[Z3]:
        """`typed` of several variables."""
        return [term for term in map(self.typed, nodes) if term is not None]


def _width(largest: int) -> int:
    return max(1, int(largest).bit_length())


def _union(nodes: Sequence[Node]) -> IntT:
    kinds = [node.type for node in nodes if isinstance(node.type, IntT)]
    return IntT(min(kind.lo for kind in kinds), max(kind.hi for kind in kinds))


def _array(terms: Sequence[Z3]) -> Z3:
    array = (z3.Ast * len(terms))()
    for index, term in enumerate(terms):
        array[index] = term.ast
    return array


def _value(ast: Z3, ctx: Z3) -> Z3:
    kind = z3.Z3_get_sort_kind(ctx.ref(), z3.Z3_get_sort(ctx.ref(), ast))
    return z3.BitVecRef(ast, ctx) if kind == z3.Z3_BV_SORT else z3.ExprRef(ast, ctx)

"""Expressions as one shared, flat, self-simplifying graph: what the merged actions are made of.

Two expressions that are built alike are the same node, so "unchanged" is `is`. A node knows what
values it can have (an interval for an int, a bit mask for an enum or an id); a comparison that
these decide is never built. Every node's arguments come before it: `order` is an evaluation order.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Sequence

from spec.language.layout import BoolT, IntT, SortT, ValueT

BOOL = BoolT()
ANY = -1
"""The mask of a data sort: every value is possible."""


SHOWN = 5
"""Levels of a node that its text has."""


class Node:
    """One expression.

    `op` is ``const`` or ``var`` (`value` is the value or the name), ``not``, ``and``, ``or``,
    ``eq``, ``lt``, ``add``, ``sub``, ``ite``, ``count`` (how many of the arguments are true) or
    ``narrow`` (an int known to be in its range, which its argument need not seem to be).
    `mask` has bit v set if the value v is possible, for anything but an int, of which `type` is the
    exact interval. `closed` is true of a tree of choices between constants.
    """

    __slots__ = ("args", "closed", "index", "mask", "op", "type", "value")

    def __init__(
        self, op: str, args: tuple[Node, ...], value: int | str, kind: ValueT, mask: int,
        index: int, closed: bool,
    ) -> None:
        self.op = op
        self.args = args
        self.value = value
        self.type = kind
        self.mask = mask
        self.index = index
        self.closed = closed

    def __repr__(self) -> str:
        return self.shown(SHOWN)

    def shown(self, depth: int) -> str:
        """The node as text, what is deeper than this as dots: shared nodes make a large tree."""
        if self.op in ("const", "var"):
            return str(self.value)
        if not depth:
            return "..."
        return f"({self.op} {' '.join(x.shown(depth - 1) for x in self.args)})"

    def may_be(self, value: int) -> bool:
        """Whether the node's range has this value."""
        if isinstance(self.type, IntT):
            return self.type.lo <= value <= self.type.hi
        return bool(self.mask >> value & 1)


class Graph:
    """Builds nodes; `true` and `false` are its two bool constants."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self._known: dict[tuple[object, ...], Node] = {}
        self._mapped: dict[tuple[object, ...], Node] = {}
        self.false = self.const(0, BOOL)
        self.true = self.const(1, BOOL)

    def _node(
        self, op: str, args: tuple[Node, ...], kind: ValueT, mask: int = 0b11,
        closed: bool = False, value: int | str = 0,
    ) -> Node:
        key = (op, value, kind, args) if not args or op == "narrow" else (op, args)
        found = self._known.get(key)
        if found is None:
            found = Node(op, args, value, kind, mask, len(self.nodes), closed)
            self._known[key] = found
            self.nodes.append(found)
        return found

    def const(self, value: int, kind: ValueT) -> Node:
        """A constant; an int's type becomes its own point."""
        if isinstance(kind, IntT):
            return self._node("const", (), IntT(value, value), 0, True, value)
        if isinstance(kind, SortT):
            kind = SortT(kind.cls)
        return self._node("const", (), kind, 1 << value, True, value)

    def number(self, value: int) -> Node:
        """An int constant."""
        return self.const(value, IntT(value, value))

    def zero(self, like: Node) -> Node:
        """The constant 0 of a node's type."""
        return self.const(0, like.type)

    def truth(self, value: object) -> Node:
        """A bool constant."""
        return self.true if value else self.false

    def var(self, name: str, kind: ValueT, mask: int = ANY) -> Node:
        """A variable; of an enum or an id, `mask` says which values are well typed.

        A name means one variable: asked for again, it has the same mask.
        """
        if isinstance(kind, SortT):
            kind = SortT(kind.cls)
        mask = 0b11 if isinstance(kind, BoolT) else mask
        found = self._node("var", (), kind, mask, value=name)
        assert found.mask == mask, f"two variables are called {name}"
        return found

    # bools

    def not_(self, a: Node) -> Node:
        """Negation."""
        if a.op == "const":
            return self.false if a.value else self.true
        return a.args[0] if a.op == "not" else self._node("not", (a,), BOOL)

    def and_(self, a: Node, b: Node) -> Node:
        """Both."""
        return self._joined("and", "or", self.true, self.false, a, b)

    def or_(self, a: Node, b: Node) -> Node:
        """Either."""
        return self._joined("or", "and", self.false, self.true, a, b)

    def _joined(self, op: str, dual: str, unit: Node, zero: Node, a: Node, b: Node) -> Node:
        """`and` or `or`, mirrors of each other; what is an argument or a constant is not built."""
        if a is unit or a is b or b is zero:
            return b
        if b is unit or a is zero:
            return a
        if b.index < a.index:
            a, b = b, a
        for one, other in ((a, b), (b, a)):
            if one.op == "not" and (
                one.args[0] is other or (other.op == op and one.args[0] in other.args)
            ):
                return zero
            if other.op == op:
                if one in other.args:
                    return other
                if any(part.op == "not" and part.args[0] is one for part in other.args):
                    return zero
            elif other.op == dual:
                if one in other.args:
                    return one
                for part, rest in (other.args, other.args[::-1]):
                    if (part.op == "not" and part.args[0] is one) or (
                        one.op == "not" and one.args[0] is part
                    ):
                        return self._joined(op, dual, unit, zero, one, rest)
        return self._node(op, (a, b), BOOL)

    def all_of(self, items: Iterable[Node]) -> Node:
        """Every one of them."""
        found = self.true
        for item in items:
            found = self.and_(found, item)
        return found

    def any_of(self, items: Iterable[Node]) -> Node:
        """At least one of them."""
        found = self.false
        for item in items:
            found = self.or_(found, item)
        return found

    # comparisons

    def eq(self, a: Node, b: Node) -> Node:
        """Equality of two values of one type."""
        if a is b:
            return self.true
        if a.type == BOOL:
            return self.ite(a, b, self.not_(b))
        if a.op == "const" and b.op == "const":
            return self.truth(a.value == b.value)
        if isinstance(a.type, IntT) and isinstance(b.type, IntT):
            if a.type.hi < b.type.lo or b.type.hi < a.type.lo:
                return self.false
        elif not a.mask & b.mask:
            return self.false
        if a.op == "const" or b.op == "const":
            return self._eq_const(b, a) if a.op == "const" else self._eq_const(a, b)
        if b.index < a.index:
            a, b = b, a
        return self._node("eq", (a, b), BOOL)

    def _eq_const(self, a: Node, k: Node) -> Node:
        """`a == k`, decided inside choices as far as that does not copy anything."""
        if a.closed:
            return self._map("eq", a, k, self.eq)
        spine: list[tuple[Node, bool, Node]] = []
        while a.op == "ite" and ("=", a, k) not in self._mapped:
            then, other = a.args[1:]
            sides = [x.closed or not x.may_be(int(k.value)) for x in (then, other)]
            if not any(sides):
                break
            spine.append((a, sides[0], self.eq(then if sides[0] else other, k)))
            a = other if sides[0] else then
        found = self._mapped.get(("=", a, k))
        if found is None:
            found = self._eq_leaf(a, k)
        for node, decided_then, decided in reversed(spine):
            then, other = (decided, found) if decided_then else (found, decided)
            found = self.ite(node.args[0], then, other)
            self._mapped["=", node, k] = found
        return found

    def _eq_leaf(self, a: Node, k: Node) -> Node:
        if a.op == "const":
            return self.truth(a.value == k.value)
        if not a.may_be(int(k.value)):
            return self.false
        if a.mask == k.mask and not isinstance(a.type, IntT):
            return self.true
        return self._node("eq", (a, k), BOOL)

    def same(self, a: Node, b: Node) -> Node:
        """Equality of a closed choice with anything, as a choice between comparisons."""
        return self._map("same", a, b, self.eq) if a.closed else self.eq(a, b)

    def lt(self, a: Node, b: Node) -> Node:
        """Less, of ints."""
        x, y = _span(a), _span(b)
        if x.hi < y.lo:
            return self.true
        if x.lo >= y.hi:
            return self.false
        if a.closed and b.op == "const":
            return self._map("lt", a, b, self.lt)
        if b.closed and a.op == "const":
            return self._map("gt", b, a, lambda p, q: self.lt(q, p))
        return self._node("lt", (a, b), BOOL)

    def le(self, a: Node, b: Node) -> Node:
        """Less or equal, of ints."""
        return self.not_(self.lt(b, a))

    # values

    def add(self, a: Node, b: Node) -> Node:
        """Sum of ints."""
        x, y = _span(a), _span(b)
        if a.op == "const":
            a, b = b, a
        if b.op == "const":
            if b.value == 0:
                return a
            if a.op == "const":
                return self.number(int(a.value) + int(b.value))
            if a.closed:
                return self._map("add", a, b, self.add)
        elif b.index < a.index:
            a, b = b, a
        return self._node("add", (a, b), IntT(x.lo + y.lo, x.hi + y.hi))

    def sub(self, a: Node, b: Node) -> Node:
        """Difference of ints."""
        x, y = _span(a), _span(b)
        if b.op == "const":
            return self.add(a, self.number(-int(b.value)))
        if a is b:
            return self.number(0)
        return self._node("sub", (a, b), IntT(x.lo - y.hi, x.hi - y.lo))

    def count(self, items: Sequence[Node]) -> Node:
        """How many of some bools are true."""
        sure = sum(1 for item in items if item is self.true)
        open_ = sorted((x for x in items if x.op != "const"), key=lambda node: node.index)
        if not open_:
            return self.number(sure)
        if len(open_) == 1:
            return self.ite(open_[0], self.number(sure + 1), self.number(sure))
        return self.add(self._node("count", tuple(open_), IntT(0, len(open_))), self.number(sure))

    def narrow(self, a: Node, lo: int, hi: int) -> Node:
        """An int that is known to be within lo..hi by a check made elsewhere."""
        x = _span(a)
        if lo <= x.lo and x.hi <= hi:
            return a
        if a.op == "const":
            return self.number(lo)
        return self._node("narrow", (a,), IntT(max(lo, x.lo), min(hi, x.hi)))

    def ite(self, c: Node, a: Node, b: Node) -> Node:
        """`a` if `c`, else `b`."""
        if a is b or c is self.true:
            return a
        if c is self.false:
            return b
        if c.op == "not":
            c, a, b = c.args[0], b, a
        if a.type == BOOL:
            return self._ite_bool(c, a, b)
        if a.op == "ite":
            d, x, y = a.args
            if d is c:
                return self.ite(c, x, b)
            if y is b:
                return self.ite(self.and_(c, d), x, b)
            if x is b:
                return self.ite(self.and_(c, self.not_(d)), y, b)
        if b.op == "ite":
            d, x, y = b.args
            if d is c:
                return self.ite(c, a, y)
            if x is a:
                return self.ite(self.or_(c, d), a, y)
            if y is a:
                return self.ite(self.or_(c, self.not_(d)), a, x)
        if c.op == "eq" and c.args[1].op == "const" and a is c.args[1] and b is c.args[0]:
            return b
        kind: ValueT = a.type
        if isinstance(a.type, IntT) and isinstance(b.type, IntT):
            kind = IntT(min(a.type.lo, b.type.lo), max(a.type.hi, b.type.hi))
        return self._node("ite", (c, a, b), kind, a.mask | b.mask, a.closed and b.closed)

    def _ite_bool(self, c: Node, a: Node, b: Node) -> Node:
        if a is self.true or a is c:
            return self.or_(c, b)
        if a is self.false:
            return self.and_(self.not_(c), b)
        if b is self.true:
            return self.or_(self.not_(c), a)
        if b is self.false or b is c:
            return self.and_(c, a)
        if a.op == "ite" and a.args[0] is c:
            a = a.args[1]
        if b.op == "ite" and b.args[0] is c:
            b = b.args[2]
        return self._node("ite", (c, a, b), BOOL)

    def _map(self, op: str, a: Node, k: Node, leaf: Callable[[Node, Node], Node]) -> Node:
        """A closed choice with `leaf(_, k)` applied to each of its constants."""
        known = self._mapped
        stack = [a]
        while stack:
            node = stack[-1]
            if (op, node, k) in known:
                stack.pop()
            elif node.op == "const":
                known[op, node, k] = leaf(node, k)
                stack.pop()
            else:
                missing = [x for x in node.args[1:] if (op, x, k) not in known]
                if missing:
                    stack.extend(missing)
                else:
                    then, other = (known[op, x, k] for x in node.args[1:])
                    known[op, node, k] = self.ite(node.args[0], then, other)
                    stack.pop()
        return known[op, a, k]


def _span(a: Node) -> IntT:
    assert isinstance(a.type, IntT), a
    return a.type


def order(roots: Iterable[Node], known: Container[Node] = ()) -> list[Node]:
    """Every node the roots are made of and that is not known, arguments first."""
    seen: set[Node] = set()
    stack = [node for node in roots if node not in known]
    while stack:
        node = stack.pop()
        if node not in seen:
            seen.add(node)
            stack.extend(x for x in node.args if x not in known)
    return sorted(seen, key=lambda node: node.index)


def variables(roots: Iterable[Node]) -> list[Node]:
    """The variables the roots depend on."""
    return [node for node in order(roots) if node.op == "var"]

"""Expressions and guarded assignments written as code on columns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from checkers.columns.kernel import Code, Kernel, Ref, Registers
from checkers.columns.packing import Packing
from checkers.frontend.ir import BOOL, Node
from spec.language.layout import IntT


class Writer:
    """Writes expressions over the variables of a state and further inputs, each node once.

    The inputs are the bytes of a packed state, then `given`: nodes whose values are columns.
    """

    def __init__(self, packings: Sequence[Packing], given: Iterable[Node] = ()) -> None:
        self.code = Code(sum(packing.bytes for packing in packings))
        self.known: dict[Node, Ref] = {}
        self._masks: dict[tuple[int, bool], Ref] = {}
        self._parts: dict[tuple[Node, bool, Node], Ref] = {}
        self._variables: dict[Node, tuple[int, Packing]] = {}
        start = 0
        for packing in packings:
            self._variables.update((node, (start, packing)) for node in packing.fields)
            start += packing.bytes
        for node in given:
            kind = _kind(node)
            self.known[node] = Ref(self.code.inputs, kind)
            self.code.kinds.append(kind)
            self.code.inputs += 1

    def kernel(
        self, registers: Registers, roots: Sequence[Node], after: Mapping[Node, Node] | None = None
    ) -> Kernel:
        """Code for these expressions, and for a table that has the state `after`."""
        refs = [self._own(self.value(root)) for root in roots]
        outputs: dict[int, Ref] = {}
        if after is not None:
            (packing,) = {packing for _, packing in self._variables.values()}
            outputs = self._bytes(packing, after)
        return Kernel(self.code, registers, refs, outputs)

    def value(self, root: Node) -> Ref:
        """The value of an expression."""
        stack = [root]
        while stack:
            node = stack[-1]
            if node in self.known:
                stack.pop()
                continue
            missing = [below for below in self._needs(node) if below not in self.known]
            if missing:
                stack += reversed(missing)
            else:
                self.known[node] = self._write(node)
                stack.pop()
        return self.known[root]

    def _own(self, ref: Ref) -> Ref:
        """A value in a register of its own, also if it is a constant or an input."""
        if ref.value >= self.code.inputs and ref.value not in self.code.constants:
            return ref
        return self.code.emit(np.bitwise_or, ref, ref, ref.kind)

    def _needs(self, node: Node) -> Sequence[Node]:
        """The nodes whose values the code of this one reads."""
        if node.op in ("and", "or"):
            return [below.args[0] if below.op == "not" else below for below in node.args]
        if node.op == "lt":
            return [below for below in _compared(node)[:2] if isinstance(below, Node)]
        if node.op == "narrow":
            return list(_modular(node.args[0]))
        return node.args

    def _write(self, node: Node) -> Ref:
        emit, value = self.code.emit, self.known.__getitem__
        match node.op:
            case "const":
                kind = "b" if node.type == BOOL else _kind(node)
                return self.code.constant(int(node.value), kind)
            case "var":
                return self._variable(node)
            case "not":
                return emit(np.equal, value(node.args[0]), self.code.constant(0, "b"), "b")
            case "and" | "or":
                return self._logic(node)
            case "eq":
                return emit(np.equal, value(node.args[0]), value(node.args[1]), "b")
            case "lt":
                return self._less(node)
            case "ite":
                return self._choice(node)
            case "count":
                return self._count(node)
            case "narrow":
                return self._modulo(node.args[0])
        assert node.op in ("add", "sub"), node.op
        apply = np.add if node.op == "add" else np.subtract
        if _kind(node) == "u":
            return emit(apply, value(node.args[0]), value(node.args[1]), "u")
        return emit(apply, self._wide(node.args[0]), self._wide(node.args[1]), "i")

    def _variable(self, node: Node) -> Ref:
        start, packing = self._variables[node]
        field = packing.fields[node]
        found = Ref(start + field.byte, "u")
        mask = (1 << field.width) - 1
        if field.shift:
            found = self.code.emit(
                np.right_shift, found, self.code.constant(field.shift), "u"
            )
        if field.shift + field.width < 8:
            found = self.code.emit(np.bitwise_and, found, self.code.constant(mask), "u")
        return Ref(found.value, "b") if node.type == BOOL else found

    def _logic(self, node: Node) -> Ref:
        """Of bools, `a > b` is `a and not b`, `a >= b` is `a or not b`."""
        both = node.op == "and"
        apply = np.bitwise_and if both else np.bitwise_or
        a, b = node.args
        if a.op == "not":
            a, b = b, a
        if b.op != "not":
            return self.code.emit(apply, self.known[a], self.known[b], "b")
        one = self.known[a.args[0]] if a.op == "not" else self.known[a]
        if a.op == "not":
            one = self.code.emit(np.equal, one, self.code.constant(0, "b"), "b")
        mixed = np.greater if both else np.greater_equal
        return self.code.emit(mixed, one, self.known[b.args[0]], "b")

    def _less(self, node: Node) -> Ref:
        a, b, apply = _compared(node)
        other = self.known[b] if isinstance(b, Node) else self.code.constant(b, _kind(a))
        return self.code.emit(apply, self.known[a], other, "b")

    def _count(self, node: Node) -> Ref:
        first, *rest = (self.known[below].byte() for below in node.args)
        for ref in rest:
            first = self.code.emit(np.add, first, ref, "u")
        return first

    def _choice(self, node: Node) -> Ref:
        condition, a, b = node.args
        emit = self.code.emit
        one, other = self.known[a], self.known[b]
        if node.type == BOOL:
            both = emit(np.bitwise_xor, one, other, "b")
            return emit(
                np.bitwise_xor, emit(np.bitwise_and, both, self.known[condition], "b"), other, "b"
            )
        if _kind(node) == "i":
            one, other = self._wide(a), self._wide(b)
            more = emit(np.subtract, one, other, "i")
            return emit(
                np.add, emit(np.multiply, more, self.known[condition].byte(), "i"), other, "i"
            )
        if a.op == "const" and not a.value:
            return emit(np.bitwise_and, other, self._mask(condition, False), "u")
        if b.op == "const" and not b.value:
            return emit(np.bitwise_and, one, self._mask(condition, True), "u")
        for sense, constant, value in ((True, a, b), (False, b, a)):
            if constant.op == "const" and _highest(value) <= int(constant.value):
                part = self._only(condition, sense, constant)
                return emit(np.fmax, self.known[value], part, "u")
        mask = self._mask(condition, True)
        both = emit(np.bitwise_xor, one, other, "u")
        return emit(np.bitwise_xor, emit(np.bitwise_and, both, mask, "u"), other, "u")

    def _mask(self, condition: Node, sense: bool) -> Ref:
        """All bits of a byte where a condition is true (or false), none elsewhere."""
        ref = self.known[condition].byte()
        found = self._masks.get((ref.value, sense))
        if found is None:
            if sense:
                found = self.code.emit(np.subtract, self.code.constant(0), ref, "u")
            else:
                found = self.code.emit(np.subtract, ref, self.code.constant(1), "u")
            self._masks[ref.value, sense] = found
        return found

    def _only(self, condition: Node, sense: bool, constant: Node) -> Ref:
        """A constant where a condition is true (or false), 0 elsewhere."""
        key = condition, sense, constant
        if key not in self._parts:
            mask = self._mask(condition, sense)
            self._parts[key] = self.code.emit(np.bitwise_and, mask, self.known[constant], "u")
        return self._parts[key]

    def _wide(self, node: Node) -> Ref:
        """An int as two bytes."""
        if node.op == "const":
            return self.code.constant(int(node.value), "i")
        ref = self.known[node]
        if ref.kind == "i":
            return ref
        return self.code.emit(np.add, ref, self.code.constant(0, "i"), "i")

    def _modulo(self, node: Node) -> Ref:
        """An int modulo 256, which is enough where its value is known to be a byte."""
        if node.op == "const":
            return self.code.constant(int(node.value))
        if node.op in ("add", "sub"):
            apply = np.add if node.op == "add" else np.subtract
            left, right = map(self._modulo, node.args)
            return self.code.emit(apply, left, right, "u")
        if _kind(node) == "u" or node.op != "ite":
            return self.known[node]
        condition, a, b = node.args
        one, other = self._modulo(a), self._modulo(b)
        both = self.code.emit(np.bitwise_xor, one, other, "u")
        mask = self._mask(condition, True)
        return self.code.emit(
            np.bitwise_xor, self.code.emit(np.bitwise_and, both, mask, "u"), other, "u"
        )

    def _bytes(self, packing: Packing, after: Mapping[Node, Node]) -> dict[int, Ref]:
        """Every byte of the packed state after a step that changes some variables."""
        outputs: dict[int, Ref] = {}
        changed: dict[int, list[Node]] = {}
        for node in after:
            changed.setdefault(packing.fields[node].byte, []).append(node)
        for byte in range(packing.bytes):
            outputs[byte] = self._byte(packing, byte, changed.get(byte, []), after)
        return outputs

    def _byte(
        self, packing: Packing, byte: int, changed: Sequence[Node], after: Mapping[Node, Node]
    ) -> Ref:
        """One byte: what is kept of it, and the changed variables in their places."""
        emit, constant = self.code.emit, self.code.constant
        kept = 255 & ~sum(packing.fields[node].mask for node in changed)
        parts = [Ref(byte, "u")] if kept == 255 else []
        if changed and kept:
            parts = [emit(np.bitwise_and, Ref(byte, "u"), constant(kept), "u")]
        bits = 0
        for node in changed:
            field, new = packing.fields[node], after[node]
            if new.op == "const":
                bits |= int(new.value) << field.shift
                continue
            ref = self.value(new).byte()
            if field.shift:
                ref = emit(np.left_shift, ref, constant(field.shift), "u")
            parts.append(ref)
        if bits or not parts:
            parts.append(constant(bits))
        found = parts[0]
        for part in parts[1:]:
            found = emit(np.bitwise_or, found, part, "u")
        if len(parts) == 1:
            found = emit(np.bitwise_or, found, found, "u")
        return found


def _kind(node: Node) -> str:
    """A byte, or two for an int that does not fit."""
    if node.type == BOOL:
        return "b"
    if isinstance(node.type, IntT) and (node.type.lo < 0 or node.type.hi > 255):
        return "i"
    return "u"


def _highest(node: Node) -> int:
    """The highest value that a byte may have."""
    if isinstance(node.type, IntT):
        return node.type.hi
    return 255 if node.mask < 0 else node.mask.bit_length() - 1


def _compared(node: Node) -> tuple[Node, Node | int, np.ufunc]:
    """The sides of a comparison; a constant one comes last and takes what the other has added."""
    a, b = node.args
    if b.op != "const" and a.op != "const":
        return a, b, np.less
    apply, side, limit = (np.less, a, b) if b.op == "const" else (np.greater, b, a)
    value = int(limit.value)
    while side.op == "add" and side.args[1].op == "const":
        side, value = side.args[0], value - int(side.args[1].value)
    return side, value, apply


def _modular(node: Node) -> Iterator[Node]:
    """The nodes whose values are read for an int modulo 256."""
    if node.op == "const":
        return
    if node.op in ("add", "sub"):
        for below in node.args:
            yield from _modular(below)
    elif _kind(node) == "i" and node.op == "ite":
        yield node.args[0]
        for below in node.args[1:]:
            yield from _modular(below)
    else:
        yield node

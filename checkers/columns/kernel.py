"""Straight-line code on columns: one numpy call after the other, from registers into registers.

The code is a list, not Python source: a large action is thousands of calls, for which compiling
would take longer than the loop costs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from checkers.columns.packing import Bytes

Column = npt.NDArray[Any]

WIDTH: Final = 1 << 14
"""Rows that a kernel takes at a time: what it works on should fit in the cache."""

KINDS: Final = {"b": np.bool_, "u": np.uint8, "i": np.int16}
"""How a value is seen: as a bool, as a byte, as two bytes. A bool is a byte 0 or 1."""


class Ref(NamedTuple):
    """A value of the code, and how it is seen."""

    value: int
    kind: str

    def byte(self) -> Ref:
        """A bool as a byte 0 or 1."""
        return Ref(self.value, "u") if self.kind == "b" else self


class Instruction(NamedTuple):
    """`out` becomes the ufunc of `a` and `b`."""

    apply: np.ufunc
    a: Ref
    b: Ref
    out: Ref


class Code:
    """Instructions as they are written. Values are numbered: inputs, constants, results."""

    def __init__(self, inputs: int) -> None:
        self.inputs = inputs
        self.kinds = ["u"] * inputs
        self.constants: dict[int, Column] = {}
        self.instructions: list[Instruction] = []
        self._constant: dict[tuple[int, str], Ref] = {}

    def constant(self, value: int, kind: str = "u") -> Ref:
        """A constant; a byte is taken modulo 256."""
        if kind == "u":
            value &= 255
        found = self._constant.get((value, kind))
        if found is None:
            found = self._constant[value, kind] = self._new(kind)
            self.constants[found.value] = np.array(value, dtype=KINDS[kind])
        return found

    def emit(self, apply: np.ufunc, a: Ref, b: Ref, kind: str) -> Ref:
        """One more value."""
        out = self._new(kind)
        self.instructions.append(Instruction(apply, a, b, out))
        return out

    def _new(self, kind: str) -> Ref:
        self.kinds.append(kind)
        return Ref(len(self.kinds) - 1, kind)


class Registers:
    """Memory for values, which kernels that never run at the same time may share."""

    def __init__(self) -> None:
        self._narrow = np.empty((0, WIDTH), dtype=np.uint8)
        self._wide = np.empty((0, WIDTH), dtype=np.int16)

    def need(self, narrow: int, wide: int) -> None:
        """Have at least so many registers of one and of two bytes."""
        if narrow > len(self._narrow):
            self._narrow = np.empty((narrow, WIDTH), dtype=np.uint8)
        if wide > len(self._wide):
            self._wide = np.empty((wide, WIDTH), dtype=np.int16)

    def views(self, narrow: int, wide: int, count: int) -> list[Column]:
        """The first `count` rows of registers: the narrow as bytes, as bools, then the wide."""
        bytes_ = [self._narrow[place, :count] for place in range(narrow)]
        bools = [register.view(np.bool_) for register in bytes_]
        return bytes_ + bools + [self._wide[place, :count] for place in range(wide)]


class Places:
    """Where each value lives while the code runs: a register is used again after the last use.

    A place is an index into the list that `Kernel.run` makes: what is given there, the registers
    as bytes, as bools, the wide ones.
    """

    def __init__(self, code: Code, kept: Sequence[Ref], fixed: dict[int, int]) -> None:
        self.code, self.fixed = code, fixed
        self.used = {"u": 0, "i": 0}
        self._free: dict[str, list[int]] = {"u": [], "i": []}
        self._held: dict[int, int] = {}
        self.last: dict[int, int] = {ref.value: len(code.instructions) for ref in kept}
        for index in range(len(code.instructions) - 1, -1, -1):
            item = code.instructions[index]
            self.last.setdefault(item.a.value, index)
            self.last.setdefault(item.b.value, index)

    def place(self, ref: Ref) -> tuple[str, int]:
        """The kind of place and its number."""
        if ref.value in self.fixed:
            return "", self.fixed[ref.value]
        return ref.kind, self._held[ref.value]

    def take(self, ref: Ref) -> None:
        """A register for a value."""
        if ref.value not in self.fixed:
            size = self._size(ref.value)
            if not self._free[size]:
                self._free[size].append(self.used[size])
                self.used[size] += 1
            self._held[ref.value] = self._free[size].pop()

    def leave(self, index: int, *refs: Ref) -> None:
        """The registers of those of these values that are not used after an instruction."""
        for value in {ref.value for ref in refs}:
            if value in self._held and self.last.get(value, index) == index:
                self._free[self._size(value)].append(self._held.pop(value))

    def absolute(self, place: tuple[str, int]) -> int:
        """The index of a place, once all registers are known."""
        kind, number = place
        first = len(self.fixed)
        before = {"": 0, "u": first, "b": first + self.used["u"], "i": first + 2 * self.used["u"]}
        return before[kind] + number

    def _size(self, value: int) -> str:
        return "i" if self.code.kinds[value] == "i" else "u"


class Kernel:
    """Code with places for its values.

    `roots` are the values to answer with, `outputs` those to write into these rows of a table. An
    answer is valid until a kernel with the same registers runs.
    """

    def __init__(
        self, code: Code, registers: Registers, roots: Sequence[Ref],
        outputs: dict[int, Ref] | None = None,
    ) -> None:
        outputs = outputs or {}
        self.registers = registers
        self.constants = list(code.constants.values())
        self.outputs = list(outputs)
        order = [*code.constants, *range(code.inputs), *(x.value for x in outputs.values())]
        places = Places(code, roots, {value: at for at, value in enumerate(order)})
        assert len(places.fixed) == len(order), "an output is a value of its own"
        rough = []
        for index, (apply, a, b, out) in enumerate(code.instructions):
            given = places.place(a), places.place(b)
            places.leave(index, a, b)
            places.take(out)
            rough.append((apply, *given, places.place(out)))
            places.leave(index, out)
        absolute = places.absolute
        self.code = [(f, absolute(a), absolute(b), absolute(out)) for f, a, b, out in rough]
        self.roots = [absolute(places.place(root)) for root in roots]
        self.narrow, self.wide = places.used["u"], places.used["i"]
        registers.need(self.narrow, self.wide)

    def run(
        self, columns: Bytes, given: Sequence[Column] = (), table: Bytes | None = None
    ) -> list[Column]:
        """Evaluate on columns of bytes and further columns; write the outputs into `table`."""
        places: list[Column] = [*self.constants, *columns, *given]
        if table is not None:
            places += [table[at] for at in self.outputs]
        places += self.registers.views(self.narrow, self.wide, columns.shape[1])
        for apply, a, b, out in self.code:
            apply(places[a], places[b], places[out])
        return [places[root] for root in self.roots]

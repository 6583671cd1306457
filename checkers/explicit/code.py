"""Fragments of generated Python: their text, and what is known of their value without running them.

All truth values are 0 or 1 (or False, True). Constants fold as fragments are put together.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

Texts = frozenset[str]
NOTHING: Final[Texts] = frozenset()

RUN: Final = 4
"""A column of at least this many cells is searched by `find` and `count`, a shorter one is not."""


@dataclass(frozen=True)
class Code:
    """An expression.

    `value` if it is constant. `pure`: it can neither fail nor change the state. `effect`: it may
    change the state. `cell`: buffer and offset, if it reads just that cell. `test`: buffer, offset
    and text, if it says whether a cell equals it. `bit`: text of a mask and the place of the bit in
    it that this is. `nonzero`: it is never 0. `opposite`: its negation, if that is simpler than
    `not`. `yes`, `no`: bare texts that are not 0 when it was true or false, `facts`: always.
    """

    text: str
    value: int | None = None
    pure: bool = True
    effect: bool = False
    cell: tuple[str, int] | None = None
    test: tuple[str, int, str] | None = None
    bit: tuple[str, int] | None = None
    nonzero: bool = False
    opposite: str = ""
    bare_text: str = ""
    yes: Texts = NOTHING
    no: Texts = NOTHING
    facts: Texts = NOTHING

    @property
    def bare(self) -> str:
        """The text without checks, by which facts know it."""
        return self.bare_text or self.text

    @property
    def trivial(self) -> bool:
        """It is a name or a literal: evaluating it twice costs nothing and means the same."""
        return self.value is not None or self.text.isidentifier()


def literal(value: int) -> Code:
    """A constant."""
    return Code(str(int(value)), int(value), nonzero=value != 0)


TRUE: Final = literal(1)
FALSE: Final = literal(0)


def combined(text: str, *parts: Code) -> Code:
    """A fragment that evaluates all its parts, in order."""
    effect = any(part.effect for part in parts)
    facts = frozenset[str]().union(*(part.facts for part in parts))
    return Code(
        text, pure=all(part.pure for part in parts), effect=effect,
        facts=lasting(facts) if effect else facts,
    )


def lasting(facts: Iterable[str]) -> Texts:
    """Those of the facts that a change of the state does not end."""
    return frozenset(fact for fact in facts if fact.isidentifier())


def negation(code: Code) -> Code:
    """Not `code`."""
    if code.value is not None:
        return literal(not code.value)
    text = code.opposite or f"(not {code.text})"
    test = None
    if code.cell is not None:
        test = (*code.cell, "0")
    return replace(
        code, text=text, opposite=code.text, cell=None, test=test, bit=None,
        yes=code.no, no=code.yes,
    )


def conjunction(codes: Sequence[Code]) -> Code:
    """`and` of all, left to right."""
    return _logic("and", codes)


def disjunction(codes: Sequence[Code]) -> Code:
    """`or` of all, left to right."""
    return _logic("or", codes)


def _logic(op: str, codes: Sequence[Code]) -> Code:
    neutral = op == "and"
    kept: list[Code] = []
    for code in codes:
        if code.value is not None and bool(code.value) == neutral:
            continue
        kept.append(code)
        if code.value is not None:
            break
    while len(kept) > 1 and kept[-1].value is not None and kept[-2].pure:
        del kept[-2]
    if not kept:
        return literal(neutral)
    if len(kept) == 1:
        return kept[0]
    if neutral and (both := _both_bits(kept)):
        return both
    effect = any(code.effect for code in kept)
    reached = frozenset[str]().union(
        *(code.facts | (code.yes if neutral else code.no) for code in kept)
    )
    reached = lasting(reached) if effect else reached
    facts = lasting(kept[0].facts) if effect else kept[0].facts
    return Code(
        f"({f' {op} '.join(code.text for code in kept)})",
        pure=all(code.pure for code in kept), effect=effect,
        yes=reached if neutral else NOTHING, no=NOTHING if neutral else reached, facts=facts,
    )


def bit_of(mask: str, place: int, *parts: Code, byte: str = "") -> Code:
    """One bit of a mask; `byte` is the part of the mask that holds it, if that is less."""
    shift = place & 7 if byte else place
    shifted = f"{byte or mask} >> {shift}" if shift else byte or mask
    return replace(combined(f"({shifted} & 1)", *parts), bit=(mask, place))


def _both_bits(codes: Sequence[Code]) -> Code | None:
    """The same bit of several masks, as one bit of their intersection."""
    bits = [code.bit for code in codes if code.bit and code.pure]
    if len(bits) < len(codes) or len({place for _, place in bits}) > 1:
        return None
    return bit_of(f"({' & '.join(mask for mask, _ in bits)})", bits[0][1], *codes)


def bits_of(codes: Sequence[Code]) -> tuple[str, int] | None:
    """A mask and which of its bits these are, if they are several bits of one."""
    bits = [code.bit for code in codes if code.bit and not code.effect]
    if len(codes) < 2 or len(bits) < len(codes) or len({mask for mask, _ in bits}) > 1:
        return None
    chosen = {1 << place for _, place in bits}
    return (bits[0][0], sum(chosen)) if len(chosen) == len(bits) else None


def choice(test: Code, then: Code, other: Code) -> Code:
    """`then` if the test is true, else `other`."""
    if test.value is not None:
        return then if test.value else other
    if then.value is not None and then.value == other.value and test.pure:
        return then
    effect = test.effect or then.effect or other.effect
    return Code(
        f"({then.text} if {test.text} else {other.text})",
        pure=test.pure and then.pure and other.pure, effect=effect,
        facts=lasting(test.facts) if effect else test.facts,
    )


def comparison(op: str, left: Code, right: Code, in_byte: bool) -> Code:
    """`==`, `!=`, `<` or `<=`; `in_byte`: both are values that a cell can have."""
    a, b = left.value, right.value
    if a is not None and b is not None:
        return literal({"==": a == b, "!=": a != b, "<": a < b, "<=": a <= b}[op])
    opposite = {"==": "!=", "!=": "==", "<": ">=", "<=": ">"}[op]
    code = combined(f"({left.text} {op} {right.text})", left, right)
    code = replace(code, opposite=f"({left.text} {opposite} {right.text})")
    if op not in ("==", "!="):
        return code
    cell, other = (left, right) if left.cell else (right, left)
    fits = in_byte if other.value is None else 0 <= other.value < 256
    if op == "==" and cell.cell and other.trivial and fits:
        code = replace(code, test=(*cell.cell, other.text))
    yes, no = NOTHING, NOTHING
    for one, two in ((left, right), (right, left)):
        if two.value == 0:
            no = frozenset({one.bare})
        elif two.value is not None:
            yes = frozenset({one.bare})
    if code.effect:
        yes, no = lasting(yes), lasting(no)
    return replace(code, yes=yes if op == "==" else no, no=no if op == "==" else yes)


def sum_of(op: str, left: Code, right: Code) -> Code:
    """`+` or `-`."""
    if left.value is not None and right.value is not None:
        return literal(left.value + right.value if op == "+" else left.value - right.value)
    return combined(f"({left.text} {op} {right.text})", left, right)


def bound(name: str, value: Code, body: Code) -> Code:
    """`body`, in which `name` stands for `value`, evaluated before it."""
    code = combined(f"(None is not ({name} := {value.text}) and {body.text})", value, body)
    return replace(code, yes=body.yes, no=body.no)


@dataclass(frozen=True)
class Run:
    """Consecutive cells lo..hi-1 of a buffer, each compared with the same text."""

    buffer: str
    lo: int
    hi: int
    text: str

    def call(self, method: str) -> str:
        """`find` or `count` over these cells."""
        return f"{self.buffer}.{method}({self.text}, {self.lo}, {self.hi})"


def run_of(codes: Sequence[Code]) -> Run | None:
    """The run that these tests make, if they do and it is long enough to be worth a search."""
    tests = [code.test or ((*code.cell, "1") if code.cell else None) for code in codes]
    first = tests[0] if tests else None
    if first is None or len(tests) < RUN:
        return None
    buffer, lo, text = first
    if any(test != (buffer, lo + n, text) for n, test in enumerate(tests)):
        return None
    return Run(buffer, lo, lo + len(tests), text)

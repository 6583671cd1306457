"""The graph simplifies as it is built, and what it builds has the value it should."""

from __future__ import annotations

import itertools
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from checkers.frontend.ir import BOOL, Graph, Node, order
from spec.language.layout import IntT
from tests.checkers.frontend.evaluating import evaluate


def test_two_expressions_built_alike_are_one_node() -> None:
    g = Graph()
    a, b = g.var("a", BOOL), g.var("b", BOOL)
    assert g.and_(a, b) is g.and_(b, a)
    assert g.or_(a, g.not_(a)) is g.true
    assert g.and_(a, g.and_(b, g.not_(a))) is g.false
    assert g.ite(a, b, b) is b


def test_a_comparison_with_a_choice_of_constants_is_a_condition() -> None:
    g = Graph()
    a, b = g.var("a", BOOL), g.var("b", BOOL)
    chain = g.ite(a, g.number(1), g.ite(b, g.number(2), g.number(3)))
    assert g.eq(chain, g.number(1)) is a
    assert g.eq(chain, g.number(2)) is g.and_(g.not_(a), b)
    assert g.eq(chain, g.number(7)) is g.false
    assert g.eq(g.add(chain, g.number(4)), g.number(5)) is a
    assert g.lt(chain, g.number(2)) is a


def test_a_comparison_that_the_range_decides_is_never_built() -> None:
    g = Graph()
    x = g.var("x", IntT(2, 5))
    assert g.lt(g.number(1), x) is g.true
    assert g.eq(x, g.number(6)) is g.false
    assert g.le(g.add(x, x), g.number(10)) is g.true


VARIABLES = 3
Meaning = Callable[[Callable[[Node], int]], int]


def built(
    g: Graph, op: str, a: Node, b: Node, c: Node, x: Node, y: Node
) -> tuple[Node, Meaning]:
    """An expression of bools a, b, c or ints x, y, and what it should be given their values."""
    table: dict[str, tuple[Callable[[], Node], Meaning]] = {
        "not": (lambda: g.not_(a), lambda v: 1 - v(a)),
        "and": (lambda: g.and_(a, b), lambda v: v(a) & v(b)),
        "or": (lambda: g.or_(a, b), lambda v: v(a) | v(b)),
        "bite": (lambda: g.ite(a, b, c), lambda v: v(b) if v(a) else v(c)),
        "eq": (lambda: g.eq(x, y), lambda v: int(v(x) == v(y))),
        "lt": (lambda: g.lt(x, y), lambda v: int(v(x) < v(y))),
        "add": (lambda: g.add(x, y), lambda v: v(x) + v(y)),
        "sub": (lambda: g.sub(x, y), lambda v: v(x) - v(y)),
        "ite": (lambda: g.ite(a, x, y), lambda v: v(x) if v(a) else v(y)),
        "count": (lambda: g.count([a, b, c]), lambda v: v(a) + v(b) + v(c)),
    }
    make, meaning = table[op]
    return make(), meaning


OPERATORS = ("not", "and", "or", "bite", "eq", "lt", "add", "sub", "ite", "count")


@given(st.data())
def test_simplified_expressions_keep_their_value(data: st.DataObject) -> None:
    g = Graph()
    inputs = [g.var(f"b{i}", BOOL) for i in range(VARIABLES)]
    number = g.var("n", IntT(0, 2))
    bools, ints = list(inputs), [g.number(0), g.number(1), g.number(2), number]
    bits = itertools.product((0, 1), repeat=VARIABLES)
    points = [
        {**dict(zip(inputs, point, strict=True)), number: n} for point in bits for n in range(3)
    ]
    for _ in range(data.draw(st.integers(1, 25))):
        op = data.draw(st.sampled_from(OPERATORS))
        a, b, c = (data.draw(st.sampled_from(bools)) for _ in range(3))
        x, y = (data.draw(st.sampled_from(ints)) for _ in range(2))
        node, meaning = built(g, op, a, b, c, x, y)
        for point in points:
            values = evaluate(order([node, a, b, c, x, y]), point)
            assert values[node] == meaning(values.__getitem__)
        (bools if node.type == BOOL else ints).append(node)
        if len(ints) > 10:
            del ints[4]


def test_the_text_of_a_node_that_shares_much_is_short() -> None:
    g = Graph()
    node = g.var("x0", IntT(0, 1))
    for _ in range(100):
        node = g.add(node, node)
    assert len(repr(node)) < 1000

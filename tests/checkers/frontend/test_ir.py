"""The graph simplifies as it is built, and what it builds has the value it should."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from checkers.frontend.ir import BOOL, Graph, Node, evaluate, order
from spec.language.layout import IntT


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


@given(st.data())
def test_simplified_expressions_keep_their_value(data: st.DataObject) -> None:
    g = Graph()
    bools = [g.var(f"b{i}", BOOL) for i in range(VARIABLES)]
    inputs = list(bools)
    ints = [g.number(0), g.number(1), g.number(2), g.var("n", IntT(0, 2))]
    plain: dict[Node, object] = {}

    def value(node: Node, at: tuple[int, ...]) -> int:
        names = {**dict(zip(inputs, at, strict=False)), ints[3]: at[-1]}
        return evaluate(order([node]), names)[node]

    points = list(itertools.product((0, 1), repeat=VARIABLES))
    points = [(*point, n) for point in points for n in range(3)]
    for _ in range(data.draw(st.integers(1, 25))):
        op = data.draw(st.sampled_from(["not", "and", "or", "eq", "lt", "add", "ite", "bite"]))
        a, b, c = (data.draw(st.sampled_from(bools)) for _ in range(3))
        x, y = (data.draw(st.sampled_from(ints)) for _ in range(2))
        built, meant = {
            "not": lambda: (g.not_(a), lambda p: 1 - value(a, p)),
            "and": lambda: (g.and_(a, b), lambda p: value(a, p) & value(b, p)),
            "or": lambda: (g.or_(a, b), lambda p: value(a, p) | value(b, p)),
            "bite": lambda: (g.ite(a, b, c), lambda p: value(b, p) if value(a, p) else value(c, p)),
            "eq": lambda: (g.eq(x, y), lambda p: int(value(x, p) == value(y, p))),
            "lt": lambda: (g.lt(x, y), lambda p: int(value(x, p) < value(y, p))),
            "add": lambda: (g.add(x, y), lambda p: value(x, p) + value(y, p)),
            "ite": lambda: (g.ite(a, x, y), lambda p: value(x, p) if value(a, p) else value(y, p)),
        }[op]()
        for point in points:
            assert value(built, point) == meant(point)
        plain[built] = None
        (bools if built.type == BOOL else ints).append(built)
        if len(ints) > 10:
            del ints[4]

"""Shapes that a random text must not have, for two readers could read them in two ways."""

from __future__ import annotations

import pytest

from checkers.frontend import whole
from spec.language import LanguageError
from tests.random.loading import loaded

TEXT = '''
"""A machine with one action."""
from __future__ import annotations
from enum import IntEnum
from typing import Annotated
from spec.language import (
    NONE, Bounds, Id, Machine, Range, Record, State, Table, check, count, invariant, require,
)

class Errno(IntEnum):
    OK = 0
    EINVAL = 22

class Node(Record):
    link: Id[Node]
    flag: bool

class Whole(State):
    turn: Annotated[int, Range(0, 2)]
    nodes: Table[Node]

def init(s: Whole) -> None:
    pass

def bump(s: Whole) -> int:
    s.turn += 1
    return s.turn

def asked(s: Whole, node: Node) -> bool:
    require(node.flag)
    return True

{before}

def act(s: Whole, p: Id[Node]) -> {returns}:
{body}

@invariant()
def held(s: Whole) -> bool:
    return s.turn < 3

{after}

MACHINE = Machine(
    name="refused", state=Whole, init=init, actions=(act,{actions}), invariants=(held,{rules}),
    bounds={{"small": Bounds({{"nodes": 2}})}}, symmetric=({symmetric}),
)
VARIANT = None
'''

NOTHING = {
    "before": "", "after": "", "returns": "None", "body": "s.turn = 0", "actions": "", "rules": "",
    "symmetric": "",
}  # fmt: skip

TWICE = "@invariant()\ndef {}(s: Whole) -> bool:\n    return False\n"

SHAPES: dict[str, dict[str, str]] = {
    "a write in a tuple that is looked in": {"body": "require(bump(s) in (2, s.turn))"},
    "a write beside what it changes": {"body": "require(bump(s) > s.turn)"},
    "a write beside what is read before": {"body": "s.turn += bump(s)"},
    "a write in a quantifier": {"body": "require(any(bump(s) > 1 for n in s.nodes))"},
    "what is looked in may fail": {"body": "require(p in (p, s.nodes[s.nodes[p].link].link))"},
    "an end of a function": {"returns": "Errno", "body": "if s.turn > 0:\n    return Errno.EINVAL"},
    "a local of one branch": {"body": "if s.turn > 0:\n    v = 1\ns.turn = v"},
    "a variable behind its loop": {"body": "for n in s.nodes:\n    n.flag = True\nn.flag = False"},
    "a variable that was bound before": {"body": "n = s.nodes[p]\nfor n in s.nodes:\n    pass"},
    "no type of a local": {"body": "v = NONE\ns.nodes[p].link = v"},
    "two rules of one name": {"before": "other = None", "after":
        "first = held\n" + TWICE.format("held"), "rules": "first,"},
    "a rule of a name with a dash before it": {"after": TWICE.format("_held"), "rules": "_held,"},
    "a rule named as one of every machine": {"after": TWICE.format("no_failed_check"),
        "rules": "no_failed_check,"},
    "two actions of one name": {"actions": "act,"},
    "a row kept from a loop, called symmetric": {"symmetric": "Node,", "body":
        "v = s.nodes[p]\nfor n in s.nodes:\n    if n.flag:\n        v = n\nv.link = p"},
    "a count that may end, called symmetric": {"symmetric": "Node,", "body":
        "check(count(asked(s, n) for n in s.nodes if s.nodes[n.link].flag) > 0, 'none')"},
}  # fmt: skip


def text_of(shape: dict[str, str]) -> str:
    """The machine with parts of it in this shape."""
    parts = {**NOTHING, **shape}
    parts["body"] = "\n".join(f"    {line}" for line in parts["body"].splitlines())
    return TEXT.format(**parts)


def test_the_machine_itself_is_read() -> None:
    with loaded(text_of({})) as programs:
        whole.read(programs[0])


@pytest.mark.parametrize("name", SHAPES)
def test_a_shape_is_refused_in_one_line_with_its_place(name: str) -> None:
    with (
        pytest.raises(LanguageError, match=r"^[^\n]+\.py:\d+: [^\n]+$"),
        loaded(text_of(SHAPES[name])) as programs,
    ):
        whole.read(programs[0])

from enum import IntEnum
from typing import Annotated
from spec.language import CONST, NONE, NULL, NULLABLE, Bounds, Fault, Id, IdSet, Machine, Range, Record, Shape, Sort, State, Table, Teardown, check, count, first, fresh, host_call, invariant, limit, on_failure, overrides, require, sometimes, variant_of

class Errno(IntEnum):
    OK = 0
    EBUSY = 16

class Tag(Sort):
    pass

class Key(Sort):
    pass

class Node(Record):
    pass

class Leaf(Record):
    some6: IdSet[Node]

class Whole(State):
    flag1: bool
    link3: Id[Leaf]
    nodes: Table[Node]
    leaves: Table[Leaf]

def init(s: Whole) -> None:
    pass

@host_call('host1 p1={p1} ({ret})', fails=Errno.EBUSY)
def host1(s: Whole, p1: Tag, fault: Fault) -> tuple[Errno, Key]:
    s.flag1 = not NONE in s.leaves[s.link3].some6
    return (Errno.EBUSY, NULL)

def act1(s: Whole) -> None:
    pass

def act2(s: Whole, p1: Id[Leaf], p2: Annotated[int, Range(0, 2)], p3: Id[Node], fault: Fault) -> Errno:
    v1, v2 = host1(s, NULL, fault)
    return Errno.OK

def act3(s: Whole, p1: Id[Leaf], p2: Annotated[int, Range(-1, 1)], fault: Fault) -> Errno:
    return Errno.OK

def act4(s: Whole, fault: Fault) -> Errno:
    return Errno.OK

def tick(s: Whole) -> None:
    pass
MACHINE = Machine(name='random', state=Whole, init=init, actions=(act1, act2, act3, act4, tick), bounds={'small': Bounds({'nodes': 2, 'leaves': 3, 'Tag': 2, 'Key': 1}, 'random')})
VARIANT = None

"""Small machines that once were proved and are broken: each tries one shortcut of a proof."""

from __future__ import annotations

import itertools
from enum import IntEnum
from typing import Annotated

import pytest

from checkers.frontend.ir import ANY, Graph
from checkers.result import Limits, Verdict
from checkers.symbolic import check
from checkers.symbolic.induction import Task, run_task
from checkers.symbolic.system import System
from spec.language import (
    NONE,
    NULL,
    NULLABLE,
    Fault,
    Id,
    LanguageError,
    Range,
    Record,
    Sort,
    State,
    Table,
    build,
    fresh,
    host_call,
    invariant,
    require,
)
from spec.language import check as sure
from spec.language.layout import SortT
from spec.language.machine import Teardown
from spec.language.program import Program
from tests.checkers.symbolic.judged import CRASH, TEARDOWN, broken, machine, proved
from tests.toys.mutex import MUTEX
from tests.toys.queue import QUEUE, STANDS_STILL
from tests.toys.refcount import FREES_WHILE_HELD, LEAKS_ON_REFUSAL, REFCOUNT


class Data(Sort):
    """Data."""


class Counter(State):
    """A number, and a datum."""

    n: Annotated[int, Range(0, 4)]
    on: bool
    x: Data


def nothing(s: Counter) -> None:
    """As cleared."""


def four_different(s: Counter, p: Data, q: Data, r: Data, t: Data) -> None:
    """Needs four values at once."""
    require(p != q and p != r and p != t and q != r and q != t and r != t)
    require(s.n < 4)
    s.n += 1


@invariant()
def never_three(s: Counter) -> bool:
    """Broken in three steps."""
    return s.n != 3


def put(s: Counter, p: Data) -> None:
    """A datum is kept."""
    s.x = p


def switch_on(s: Counter) -> None:
    """On, whatever is kept."""
    s.on = True


def off_with_it(s: Counter, p: Data) -> None:
    """Off, by who knows what is kept; nobody knows the null value."""
    require(s.x == p)
    s.on = False


def is_off(s: Counter) -> bool:
    """Off."""
    return not s.on


def on_is_one(s: Counter) -> int:
    """The rank."""
    return 1 if s.on else 0


def by_null(s: Counter, p: Annotated[Data, NULLABLE]) -> None:
    """Counts if there is no datum; its parameter is called as that of `put`."""
    require(p == NULL)
    require(s.n < 4)
    s.n += 1


class Kind(IntEnum):
    """Free, or what it is."""

    FREE = 0
    LOW = 1
    HIGH = 2


class Slot(Record):
    """A slot, and whether it was used."""

    kind: Kind
    mark: bool
    peer: Id[Slot]


class Slots(State):
    """Slots and one of them."""

    bad: bool
    last: Id[Slot]
    slots: Table[Slot]


def free(s: Slots) -> None:
    """All are free."""


SECOND: Id[Slot] = Id(2)


def set_kind(s: Slots, slot: Id[Slot], kind: Kind) -> None:
    """A slot is of a kind."""
    s.slots[slot].kind = kind


def named(s: Slots) -> None:
    """The second slot alone goes wrong, when it is the higher one."""
    require(s.slots[SECOND].kind == Kind.HIGH)
    require(all(x.kind == Kind.FREE for x in s.slots if x.id != SECOND))
    s.bad = True


def last_of_loop(s: Slots) -> None:
    """Goes wrong where the last row is low and another is high."""
    kept: Id[Slot] = NONE
    for x in s.slots:
        if x.kind != Kind.FREE:
            kept = x.id
    require(kept != NONE)
    if s.slots[kept].kind == Kind.HIGH and any(x.kind == Kind.LOW for x in s.slots):
        s.bad = True


def crash_behind(s: Slots) -> None:
    """Fails a check if a row that is low, and has no peer, comes before one that is high."""
    require(any(x.kind == Kind.HIGH for x in s.slots))
    if any(x.kind == Kind.HIGH or (x.kind == Kind.LOW and s.slots[x.peer].mark) for x in s.slots):
        s.last = NONE


def fresh_of_all(s: Slots) -> None:
    """Any slot at all, without a condition: goes wrong if the lower one is taken."""
    slot = fresh(x.id for x in s.slots)
    require(s.slots[slot].kind == Kind.LOW)
    require(any(x.kind == Kind.HIGH for x in s.slots))
    s.bad = True


def fresh_peer(s: Slots) -> None:
    """What a slot names."""
    s.last = fresh(x.peer for x in s.slots if x.kind == Kind.LOW)
    s.bad = s.last != NONE


def link(s: Slots, slot: Id[Slot], peer: Id[Slot]) -> None:
    """A slot names another."""
    s.slots[slot].peer = peer


@invariant()
def never_bad(s: Slots) -> bool:
    """Nothing went wrong."""
    return not s.bad


def counting(*actions: object, **more: object) -> Program:
    return machine(Counter, nothing, actions, never_three, Data=4, **more)  # type: ignore[arg-type]


def slotted(*actions: object, rows: int = 2) -> Program:
    return machine(Slots, free, (set_kind, *actions), never_bad, slots=rows)  # type: ignore[arg-type]


class Called(State):
    """A field that is called as what counts the calls of the host."""

    calls: Annotated[int, Range(0, 255)]
    done: bool


class Errno(IntEnum):
    """Answers."""

    OK = 0
    EIO = 5


def nothing_called(s: Called) -> None:
    """As cleared."""


@host_call("ask ({ret})", fails=Errno.EIO)
def ask(s: Called, fault: Fault) -> Errno:
    """The host says yes."""
    return Errno.OK


def set_calls(s: Called, fault: Fault) -> Errno:
    """Writes the field."""
    ret = ask(s, fault)
    s.calls = 7
    return ret


@invariant()
def never_seven(s: Called) -> bool:
    """Broken in one step."""
    return s.calls != 7


def four_calls(s: State, fault: Fault) -> None:
    """Asks four times."""
    answer(s, fault)
    answer(s, fault)
    answer(s, fault)
    answer(s, fault)


@host_call("answer ({ret})", fails=Errno.EIO)
def answer(s: State, fault: Fault) -> Errno:
    """The host says yes."""
    return Errno.OK


def many_calls(s: State, fault: Fault) -> None:
    """So many calls that an action which makes them is proved from what is forced."""
    four_calls(s, fault)
    four_calls(s, fault)
    four_calls(s, fault)
    four_calls(s, fault)
    four_calls(s, fault)


def guarded_by_none(s: Slots, fault: Fault) -> None:
    """What it requires fails a check, for no slot is named; the one slot has no mark either."""
    require(s.slots[s.last].mark)
    many_calls(s, fault)


@invariant()
def marked_is_named(s: Slots) -> bool:
    """A slot with a mark is named."""
    return all(not x.mark or s.last == x.id for x in s.slots)


class Pair(State):
    """Two data."""

    x: Data
    y: Data
    bad: bool


def no_pair(s: Pair) -> None:
    """Both are null."""


def set_pair(s: Pair, p: Data, q: Data) -> None:
    """Any values."""
    s.x = p
    s.y = q


def beside_both(s: Pair, p: Data, q: Data, fault: Fault) -> None:
    """Two values that are not the first: with two values in all that is null."""
    require(p != q and s.x != p and s.x != q)
    many_calls(s, fault)
    s.bad = s.x != NULL


@invariant()
def no_bad_pair(s: Pair) -> bool:
    """Broken in two steps."""
    return not s.bad


MACHINES = {
    "two steps mention more data values than a state has": (
        counting(four_different), "never-three"
    ),
    "a constant of the teardown is no null value": (
        machine(
            Counter, nothing, (put, switch_on, off_with_it), Data=3,
            teardown=Teardown((off_with_it,), is_off, on_is_one),
        ),
        TEARDOWN,
    ),
    "parameters of one name, of which one may be null": (counting(put, by_null), "never-three"),
    "a row that the text names": (slotted(named), "never-bad"),
    "a local kept after a loop": (slotted(last_of_loop), "never-bad"),
    "an any that ends before a row that fails": (slotted(crash_behind), CRASH),
    "a fresh without a condition": (slotted(fresh_of_all), "never-bad"),
    "a fresh of what rows name": (slotted(fresh_peer, link), "never-bad"),
    "a field called as the count of calls": (
        machine(Called, nothing_called, (set_calls,), never_seven), "never-seven"
    ),
    "a requirement that fails a check": (
        machine(Slots, free, (guarded_by_none,), marked_is_named, slots=1), CRASH
    ),
    "what is forced, with the values of the parameters": (
        machine(Pair, no_pair, (set_pair, beside_both), no_bad_pair, Data=3), "no-bad-pair"
    ),
}


@pytest.mark.parametrize("name", MACHINES)
def test_what_is_broken_is_not_proved(name: str) -> None:
    program, rule = MACHINES[name]
    wrong = broken(program)
    assert rule in wrong
    assert not proved(program) & wrong


TOYS = [
    build(MUTEX, "small"), build(QUEUE, "small"), build(QUEUE, "small", STANDS_STILL),
    build(REFCOUNT, "small"), build(REFCOUNT, "small", FREES_WHILE_HELD),
    build(REFCOUNT, "small", LEAKS_ON_REFUSAL), counting(put), counting(switch_on, off_with_it),
    slotted(link), slotted(link, rows=3), machine(Pair, no_pair, (set_pair,), no_bad_pair, Data=2),
    machine(Slots, free, (guarded_by_none, link), marked_is_named, slots=2),
]  # fmt: skip


def test_what_is_proved_holds_in_every_state_that_is_reached() -> None:
    rules = 0
    for program in TOYS:
        shown = proved(program)
        assert not shown & broken(program), program.machine.name
        rules += len(shown)
    assert rules >= 12


def add(s: Counter, by: Annotated[int, Range(-1, 2)]) -> None:
    """The number changes by one of several."""
    require((by != 1 and by != 2 and s.n == 0) or by == 2)
    s.n += 0 - by if by == -1 else by


@invariant()
def data_are_not_null(s: Counter, p: Data) -> bool:
    """The values of a rule are those of its parameter's type."""
    return p != NULL


def test_a_path_with_a_negative_number_is_read_as_it_is() -> None:
    program = counting(add)
    rows = {item.rule: item for item in check(program, frozenset(), Limits(jobs=1))}
    assert broken(program) >= {"never-three"}
    assert rows["never-three"].depth == 2
    assert [step.values for step in rows["never-three"].violation.steps] == [(-1,), (2,)]  # type: ignore[union-attr]


def test_where_a_rule_is_broken_others_with_data_are_not() -> None:
    program = machine(
        Counter, nothing, (four_different,), never_three, data_are_not_null, Data=4
    )
    rows = {item.rule: item.verdict for item in check(program, frozenset(), Limits(jobs=1))}
    assert rows["never-three"] is Verdict.VIOLATED
    assert rows["data-are-not-null"] is not Verdict.VIOLATED


def two(
    s: Pair, a: Data, b: Data, c: Data, d: Data, e: Data, f: Data, g: Data, h: Data, i: Data,
    j: Data, k: Data, u: Data, m: Data, n: Data, o: Data, p: Data, q: Data, r: Data, t: Data,
) -> None:  # fmt: skip
    """Many parameters."""
    s.x = a


def test_a_condition_on_many_different_parameters_is_possible() -> None:
    system = System(machine(Pair, no_pair, (two,), no_bad_pair, Data=1), relaxed=True)
    g, nodes = system.graph, system.merger.bind(system.program.action("two"), (), "two.")
    pairs = itertools.combinations(nodes, 2)
    assert system.possible(g.all_of(g.not_(g.eq(a, b)) for a, b in pairs))


def test_a_carrier_that_is_too_small_is_an_error() -> None:
    """Whoever counts wrong proves nothing."""
    program = counting(four_different)
    system = System(program)
    task = Task("step", "four_different", (None,) * 4)
    assert {answer.status for answer in run_task(system, task, 0.0)} == {"fails", "holds"}
    system.carriers = lambda extra=(): {Data: 3}  # type: ignore[method-assign, assignment, misc]
    with pytest.raises(AssertionError, match="too few values"):
        run_task(system, task, 0.0)


def test_one_name_is_one_variable() -> None:
    graph = Graph()
    graph.var("x", SortT(Data), ANY)
    with pytest.raises(AssertionError, match="two variables"):
        graph.var("x", SortT(Data), ANY & ~1)


def off_at_first(s: Counter) -> None:
    """The initial state fails a check."""
    sure(s.on, "off")


def test_an_init_that_fails_a_check_is_refused_as_by_every_engine() -> None:
    program = machine(Counter, off_at_first, (put,), never_three, Data=1)
    with pytest.raises(LanguageError, match="init"):
        check(program, frozenset(), Limits(jobs=1))


def fails_before_it_is_struck(s: Called, fault: Fault) -> Errno:
    """Fails a check before its second call of the host."""
    ret = ask(s, fault)
    sure(ret != Errno.OK, "yes")
    return ask(s, fault)


def test_a_failed_check_is_of_the_run_whose_fault_is_met() -> None:
    """The path has a fault that a call before the failed check consumes, or none."""
    program = machine(Called, nothing_called, (fails_before_it_is_struck,), never_seven)
    rows = {item.rule: item for item in check(program, frozenset(), Limits(jobs=1))}
    assert rows[CRASH].verdict is Verdict.VIOLATED
    assert [step.fault for step in rows[CRASH].violation.steps] == [0]  # type: ignore[union-attr]


def none_of_two(s: Slots, slot: Id[Slot]) -> None:
    """None, whatever is asked: it has the type of the field."""
    s.last = NONE if s.bad else NONE  # noqa: RUF034 - as a generator of machines writes it
    s.slots[slot].peer = s.last


def test_a_choice_of_two_nones_has_the_type_that_is_wanted() -> None:
    program = slotted(none_of_two, link)
    assert {"never-bad", CRASH} <= proved(program) - broken(program)

"""The reference explorer: the figures of the manifests, orbits by brute force, what is broken."""

from __future__ import annotations

from dataclasses import replace

import pytest

from checkers.explore import reference
from checkers.explore.counterexample import UntoldError, told
from checkers.explore.explored import Explored
from checkers.explore.reference import explore
from checkers.result import Limits, Renaming, Violation
from invariants import complete
from spec.iommufd.calls import iommufd_cdev_attach_ioas_hwpt
from spec.iommufd.objects import Errno, Object, PgTable
from spec.language import (
    NONE,
    Fault,
    Id,
    Machine,
    Program,
    Teardown,
    Variant,
    build,
    count,
    fresh,
    overrides,
    overriding,
    require,
)
from spec.language.rules import CRASH, TEARDOWN
from spec.machines import MACHINES
from spec.vtd.ioas_container import vtd_create_s1_hwpt, vtd_device_attach_hwpt
from spec.vtd.state import IntelIOMMUState, Pgtt, VTDAddressSpace, VTDS2Hwpt
from tests.checkers.explore.native.facts import assert_shown, figures
from tests.checkers.explore.orbits import orbits, reachable
from tests.toys.keys import ALONE, COPIES_ITSELF, KEYS, Board, Key
from tests.toys.late import LATE
from tests.toys.mutex import MUTEX
from tests.toys.ports import PORTS
from tests.toys.queue import QUEUE, STANDS_STILL
from tests.toys.refcount import (
    FREES_WHILE_HELD,
    LEAKS_ON_REFUSAL,
    REFCOUNT,
    Heap,
    Holder,
    put,
    release,
)

LIFETIME = complete(MACHINES["object-lifetime"])
OBJECTS = complete(MACHINES["iommufd-objects"])
RENAMINGS = pytest.mark.parametrize("renaming", list(Renaming), ids=lambda item: item.value)


def found(program: Program, renaming: Renaming = Renaming.NONE, *names: str) -> Explored:
    return explore(program, frozenset(names), Limits(renaming=renaming))


@pytest.mark.parametrize("machine", [MUTEX, QUEUE, REFCOUNT, LATE, LIFETIME], ids=lambda m: m.name)
def test_the_figures_of_a_manifest(machine: Machine) -> None:
    bounds, explored = machine.bounds["small"], found(build(machine, "small"))
    assert figures(explored) == (bounds.states, bounds.transitions, bounds.depth)
    assert sum(explored.levels) == explored.states
    assert len(explored.levels) == explored.depth + 1
    assert (explored.violations, explored.untold, explored.stopped) == ({}, {}, "")


FEW = {"slots": 3, "devices": 1, "groups": 1}


def test_a_guard_behind_a_host_call_hides_no_step() -> None:
    assert figures(found(build(OBJECTS, "small", values=FEW))) == (384, 26_148, 9)


@pytest.mark.parametrize(
    ("program", "tables", "sorts"),
    [
        pytest.param(build(KEYS, "small"), ["keys"], [], id="keys"),
        pytest.param(build(REFCOUNT, "small"), ["holders"], [], id="refcount"),
        pytest.param(build(LIFETIME, "small"), ["slots", "devices"], [], id="object-lifetime"),
        pytest.param(build(QUEUE, "small"), [], ["Item"], id="queue"),
        pytest.param(build(MUTEX, "small"), ["processes"], [], id="mutex"),
        pytest.param(build(OBJECTS, "small", values=FEW), ["objects"], [], id="iommufd-objects"),
    ],
)
def test_as_many_states_as_there_are_orbits(
    program: Program, tables: list[str], sorts: list[str]
) -> None:
    explored = found(program, Renaming.IDS)
    states = reachable(program, tables)
    assert explored.states == orbits(program, states, tables, sorts)
    assert explored.states < len(states)
    names = [program.layout.tables[name].record.__name__ for name in tables]
    assert sorted(explored.symmetric) == sorted([*names, *sorts])


@RENAMINGS
@pytest.mark.parametrize(
    ("machine", "variant"),
    [(QUEUE, STANDS_STILL), (REFCOUNT, FREES_WHILE_HELD), (REFCOUNT, LEAKS_ON_REFUSAL)],
    ids=lambda item: item.name,
)
def test_a_variant_breaks_its_rules_in_the_declared_lengths(
    machine: Machine, variant: Variant, renaming: Renaming
) -> None:
    program = build(machine, "small", variant)
    explored = found(program, renaming)
    lengths = {name: len(item.steps) for name, item in explored.violations.items()}
    assert lengths == variant.expects
    for violation in explored.violations.values():
        assert_shown(program, violation)


@overrides(put)
def keep_shared(s: Heap, holder: Id[Holder]) -> None:
    """A holder lets go only of what nobody else holds."""
    require(s.holders[holder].holds != NONE)
    require(s.objects[s.holders[holder].holds].references == 1)
    release(s, s.holders[holder].holds)
    s.holders[holder].holds = NONE


@RENAMINGS
def test_a_state_that_cannot_be_taken_down(renaming: Renaming) -> None:
    program = build(REFCOUNT, "small", Variant("keeps", "refcount", overriding(keep_shared)))
    explored = found(program, renaming)
    assert set(explored.violations) == {TEARDOWN}
    assert len(explored.violations[TEARDOWN].steps) == 2
    assert_shown(program, explored.violations[TEARDOWN])


def mark(s: Board, key: Id[Key]) -> None:
    """A key is to be taken."""
    require(s.last == NONE)
    s.last = key


def take_if_marked(s: Board) -> None:
    """Some key that is there is taken if it is the right one."""
    key = fresh(k.id for k in s.keys if not k.out)
    require(key != NONE)
    if key == s.last:
        s.keys[key].out = True


def marked_is_out(s: Board) -> bool:
    """The key that is to be taken is out."""
    return s.last == NONE or s.keys[s.last].out


def left_to_do(s: Board) -> int:
    """Whether it is still there."""
    return count(s.last == k.id and not k.out for k in s.keys)


@RENAMINGS
def test_a_teardown_that_needs_luck_with_ids_is_none(renaming: Renaming) -> None:
    teardown = Teardown((take_if_marked,), marked_is_out, left_to_do)
    machine = replace(KEYS, actions=(mark, take_if_marked), teardown=teardown)
    assert set(found(build(machine, "small"), renaming).violations) == {TEARDOWN}


@RENAMINGS
def test_a_failed_check_and_a_rule_broken_in_one_level(renaming: Renaming) -> None:
    program = build(PORTS, "small")
    explored = found(program, renaming)
    assert {name: len(x.steps) for name, x in explored.violations.items()} == {
        "at-most-one": 2, CRASH: 3
    }
    for violation in explored.violations.values():
        assert_shown(program, violation)
    assert explored.crashed["crowd"] == explored.fired["crowd"] - explored.done("crowd") > 0


def test_a_run_that_needs_another_choice_of_ids_says_which() -> None:
    program = build(ALONE, "small")
    assert found(program, Renaming.NONE).violations == {}
    violation = found(program, Renaming.IDS).violations["same-key"]
    assert [(step.action, step.ids) for step in violation.steps] == [
        ("lend_alone", ()), ("give_back", ()), ("lend_alone", (2,))
    ]
    assert violation.another_choice
    assert_shown(program, violation)


def test_a_run_that_the_kernel_makes_is_shown_where_there_is_one() -> None:
    program = build(KEYS, "small", COPIES_ITSELF)
    violation = found(program, Renaming.IDS).violations["no-copy-of-itself"]
    assert [step.ids for step in violation.steps] == [(), ()]
    assert not violation.another_choice


@overrides(vtd_device_attach_hwpt)
def left_behind(
    s: IntelIOMMUState, vtd_as: Id[VTDAddressSpace], s2: Id[VTDS2Hwpt], pgtt: Pgtt, flpt: PgTable,
    fault: Fault,
) -> tuple[Errno, Id[Object]]:
    """Where the attach is refused the new HWPT is not destroyed."""
    err = Errno.OK
    hwpt = s.s2_hwpts[s2].hwpt_id
    if pgtt == Pgtt.FLT:
        err, hwpt = vtd_create_s1_hwpt(s, vtd_as, s2, flpt, fault)
        if err != Errno.OK:
            return err, NONE
    err = iommufd_cdev_attach_ioas_hwpt(s, s.address_spaces[vtd_as].hiod, hwpt, fault)
    if err != Errno.OK:
        return err, NONE
    return Errno.OK, hwpt


def test_a_refusal_is_judged_by_the_states_before_they_are_renamed() -> None:
    machine = complete(MACHINES["hwpt-sharing"])
    program = build(machine, "small", Variant("odd", "hwpt-sharing", overriding(left_behind)))
    rules = frozenset({"a-refusal-keeps-bindings", "a-refusal-leaves-nothing-behind"})
    limits = Limits(renaming=Renaming.SORTS, enough=lambda broken: bool(broken))
    explored = explore(program, rules, limits)
    assert explored.symmetric == ("PgTable",)
    assert explored.untold == {}
    assert set(explored.violations) == {"a-refusal-leaves-nothing-behind"}
    for violation in explored.violations.values():
        assert_shown(program, violation)


def test_a_rule_that_cannot_be_told_does_not_lose_the_others(
    monkeypatch: pytest.MonkeyPatch
) -> None:

    def failing(program: Program, rule: str, *rest: object) -> Violation:
        if rule == CRASH:
            raise UntoldError("no run")
        return told(program, rule, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(reference, "told", failing)
    explored = found(build(PORTS, "small"))
    assert explored.untold == {CRASH: "no run"}
    assert list(explored.violations) == ["at-most-one"]


def test_only_what_is_asked_is_looked_for_and_then_it_stops() -> None:
    program = build(PORTS, "wide")
    explored = found(program, Renaming.NONE, "at-most-one")
    assert list(explored.violations) == ["at-most-one"]
    assert explored.stopped == "stopped at depth 2: every rule sought is broken"


def test_limits_and_an_interrupt_leave_what_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    explored = explore(build(LIFETIME, "small"), frozenset(), Limits(memory_mib=1))
    assert explored.stopped == "memory limit of 1 MiB met at depth 0"
    assert not explored.exhausted

    def interrupt(*_: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr("checkers.gauge.Gauge.met", interrupt)
    limits = Limits()
    explored = explore(build(MUTEX, "small"), frozenset(), limits)
    assert limits.interrupted
    assert explored.stopped == "interrupted at depth 0"


def test_each_rule_is_told_of_when_it_is_found_and_enough_ends_the_search() -> None:
    heard: list[tuple[str, int]] = []
    limits = Limits(
        found=lambda rule, depth: heard.append((rule, depth)), enough=lambda broken: bool(broken)
    )
    explored = explore(build(REFCOUNT, "small", FREES_WHILE_HELD), frozenset(), limits)
    assert heard == [("no-dangling", 3)]
    assert list(explored.violations) == ["no-dangling"]
    assert not explored.exhausted

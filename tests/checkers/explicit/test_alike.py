"""States up to which row is which: one of each orbit, only where the text tells no rows apart."""

from __future__ import annotations

import math
import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from checkers.cli import main
from checkers.columns.packing import Packing
from checkers.columns.sorting import RowSorter
from checkers.explicit import check, explore
from checkers.explicit.alike import Alike, alike
from checkers.explicit.engine import explored
from checkers.frontend.merge import Merger
from checkers.result import Explorer, Limits, Renaming, Verdict
from invariants import complete
from spec.iommufd.object_lifetime import (
    OBJECT_LIFETIME,
    Device,
    Host,
    detach,
    empty_host,
    things_left,
)
from spec.language import (
    NONE,
    Id,
    LanguageError,
    Program,
    Teardown,
    Variant,
    build,
    first,
    overrides,
    overriding,
    require,
)
from spec.language.rules import CRASH
from spec.variants import VARIANTS
from tests.checkers.columns.test_explorers import replayed
from tests.toys.ports import PORTS

LIFETIMES = complete(OBJECT_LIFETIME)
TWO_AND_ONE = {"iommufds": 2, "slots": 3, "devices": 3, "on_second_fd": 0b100}


def up_to(renaming: Renaming, explorer: Explorer | None = None) -> Limits:
    return Limits(renaming=renaming, explorer=explorer)


def orbit(item: Alike, state: bytes) -> int:
    """How many states differ from this only in which row is which."""
    size = 1
    for rows in item.classes:
        cells = [tuple(state[column.offset(row)] for column in item.columns) for row in rows]
        size *= math.factorial(len(rows))
        for count in Counter(cells).values():
            size //= math.factorial(count)
    return size


@pytest.mark.parametrize(
    "program",
    [build(LIFETIMES, "S"), build(LIFETIMES, "B", values=TWO_AND_ONE)],
    ids=["S", "two and one"],
)
def test_the_orbits_have_all_states_between_them(program: Program) -> None:
    (devices,) = alike(program)
    found = explore(program, limits=up_to(Renaming.IDS))
    full = explore(program, limits=up_to(Renaming.NONE))
    assert found.exhausted
    assert sum(orbit(devices, state) for state in found.index) == full.states
    assert {devices.canonical(state) for state in full.index} == set(found.index)
    assert (found.depth, set(found.witnessed)) == (full.depth, set(full.witnessed))


def test_only_devices_of_one_iommufd_are_alike() -> None:
    assert alike(build(LIFETIMES, "S"))[0].classes == ((1, 2, 3),)
    assert alike(build(LIFETIMES, "B"))[0].classes == ((1, 2),)
    apart = {"iommufds": 2, "slots": 2, "devices": 2, "on_second_fd": 0b10}
    assert alike(build(LIFETIMES, "B", values=apart)) == []


@pytest.mark.parametrize("bounds", ["S", "B"])
def test_columns_find_the_declared_orbits(bounds: str) -> None:
    found = explored(build(LIFETIMES, bounds), frozenset(), up_to(Renaming.IDS, Explorer.NUMPY))
    declared = LIFETIMES.bounds[bounds]
    assert (found.states, found.depth) == (declared.orbits, declared.depth)
    assert found.exhausted
    assert not found.violations


PROGRAMS = [
    build(LIFETIMES, "small"),
    build(PORTS, "small"),
    build(LIFETIMES, "small", VARIANTS["lifetime-detach-keeps-count"]),
    build(LIFETIMES, "small", VARIANTS["lifetime-destroy-while-held"]),
]


@pytest.mark.parametrize("program", PROGRAMS)
def test_three_explorers_agree_and_their_traces_have_the_original_ids(program: Program) -> None:
    """Of the full space they have the verdicts and the lengths."""
    lengths, figures = [], []
    for renaming in (Renaming.IDS, Renaming.NONE):
        for explorer in Explorer:
            rows = check(program, frozenset(), up_to(renaming, explorer))
            assert {row.renaming is Renaming.IDS for row in rows} == {renaming is Renaming.IDS}
            figures.append([(row.states, row.transitions, row.depth) for row in rows])
            lengths.append([
                (row.rule, row.verdict, row.violation and len(row.violation.steps)) for row in rows
            ])
            for row in rows:
                if row.violation is not None:
                    assert row.violation.initial in program.initial()
                    assert replayed(program, row.violation.initial, row.violation.steps)
    assert all(item == lengths[0] for item in lengths)
    assert figures[0] == figures[1] == figures[2] != figures[3]


@pytest.mark.parametrize("bounds", ["small", "wide"])
def test_packed_rows_are_sorted_as_frozen_ones_are(bounds: str) -> None:
    program, chance = build(PORTS, bounds), random.Random(1)
    (ports,), packing = alike(program), Packing(Merger(program))
    size = program.bounds.values["users"]
    states = []
    for _ in range(100):
        store = program.store()
        store.clear()
        for port in store.tables["ports"]:
            port.opened = chance.randrange(3)
            for user in range(1, size + 1):
                if chance.random() < 0.4:
                    port.users.add(Id(user))
        states += [store.freeze(), *ports.exchanged(store.freeze())]
    assert packing.words == (1 if bounds == "small" else 2)
    found = packing.states(RowSorter(packing, ports).sorted(packing.rows(states)))
    assert found == [ports.canonical(state) for state in states]
    assert len(set(found)) <= 100 < len(set(states))


# who decides


@overrides(detach)
def the_last_one_stays(s: Host, device: Id[Device]) -> None:
    """A device may not leave if it is the first that is attached."""
    require(s.devices[device].hwpt != NONE)
    require(device != first(d.id for d in s.devices if d.hwpt != NONE))
    s.slots[s.devices[device].hwpt].refs -= 1
    s.devices[device].hwpt = NONE


def test_a_variant_that_tells_rows_apart_is_explored_without() -> None:
    variant = Variant("stays", "object-lifetime", overriding(the_last_one_stays))
    program = build(LIFETIMES, "small", variant)
    rows = check(program, frozenset(), Limits())
    assert {row.renaming for row in rows} == {Renaming.SORTS}
    assert all("ids are not renamed: " in row.detail for row in rows)
    assert all("`first` over `devices` depends on the order" in row.detail for row in rows)
    with pytest.raises(LanguageError, match="`first` over `devices`"):
        check(program, frozenset(), up_to(Renaming.IDS))


def test_ids_are_renamed_where_nobody_declared_figures() -> None:
    custom = build(LIFETIMES, "small", values={"slots": 2})
    assert {row.renaming for row in check(custom, frozenset(), Limits())} == {Renaming.IDS}
    named = check(build(LIFETIMES, "small"), frozenset(), Limits())
    assert {row.renaming for row in named} == {Renaming.SORTS}
    assert {row.states for row in named} == {137}


def test_the_detail_says_what_was_renamed() -> None:
    rows = check(build(PORTS, "small"), frozenset(), Limits())
    found = {row.rule: row for row in rows}[CRASH]
    assert found.verdict is Verdict.VIOLATED
    assert found.detail == "in 3 steps; nobody is trampled; up to renaming of Port"


def test_a_teardown_is_explored_up_to_ids_too() -> None:
    stuck = Teardown(actions=(detach,), empty=empty_host, rank=things_left)
    program = build(replace(LIFETIMES, teardown=stuck), "small")
    found = [
        {row.rule: row for row in check(program, frozenset(), up_to(Renaming.IDS, explorer))}
        for explorer in Explorer
    ]
    for rows in found:
        shown = rows["teardown-reachable"].violation
        assert shown is not None
        assert len(shown.steps) == 1


def test_the_command_line_says_what_is_renamed() -> None:
    words = ["check", "object-lifetime", "--bounds", "small", "--no-progress"]
    done = CliRunner().invoke(main, [*words, "--symmetry", "ids"])
    assert done.exit_code == 0
    assert "manifest: 98 states, 9 depth, as declared" in done.output
    assert "exhausted 98 states; up to renaming of Device" in done.output
    done = CliRunner().invoke(main, words)
    assert "manifest: 137 states, 496 transitions, 9 depth, as declared" in done.output


def test_a_trace_up_to_ids_replays(tmp_path: Path) -> None:
    name = "lifetime-detach-keeps-count"
    words = ["check", "object-lifetime", "--variant", name, "--symmetry", "ids"]
    done = CliRunner().invoke(main, [*words, "--traces", str(tmp_path)])
    assert done.exit_code == 1
    saved = sorted(tmp_path.glob("*.json"))
    assert saved
    for file in saved:
        again = CliRunner().invoke(main, ["replay", str(file)])
        assert again.exit_code == 0, again.output


def test_other_engines_rename_nothing() -> None:
    words = ["check", "object-lifetime", "--engine", "stateful", "--symmetry", "ids"]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 2
    assert done.stderr == "viommu-spec: --symmetry is of --engine explicit\n"

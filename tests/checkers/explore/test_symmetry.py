"""What may be renamed, and the least state of an orbit."""

from __future__ import annotations

import pytest

from checkers.explore.symmetry import MOST, orbit_least, symmetry, tried
from checkers.result import Renaming
from spec.language import Program, build
from tests.checkers.explore.orbits import reachable, renamed
from tests.toys.keys import KEYS
from tests.toys.mutex import MUTEX
from tests.toys.ports import PORTS
from tests.toys.queue import QUEUE


def test_ids_are_renamed_by_default_where_it_is_sound() -> None:
    found = symmetry(build(MUTEX, "small"), None)
    assert (found.renaming, found.names, found.size, found.declined) == (
        Renaming.IDS, ("Process",), 2, ""
    )


def test_less_is_renamed_where_rows_are_told_apart_and_that_says_why() -> None:
    found = symmetry(build(QUEUE, "small"), None)
    assert (found.renaming, found.names) == (Renaming.SORTS, ("Item",))
    assert found.declined.startswith("ids are not renamed: ")
    assert "\n" not in found.declined


def test_no_more_is_renamed_than_is_wished() -> None:
    program = build(QUEUE, "small")
    assert symmetry(program, Renaming.NONE).names == ()
    assert symmetry(build(MUTEX, "small"), Renaming.SORTS).names == ()


def test_what_is_renamed_is_what_the_front_end_found() -> None:
    found = symmetry(build(PORTS, "small"), Renaming.IDS)
    assert {item.table.name: item.classes for item in found.sets} == {
        "ports": ((1, 2, 3),), "users": ((1, 2),)
    }
    assert found.size == 12


@pytest.mark.parametrize(
    ("program", "tables", "sorts"),
    [
        pytest.param(build(KEYS, "small"), ["keys"], [], id="ids-and-sets"),
        pytest.param(build(PORTS, "small"), ["ports", "users"], [], id="two-tables"),
        pytest.param(
            build(QUEUE, "small", values={"Item": 3, "cells": 2}), [], ["Item"], id="values"
        ),
    ],
)
def test_the_least_of_an_orbit_is_in_it_and_is_that_of_all_its_states(
    program: Program, tables: list[str], sorts: list[str]
) -> None:
    least = orbit_least(program.layout, symmetry(program, Renaming.IDS))
    of_orbit: dict[frozenset[object], bytes] = {}
    for state in sorted(reachable(program, tables)):
        orbit = frozenset(renamed(program, state, tables, sorts))
        found = least(state)
        assert found <= state
        assert frozenset(renamed(program, found, tables, sorts)) == orbit
        assert of_orbit.setdefault(orbit, found) == found


def test_what_takes_too_many_permutations_is_not_tried_and_that_is_said() -> None:
    program = build(PORTS, "wide")
    found = symmetry(program, Renaming.IDS)
    assert found.size > MOST
    less = tried(found)
    assert (less.renaming, less.names) == (Renaming.SORTS, ())
    assert less.declined.startswith("ids are not renamed: ")
    few = symmetry(build(PORTS, "small"), Renaming.IDS)
    assert tried(few) is few

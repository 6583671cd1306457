"""Ways past every pair: all are found, each by its shortest path, none in between what is one."""

from __future__ import annotations

from functools import cache

import pytest

from checkers.real.qemu.lockstep.alike import Alike
from checkers.real.qemu.lockstep.every_pair import linked
from checkers.real.qemu.lockstep.of_vfio_attach import SETTINGS, TOGETHER
from checkers.real.qemu.lockstep.pairs import Graph, Pair, graph
from spec.language.program import Program
from spec.language.steps import Step, take

(ALONE,) = [item for item in SETTINGS if item.name == "no-viommu"]


@cache
def program() -> Program:
    return linked(ALONE)


@cache
def alone() -> Graph:
    return graph(program(), TOGETHER, lambda state, step, outcome: "")


def after(*steps: Step) -> bytes:
    (state,) = program().initial()
    for step in steps:
        state = take(program(), state, step).state
    return state


PLUG = Step("vfio_pci_realize", (1,))
LEAKS = [Step("vfio_exitfn", (1,)), Step("vfio_pci_finalize", (1,), 5)]


def test_each_failing_call_is_a_pair() -> None:
    plugs = {way.pair.failing for way in alone().ways if way.pair.action == "vfio_pci_realize"}
    outcome = take(program(), after(), PLUG)
    assert len(plugs) == len(outcome.calls) + 1
    assert Pair("vfio_pci_realize", "iommufd_backend_map_dma#2", "-ENOMEM") in {
        way.pair for way in alone().ways
    }


def test_what_is_leaked_for_good_makes_no_other_state() -> None:
    key = Alike(program().layout)
    calls = take(program(), after(PLUG, LEAKS[0]), LEAKS[1]).calls
    assert [call.name for call in calls if call.injected] == ["iommufd_backend_free_id"]
    assert after(PLUG, *LEAKS) != after(PLUG, LEAKS[0], Step("vfio_pci_finalize", (1,)))
    leaves = Step("vfio_pci_finalize", (1,))
    assert key(after(PLUG, *LEAKS)) == key(after(PLUG, LEAKS[0], leaves))
    assert key(after(PLUG)) != key(after())


def test_the_nearest_way_is_found_and_not_past_what_is_banned() -> None:
    every = alone()
    wanted = {way for way in every.ways if way.pair.action == "vfio_pci_finalize"}
    path = every.path(every.start, wanted)
    assert path is not None
    assert [step.action for move in path for step in move.steps] == [
        "vfio_pci_realize", "vfio_exitfn", "vfio_pci_finalize",
    ]  # fmt: skip
    plugs = {way for way in every.ways if way.pair.action == "vfio_pci_realize"}
    assert every.path(every.start, wanted, plugs) is None


def test_what_is_taken_at_once_is_one_move() -> None:
    every = alone()
    actions = {tuple(step.action for step in move.steps)
               for at in every.edges for move in every.moves(at)}  # fmt: skip
    assert ("vfio_exitfn", "vfio_pci_finalize") in actions
    assert ("vfio_exitfn",) not in actions


@pytest.mark.parametrize("why", ["", "no"])
def test_what_cannot_be_done_has_its_reason(why: str) -> None:
    every = graph(program(), TOGETHER, lambda state, step, outcome: why if step.fault else "")
    failing = {way for way in every.ways if way.pair.failing != "none"}
    assert every.ways == alone().ways
    assert every.why == (dict.fromkeys(failing, why) if why else {})

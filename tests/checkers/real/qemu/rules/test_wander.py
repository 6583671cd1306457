"""Random runs of a toy: each of its defects is found, and the shortest way to it; no other is."""

from __future__ import annotations

import pytest

from checkers.real.qemu.rules.acts import Act
from checkers.real.qemu.rules.guest_run import ALIVE, DUE, LEAKED, QUIT
from checkers.real.qemu.rules.wander import Search, Shrinker, walk
from checkers.trace.format import Wrong
from tests.checkers.real.qemu.rules.toy import ToyRun

SILENT = Wrong(DUE, "invalidate", "table is due, it stays table", "HWPT_ALLOC")
WAYS = {
    "silent": (SILENT, ("entry", "invalidate")),
    "leaks": (Wrong(LEAKED, "invalidate", "HWPT_NESTED stays"),
              ("entry", "invalidate", "entry", "invalidate")),
    "aborts": (Wrong(ALIVE, "root", "it ended by SIGABRT in gives_up"),
               ("entry", "invalidate", "root")),
}  # fmt: skip


def searched(defect: str, number: int = 0) -> Search:
    search = Search(lambda: ToyRun(defect))
    assert walk(search, 20, number)
    return search


@pytest.mark.parametrize("defect", ["", "retries"])
def test_a_toy_that_tells_or_tries_again_has_no_defect(defect: str) -> None:
    search = searched(defect)
    assert search.found == {}
    assert search.runs >= 20
    assert search.calls > 20


@pytest.mark.parametrize("defect", WAYS)
def test_a_defect_is_found_and_shrunk(defect: str) -> None:
    wrong, kinds = WAYS[defect]
    way = Shrinker(lambda: ToyRun(defect)).shortest(wrong, searched(defect).found[wrong])
    assert way is not None
    assert tuple(act.kind for act in way.acts) == kinds
    assert way.wrong == wrong


def test_the_same_number_gives_the_same_runs() -> None:
    assert searched("silent", 3).found == searched("silent", 3).found


def test_a_way_that_leads_elsewhere_is_none() -> None:
    assert Shrinker(lambda: ToyRun("")).shortest(SILENT, (Act("entry", (1,)), Act(QUIT))) is None


def test_runs_end_when_there_is_no_time() -> None:
    search = Search(lambda: ToyRun(""), deadline=1e-9)
    assert not walk(search, 20, 0)
    assert (search.acts, search.runs) == (1, 1)


def test_what_was_wrong_is_told_once_until_it_was_right() -> None:
    run = ToyRun("silent")
    first = [run.take(Act("entry", (1,))), run.take(Act("invalidate", refused=1))]
    assert first == [[], [SILENT]]
    assert run.take(Act("invalidate")) == []
    assert [seen.refused for seen in run.seen] == ["", "HWPT_ALLOC", ""]
    assert run.seen[1].does == {"dev1": "table 0"}
    assert run.seen[1].due == {"dev1": "table 1"}
    assert run.seen[1].again == 0

"""A search goes on from its last complete level to the same end, or is refused: never a guess."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from checkers.explore.explored import Explored
from checkers.explore.native import checkpoint
from checkers.explore.native.search import explore
from checkers.machines import InputError
from checkers.result import Limits, Renaming
from spec.language import Program, build
from tests.checkers.explore.native.facts import assert_all_shown, facts
from tests.toys.keys import COPIES_ITSELF, KEYS, Board
from tests.toys.refcount import REFCOUNT

PROGRAM = build(KEYS, "small", COPIES_ITSELF)


class KilledError(Exception):
    """Stands for a kill."""


def searched(folder: Path, resume: bool = False, program: Program = PROGRAM) -> Explored:
    limits = Limits(checkpoint=folder, resume=resume, renaming=Renaming.NONE)
    return explore(program, frozenset(), limits)


@pytest.mark.parametrize("writes", [1, 2, 3, 4, 5, 10, 11])
def test_killed_while_it_writes(
    writes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = [writes]

    def sync(_: int) -> None:
        left[0] -= 1
        if not left[0]:
            raise KilledError

    monkeypatch.setattr(checkpoint.os, "fsync", sync)
    with pytest.raises(KilledError):
        searched(tmp_path)
    if writes <= 2:
        with pytest.raises(InputError, match="has no checkpoint to resume"):
            searched(tmp_path, resume=True)
        return
    again = searched(tmp_path, resume=True)
    assert facts(again) == facts(explore(PROGRAM, frozenset(), Limits(renaming=Renaming.NONE)))
    assert_all_shown(again)


@pytest.mark.parametrize("name", ["level-00000", "level-00003", "manifest.json"])
def test_one_flipped_bit_is_noticed(name: str, tmp_path: Path) -> None:
    searched(tmp_path)
    whole = (tmp_path / name).read_bytes()
    for place in range(0, len(whole), max(1, len(whole) // 40)):
        broken = bytearray(whole)
        broken[place] ^= 1 << place % 8
        (tmp_path / name).write_bytes(broken)
        with pytest.raises(InputError, match=name):
            searched(tmp_path, resume=True)
    (tmp_path / name).write_bytes(whole)
    assert searched(tmp_path, resume=True).exhausted


def all_out(s: Board) -> None:
    """All keys are out."""
    for key in s.keys:
        key.out = True


def test_a_checkpoint_of_another_search_is_refused(tmp_path: Path) -> None:
    searched(tmp_path)
    with pytest.raises(InputError, match="is a checkpoint of keys"):
        searched(tmp_path, True, build(REFCOUNT, "small"))
    with pytest.raises(InputError, match="has a checkpoint"):
        searched(tmp_path)


def test_other_initial_states_are_noticed(tmp_path: Path) -> None:
    searched(tmp_path)
    with pytest.raises(InputError, match="have changed"):
        searched(tmp_path, True, build(replace(KEYS, init=all_out), "small", COPIES_ITSELF))


def test_a_folder_in_use_is_refused(tmp_path: Path) -> None:
    kept = checkpoint.Checkpoint(tmp_path, PROGRAM, "")
    with kept.opened(resume=False), pytest.raises(InputError, match="another search uses this"):
        searched(tmp_path)
    assert searched(tmp_path).exhausted

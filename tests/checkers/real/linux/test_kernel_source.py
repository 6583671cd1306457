"""Where the kernel's source comes from."""

from __future__ import annotations

from pathlib import Path

import pytest

from checkers.real.linux.kernel_source import source
from checkers.real.shell import need, run
from checkers.userfiles import InputError

MAKEFILE = "VERSION = 7\nPATCHLEVEL = 4\nSUBLEVEL = 0\nEXTRAVERSION = -rc1\nNAME = x\n"


def tree(folder: Path, text: str = MAKEFILE) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "Makefile").write_text(text)
    return folder


def test_a_users_tree_is_built_as_it_is(tmp_path: Path) -> None:
    found = source(tree(tmp_path))
    assert (found.folder, found.version, found.fixed) == (tmp_path, "7.4.0-rc1", False)


def test_the_newest_that_was_fetched_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    kept = tmp_path / "viommu-spec/linux/source"
    tree(kept / "linux-source-7.9")
    newest = tree(kept / "linux-source-7.10")
    found = source(None)
    assert (found.folder, found.fixed) == (newest, True)


@pytest.mark.parametrize(
    ("text", "why"), [("NAME = x\n", "names no version"), (None, "no kernel's source")]
)
def test_what_is_no_tree_is_refused(tmp_path: Path, text: str | None, why: str) -> None:
    if text is not None:
        tree(tmp_path, text)
    with pytest.raises(InputError, match=why):
        source(tmp_path)


def test_what_is_missing_is_said_in_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match=r"^flex, bc not found; .* apt-get install flex bc$"):
        need({"flex": "flex", "bc": "bc"})


def test_a_program_that_fails_is_told_by_its_own_words(tmp_path: Path) -> None:
    script = "echo fine; echo x.c: error: no such thing; exit 1"
    with pytest.raises(InputError, match=r"sh fails: x\.c: error: no such thing; see .*log"):
        run(["sh", "-c", script], tmp_path / "log")

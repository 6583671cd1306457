"""What is compiled is kept; what is kept is loaded if it is the user's own and what was written."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from checkers.explore.native import compiler
from tests.checkers.test_cli import refused, run

TEXT = '__attribute__((visibility("default"))) int answer(void) {{ return {}; }}\n'
MUTEX = "tests/toys/mutex.py"


@pytest.fixture(autouse=True)
def found_anew() -> Iterator[None]:
    """Which compiler there is is found out by each test, and by what comes after."""
    compiler.compiler.cache_clear()
    compiler._version.cache_clear()
    yield
    compiler.compiler.cache_clear()
    compiler._version.cache_clear()


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The cache, empty."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    found = compiler.cache_folder()
    assert found is not None
    return found


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The programs that have been compiled."""
    texts, really = list[str](), compiler._compiled

    def compile_it(command: list[str], text: str) -> bytes:
        texts.append(text)
        return really(command, text)

    monkeypatch.setattr(compiler, "_compiled", compile_it)
    return texts


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, folder: Path) -> str:
    """No program is found, and no package has a compiler; the real path."""
    path = os.environ["PATH"]
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "ziglang", None)
    return path


def answer(number: int = 42, *options: str) -> int:
    return int(compiler.load(TEXT.format(number), "-O0", *options).answer())


def test_compiled_once(folder: Path, compiled: list[str]) -> None:
    assert [answer(), answer(), answer(41), answer(42, "-g0"), answer()] == [42, 42, 41, 42, 42]
    assert len(compiled) == 3
    assert len(list(folder.iterdir())) == 3


def test_damaged_entry_is_compiled_anew(folder: Path, compiled: list[str]) -> None:
    answer()
    (entry,) = folder.iterdir()
    whole = entry.read_bytes()
    flipped = [bytearray(whole) for _ in range(3)]
    for place, data in zip((0, 40, -1), flipped, strict=True):
        data[place] ^= 1
    for number, data in enumerate([*flipped, whole[:-1], whole[:32], whole[:31], b""], 2):
        entry.write_bytes(data)
        assert answer() == 42
        assert len(compiled) == number
        assert entry.read_bytes() == whole


def test_entry_of_another_program_is_not_loaded(folder: Path, compiled: list[str]) -> None:
    answer(1)
    (one,) = folder.iterdir()
    answer(2)
    (two,) = set(folder.iterdir()) - {one}
    shutil.copyfile(one, two)
    assert answer(2) == 2
    assert len(compiled) == 3


def test_entry_that_others_own_or_write_is_not_loaded(
    folder: Path, compiled: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    answer()
    (entry,) = folder.iterdir()
    entry.chmod(0o620)
    answer()
    assert len(compiled) == 2
    assert entry.stat().st_mode & 0o777 == 0o600
    own = os.getuid()
    monkeypatch.setattr(compiler.os, "getuid", lambda: own + 1)
    answer()
    assert len(compiled) == 3


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_what_is_no_file_is_not_loaded(make: object, folder: Path, compiled: list[str]) -> None:
    answer()
    (entry,) = folder.iterdir()
    entry.unlink()
    assert callable(make)
    make(entry)
    assert answer() == 42
    assert len(compiled) == 2
    assert list(folder.iterdir()) == [entry]


@pytest.mark.parametrize("base", ["/dev/null", "relative", "~nobody-of-this-name"])
def test_no_place_for_a_cache(
    base: str, compiled: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", base)
    assert [answer(), answer()] == [42, 42]
    assert len(compiled) == 2
    assert not list(tmp_path.iterdir())


def test_full_disk_leaves_nothing(
    folder: Path, compiled: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*places: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(compiler.os, "replace", full)
        assert answer() == 42
    assert not list(folder.iterdir())


def test_no_place_for_temporary_files(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiler.tempfile, "tempdir", str(folder / "nowhere"))
    said = refused(run("check", MUTEX))
    assert "the compiled machine cannot be written and loaded: [Errno 2]" in said
    assert said.endswith("; TMPDIR names another folder for that")


def test_no_compiler_is_said_in_one_line(nowhere: str) -> None:
    done = run("check", MUTEX, "-v")
    assert done.exit_code == 0, done.output
    said = " ".join(done.stdout.split())
    assert said.count("no C compiler: install one (cc), or the extra [compiler]") == 1
    assert "one-at-a-time explicit holds 2 1 " in said
    for words in (("--explorer", "native"), ("--checkpoint", "levels")):
        assert "no C compiler: install one (cc)" in refused(run("check", MUTEX, *words))


def test_compiler_of_the_package_index(
    nowhere: str, compiled: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that calls the real one stands for it."""
    package = tmp_path / "packages" / "ziglang"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text(
        "import os, sys\nassert sys.argv[1] == 'cc'\n"
        f"os.environ['PATH'] = {nowhere!r}\nos.execvp('cc', sys.argv[1:])\n"
    )
    monkeypatch.delitem(sys.modules, "ziglang")
    monkeypatch.syspath_prepend(str(package.parent))
    monkeypatch.setenv("PYTHONPATH", str(package.parent))
    assert compiler.compiler() == (sys.executable, "-m", "ziglang", "cc")
    assert answer() == 42
    assert len(compiled) == 1

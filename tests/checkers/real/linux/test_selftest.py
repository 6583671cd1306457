"""What is read of the kernel's own selftest, and the table of its tests and our rows."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner
from viommu_spec.provenance import FOLDER
from viommu_spec.provenance import table as index

from checkers.cli import main
from checkers.real.linux import image, selftest
from checkers.real.linux.hardware import Hardware
from checkers.real.linux.selftest import Came, Table, results, table, told, unknown
from checkers.report.row import Status
from checkers.userfiles import InputError

ROWS = Path(__file__).parents[3] / "spec/iommufd/selftest.toml"

SAID = """\
TAP version 13
1..4
#  RUN           a.one.x ...
ok 1 a.one.x
# x.c:12:x:Expected 1 (1) == 0 (0)
not ok 2 a.two.x
ok 3 a.two.y # SKIP no such thing
ok 4 b.z
# Totals: pass:2 fail:1 xfail:0 xpass:0 skip:1 error:0
end /iommufd 1
TAP version 13
1..1
ok 1 c.w
end /iommufd_fail_nth 0
""".splitlines()

KNOWN = Table(rows={"a.x": [1, 2, 3, 5], "b.z": [7]}, none={"no call": ["c.w"]}, fails={})


def test_what_came_of_each_test() -> None:
    assert results(SAID) == {
        "a.one.x": Came.PASSED, "a.two.x": Came.FAILED, "a.two.y": Came.SKIPPED,
        "b.z": Came.PASSED, "c.w": Came.PASSED,
    }  # fmt: skip


@pytest.mark.parametrize("end", [[], SAID[:5], SAID[:10], [*SAID[:3], *SAID[4:]]])
def test_a_program_that_does_not_end_is_no_result(end: list[str]) -> None:
    with pytest.raises(InputError, match="did not come to its end"):
        results(end)


def test_the_table_has_rows_or_reasons() -> None:
    lines = list(told(results(SAID), KNOWN, "Linux 9.9"))
    assert lines[0] == "Linux 9.9, its own selftest: 3 passed, 1 failed, 1 skipped"
    assert [line.split(None, 4)[0::4] for line in lines[2:6]] == [
        ["a.x", "1-3, 5"], ["a.y", "a test that is new"], ["b.z", "7"], ["c.w", "no call"],
    ]  # fmt: skip
    assert lines[6:] == [
        "  1 rows are asserted by tests that pass", "  fails, and is not known to: a.two.x",
    ]  # fmt: skip


def test_a_failure_is_known_by_its_whole_name() -> None:
    came = results(SAID)
    assert unknown(came, KNOWN) == ["a.two.x"]
    assert not unknown(came, msgspec.structs.replace(KNOWN, fails={"so small": ["a.*.x"]}))
    assert unknown(came, msgspec.structs.replace(KNOWN, fails={"so small": ["a.*.y", "x"]}))


def test_each_test_has_rows_or_one_reason() -> None:
    known = table()
    tests = [*known.rows, *(test for tests in known.none.values() for test in tests)]
    assert len(tests) == len({*tests}) == 74
    failing = [name for names in known.fails.values() for name in names]
    assert {selftest.test_of(name) for name in failing} <= {*tests}


def test_each_row_that_is_run_is_of_its_test() -> None:
    """A row that is new in tests/spec/iommufd/selftest.toml goes into checkers' table, too."""
    run = tomllib.loads(ROWS.read_text(encoding="utf-8"))["rows"]
    of_test = index(FOLDER / "selftest.toml")["tests"]
    rows = {test: [row for row in rows if str(row) in run] for test, rows in of_test.items()}
    assert table().rows == {test: held for test, held in rows.items() if held}


@pytest.mark.parametrize(("known", "status"), [("a.*.x", Status.HOLDS), ("b", Status.VIOLATED)])
def test_the_command_says_whether_all_is_known(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, known: str, status: Status
) -> None:
    def boot(
        vmlinux: Path, files: Mapping[str, bytes], seconds: float, memory: int, beside: Hardware
    ) -> list[str]:
        assert {*files} == {"init", "iommufd", "iommufd_fail_nth"}
        return SAID

    for name in (*image.FILES, *image.SELFTEST):
        (tmp_path / name).write_bytes(b"")
    monkeypatch.setattr(selftest, "boot", boot)
    monkeypatch.setattr(selftest, "table", lambda: Table(rows={}, none={}, fails={"": [known]}))
    words = ["drive", "iommufd-objects", "--kernel", str(tmp_path), "--selftest", "--json", "-"]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == status, done.output
    assert msgspec.json.decode(done.stdout)["a.two.x"] == "failed"

"""What is read of a log, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from checkers.conform.log import Line, UnclearError, lines
from checkers.userfiles import InputError


def read(folder: Path, text: str) -> list[Line]:
    file = folder / "log"
    file.write_text(text)
    return lines(file)


def test_events_and_reports_are_told_from_the_rest(tmp_path: Path) -> None:
    text = (
        "qemu-system-x86_64: -mon: warning\n"
        "iommufd_backend_alloc_ioas  iommufd=200 ioas=2\n"
        "\nFailed to attach\n"
        "vtd_reset_exit \n"
    )
    assert read(tmp_path, text) == [
        Line(1, "", "-mon: warning"),
        Line(2, "iommufd_backend_alloc_ioas", "iommufd=200 ioas=2"),
        Line(5, "vtd_reset_exit", ""),
    ]


def test_a_stamp_is_no_part_of_an_event(tmp_path: Path) -> None:
    text = "4711@1700000000.123456:iommufd_backend_alloc_ioas  iommufd=9 ioas=2\n"
    assert read(tmp_path, text) == [Line(1, "iommufd_backend_alloc_ioas", "iommufd=9 ioas=2")]


def test_two_processes_are_unclear(tmp_path: Path) -> None:
    with pytest.raises(UnclearError, match="line 2: the log is of more than one process"):
        read(tmp_path, "1@2.3:vtd_reset_exit \n2@2.4:vtd_reset_exit \n")


def test_what_is_no_log_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no line is an event"):
        read(tmp_path, "hello\n")
    with pytest.raises(InputError, match="nowhere: No such file"):
        lines(tmp_path / "nowhere")

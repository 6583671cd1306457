"""Reads what QEMU's log backend writes: one event a line, and reports between them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from checkers.userfiles import InputError

LARGEST: Final = 64 << 20
"""Bytes of a log that is read."""

_STAMP: Final = re.compile(r"(?:\[?(\d+)@\d+(?:\.\d+)?\]?:? ?)?(.*)")
_EVENT: Final = re.compile(r"([a-z][a-z0-9]*(?:_[a-z0-9]+)+)(?: +(.*))?$")
_REPORT: Final = re.compile(r"(?:.*?)qemu-system-\w+: (.*)$")


@dataclass(frozen=True)
class Line:
    """An event, with what follows its name; or, without a name, what QEMU reports as an error."""

    number: int
    event: str
    text: str


class UnclearError(Exception):
    """The log cannot be held against anything: `line` (from 1), and why."""

    def __init__(self, line: int, why: str) -> None:
        super().__init__(f"line {line}: {why}")


def lines(file: Path) -> list[Line]:
    """The events and reports of a log; `InputError` if it is none, `UnclearError` if of several."""
    try:
        size = file.stat().st_size
        if size > LARGEST:
            raise InputError(f"{file}: over {LARGEST >> 20} MiB")
        text = file.read_text(errors="replace")
    except OSError as error:
        raise InputError(f"{file}: {error.strerror}") from error
    found, processes = [], set[str]()
    for number, each in enumerate(text.splitlines(), 1):
        process, rest = _split(each)
        if process:
            processes.add(process)
        if len(processes) > 1:
            raise UnclearError(number, "the log is of more than one process")
        said = _said(number, rest)
        if said is not None:
            found.append(said)
    if not any(line.event for line in found):
        raise InputError(f"{file}: no line is an event of QEMU's -trace; is it its log backend's?")
    return found


def _split(line: str) -> tuple[str, str]:
    """The process that a line names, if it does, and the rest."""
    stamp = _STAMP.match(line.strip())
    assert stamp is not None
    return stamp[1] or "", stamp[2]


def _said(number: int, text: str) -> Line | None:
    event = _EVENT.match(text)
    if event is not None:
        return Line(number, event[1], event[2] or "")
    report = _REPORT.match(text)
    return Line(number, "", report[1]) if report is not None else None

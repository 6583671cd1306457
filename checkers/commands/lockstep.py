"""`drive MACHINE --qemu`: a machine and a running QEMU, step by step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import msgspec

from checkers.output import save, write
from checkers.real.qemu.lockstep.every_pair import Drive, Report, drive, settings
from checkers.real.qemu.lockstep.kept import recording
from checkers.real.qemu.lockstep.printed import document, junit, lines, total
from checkers.report.row import Status
from checkers.userfiles import InputError


@dataclass(frozen=True)
class Files:
    """Where results go, beside the terminal."""

    json: str | None
    junit: str | None
    traces: Path | None
    record: str | None


def in_lockstep(
    machine: str, names: Sequence[str], asked: Drive, verbose: bool, if_possible: bool,
    files: Files,
) -> Status:
    """Drive the settings of a machine and tell what came of it; VIOLATED by a divergence."""
    try:
        reports = drive(settings(machine, names), asked)
    except InputError as error:
        if not if_possible:
            raise
        click.echo(f"skipped: {error}", err=True)
        return Status.HOLDS
    told = [line for report in reports for line in lines(report, verbose)]
    click.echo("\n".join([*told, total(reports)]), err=files.json == "-")
    _save(reports, files)
    return Status.VIOLATED if any(report.divergences for report in reports) else Status.HOLDS


def _save(reports: Sequence[Report], files: Files) -> None:
    if files.json is not None:
        text = msgspec.json.encode(document(reports))
        write(files.json, msgspec.json.format(text, indent=1).decode() + "\n")
    if files.junit is not None:
        write(files.junit, junit(reports) + "\n")
    if files.record is not None:
        write(files.record, recording(reports))
    if files.traces is not None:
        files.traces.mkdir(parents=True, exist_ok=True)
        for report in reports:
            for number, item in enumerate(report.divergences, 1):
                save(item.trace, str(files.traces / f"qemu-{report.setting}-{number}.json"))

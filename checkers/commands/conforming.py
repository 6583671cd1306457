"""The command that holds a log of a real run against a machine."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NoReturn

import click
from click.exceptions import Exit

from checkers.commands.choosing import subjects
from checkers.conform import beside
from checkers.conform.events import Area, Called, Event, calls
from checkers.conform.log import UnclearError, lines
from checkers.conform.told import divergence, told_way
from checkers.conform.walk import Walk, Way
from checkers.machines import Subject
from checkers.output import save
from checkers.report.row import Status
from checkers.trace.record import Names, record_run
from checkers.userfiles import InputError

FILE = click.Path(path_type=Path, dir_okay=False, exists=True)


@click.command("conform", short_help="Hold a log of QEMU's against a machine.")
@click.argument("log", type=FILE)
@click.option("--machine", "name", metavar="MACHINE", required=True)
@click.option("--variant", metavar="NAME|FILE.py", help="What is to be done; else the reference.")
@click.option("--bounds", metavar="NAME|KEY=N,...", default="", help="The devices that there are.")
@click.option(
    "--trace-events", "more", metavar="FILE", type=FILE, multiple=True,
    help="A trace-events file of the QEMU that wrote the log: its further events say nothing.",
)
@click.option("--trace", "file", metavar="FILE", help="Save the run that conforms; - is stdout.")
def conform_command(
    log: Path, name: str, variant: str | None, bounds: str, more: tuple[Path, ...],
    file: str | None,
) -> None:  # fmt: skip
    """Hold a log of a real run against a machine: it walks along, call by call.

    The log is what QEMU writes with ``-trace 'iommufd*' -trace 'vfio*'``. Status 1 where
    the machine does otherwise; 3 for a log that cannot be told.
    """
    (subject,) = subjects([name], variant, [bounds] if bounds else [])
    try:
        events = list(calls(lines(log), frozenset(_further(more))))
    except UnclearError as error:
        _inconclusive(log, str(error))
    wrong = beside.wrong(events)
    if wrong is not None:
        click.echo(f"{log}:{wrong[0]}: {wrong[1]}")
        raise Exit(Status.VIOLATED)
    _walk(log, subject, events, file)


def _walk(log: Path, subject: Subject, events: list[Event], file: str | None) -> None:
    told = [event for event in events if isinstance(event, Called)]
    _must_begin(log, told)
    walked = Walk(subject.program, told).walk()
    if walked.too_many:
        _inconclusive(log, f"line {told[walked.held].line}: too many ways to come there")
    if walked.unfinished:
        _inconclusive(log, f"ends in the middle of {', '.join(walked.unfinished)}")
    of = f"{subject.variant or subject.machine}, {subject.program.bounds_name}"
    if not walked.complete:
        line = told[walked.held].line
        click.echo(f"{log}:{line}: diverges from {of} after {walked.held} of {len(told)} calls")
        for text in divergence(subject.program, walked, told):
            click.echo(text)
        raise Exit(Status.VIOLATED)
    assert walked.way is not None
    by_address = sum(isinstance(event, Area) for event in events)
    click.echo(
        f"{log}: conforms to {of}: {walked.held} calls held, and {by_address} maps by address"
    )
    click.echo(f"  {told_way(subject.program, walked.way)}")
    if file is not None:
        _save(subject, walked.way, file)


def _save(subject: Subject, way: Way, file: str) -> None:
    names = Names("conform", subject.machine, subject.variant)
    save(record_run(subject.program, way.initial, way.steps, names), file)


def _must_begin(log: Path, told: list[Called]) -> None:
    """A log begins where QEMU connects to the iommufd."""
    if not told:
        _inconclusive(log, "has no call of an iommufd: -trace 'iommufd*'")
    if told[0].name != "iommufd_cdev_connect_and_bind":
        _inconclusive(log, f"line {told[0].line}: begins late, with {told[0].name}")


def _further(files: tuple[Path, ...]) -> set[str]:
    """The names of events in trace-events files."""
    found = set[str]()
    for file in files:
        names = re.findall(r"^(?:disable )?(\w+)\(", file.read_text(errors="replace"), re.M)
        if not names:
            raise InputError(f"{file}: no line of it declares an event")
        found.update(names)
    return found


def _inconclusive(log: Path, why: str) -> NoReturn:
    click.echo(f"{log}: inconclusive: {why}")
    raise Exit(Status.INCONCLUSIVE)
